//! Resolution of a requested model: a model route's targets, `provider/model`, the provider that lists it, the only one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Discovered, Providers, Upstream};
use crate::config::values::names;
use crate::config::{Route, Strategy};
use crate::metrics::Listing;

/// Longest name of a model that is remembered, in bytes; it may be one of `provider/model`.
pub const LONGEST_MODEL: usize = 256;

/// A model at a provider.
#[derive(Debug, Clone)]
pub struct Target {
    /// The provider.
    pub upstream: Arc<Upstream>,
    /// The model by the provider's own name.
    pub model: Arc<str>,
    /// Source from which the provider is known to serve it.
    pub listing: Listing,
}

/// A configured route: a name of its own for one target or several.
#[derive(Debug)]
pub struct ModelRoute {
    /// The name that clients request.
    pub name: String,
    targets: Vec<Target>,
    strategy: Strategy,
    turns: AtomicUsize,
}

/// Targets of a model in their order, never none.
#[derive(Debug)]
pub struct Resolution {
    /// In the order of the configuration.
    pub targets: Vec<Target>,
    /// The route that the model is the name of.
    pub model_route: Option<Arc<ModelRoute>>,
}

/// Reason that no target was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unresolved {
    /// No provider serves the model.
    UnknownModel,
    /// There is no provider at all.
    NoProvider,
}

impl ModelRoute {
    /// Targets at providers that are not configured are omitted; `None` when none remains.
    pub(crate) fn new(route: &Route, upstreams: &[Arc<Upstream>]) -> Option<Self> {
        let mut targets = Vec::new();
        for target in &route.targets {
            if let Some(upstream) = upstreams.iter().find(|it| it.provider.name == target.provider) {
                let model = Arc::from(target.model.as_str());
                targets.push(Target { upstream: Arc::clone(upstream), model, listing: Listing::Configured });
            }
        }
        if targets.is_empty() {
            return None;
        }
        let turns = AtomicUsize::new(0);
        Some(Self { name: route.model.clone(), targets, strategy: route.strategy, turns })
    }

    /// Index of the target that this request goes to first, among so many.
    #[must_use]
    pub fn first(&self, among: usize) -> usize {
        match self.strategy {
            Strategy::First => 0,
            Strategy::RoundRobin => self.turns.fetch_add(1, Ordering::Relaxed) % among,
        }
    }
}

impl Providers {
    /// A route of that name, else `provider/model` of a configured provider, else the first provider that lists the
    /// model, else the only one.
    ///
    /// # Errors
    /// When no provider serves the model.
    pub fn resolve(&self, requested: &str) -> Result<Resolution, Unresolved> {
        if let Some(model_route) = self.model_routes.get(requested) {
            return Ok(Resolution {
                targets: model_route.targets.clone(),
                model_route: Some(Arc::clone(model_route)),
            });
        }
        let target = self.resolve_model(requested)?;
        Ok(Resolution { targets: vec![target], model_route: None })
    }

    fn resolve_model(&self, requested: &str) -> Result<Target, Unresolved> {
        if self.upstreams.is_empty() {
            return Err(Unresolved::NoProvider);
        }
        let discovered = self.discovered();
        if let Some((name, model)) = requested.split_once('/')
            && let Some(upstream) = self.upstream(name)
            // A provider may also list a name with such a prefix, as OpenRouter does.
            && let Some(target) = target(upstream, model, &discovered)
        {
            return Ok(target);
        }
        let mut unlisted = None;
        for upstream in &self.upstreams {
            let Some(candidate) = target(upstream, requested, &discovered) else { continue };
            if candidate.listing != Listing::Unlisted {
                return Ok(candidate);
            }
            unlisted = Some(candidate);
        }
        match unlisted {
            Some(target) if self.upstreams.len() == 1 => Ok(target),
            _ => Err(Unresolved::UnknownModel),
        }
    }

    /// A model at one provider, whether it lists it or not.
    #[must_use]
    pub fn at(&self, upstream: &Arc<Upstream>, model: &str) -> Target {
        match target(upstream, model, &self.discovered()) {
            Some(target) => target,
            None => {
                Target { upstream: Arc::clone(upstream), model: Arc::from(model), listing: Listing::Unlisted }
            }
        }
    }
}

/// Longest requested name for which a similar one is looked for, in bytes.
const LONGEST_MISSPELT: usize = 64;

/// Most names that a requested one is compared with: comparing is slow, and it is done on the worker.
const MOST_COMPARED: usize = 500;

impl Providers {
    /// The name in the list of models that was probably meant by an unknown one.
    #[must_use]
    pub fn similar(&self, requested: &str) -> Option<String> {
        if requested.len() > LONGEST_MISSPELT {
            return None;
        }
        let mut names: Vec<String> = self.model_routes().into_iter().map(str::to_owned).collect();
        for (model, providers) in self.models() {
            names.extend(providers.iter().map(|provider| format!("{provider}/{model}")));
            if providers.len() == 1 {
                names.push(model);
            }
        }
        names::similar(requested, names.iter().map(String::as_str).take(MOST_COMPARED)).map(str::to_owned)
    }
}

fn is_listed(model: &str, models: &[String]) -> bool {
    models.iter().any(|listed| listed == model)
}

/// Target of a model at one provider; `None` when its configured list does not have the model.
fn target(upstream: &Arc<Upstream>, model: &str, discovered: &Discovered) -> Option<Target> {
    let provider = &upstream.provider;
    let listing = if !provider.models.is_empty() {
        if !is_listed(model, &provider.models) {
            return None;
        }
        Listing::Configured
    } else if let Some(models) = discovered.get(&provider.name)
        && is_listed(model, models)
    {
        Listing::Discovered
    } else {
        Listing::Unlisted
    };
    Some(Target { upstream: Arc::clone(upstream), model: Arc::from(model), listing })
}
