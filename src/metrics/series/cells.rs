//! The numbers themselves: one cell per series and worker.
//!
//! Only the worker that owns a cell writes it, so a write is a load and a store, never a locked instruction; a
//! scrape reads the cells of all workers and adds them up. A cell never moves between workers.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::exemplars::{Exemplars, Latest, TraceId};
use crate::metrics::catalog::buckets::{Buckets, DURATION, MAX_EDGES};
use crate::metrics::catalog::families::Family;

/// Storage of one series at one worker.
pub(crate) trait Cell {
    /// A cell without observations; a histogram may keep exemplars.
    fn new(family: &Family, has_exemplars: bool) -> Self;

    /// Number of observations.
    fn observations(&self) -> u64;
}

/// Number of events.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        add(&self.0, n);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Cell for Counter {
    fn new(_: &Family, _: bool) -> Self {
        Self(AtomicU64::new(0))
    }

    fn observations(&self) -> u64 {
        self.value()
    }
}

/// A sum of amounts and their number.
#[derive(Debug)]
pub(crate) struct Amounts {
    sum: AtomicU64,
    count: AtomicU64,
}

impl Amounts {
    pub(crate) fn add(&self, amount: u64) {
        add(&self.sum, amount);
        add(&self.count, 1);
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}

impl Cell for Amounts {
    fn new(_: &Family, _: bool) -> Self {
        Self { sum: AtomicU64::new(0), count: AtomicU64::new(0) }
    }

    fn observations(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

/// A number that rises and falls. One worker's share may be any value; the sum over workers counts.
#[derive(Debug)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn add(&self, n: i64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Cell for Gauge {
    fn new(_: &Family, _: bool) -> Self {
        Self(AtomicI64::new(0))
    }

    /// None: a gauge is a state.
    fn observations(&self) -> u64 {
        0
    }
}

/// Observations by bucket, and their sum, in the unit of the bucket edges (nanoseconds for durations).
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: &'static Buckets,
    counts: [AtomicU64; MAX_EDGES + 1],
    sum: AtomicU64,
    exemplars: Option<Box<Exemplars>>,
}

impl Histogram {
    pub(crate) fn observe(&self, value: u64) {
        self.count(value);
    }

    /// Observes a value of a request in this trace, which becomes the exemplar of its bucket.
    pub(crate) fn observe_in(&self, value: u64, trace_id: TraceId) {
        let bucket = self.count(value);
        if let Some(exemplars) = &self.exemplars {
            exemplars.replace(bucket, value, trace_id);
        }
    }

    fn count(&self, value: u64) -> usize {
        let bucket = self.buckets.place(value);
        add(&self.counts[bucket], 1);
        add(&self.sum, value);
        bucket
    }

    /// Adds this cell's buckets (one per edge and one for what is above them) and sum to a total. Exemplars come first:
    /// none is shown before it is counted.
    pub(crate) fn add_to(&self, total: &mut Totals) {
        if let Some(exemplars) = &self.exemplars {
            exemplars.add_to(total.exemplars.get_or_insert_default());
        }
        for (sum, cell) in total.counts.iter_mut().zip(&self.counts) {
            *sum += cell.load(Relaxed);
        }
        total.sum += self.sum.load(Relaxed);
    }
}

impl Cell for Histogram {
    fn new(family: &Family, has_exemplars: bool) -> Self {
        Self {
            exemplars: has_exemplars.then(Box::default),
            buckets: family.buckets.unwrap_or(&DURATION),
            counts: [const { AtomicU64::new(0) }; MAX_EDGES + 1],
            sum: AtomicU64::new(0),
        }
    }

    fn observations(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// A histogram added up over all workers.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) counts: [u64; MAX_EDGES + 1],
    pub(crate) sum: u64,
    /// Only where exemplars are kept.
    pub(crate) exemplars: Option<Box<Latest>>,
}

fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}
