//! State for handlers: that of the process, and the part of it that belongs to one worker.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::lifecycle::Lifecycle;
use super::limits::Limits;
use super::renders::Renders;
use crate::api::TokenKind;
use crate::config::{Config, Provider};
use crate::gateway::http::auth::Access;
use crate::gateway::http::error::GatewayError;
use crate::gateway::request::targets::{ModelTarget, Targets};
use crate::metrics::{CallerMetrics, Listing, Metrics, ModelMetrics, Pricing, TokenPrices, WorkerMetrics};
use crate::providers::{Client, Egress, LONGEST_MODEL, Providers, Target, Unresolved, Upstream};

/// State of all workers, for as long as its configuration is in force.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) config: Config,
    pub(crate) access: Access,
    pub(crate) providers: Arc<Providers>,
    pub(crate) metrics: Option<Arc<Metrics>>,
    /// Renders of the exposition, shared by the scrapes that wait for one.
    pub(crate) renders: Arc<Renders>,
    /// Way to the upstreams: direct or by a proxy, with TLS.
    pub(crate) egress: Arc<Egress>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) limits: Limits,
}

/// One worker under one configuration: its own connections to upstreams, its own cells, its own view of the targets.
#[derive(Debug)]
pub(crate) struct WorkerState {
    pub(crate) app: Arc<AppState>,
    pub(crate) client: Client,
    pub(crate) metrics: Option<WorkerMetrics>,
    /// By [`crate::gateway::http::auth::CallerIndex`].
    pub(crate) callers: Box<[Arc<Caller>]>,
    /// Cancelled when the grace period is over. A child of the process's own, so that workers do not meet at its lock.
    pub(crate) cut: CancellationToken,
    resolved: Mutex<Resolved>,
}

/// Models that were resolved before, by their requested name. Only names with a metric label of their own are kept,
/// and none longer than [`LONGEST_MODEL`], so that clients cannot fill it.
#[derive(Debug, Default)]
struct Resolved {
    generation: u64,
    by_name: HashMap<String, Arc<Targets>, RandomState>,
}

/// Owner of a key, as one worker records it.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) name: Box<str>,
    pub(crate) metrics: Option<CallerMetrics>,
}

impl WorkerState {
    pub(crate) fn new(app: Arc<AppState>, client: Client, metrics: Option<WorkerMetrics>) -> Self {
        let cut = app.lifecycle.cut.child_token();
        let counts = metrics.as_ref().filter(|_| app.access.counts_callers());
        let caller =
            |name: &str| Arc::new(Caller { name: name.into(), metrics: counts.map(|it| it.caller(name)) });
        let callers = app.access.names().map(caller).collect();
        Self { app, client, metrics, callers, cut, resolved: Mutex::default() }
    }

    /// Targets of a requested model.
    pub(crate) fn targets(&self, requested: &str) -> Result<Arc<Targets>, GatewayError> {
        let generation = self.app.providers.generation();
        let mut resolved = self.resolved.lock();
        if resolved.generation != generation {
            *resolved = Resolved { generation, by_name: HashMap::default() };
        }
        if let Some(targets) = resolved.by_name.get(requested) {
            return Ok(Arc::clone(targets));
        }
        let (targets, lasting) = self.resolve(requested)?;
        let targets = Arc::new(targets);
        if lasting && requested.len() <= LONGEST_MODEL {
            resolved.by_name.insert(requested.to_owned(), Arc::clone(&targets));
        }
        Ok(targets)
    }

    /// One provider, for requests that name it; `model` is what the request names, if anything.
    pub(crate) fn targets_at(&self, upstream: &Arc<Upstream>, model: Option<&str>) -> Targets {
        let target = match model {
            Some(model) => self.target(self.app.providers.at(upstream, model)).0,
            None => {
                let provider = &upstream.provider.name;
                let metrics =
                    self.metrics.as_ref().map(|metrics| metrics.no_model(provider, self.no_price()));
                ModelTarget::new(Arc::clone(upstream), None, metrics)
            }
        };
        Targets { all: vec![Arc::new(target)], model_route: None }
    }

    /// Resolves a model anew; the flag says whether the result may be kept.
    fn resolve(&self, requested: &str) -> Result<(Targets, bool), GatewayError> {
        let resolution = match self.app.providers.resolve(requested) {
            Ok(resolution) => resolution,
            Err(Unresolved::UnknownModel) => {
                let similar = self.app.providers.similar(requested);
                return Err(GatewayError::unknown_model_like(requested, similar.as_deref()));
            }
            Err(Unresolved::NoProvider) => return Err(GatewayError::NO_PROVIDER),
        };
        let mut all = Vec::with_capacity(resolution.targets.len());
        let mut all_lasting = true;
        for target in resolution.targets {
            let (mut target, lasting) = self.target(target);
            if let Some(model) = &target.model
                && let Some(breaker) = target.upstream.model_breaker(model, lasting)
            {
                if target.metrics.as_ref().is_some_and(ModelMetrics::has_label) {
                    target.upstream.show(&breaker);
                }
                target.breaker = Some(breaker);
            }
            all.push(Arc::new(target));
            all_lasting &= lasting;
        }
        let model_route = resolution.model_route.map(|model_route| {
            let metrics = self.metrics.as_ref().map(|metrics| metrics.model_route(&model_route.name));
            (model_route, metrics)
        });
        Ok((Targets { all, model_route }, all_lasting))
    }

    /// A target with its metrics; the flag says whether they stay right.
    fn target(&self, target: Target) -> (ModelTarget, bool) {
        let listing = target.listing;
        let provider = &target.upstream.provider;
        let pricing = self.pricing(provider, &target.model);
        let metrics = self
            .metrics
            .as_ref()
            .map(|metrics| metrics.model(&provider.name, &target.model, listing, pricing));
        let lasting = metrics.as_ref().map_or(listing != Listing::Unlisted, ModelMetrics::is_admitted);
        (ModelTarget::new(target.upstream, Some(target.model), metrics), lasting)
    }

    fn pricing(&self, provider: &Provider, model: &str) -> Pricing {
        let Some(prices) = provider.prices.get(model) else {
            return self.no_price();
        };
        let mut by_kind = TokenPrices::default();
        for kind in TokenKind::ALL {
            by_kind[*kind as usize] = match kind {
                TokenKind::InputUncached | TokenKind::InputAudio => prices.input,
                TokenKind::InputCacheRead => prices.cache_read,
                TokenKind::InputCacheWrite => prices.cache_write,
                TokenKind::OutputText | TokenKind::OutputReasoning | TokenKind::OutputAudio => prices.output,
            };
        }
        Pricing::Price(Arc::new(by_kind))
    }

    /// Pricing of a model without a price: off, if no model has one.
    fn no_price(&self) -> Pricing {
        let providers = &self.app.config.providers;
        let any = providers.iter().any(|provider| !provider.prices.is_empty());
        if any { Pricing::NoPrice } else { Pricing::Off }
    }
}
