//! The configured providers: resolution of models, addresses and credentials, the client, circuit breakers.

mod client;
mod discovery;
mod egress;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod request_body;
mod resilience;
mod resolve;
mod scrub;
mod upstream_request;
mod urls;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::providers::urls::{Addresses, Identity};
use http::header::{HeaderName, HeaderValue, InvalidHeaderValue};
use http::uri::{InvalidUri, Uri};

use crate::api::Endpoint;
use crate::config::{Config, Provider};
use crate::metrics::Metrics;

use crate::providers::resilience::permit::Record;

pub use crate::providers::resilience::breaker::Refused;
pub use crate::providers::resilience::model_breakers::ModelBreaker;
pub use crate::providers::resilience::permit::{BreakerScope, Health, Permit};
pub use crate::providers::resilience::retry::{pause, retry_after, should_retry};
pub use client::{Client, Connection, Reuse, UpstreamBody, UpstreamError};
pub use discovery::discover_forever;
pub use egress::{Egress, EgressError};
pub use request_body::RequestBody;
pub use resolve::{LONGEST_MODEL, ModelRoute, Resolution, Target, Unresolved};
pub use scrub::Scrubber;
pub use upstream_request::{HeaderLines, UpstreamRequest};

/// A provider, with everything that its calls need prepared once.
#[derive(Debug)]
pub struct Upstream {
    /// Its configuration.
    pub provider: Arc<Provider>,
    /// Removes its key from what it sends; `None` where it has none.
    pub scrubber: Option<Scrubber>,
    identity: Identity,
    addresses: Addresses,
    supports: [bool; Endpoint::COUNT],
    native: Option<Arc<Self>>,
    record: Arc<Record>,
    metrics: Option<Arc<Metrics>>,
}

/// Reason that a configured provider cannot be called at all.
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
    fn new(
        provider: &Arc<Provider>,
        record: Arc<Record>,
        metrics: Option<Arc<Metrics>>,
    ) -> Result<Self, UnusableProvider> {
        let native = match urls::of_native_gemini(provider) {
            Some(native) => {
                Some(Arc::new(Self::new(&Arc::new(native), Arc::clone(&record), metrics.clone())?))
            }
            None => None,
        };
        let mut supports = [false; Endpoint::COUNT];
        for endpoint in Endpoint::ALL {
            supports[*endpoint as usize] = provider.kind.supports.contains(endpoint);
        }
        Ok(Self {
            provider: Arc::clone(provider),
            scrubber: provider.api_key.as_ref().and_then(Scrubber::new),
            identity: Identity::new(provider)?,
            addresses: Addresses::new(provider)?,
            supports,
            native,
            record,
            metrics,
        })
    }

    /// Returns true if it is known to have an endpoint.
    #[must_use]
    pub fn supports(&self, endpoint: Endpoint) -> bool {
        self.supports[endpoint as usize]
    }

    /// Its own API at another address and with another credential, where it has one beside OpenAI's: Gemini's.
    #[must_use]
    pub fn native(&self) -> Option<&Arc<Self>> {
        self.native.as_ref()
    }

    /// The header that carries our credential.
    #[must_use]
    pub fn credential(&self, endpoint: Endpoint) -> Option<(&HeaderName, &HeaderValue)> {
        self.identity.credential(endpoint)
    }

    /// The headers that name the account: organization and project.
    #[must_use]
    pub fn account(&self) -> &[(HeaderName, HeaderValue)] {
        self.identity.account()
    }

    /// A header that it requires, unless the client sends its own.
    #[must_use]
    pub fn required_header(&self, endpoint: Endpoint) -> Option<(HeaderName, HeaderValue)> {
        self.identity.required(endpoint)
    }

    /// Address of an operation: `path` is the one below its base URL, with its leading slash; a model may be
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

    /// Address of its list of models; `None` where it has none.
    #[must_use]
    pub fn models_address(&self) -> Option<Uri> {
        let (path, query) = match self.provider.kind.models_path?.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.provider.kind.models_path?, None),
        };
        self.address(Endpoint::Models, path, query, None)
    }
}

/// Record of a provider: that of `previous` where address and key are unchanged.
fn record(previous: Option<&Providers>, provider: &Provider) -> Arc<Record> {
    if let Some(previous) = previous
        && let Some(before) = previous.at_same_place(provider)
        && before.provider.api_key == provider.api_key
    {
        return Arc::clone(&before.record);
    }
    Arc::new(Record::new())
}

/// Models by provider name, as the providers last listed them.
type Discovered = HashMap<String, Vec<String>>;

/// All providers, in the order in which they are tried for an ambiguous model.
#[derive(Debug)]
pub struct Providers {
    upstreams: Vec<Arc<Upstream>>,
    /// By the name that clients request.
    model_routes: HashMap<String, Arc<ModelRoute>>,
    discovered: ArcSwap<Discovered>,
    generation: AtomicU64,
}

impl Providers {
    /// Prepares every provider and every route. A provider of `previous` with the same name and address hands over its
    /// discovered models, and with the same key also the health of its calls.
    ///
    /// # Errors
    /// When one cannot be called at all.
    pub fn new(
        config: &Config,
        metrics: Option<&Arc<Metrics>>,
        previous: Option<&Self>,
    ) -> Result<Self, UnusableProvider> {
        let mut upstreams = Vec::new();
        for provider in &config.providers {
            let upstream = Upstream::new(provider, record(previous, provider), metrics.cloned())?;
            upstreams.push(Arc::new(upstream));
        }
        let mut model_routes = HashMap::new();
        for route in &config.routes {
            if let Some(model_route) = ModelRoute::new(route, &upstreams) {
                model_routes.insert(model_route.name.clone(), Arc::new(model_route));
            }
        }
        let (discovered, generation) = match previous {
            Some(previous) => (previous.still_known(config), previous.generation() + 1),
            None => (Arc::default(), 0),
        };
        let (discovered, generation) = (ArcSwap::new(discovered), AtomicU64::new(generation));
        Ok(Self { upstreams, model_routes, discovered, generation })
    }

    /// Replaces `previous` in the metrics: they show the breakers of a provider with a new record from now on.
    pub fn take_over(&self, previous: &Self) {
        for upstream in &self.upstreams {
            if let Some(before) = previous.upstream(&upstream.provider.name) {
                upstream.take_over(before);
            }
        }
    }

    /// Every provider.
    #[must_use]
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// The provider of that name.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.iter().find(|upstream| upstream.provider.name == name)
    }

    /// Names of the configured routes that lead somewhere, sorted.
    #[must_use]
    pub fn model_routes(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.model_routes.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Changes when a resolution may turn out differently than before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
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
        self.discovered.load_full()
    }

    /// Discovered models of the providers whose address is unchanged.
    fn still_known(&self, config: &Config) -> Arc<Discovered> {
        let discovered = self.discovered();
        let mut known = Discovered::new();
        for provider in &config.providers {
            if self.at_same_place(provider).is_some()
                && let Some(models) = discovered.get(&provider.name)
            {
                known.insert(provider.name.clone(), models.clone());
            }
        }
        Arc::new(known)
    }

    /// The provider of the same name, where it is called at the same address.
    fn at_same_place(&self, provider: &Provider) -> Option<&Arc<Upstream>> {
        let upstream = self.upstream(&provider.name)?;
        (upstream.provider.base_url == provider.base_url).then_some(upstream)
    }

    fn set_discovered(&self, provider: &str, models: &[String]) {
        self.discovered.rcu(|before| {
            let mut after = Discovered::clone(before);
            after.insert(provider.to_owned(), models.to_vec());
            after
        });
        self.generation.fetch_add(1, Ordering::Release);
    }
}
