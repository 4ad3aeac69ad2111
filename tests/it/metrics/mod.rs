//! Metrics: counts, labels, bounds, formats, the metrics listener.

pub(crate) mod bounds;
pub(crate) mod counts;
pub(crate) mod exemplars;
pub(crate) mod formats;
pub(crate) mod listener;
pub(crate) mod model_labels;
pub(crate) mod totals;
