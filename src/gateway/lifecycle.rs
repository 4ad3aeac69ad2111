//! Whether the gateway is serving, draining or gone, and how much is in flight.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::body_memory::BodyMemory;

/// Shared by everything that serves.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    leaving: AtomicBool,
    /// New requests are refused, idle connections close.
    pub(super) draining: CancellationToken,
    /// Nothing is in flight any more: listeners and connections close.
    pub(super) closing: CancellationToken,
    /// The grace period is over: what is still open ends with a last word.
    pub(super) cut: CancellationToken,
    connections: AtomicUsize,
    /// Connections with a request, as each accept loop counts its own.
    active: Mutex<Vec<Arc<Active>>>,
    in_flight: AtomicUsize,
    in_flight_limit: AtomicUsize,
    /// What the bodies of requests take.
    pub(super) bodies: Arc<BodyMemory>,
}

/// Counts the connections of one accept loop that have a request; in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Active(AtomicUsize);

impl Active {
    /// One more has a request.
    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One has none any more.
    pub(super) fn end(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often the end of the last request is looked for while draining.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Lifecycle {
    /// Whether load balancers should send requests here.
    pub(super) fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Relaxed)
    }

    /// Not ready any more, though served as ever.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Requests in flight now.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How many may be, as the configuration in force says.
    pub(super) fn in_flight_limit(&self) -> usize {
        self.in_flight_limit.load(Ordering::Relaxed)
    }

    /// So many may be from here on.
    pub(super) fn limit_in_flight(&self, limit: usize) {
        self.in_flight_limit.store(limit, Ordering::Relaxed);
    }

    /// Waits until nothing is in flight.
    pub(super) async fn idle(&self) {
        while self.in_flight() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Counts a request in flight; `None` when `limit` are.
    pub(super) fn enter(self: &Arc<Self>, limit: usize) -> Option<InFlight> {
        Slot::take(self, limit, |lifecycle| &lifecycle.in_flight).map(InFlight)
    }

    /// Counts an open connection; `None` when `limit` are.
    pub(super) fn connect(self: &Arc<Self>, limit: usize) -> Option<Connected> {
        Slot::take(self, limit, |lifecycle| &lifecycle.connections).map(Connected)
    }

    /// For one accept loop to count with.
    pub(super) fn counter(&self) -> Arc<Active> {
        let counter = Arc::<Active>::default();
        self.active.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counter));
        counter
    }

    /// Connections with a request now.
    pub(super) fn active(&self) -> usize {
        let counters = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum()
    }

    /// Open connections now.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(#[expect(dead_code, reason = "held for its drop")] Slot);

/// An open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Connected(#[expect(dead_code, reason = "held for its drop")] Slot);

#[derive(Debug)]
struct Slot {
    lifecycle: Arc<Lifecycle>,
    count: fn(&Lifecycle) -> &AtomicUsize,
}

impl Slot {
    fn take(lifecycle: &Arc<Lifecycle>, limit: usize, count: fn(&Lifecycle) -> &AtomicUsize) -> Option<Self> {
        let slot = Self { lifecycle: Arc::clone(lifecycle), count };
        let before = count(lifecycle).fetch_add(1, Ordering::Relaxed);
        (before < limit).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        (self.count)(&self.lifecycle).fetch_sub(1, Ordering::Relaxed);
    }
}
