//! Label sets and the cells behind them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::cells::{Amounts, Cell, Counter, Gauge, Histogram};
use super::exemplars::TraceId;
use crate::metrics::catalog::families::Family;
use crate::metrics::catalog::labels::{Label, OTHER, Overflow, UNKNOWN};

/// The cells of one series, each made at its first observation: one per worker; where the model is `other` or `unknown`,
/// as many again for each [`Overflow`], so that folded observations are counted without a log line on the request path.
type Cells<C> = Arc<[OnceLock<Arc<C>>]>;

/// Bounds of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Number of workers.
    pub(crate) workers: usize,
    /// Label sets from which on names fold.
    pub(crate) max_series: usize,
    /// Histograms of requests keep exemplars.
    pub(crate) exemplars: bool,
}

/// A family's series. Looked up when a handle is resolved, never per request.
#[derive(Debug)]
pub(crate) struct SeriesTable<C> {
    family: &'static Family,
    extent: Extent,
    series: Mutex<BTreeMap<Arc<[Label]>, Cells<C>>>,
}

/// A family's series at a scrape, by label values. Later observations show through the shared cells.
#[derive(Debug)]
pub(crate) struct Snapshot<C> {
    pub(crate) series: Vec<(Arc<[Label]>, Cells<C>)>,
    workers: usize,
}

/// One worker's hold on a series.
#[derive(Debug)]
pub(crate) struct Series<C>(Arc<C>);

impl Series<Counter> {
    pub(crate) fn add(&self, n: u64) {
        self.0.add(n);
    }
}

impl Series<Amounts> {
    pub(crate) fn add(&self, amount: u64) {
        self.0.add(amount);
    }
}

impl Series<Gauge> {
    pub(crate) fn add(&self, n: i64) {
        self.0.add(n);
    }
}

impl Series<Histogram> {
    pub(crate) fn observe(&self, value: u64) {
        self.0.observe(value);
    }

    pub(crate) fn observe_in(&self, value: u64, trace_id: TraceId) {
        self.0.observe_in(value, trace_id);
    }
}

impl<C: Cell> SeriesTable<C> {
    pub(crate) fn new(family: &'static Family, extent: Extent) -> Self {
        Self { family, extent, series: Mutex::default() }
    }

    /// The series of a label set at one worker.
    pub(crate) fn series(&self, worker: usize, labels: &[Label]) -> Series<C> {
        let (cells, overflow) = self.cells(labels);
        let group = match overflow {
            Some(reason) => 1 + reason as usize,
            None => 0,
        };
        let cell = &cells[group * self.extent.workers + worker];
        let has_exemplars = self.extent.exemplars && self.family.has_exemplars();
        Series(Arc::clone(cell.get_or_init(|| Arc::new(C::new(self.family, has_exemplars)))))
    }

    /// Makes a series appear with the value zero.
    pub(crate) fn appear(&self, labels: &[Label]) {
        self.cells(labels);
    }

    pub(crate) fn snapshot(&self) -> Snapshot<C> {
        let series = self.series.lock();
        let series = series.iter().map(|(labels, cells)| (Arc::clone(labels), Arc::clone(cells))).collect();
        Snapshot { series, workers: self.extent.workers }
    }

    /// The cells of a label set, and the limit that replaced its model or provider.
    fn cells(&self, labels: &[Label]) -> (Cells<C>, Option<Overflow>) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        let mut series = self.series.lock();
        let admitted = self.model(labels).and_then(Label::folded_by);
        if let Some(cells) = series.get(labels) {
            return (Arc::clone(cells), admitted);
        }
        if !self.family.folds() || series.len() < self.extent.max_series {
            let cells = self.empty(labels);
            series.insert(Arc::from(labels), Arc::clone(&cells));
            return (cells, admitted);
        }
        let mut folded = labels.to_vec();
        for name in ["model", "provider"] {
            if let Some(place) = self.place(name) {
                folded[place] = OTHER;
            }
            if let Some(cells) = series.get(folded.as_slice()) {
                return (Arc::clone(cells), Some(Overflow::MaxSeries));
            }
        }
        let cells = self.empty(&folded);
        series.insert(Arc::from(folded), Arc::clone(&cells));
        (cells, Some(Overflow::MaxSeries))
    }

    fn empty(&self, labels: &[Label]) -> Cells<C> {
        let folds_meet_here = self.model(labels).is_some_and(|model| [OTHER, UNKNOWN].contains(model));
        let groups = if folds_meet_here { 1 + Overflow::COUNT } else { 1 };
        std::iter::repeat_with(OnceLock::new).take(groups * self.extent.workers).collect()
    }

    fn model<'a>(&self, labels: &'a [Label]) -> Option<&'a Label> {
        Some(&labels[self.place("model")?])
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.family.labels.iter().position(|label| *label == name)
    }
}

impl<C: Cell> Snapshot<C> {
    /// Observations whose name a limit replaced, by [`Overflow`].
    pub(crate) fn overflow(&self) -> [u64; Overflow::COUNT] {
        let mut folded = [0; Overflow::COUNT];
        for (_, cells) in &self.series {
            for (reason, group) in folded.iter_mut().zip(cells.chunks(self.workers).skip(1)) {
                *reason += observed(group).map(C::observations).sum::<u64>();
            }
        }
        folded
    }
}

/// The cells of a series that have been observed.
pub(crate) fn observed<C>(cells: &[OnceLock<Arc<C>>]) -> impl Iterator<Item = &C> {
    cells.iter().filter_map(OnceLock::get).map(Arc::as_ref)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog::families;
    use crate::metrics::catalog::labels::UNLISTED;

    fn label(name: &str) -> Label {
        Label::of_name(name)
    }

    fn extent(workers: usize, max_series: usize) -> Extent {
        Extent { workers, max_series, exemplars: false }
    }

    /// Label sets with their sums, and what was folded.
    fn shown(table: &SeriesTable<Amounts>) -> (Vec<String>, [u64; Overflow::COUNT]) {
        let snapshot = table.snapshot();
        let mut rows = Vec::new();
        for (labels, cells) in &snapshot.series {
            let sum: u64 = observed(cells).map(Amounts::sum).sum();
            let words: Vec<&str> = labels.iter().map(Label::as_str).collect();
            rows.push(format!("{} {sum}", words.join(" ")));
        }
        (rows, snapshot.overflow())
    }

    #[test]
    fn a_full_family_folds_the_model_then_the_provider_and_nothing_else() {
        let table = SeriesTable::<Amounts>::new(&families::TOKENS, extent(2, 3));
        let add = |worker, provider, model: Label, kind: &str| {
            let labels = [label(provider), model, label("input"), label(kind)];
            table.series(worker, &labels).add(10);
        };
        add(0, "p", label("a"), "audio");
        add(1, "p", label("a"), "audio");
        add(0, "p", OTHER, "audio");
        add(0, "p", label("b"), "audio");
        assert_eq!(shown(&table).1, [1, 0, 0], "three label sets fit");
        add(0, "p", label("c"), "audio");
        add(1, "p", label("c"), "audio");
        add(1, "p", label("c"), "uncached");
        add(0, "q", label("a"), "audio");
        add(0, "q", label("a"), "uncached");
        let rows = [
            "other other input audio 10",
            "other other input uncached 20",
            "p a input audio 20",
            "p b input audio 10",
            "p other input audio 30",
        ];
        assert_eq!(shown(&table), (rows.map(str::to_owned).to_vec(), [1, 5, 0]));
    }

    #[test]
    fn a_model_that_is_called_other_is_no_overflow() {
        let table = SeriesTable::<Amounts>::new(&families::COST, extent(1, 10));
        table.series(0, &[label("p"), label("other")]).add(1);
        table.series(0, &[label("p"), OTHER]).add(2);
        assert_eq!(shown(&table), (vec!["p other 3".to_owned()], [1, 0, 0]));
    }

    #[test]
    fn an_unlisted_model_beyond_the_cap_is_unknown_and_overflow() {
        let table = SeriesTable::<Amounts>::new(&families::COST, extent(2, 10));
        table.series(0, &[label("p"), UNKNOWN]).add(1);
        table.series(1, &[label("p"), UNLISTED]).add(2);
        assert_eq!(shown(&table), (vec!["p unknown 3".to_owned()], [0, 0, 1]));
    }

    #[test]
    fn a_family_without_a_model_does_not_fold() {
        let table = SeriesTable::<Amounts>::new(&families::CALLER_TOKENS, extent(1, 1));
        for caller in ["a", "b", "c"] {
            table.series(0, &[label(caller), label("input")]).add(1);
        }
        let rows = ["a input 1", "b input 1", "c input 1"].map(str::to_owned);
        assert_eq!(shown(&table), (rows.to_vec(), [0, 0, 0]));
    }
}
