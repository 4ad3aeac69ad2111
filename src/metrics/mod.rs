//! Prometheus metrics: what is counted, how it is bounded, how it is shown.
//!
//! [`Metrics`] is made once, in `serve`, and only when metrics are enabled. Each worker has a [`WorkerMetrics`], the
//! cells only it writes. A request is observed twice: [`HttpObserver`] sees the exchange with the caller,
//! [`DispatchObserver`] the call to a provider; each records once, when it is dropped. A scrape adds the workers'
//! cells up ([`Metrics::render`]). Label values are closed sets or admitted names ([`Claim`]); this module knows
//! neither routes nor providers beyond the names it is handed.

mod cardinality;
mod cells;
mod dispatch;
mod exposition;
pub mod families;
mod handles;
mod http;
pub mod labels;
pub mod parser;
mod presence;
mod process;
mod reference;
mod series;
pub mod worst_case;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use cardinality::AdmittedModels;
use cells::{Counter, Gauge, Histogram};
use families::Family;
use handles::{Handle, ModelHandles};
use labels::{Label, UNKNOWN};
use presence::Presence;
use series::SeriesTable;

pub use cardinality::Claim;
pub use dispatch::DispatchObserver;
pub use exposition::{TEXT_FORMAT, gzip};
pub use handles::ModelMetrics;
pub use http::{CLIENT_CLOSED_REQUEST, HttpMethod, HttpObserver};
pub use labels::{
    Answer, AuthFailure, DisconnectStage, Endpoint, HttpOutcome, Phase, Stream, Surface, TokenKind, Tokens,
};
pub use reference::reference;

/// Why there can be no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// This is the baseline that `bench/disabled_cost` compares with.
    #[error(
        "metrics are enabled, but this build has none (--cfg aurora_without_metrics): set METRICS_ENABLED=false or \
         build without that flag"
    )]
    Absent,
    /// The family table contradicts itself.
    #[error("the table of metric families contradicts itself")]
    Families(#[from] prometheus::Error),
}

/// The facts of this build, for `aurora_build_info`.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Version of the package.
    pub version: &'static str,
    /// Commit it was built from.
    pub revision: &'static str,
    /// Compiler it was built with.
    pub rustc: &'static str,
}

/// What the metrics of a process are made for.
#[derive(Debug)]
pub struct Setup<'a> {
    /// How many workers record.
    pub workers: usize,
    /// Routes by their template, in the order of the gateway's route table.
    pub routes: &'a [&'a str],
    /// Providers by name.
    pub providers: &'a [&'a str],
    /// Configured (provider, model) pairs, in file order.
    pub models: &'a [(&'a str, &'a str)],
    /// Most pairs with a label value of their own.
    pub max_models: usize,
    /// The build.
    pub build: Build,
}

/// Every series of the process.
#[derive(Debug)]
pub struct Metrics {
    presence: Presence,
    routes: Box<[Label]>,
    models: AdmittedModels,
    answers: SeriesTable<Counter>,
    http_requests: SeriesTable<Counter>,
    phase_duration: SeriesTable<Histogram>,
    request_duration: SeriesTable<Histogram>,
    requests: SeriesTable<Counter>,
    requests_in_flight: SeriesTable<Gauge>,
    time_to_first_token: SeriesTable<Histogram>,
    tokens: SeriesTable<Counter>,
    auth_failures: IntCounterVec,
    client_disconnects: IntCounterVec,
    cold: Registry,
}

impl Metrics {
    /// An empty set with the zeros that `rate()` needs.
    ///
    /// # Errors
    /// When the family table contradicts itself, or this build has no metrics.
    pub fn new(setup: &Setup) -> Result<Arc<Self>, MetricsError> {
        let counter = |family| SeriesTable::new(family, setup.workers, |_| Counter::default());
        let histogram = |family| {
            SeriesTable::new(family, setup.workers, |family: &Family| {
                Histogram::new(family.buckets.unwrap_or(&families::DURATION))
            })
        };
        let metrics = Self {
            presence: Presence::IN_THIS_BUILD.ok_or(MetricsError::Absent)?,
            routes: setup.routes.iter().map(|route| Label::of_name(route)).collect(),
            models: AdmittedModels::new(setup.max_models),
            answers: counter(&families::ANSWERS),
            http_requests: counter(&families::HTTP_REQUESTS),
            phase_duration: histogram(&families::PHASE_DURATION),
            request_duration: histogram(&families::REQUEST_DURATION),
            requests: counter(&families::REQUESTS),
            requests_in_flight: SeriesTable::new(&families::REQUESTS_IN_FLIGHT, setup.workers, |_| {
                Gauge::default()
            }),
            time_to_first_token: histogram(&families::TTFT_SECONDS),
            tokens: counter(&families::TOKENS),
            auth_failures: cold_counter(&families::AUTH_FAILURES)?,
            client_disconnects: cold_counter(&families::CLIENT_DISCONNECTS)?,
            cold: Registry::new(),
        };
        metrics.register_cold(setup.build)?;
        metrics.zeros(setup);
        Ok(Arc::new(metrics))
    }

    fn register_cold(&self, build: Build) -> Result<(), prometheus::Error> {
        let info = IntGaugeVec::new(opts(&families::BUILD_INFO), families::BUILD_INFO.labels)?;
        info.with_label_values(&[build.version, build.revision, build.rustc]).set(1);
        self.cold.register(Box::new(info))?;
        self.cold.register(Box::new(self.auth_failures.clone()))?;
        self.cold.register(Box::new(self.client_disconnects.clone()))?;
        self.cold.register(Box::new(process::Process::new()?))
    }

    /// Counters appear before their first event: `rate()` cannot see the step from nothing to one.
    fn zeros(&self, setup: &Setup) {
        for surface in Surface::ALL {
            for reason in AuthFailure::ALL {
                self.auth_failures.with_label_values(&[surface.as_str(), reason.as_str()]);
            }
        }
        for endpoint in Endpoint::ALL {
            for stage in DisconnectStage::ALL {
                self.client_disconnects.with_label_values(&[endpoint.as_str(), stage.as_str()]);
            }
        }
        for (provider, model) in setup.models {
            self.models.admit(provider, model, Claim::Configured);
        }
        let unknown = setup.providers.iter().map(|provider| (*provider, UNKNOWN));
        let configured = setup.models.iter().map(|(provider, model)| (*provider, Label::of_name(model)));
        for (provider, model) in unknown.chain(configured) {
            for stream in ["false", "true"] {
                self.requests.appear(&[
                    Label::of_name(provider),
                    model.clone(),
                    Endpoint::ChatCompletions.into(),
                    Label::Static("200"),
                    Label::Static("success"),
                    Label::Static(stream),
                ]);
            }
            self.zero_answers(&model);
        }
        self.zero_answers(&UNKNOWN);
    }

    fn zero_answers(&self, model: &Label) {
        for answer in Answer::ALL {
            self.answers.appear(&[model.clone(), (*answer).into()]);
        }
    }

    /// The cells of one worker. Call it once per worker: two holders of one worker would lose counts.
    #[must_use]
    pub fn worker(self: &Arc<Self>, worker: usize) -> WorkerMetrics {
        WorkerMetrics {
            shard: Arc::new(Shard {
                metrics: Arc::clone(self),
                worker,
                models: Mutex::default(),
                http: self.routes.iter().map(|_| http::RouteHandles::default()).collect(),
                phases: http::PhaseHandles::default(),
                unknown_answers: Default::default(),
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

/// What a [`WorkerMetrics`] points to.
#[derive(Debug)]
pub struct Shard {
    metrics: Arc<Metrics>,
    worker: usize,
    models: Mutex<HashMap<(String, String), Arc<ModelHandles>>>,
    http: Box<[http::RouteHandles]>,
    phases: http::PhaseHandles,
    unknown_answers: [Handle<Counter>; Answer::COUNT],
}

impl WorkerMetrics {
    /// The handles of a (provider, model) pair. Without a claim the name must have been admitted before; a name
    /// that is not counts as `unknown` until it earns its place.
    #[must_use]
    pub fn model(&self, provider: &str, model: &str, claim: Option<Claim>) -> ModelMetrics {
        let label = match claim {
            Some(claim) => self.metrics.models.admit(provider, model, claim),
            None => self.metrics.models.find(provider, model),
        };
        let candidate = label.is_none().then(|| Arc::from(model));
        ModelMetrics::new(self.handles(provider, label.unwrap_or(UNKNOWN)), candidate)
    }

    fn handles(&self, provider: &str, model: Label) -> Arc<ModelHandles> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.to_owned(), model.as_str().to_owned());
        Arc::clone(
            models.entry(key).or_insert_with(|| Arc::new(ModelHandles::new(self.clone(), provider, model))),
        )
    }

    /// Counts a refused credential.
    pub fn auth_failure(&self, surface: Surface, reason: AuthFailure) {
        self.metrics.auth_failures.with_label_values(&[surface.as_str(), reason.as_str()]).inc();
    }

    fn disconnect(&self, endpoint: Endpoint, stage: DisconnectStage) {
        self.metrics.client_disconnects.with_label_values(&[endpoint.as_str(), stage.as_str()]).inc();
    }
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn cold_counter(family: &Family) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(opts(family), family.labels)
}
