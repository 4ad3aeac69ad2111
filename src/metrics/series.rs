//! Label sets and the cells behind them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cells::{Counter, Gauge, Histogram};
use super::families::Family;
use super::labels::Label;

/// The cells of one series: one per worker, made at the worker's first observation.
type Cells<C> = Arc<[OnceLock<Arc<C>>]>;

/// A family's series. Looked up when a handle is resolved, never per request.
#[derive(Debug)]
pub(super) struct SeriesTable<C> {
    pub(super) family: &'static Family,
    new_cell: fn(&Family) -> C,
    workers: usize,
    series: Mutex<BTreeMap<Arc<[Label]>, Cells<C>>>,
}

/// One worker's hold on a series.
#[derive(Debug)]
pub(super) struct Series<C>(Arc<C>);

impl Series<Counter> {
    pub(super) fn add(&self, n: u64) {
        self.0.add(n);
    }
}

impl Series<Gauge> {
    pub(super) fn add(&self, n: i64) {
        self.0.add(n);
    }
}

impl Series<Histogram> {
    pub(super) fn observe(&self, value: u64) {
        self.0.observe(value);
    }
}

impl<C> SeriesTable<C> {
    pub(super) fn new(family: &'static Family, workers: usize, new_cell: fn(&Family) -> C) -> Self {
        Self { family, new_cell, workers, series: Mutex::default() }
    }

    /// What `worker` records a label set with.
    pub(super) fn series(&self, worker: usize, labels: &[Label]) -> Series<C> {
        let cells = self.cells(labels);
        Series(Arc::clone(cells[worker].get_or_init(|| Arc::new((self.new_cell)(self.family)))))
    }

    /// Makes a series appear with the value zero.
    pub(super) fn appear(&self, labels: &[Label]) {
        self.cells(labels);
    }

    /// Every series as it stands, by label values. Later observations show through the shared cells.
    pub(super) fn snapshot(&self) -> Vec<(Arc<[Label]>, Cells<C>)> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.iter().map(|(labels, cells)| (Arc::clone(labels), Arc::clone(cells))).collect()
    }

    fn cells(&self, labels: &[Label]) -> Cells<C> {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cells) = series.get(labels) {
            return Arc::clone(cells);
        }
        let cells: Cells<C> = (0..self.workers).map(|_| OnceLock::new()).collect();
        series.insert(Arc::from(labels), Arc::clone(&cells));
        cells
    }
}
