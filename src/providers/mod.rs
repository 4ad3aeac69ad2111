//! The configured providers: which of them serves a model, and how they are called.

mod address;
mod client;
mod discovery;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use address::{Addresses, Identity};
use http::header::{HeaderName, HeaderValue, InvalidHeaderValue};
use http::uri::{InvalidUri, Uri};

use crate::config::Provider;
use crate::metrics::Endpoint;

pub use client::{Client, UpstreamError};
pub use discovery::discover_forever;

/// A provider, with what every call to it needs made ready once.
#[derive(Debug)]
pub struct Upstream {
    /// Its configuration.
    pub provider: Arc<Provider>,
    identity: Identity,
    addresses: Addresses,
    speaks: [bool; Endpoint::COUNT],
}

/// Why a configured provider cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum UnusableProvider {
    /// The key holds a character that no header can.
    #[error(
        "provider `{0}`: its api_key holds a character that no HTTP header may; write it without line breaks"
    )]
    Key(String, #[source] InvalidHeaderValue),
    /// The base URL and a path make no URI.
    #[error("provider `{0}`: its base_url makes no valid address")]
    Address(String, #[source] InvalidUri),
}

impl Upstream {
    fn new(provider: &Arc<Provider>) -> Result<Self, UnusableProvider> {
        let mut speaks = [false; Endpoint::COUNT];
        for endpoint in Endpoint::ALL {
            speaks[*endpoint as usize] = provider.kind.speaks.contains(&endpoint.as_str());
        }
        Ok(Self {
            provider: Arc::clone(provider),
            identity: Identity::new(provider)?,
            addresses: Addresses::new(provider)?,
            speaks,
        })
    }

    /// Whether it is known to have an endpoint.
    #[must_use]
    pub fn speaks(&self, endpoint: Endpoint) -> bool {
        self.speaks[endpoint as usize]
    }

    /// The header that carries our credential.
    #[must_use]
    pub fn credential(&self, endpoint: Endpoint) -> Option<(&HeaderName, &HeaderValue)> {
        self.identity.credential(endpoint)
    }

    /// A header that it wants, unless the caller sends its own.
    #[must_use]
    pub fn required_header(&self, endpoint: Endpoint) -> Option<(HeaderName, HeaderValue)> {
        self.identity.required(endpoint)
    }

    /// Where an operation is asked for: `path` is the one below its base URL, with its leading slash; a model may be
    /// part of the address. `None` when the model cannot be one here.
    #[must_use]
    pub fn address(
        &self,
        endpoint: Endpoint,
        path: &str,
        query: Option<&str>,
        model: Option<&str>,
    ) -> Option<Uri> {
        self.addresses.of(endpoint, path, query, model)
    }

    /// Where it lists its models; `None` where it does not.
    #[must_use]
    pub fn models_address(&self) -> Option<Uri> {
        let (path, query) = match self.provider.kind.models_path?.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.provider.kind.models_path?, None),
        };
        self.address(Endpoint::Models, path, query, None)
    }
}

/// What serves a model.
#[derive(Debug, Clone)]
pub struct Target {
    /// Who.
    pub upstream: Arc<Upstream>,
    /// The model by the provider's own name.
    pub model: Arc<str>,
    /// How the provider is known to serve it.
    pub listing: Listing,
}

/// How a provider is known to serve a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Its `models` say so.
    Configured,
    /// Its models endpoint says so.
    Discovered,
    /// Nothing does: the name is passed on as it came.
    Unlisted,
}

/// Why no target was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unresolved {
    /// No provider serves the model.
    UnknownModel,
    /// There is no provider at all.
    NoProvider,
}

/// Models by provider name, as the providers last listed them.
type Discovered = HashMap<String, Vec<String>>;

/// All providers, in the order that decides which of them serves an ambiguous model.
#[derive(Debug)]
pub struct Providers {
    upstreams: Vec<Arc<Upstream>>,
    discovered: RwLock<Arc<Discovered>>,
    generation: AtomicU64,
}

impl Providers {
    /// Makes every provider ready.
    ///
    /// # Errors
    /// When one cannot be called at all.
    pub fn new(providers: &[Arc<Provider>]) -> Result<Self, UnusableProvider> {
        let upstreams = providers.iter().map(|provider| Upstream::new(provider).map(Arc::new));
        Ok(Self {
            upstreams: upstreams.collect::<Result<_, _>>()?,
            discovered: RwLock::default(),
            generation: AtomicU64::new(0),
        })
    }

    /// Every provider.
    #[must_use]
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// Changes when a resolution may turn out differently than before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// `provider/model` of a configured provider, else the first provider that lists the model, else the only one.
    ///
    /// # Errors
    /// When nobody serves the model.
    pub fn resolve(&self, requested: &str) -> Result<Target, Unresolved> {
        if self.upstreams.is_empty() {
            return Err(Unresolved::NoProvider);
        }
        let discovered = self.discovered();
        if let Some((name, model)) = requested.split_once('/')
            && let Some(upstream) = self.upstreams.iter().find(|upstream| upstream.provider.name == name)
            // A provider may also list a name with such a prefix, as OpenRouter does.
            && let Some(target) = target(upstream, model, &discovered)
        {
            return Ok(target);
        }
        let candidates =
            self.upstreams.iter().filter_map(|upstream| target(upstream, requested, &discovered));
        let mut unlisted = None;
        for candidate in candidates {
            if candidate.listing != Listing::Unlisted {
                return Ok(candidate);
            }
            unlisted = Some(candidate);
        }
        unlisted.filter(|_| self.upstreams.len() == 1).ok_or(Unresolved::UnknownModel)
    }

    /// Every known model with its providers, for `GET /v1/models`: sorted by model, providers in their order.
    #[must_use]
    pub fn models(&self) -> BTreeMap<String, Vec<String>> {
        let discovered = self.discovered();
        let mut models: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for upstream in &self.upstreams {
            let name = &upstream.provider.name;
            let listed = if upstream.provider.models.is_empty() {
                discovered.get(name).map_or(&[][..], Vec::as_slice)
            } else {
                &upstream.provider.models
            };
            for model in listed {
                models.entry(model.clone()).or_default().push(name.clone());
            }
        }
        models
    }

    fn discovered(&self) -> Arc<Discovered> {
        Arc::clone(&self.discovered.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_discovered(&self, provider: &str, models: Vec<String>) {
        let mut discovered = self.discovered.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut discovered).insert(provider.to_owned(), models);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// How one provider would serve a model; `None` when its own list leaves the model out.
fn target(upstream: &Arc<Upstream>, model: &str, discovered: &Discovered) -> Option<Target> {
    let provider = &upstream.provider;
    let is_listed = |models: &[String]| models.iter().any(|listed| listed == model);
    let listing = if !provider.models.is_empty() {
        is_listed(&provider.models).then_some(Listing::Configured)?
    } else if discovered.get(&provider.name).is_some_and(|models| is_listed(models)) {
        Listing::Discovered
    } else {
        Listing::Unlisted
    };
    Some(Target { upstream: Arc::clone(upstream), model: Arc::from(model), listing })
}
