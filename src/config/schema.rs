//! The validated configuration: every choice is made, every default filled in.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Provider, Route, Secret};
use crate::config::values::paths;

/// A validated configuration: every choice is made, every default filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listener and what it accepts.
    pub server: Server,
    /// The Prometheus endpoint.
    pub metrics: Metrics,
    /// Log on stderr.
    pub log: Log,
    /// Requests to upstreams: timeouts, proxies, trusted certificates.
    pub http: Http,
    /// Retries and circuit breakers of providers without their own.
    pub resilience: Resilience,
    /// Providers, in the order that decides ambiguous models: YAML order, then discovered ones by name.
    pub providers: Vec<Arc<Provider>>,
    /// Model routes: names that clients may request, with their targets.
    pub routes: Vec<Route>,
    /// Every file that a secret was read from.
    pub secret_files: Vec<PathBuf>,
}

impl Config {
    /// Path of the metrics endpoint as it is served: below the base path, but for a listener of its own.
    #[must_use]
    pub fn metrics_path(&self) -> String {
        match self.metrics.listen {
            Some(_) => self.metrics.endpoint.clone(),
            None => format!("{}{}", self.server.base_path, self.metrics.endpoint),
        }
    }

    /// Host and port that serve the metrics endpoint.
    #[must_use]
    pub fn metrics_address(&self) -> (&str, u16) {
        match &self.metrics.listen {
            Some((host, port)) => (host, *port),
            None => (&self.server.host, self.server.port),
        }
    }

    /// The same as `HOST:PORT` to dial from this machine: a wildcard host becomes loopback.
    #[must_use]
    pub fn metrics_authority(&self) -> String {
        let (host, port) = self.metrics_address();
        paths::dial_authority(host, port)
    }

    /// The URL of the metrics endpoint as this machine dials it: a wildcard host becomes loopback.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        format!("http://{}{}", self.metrics_authority(), self.metrics_path())
    }

    /// The URL of `path` on this server as this machine dials it: a wildcard host becomes loopback.
    ///
    /// `path` starts with a slash and includes the base path.
    #[must_use]
    pub fn local_url(&self, path: &str) -> String {
        format!("http://{}{path}", paths::dial_authority(&self.server.host, self.server.port))
    }

    /// True when only this machine can reach the listener.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        paths::is_loopback(&self.server.host)
    }

    /// True when the metrics endpoint is served on every interface.
    #[must_use]
    pub fn metrics_on_every_interface(&self) -> bool {
        paths::is_wildcard(self.metrics_address().0)
    }

    /// True when no key is valid for the metrics endpoint although `server.keys` exist.
    #[must_use]
    pub fn metrics_are_closed(&self) -> bool {
        let server = &self.server;
        self.metrics.token.is_none() && server.master_key.is_none() && !server.keys.is_empty()
    }

    /// Every (provider, model) that the configuration names, once: the providers' models, then the routes' targets.
    #[must_use]
    pub fn named_models(&self) -> Vec<(&str, &str)> {
        let mut named = Vec::new();
        for provider in &self.providers {
            for model in &provider.models {
                named.push((provider.name.as_str(), model.as_str()));
            }
        }
        for target in self.routes.iter().flat_map(|route| &route.targets) {
            named.push((target.provider.as_str(), target.model.as_str()));
        }
        let mut seen = BTreeSet::new();
        named.retain(|pair| seen.insert(*pair));
        named
    }
}

/// The listener and what it accepts.
#[derive(Debug, Clone)]
pub struct Server {
    /// Name or address to bind.
    pub host: String,
    /// Port to bind; 0 is any free one.
    pub port: u16,
    /// Prefix of every route: empty, or `/prefix` without a trailing slash.
    pub base_path: String,
    /// Serves the live page, where the metrics endpoint is.
    pub page: bool,
    /// Key for everything; `None` leaves the gateway open.
    pub master_key: Option<Secret>,
    /// Keys for the API only, all valid at once.
    pub keys: Vec<NamedKey>,
    /// Worker threads, each with its own runtime and listener.
    pub workers: NonZeroUsize,
    /// Largest request body, in bytes.
    pub body_size_limit: usize,
    /// Bytes that all request bodies may take together; `None` derives it from the memory limit at start.
    pub body_memory: Option<usize>,
    /// Open connections, process-wide; `None` derives it from the file descriptor limit at start.
    pub max_connections: Option<usize>,
    /// Requests in flight, process-wide; `None` derives it like `max_connections`.
    pub max_in_flight: Option<usize>,
    /// Deadlines of a connection.
    pub timeouts: ServerTimeouts,
    /// Graceful shutdown.
    pub shutdown: Shutdown,
}

/// A key of the API with the name of its client.
#[derive(Debug, Clone)]
pub struct NamedKey {
    /// Name of the client in metrics and logs.
    pub name: String,
    /// The key.
    pub key: Secret,
}

/// Deadlines of a client's connection.
#[derive(Debug, Clone, Copy)]
pub struct ServerTimeouts {
    /// From accept to the first byte.
    pub first_byte: Duration,
    /// From the first byte of a head to its end, absolute.
    pub header: Duration,
    /// From the end of the head to the end of the body, absolute.
    pub body: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// Without progress while a response is written.
    pub write: Duration,
}

/// Graceful shutdown.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    /// Time of accepting requests while not ready, before the drain begins.
    pub delay: Duration,
    /// Time for requests in flight to finish.
    pub grace: Duration,
}

/// The Prometheus endpoint.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Collects and exposes metrics.
    pub enabled: bool,
    /// Path of the endpoint, as configured: a leading slash, no trailing one, without the base path.
    pub endpoint: String,
    /// Own listener of the endpoint, host and port; then it is served there only, without the base path.
    pub listen: Option<(String, u16)>,
    /// Credential for the endpoint only.
    pub token: Option<Secret>,
    /// (provider, model) pairs that get a label value of their own.
    pub max_models: usize,
    /// Unlisted names per provider that get one after a successful response.
    pub max_unlisted_models: usize,
    /// Label sets of one family before names fold into `other`.
    pub max_series: usize,
    /// Histograms of requests have exemplars in OpenMetrics.
    pub exemplars: bool,
}

/// Log on stderr.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// Line format.
    pub format: LogFormat,
    /// Least level that is written.
    pub level: tracing::Level,
    /// Requests that get a line.
    pub requests: LogRequests,
    /// Lines of successful requests in a second from which on they are sampled.
    pub sample_above: u32,
}

/// Line format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// Plain text.
    Text,
}

/// Requests that get a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRequests {
    /// Every one.
    All,
    /// Those that failed.
    Errors,
    /// None.
    Off,
}

/// Requests to upstreams: timeouts, proxies, trusted certificates.
#[derive(Debug, Clone)]
pub struct Http {
    /// Timeout of a whole dispatch that does not stream.
    pub timeout: Duration,
    /// TCP connect and TLS handshake.
    pub connect_timeout: Duration,
    /// Timeout from dispatch to the first event of a stream.
    pub stream_first_event: Duration,
    /// Timeout between two events of a stream.
    pub stream_idle: Duration,
    /// Proxies on the way to upstreams.
    pub proxy: Proxy,
    /// PEM file of certificates that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
}

/// Proxies on the way to upstreams.
#[derive(Clone, Default)]
pub struct Proxy {
    /// For `http` upstreams.
    pub http: Option<Url>,
    /// For `https` upstreams, by CONNECT.
    pub https: Option<Url>,
    /// Hosts, domains and networks that are called directly, as `NO_PROXY` lists them.
    pub no_proxy: Vec<String>,
}

/// Retries and circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resilience {
    /// Retries of the same target.
    pub retry: Retry,
    /// Circuit breaker.
    pub circuit_breaker: CircuitBreaker,
}

/// Retries of the same target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Attempts after the first; 0 is none.
    pub max_retries: u32,
    /// Pause before the first retry.
    pub initial_backoff: Duration,
    /// Longest pause.
    pub max_backoff: Duration,
    /// Factor from one pause to the next, at least 1.
    pub backoff_factor: f64,
    /// Share of a pause that is random, 0 to 1.
    pub jitter_factor: f64,
}

/// Circuit breaker of a model, or of a provider that cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Consecutive failures that open it; 0 disables it.
    pub failure_threshold: u32,
    /// Consecutive successful probes that close it.
    pub success_threshold: u32,
    /// From opening to the first probe.
    pub timeout: Duration,
}
