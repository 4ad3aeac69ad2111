//! Egress to upstreams: trusted certificates, proxies, name resolution and idle connections.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

use super::client::{Pools, Resolver};
use crate::config::{self, Config};
use crate::tls::{self, TlsError};

/// Way to the upstreams: direct or by a proxy, with TLS. Clients of the same egress connect alike.
#[derive(Debug)]
pub struct Egress {
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) proxies: Proxies,
    pub(crate) resolver: Resolver,
    /// Idle connections of every client of this egress and of its predecessors.
    pub(crate) pools: Arc<Pools>,
    facts: Facts,
}

/// Facts that determine an egress.
#[derive(PartialEq)]
struct Facts {
    connect_timeout: Duration,
    proxies: [Option<String>; 2],
    no_proxy: String,
    over_tls: bool,
    authorities: Option<Vec<u8>>,
}

impl fmt::Debug for Facts {
    /// A proxy's URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

/// Reason that upstreams cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The file of `http.ca_file`.
    #[error("http.ca_file {0}: it cannot be read")]
    Authorities(PathBuf, #[source] io::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Egress {
    /// The way that a configuration describes; `previous` itself where it describes the same.
    ///
    /// # Errors
    /// When TLS is needed and no certificate is trusted, or the additional certificates cannot be read.
    pub fn new(config: &Config, previous: Option<&Arc<Self>>) -> Result<Arc<Self>, EgressError> {
        let facts = Facts::of(config)?;
        if let Some(previous) = previous
            && previous.facts == facts
        {
            return Ok(Arc::clone(previous));
        }
        // The trusted certificates are read only where a provider is called over TLS.
        let tls = if facts.over_tls {
            tls::client_config(facts.authorities.as_deref())?
        } else {
            tls::client_config_without_roots()?
        };
        let (resolver, pools) = match previous {
            Some(previous) => (previous.resolver.clone(), Arc::clone(&previous.pools)),
            None => (Resolver::new(), Arc::default()),
        };
        Ok(Arc::new(Self { tls: Arc::new(tls), proxies: Proxies::new(&facts), resolver, pools, facts }))
    }

    /// Longest time that TCP, a proxy and TLS may take together.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.facts.connect_timeout
    }

    /// A client for background requests, by the same way.
    pub(crate) fn background_client(&self, timeout: Duration) -> reqwest::Result<reqwest::Client> {
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(timeout)
            .dns_resolver(self.resolver.clone())
            .tls_backend_preconfigured((*self.tls).clone());
        let [http, https] = &self.facts.proxies;
        let direct = reqwest::NoProxy::from_string(&self.facts.no_proxy);
        if let Some(http) = http {
            client = client.proxy(reqwest::Proxy::http(http)?.no_proxy(direct.clone()));
        }
        if let Some(https) = https {
            client = client.proxy(reqwest::Proxy::https(https)?.no_proxy(direct));
        }
        client.build()
    }
}

impl Facts {
    fn of(config: &Config) -> Result<Self, EgressError> {
        let (http, proxy) = (&config.http, &config.http.proxy);
        let no_proxy = proxy.no_proxy.join(",");
        // The matchers below know `*` for names, not for addresses.
        let proxies = if no_proxy.split(',').any(|entry| entry.trim() == "*") {
            [None, None]
        } else {
            [proxy.http.as_ref().map(Url::to_string), proxy.https.as_ref().map(Url::to_string)]
        };
        let authorities = match &http.ca_file {
            Some(file) => Some(read(file)?),
            None => None,
        };
        Ok(Self {
            connect_timeout: http.connect_timeout,
            proxies,
            no_proxy,
            over_tls: config.providers.iter().any(|provider| provider.base_url.scheme() == "https"),
            authorities,
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, EgressError> {
    config::read_regular(file, u64::MAX).map_err(|source| EgressError::Authorities(file.to_owned(), source))
}

/// Proxies by upstream. As in curl, loopback is no exception of its own.
#[derive(Debug, Clone)]
pub(crate) struct Proxies(Option<Arc<Matcher>>);

impl Proxies {
    fn new(facts: &Facts) -> Self {
        let [http, https] = facts.proxies.clone();
        if http.is_none() && https.is_none() {
            return Self(None);
        }
        let (http, https) = (http.unwrap_or_default(), https.unwrap_or_default());
        let matcher = Matcher::builder().http(http).https(https).no(facts.no_proxy.clone());
        Self(Some(Arc::new(matcher.build())))
    }

    /// The proxy for an upstream, with its credential.
    pub(crate) fn intercept(&self, upstream: &Uri) -> Option<Intercept> {
        self.0.as_ref()?.intercept(upstream)
    }
}
