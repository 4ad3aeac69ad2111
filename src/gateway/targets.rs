//! What serves a request: one target, or several in their order.

use std::sync::Arc;

use crate::metrics::{AliasMetrics, ModelMetrics};
use crate::providers::{Alias, Upstream};

/// What serves a model, with all that a request to it needs.
#[derive(Debug)]
pub(super) struct ModelTarget {
    pub(super) upstream: Arc<Upstream>,
    /// The model by the provider's own name; `None` where an operation names none.
    pub(super) model: Option<Arc<str>>,
    pub(super) metrics: Option<ModelMetrics>,
}

/// The targets of a request; never empty.
#[derive(Debug)]
pub(super) struct Targets {
    /// In the order of their configuration.
    pub(super) all: Vec<Arc<ModelTarget>>,
    /// The configured route that leads to them.
    pub(super) alias: Option<(Arc<Alias>, Option<AliasMetrics>)>,
}

impl Targets {
    /// The targets in the order in which this request asks them.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &Arc<ModelTarget>> {
        let first = self.alias.as_ref().map_or(0, |(alias, _)| alias.first());
        let (later, sooner) = self.all.split_at(first);
        sooner.iter().chain(later)
    }

    pub(super) fn alias_metrics(&self) -> Option<&AliasMetrics> {
        self.alias.as_ref().and_then(|(_, metrics)| metrics.as_ref())
    }
}
