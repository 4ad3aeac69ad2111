//! Prometheus metrics: families, recording, bounded label values, exposition.
//!
//! [`Metrics`] is made once, in `serve`, and only when metrics are enabled. Each worker has a [`WorkerMetrics`], the
//! cells only it writes. A request is recorded once, at its end, from the facts that the gateway kept of it
//! ([`RequestFacts`]), and so is each call to a provider ([`DispatchFacts`]). A scrape adds the workers' cells up
//! ([`Metrics::render`]). Label values are closed sets or admitted names ([`Listing`]); this module knows neither routes
//! nor providers beyond the names it is handed.

pub mod catalog;
mod exposition;
mod live;
pub mod monitoring;
mod observers;
mod pace;
pub mod parser;
mod presence;
mod process;
mod registry;
mod series;
mod setup;
mod time;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;

use crate::api::Endpoint;
use crate::metrics::catalog::labels::{Direction, Label, Overflow, UNKNOWN, Unpriced};
use crate::metrics::observers::http::{OverheadHandles, PhaseHandles, RouteHandles};
use crate::metrics::registry::Cold;
use crate::metrics::series::cardinality::AdmittedModels;
use crate::metrics::series::cells::Cell;
use crate::metrics::series::hot::HotFamilies;
use crate::metrics::series::model_handles::ModelHandles;
use crate::metrics::series::outcomes::Outcomes;
use crate::metrics::series::table::{Extent, SeriesTable};
use presence::Presence;

pub use crate::metrics::catalog::labels::{
    Attempt, AuthFailure, BreakerState, CallOutcome, DisconnectStage, Format, HttpMethod, HttpOutcome, Phase,
    Rejection, RetryReason, StatusType, Stream, StreamOutcome, Surface, UsageSource,
};
pub use crate::metrics::catalog::reference::reference;
pub use crate::metrics::observers::dispatch::{
    Attempts, DispatchFacts, Ending, InFlightDispatch, StreamFacts,
};
pub use crate::metrics::observers::http::{
    CLIENT_CLOSED_REQUEST, CallFacts, Mark, Marks, RequestFacts, mark,
};
pub use crate::metrics::series::cardinality::Listing;
pub use crate::metrics::series::exemplars::TraceId;
pub use crate::metrics::series::handles::{
    CallerMetrics, ModelMetrics, ModelRouteMetrics, Pricing, TokenPrices,
};
pub use exposition::gzip;
pub use live::{Live, LiveFacts};
pub use pace::Pace;
pub use setup::{Build, Configured, MetricsError, Setup};
pub use time::Time;

/// Every series of the process.
#[derive(Debug)]
pub struct Metrics {
    presence: Presence,
    max_series: usize,
    routes: Box<[Label]>,
    models: AdmittedModels,
    hot: HotFamilies,
    cold: Cold,
    /// Bytes of the last exposition: the next one is about as long.
    page_size: AtomicUsize,
}

impl Metrics {
    /// An empty set with the zeros that `rate()` needs.
    ///
    /// # Errors
    /// When the family table contradicts itself, or this build has no metrics.
    pub fn new(setup: Setup) -> Result<Arc<Self>, MetricsError> {
        let Setup { workers, max_series, exemplars, .. } = setup;
        let extent = Extent { workers, max_series, exemplars };
        let metrics = Self {
            presence: Presence::IN_THIS_BUILD.ok_or(MetricsError::Absent)?,
            max_series: setup.max_series,
            routes: setup.routes.iter().map(|route| Label::of_name(route)).collect(),
            models: AdmittedModels::new(setup.max_models, setup.max_unlisted_models),
            hot: HotFamilies::new(extent),
            cold: Cold::new(setup.build, setup.live)?,
            page_size: AtomicUsize::new(0),
        };
        metrics.configure(&setup.configured);
        Ok(Arc::new(metrics))
    }

    /// Takes over the names of a configuration: at the start, and whenever another one becomes active. Its models are
    /// admitted, and counters appear before their first event: `rate()` cannot see the step from nothing to one.
    pub fn configure(&self, configured: &Configured) {
        self.cold.configure(configured);
        for (provider, model) in configured.models {
            self.models.admit(provider, model, Listing::Configured);
        }
        for (provider, _) in configured.providers {
            let provider = Label::of_name(provider);
            appear(&self.hot.usage_reports, std::slice::from_ref(&provider), UsageSource::ALL);
            appear(&self.hot.unpriced, std::slice::from_ref(&provider), Unpriced::ALL);
            self.pair_appears(&[provider, UNKNOWN]);
        }
        for (provider, model) in configured.models {
            self.pair_appears(&[Label::of_name(provider), Label::of_name(model)]);
        }
        for (provider, model) in configured.priced {
            self.hot.cost.appear(&[Label::of_name(provider), Label::of_name(model)]);
        }
        for model_route in configured.model_routes {
            appear(&self.hot.call_outcomes, &[Label::of_name(model_route)], CallOutcome::ALL);
        }
        appear(&self.hot.call_outcomes, &[UNKNOWN], CallOutcome::ALL);
        for caller in configured.callers {
            let caller = Label::of_name(caller);
            self.hot.caller_requests.appear(std::slice::from_ref(&caller));
            for direction in Direction::ALL {
                self.hot.caller_tokens.appear(&[caller.clone(), (*direction).into()]);
            }
        }
    }

    fn pair_appears(&self, pair: &[Label; 2]) {
        let [provider, model] = pair;
        for stream in [&"false", &"true"] {
            self.hot.requests.appear(&[
                provider.clone(),
                model.clone(),
                Endpoint::ChatCompletions.into(),
                Label::Static(&"200"),
                Label::Static(&"success"),
                Label::Static(stream),
            ]);
        }
        appear(&self.hot.attempts, pair, Attempt::ALL);
        appear(&self.hot.streams, pair, StreamOutcome::ALL);
        appear(&self.hot.call_outcomes, std::slice::from_ref(model), CallOutcome::ALL);
    }

    /// The cells of one worker. Call it once per worker: two holders of one worker would lose counts.
    #[must_use]
    pub fn worker(self: &Arc<Self>, worker: usize) -> WorkerMetrics {
        WorkerMetrics {
            shard: Arc::new(Shard {
                metrics: Arc::clone(self),
                worker,
                models: Mutex::default(),
                http: std::iter::repeat_with(RouteHandles::default).take(self.routes.len()).collect(),
                phases: PhaseHandles::default(),
                overheads: OverheadHandles::default(),
                model_routes: Mutex::default(),
                callers: Mutex::default(),
                unknown_calls: Outcomes::default(),
            }),
            presence: self.presence,
        }
    }
}

/// The cells that one worker writes, and its handles to them.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    shard: Arc<Shard>,
    presence: Presence,
}

impl Deref for WorkerMetrics {
    type Target = Shard;

    fn deref(&self) -> &Shard {
        &self.shard
    }
}

/// Provider and label of a model, and the limit that replaced its name: a model may itself be named `other`.
type PairKey = (String, String, Option<Overflow>);

/// Cells and handles of one worker, which [`WorkerMetrics`] points to.
#[derive(Debug)]
pub struct Shard {
    metrics: Arc<Metrics>,
    worker: usize,
    models: Mutex<HashMap<PairKey, Arc<ModelHandles>>>,
    http: Box<[RouteHandles]>,
    phases: PhaseHandles,
    overheads: OverheadHandles,
    model_routes: Mutex<HashMap<String, ModelRouteMetrics>>,
    callers: Mutex<HashMap<String, CallerMetrics>>,
    unknown_calls: Outcomes<{ CallOutcome::COUNT }>,
}

impl WorkerMetrics {
    /// The metrics of the process.
    #[must_use]
    pub fn process(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The handles of a (provider, model) pair. An unlisted name counts as `unknown` until a 2xx earns it a label value.
    #[must_use]
    pub fn model(&self, provider: &str, model: &str, listing: Listing, pricing: Pricing) -> ModelMetrics {
        let label = self.metrics.models.admit(provider, model, listing);
        self.model_with(provider, model, label, pricing)
    }

    /// The handles of an unlisted model to which its provider responded with a 2xx.
    fn served_model(&self, provider: &str, model: &str, pricing: Pricing) -> ModelMetrics {
        let label = self.metrics.models.admit_unlisted(provider, model);
        self.model_with(provider, model, label, pricing)
    }

    fn model_with(
        &self,
        provider: &str,
        model: &str,
        label: Option<Label>,
        pricing: Pricing,
    ) -> ModelMetrics {
        let (label, candidate) = match label {
            Some(label) => (label, None),
            None => (UNKNOWN, Some(model.to_owned())),
        };
        ModelMetrics::new(self.handles(provider, label), candidate, pricing)
    }

    /// The handles of a provider's calls that name no model.
    #[must_use]
    pub fn no_model(&self, provider: &str, pricing: Pricing) -> ModelMetrics {
        ModelMetrics::new(self.handles(provider, UNKNOWN), None, pricing)
    }

    fn handles(&self, provider: &str, model: Label) -> Arc<ModelHandles> {
        let mut models = self.models.lock();
        let key = (provider.to_owned(), model.as_str().to_owned(), model.folded_by());
        Arc::clone(
            models.entry(key).or_insert_with(|| Arc::new(ModelHandles::new(self.clone(), provider, model))),
        )
    }

    /// The handles of a configured route.
    #[must_use]
    pub fn model_route(&self, name: &str) -> ModelRouteMetrics {
        let mut model_routes = self.model_routes.lock();
        model_routes
            .entry(name.to_owned())
            .or_insert_with(|| ModelRouteMetrics::new(self.clone(), name))
            .clone()
    }

    /// The handles of a client by the configured name of its key.
    #[must_use]
    pub fn caller(&self, name: &str) -> CallerMetrics {
        let mut callers = self.callers.lock();
        callers.entry(name.to_owned()).or_insert_with(|| CallerMetrics::new(self, name)).clone()
    }
}

/// Makes one series for each value of a family's last label appear.
fn appear<C: Cell, L: Copy + Into<Label>>(table: &SeriesTable<C>, first: &[Label], last: &[L]) {
    for value in last {
        table.appear(&[first, &[(*value).into()]].concat());
    }
}
