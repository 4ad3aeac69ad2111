//! Settings: built-in defaults, then the YAML file, `.env`, the environment and command-line flags, later wins.
//!
//! [`load`] is the one loader of every command. It reads nothing but what [`Sources`] names, reports all
//! problems at once and keeps where each value came from. This module knows no HTTP.

mod base_url;
mod discovery;
mod dotenv;
mod files;
mod load;
mod paths;
mod problem;
mod provider_types;
mod providers;
mod raw;
mod reference;
mod setting;
mod settings;
mod source;
mod substitute;
pub(crate) mod units;
mod variables;
mod warnings;
mod yaml;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use load::load;
pub use problem::{Problem, Severity};
pub use provider_types::{PROVIDER_TYPES, provider_type};
pub use reference::reference;
pub use source::{Demo, Environment, Flag, Sources};

/// What [`load`] found.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` when a problem is an error.
    pub config: Option<Config>,
    /// Every problem and warning, in the order of their places.
    pub problems: Vec<Problem>,
    /// Every setting with its value as text and where it came from, `metrics.enabled` and `metrics.endpoint` first.
    pub settings: Vec<EffectiveSetting>,
    /// Variables that `--assume-set` took for set.
    pub needs: Vec<String>,
}

/// One setting as it stands after all layers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EffectiveSetting {
    /// Dotted path.
    pub key: String,
    /// Its value; a secret shows as `set (32 characters)`.
    pub value: String,
    /// `default`, `config.yaml:12`, `.env:3`, `environment METRICS_ENABLED`, `--port`.
    pub source: String,
}

/// A validated configuration: every choice is made, every default filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listener and what it accepts.
    pub server: Server,
    /// The Prometheus endpoint.
    pub metrics: Metrics,
    /// What is written to stderr.
    pub log: Log,
    /// How upstreams are called.
    pub http: Http,
    /// Providers, in the order that decides ambiguous models: YAML order, then discovered ones by name.
    pub providers: Vec<Arc<Provider>>,
}

impl Config {
    /// Path of the metrics endpoint as it is served: base path and endpoint.
    #[must_use]
    pub fn metrics_path(&self) -> String {
        format!("{}{}", self.server.base_path, self.metrics.endpoint)
    }

    /// The URL of `path` on this server as this machine dials it: a wildcard host becomes loopback.
    ///
    /// `path` starts with a slash and includes the base path.
    #[must_use]
    pub fn local_url(&self, path: &str) -> String {
        format!("http://{}{path}", paths::dial_authority(&self.server.host, self.server.port))
    }

    /// Whether only this machine can reach the listener.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        paths::is_loopback(&self.server.host)
    }
}

/// The listener and what it accepts.
#[derive(Debug, Clone)]
pub struct Server {
    /// Name or address to bind.
    pub host: String,
    /// Port to bind; 0 asks for any free one.
    pub port: u16,
    /// Prefix of every route: empty, or `/prefix` without a trailing slash.
    pub base_path: String,
    /// The key that opens everything; `None` leaves the gateway open.
    pub master_key: Option<Secret>,
    /// Worker threads, each with its own runtime and listener.
    pub workers: NonZeroUsize,
    /// Largest request body, in bytes.
    pub body_size_limit: usize,
    /// Open connections, process-wide; `None` derives it from the file descriptor limit at start.
    pub max_connections: Option<usize>,
    /// Requests in flight, process-wide; `None` derives it like `max_connections`.
    pub max_in_flight: Option<usize>,
    /// Deadlines of a connection.
    pub timeouts: ServerTimeouts,
    /// How the server stops.
    pub shutdown: Shutdown,
}

/// Deadlines of a caller's connection.
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

/// How the server stops.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    /// Served as ever, but not ready, for this long.
    pub delay: Duration,
    /// Time for requests in flight to finish.
    pub grace: Duration,
}

/// The Prometheus endpoint.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Whether anything is collected at all.
    pub enabled: bool,
    /// Path of the endpoint, as configured: a leading slash, no trailing one, without the base path.
    pub endpoint: String,
    /// (provider, model) pairs that get a label value of their own.
    pub max_models: usize,
}

/// What is written to stderr.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// Line format.
    pub format: LogFormat,
    /// Least level that is written.
    pub level: tracing::Level,
    /// Which requests get a line.
    pub requests: LogRequests,
}

/// Line format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Which requests get a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRequests {
    /// Every one.
    All,
    /// Those that did not end well.
    Errors,
    /// None.
    Off,
}

/// How upstreams are called.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    /// The whole dispatch of a request that does not stream.
    pub timeout: Duration,
    /// TCP connect and TLS handshake.
    pub connect_timeout: Duration,
    /// From dispatch to the first event of a stream.
    pub stream_first_event: Duration,
    /// Silence inside a stream.
    pub stream_idle: Duration,
}

/// One configured account at one upstream.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name: `[a-z0-9][a-z0-9._-]{0,63}`.
    pub name: String,
    /// The row of the provider table.
    pub kind: &'static ProviderType,
    /// Where its API starts, without a trailing slash.
    pub base_url: Url,
    /// Its credential; `None` where the type needs none.
    pub api_key: Option<Secret>,
    /// `api-version` of Azure.
    pub api_version: Option<String>,
    /// The models it serves; empty asks the provider.
    pub models: Vec<String>,
}

/// How a provider wants its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY` (Azure).
    ApiKeyHeader,
    /// `x-api-key: KEY` (Anthropic's own API).
    XApiKey,
}

/// A row of the provider table.
#[derive(Debug, Clone, Copy)]
pub struct ProviderType {
    /// As written in `type:`.
    pub name: &'static str,
    /// Prefix of its environment variables, `OPENAI` of `OPENAI_API_KEY`.
    pub env_prefix: &'static str,
    /// Where its API starts; `None` makes `base_url` required.
    pub default_base_url: Option<&'static str>,
    /// Whether it refuses calls without a key.
    pub needs_key: bool,
    /// Where the credential goes.
    pub credential: Credential,
    /// Default `api-version` query parameter.
    pub default_api_version: Option<&'static str>,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set ({} characters)", self.0.chars().count())
    }
}
