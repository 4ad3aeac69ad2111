//! Settings: built-in defaults, then the YAML file, `.env`, the environment and command-line flags, later wins.
//!
//! [`load`] is the one loader of every command. It reads nothing but what [`Sources`] names, reports all
//! problems at once and keeps where each value came from. This module knows no HTTP.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod load;
mod problem;
mod providers;
mod raw;
mod reference;
mod schema;
mod sections;
mod sources;
mod table;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use crate::config::providers::deployments::is_deployment;
pub use crate::config::providers::provider::{Credential, Prices, Provider, ProviderType};
pub use crate::config::providers::types::{GEMINI_NATIVE, PROVIDER_TYPES, provider_type};
pub use crate::config::sections::keys::MASTER;
pub use crate::config::sections::routes::{Route, RouteTarget, Strategy};
pub use crate::config::sections::warnings::CLOSED_METRICS;
pub(crate) use crate::config::sections::warnings::OTHER_FILES;
pub use crate::config::sources::environment::{Demo, Environment, Flag, Sources};
pub(crate) use crate::config::sources::files::read_regular;
pub use crate::config::sources::texts::Texts;
pub use crate::config::table::settings::Key;
pub(crate) use crate::config::values::paths::is_loopback;
pub use crate::config::values::secrets::Secret;
pub use load::load;
pub use problem::{Problem, Severity};
pub use reference::reference;
pub use schema::{
    CircuitBreaker, Config, Http, Log, LogFormat, LogRequests, Metrics, NamedKey, Proxy, Resilience, Retry,
    Server, ServerTimeouts, Shutdown,
};

/// Result of [`load`].
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
    /// The configuration file and `.env` as they were read.
    pub texts: Texts,
    /// Every file that was read or looked for.
    pub files: Vec<PathBuf>,
    /// The files of secret settings such as `metrics.token`, where the value is read from a file.
    secret_files: BTreeMap<Key, PathBuf>,
}

/// The effective value of one setting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EffectiveSetting {
    /// Dotted path.
    pub key: String,
    /// Its value; a secret shows as `set (32 characters)`.
    pub value: String,
    /// `default`, `config.yaml:12`, `.env:3`, `environment METRICS_ENABLED`, `--port`.
    pub source: String,
}
