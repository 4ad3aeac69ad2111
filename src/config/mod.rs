//! Settings: built-in defaults, then the YAML file, `.env`, the environment and command-line flags, later wins.
//!
//! [`load`] is the one loader of every command. It reads nothing but what [`Sources`] names, reports all
//! problems at once and keeps where each value came from. This module knows no HTTP.

mod changes;
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
use crate::config::raw::layers::REFUSED;
pub use crate::config::sections::keys::MASTER;
pub use crate::config::sections::routes::{Route, RouteTarget, Strategy};
pub use crate::config::sections::warnings::CLOSED_METRICS;
pub(crate) use crate::config::sections::warnings::OTHER_FILES;
pub use crate::config::sources::environment::{Demo, Environment, Flag, Sources};
pub(crate) use crate::config::sources::files::read_regular;
pub use crate::config::sources::texts::Texts;
use crate::config::table::setting::Default as RowDefault;
pub use crate::config::table::settings::Key;
use crate::config::table::settings::row_of;
pub(crate) use crate::config::values::paths::is_loopback;
pub use crate::config::values::secrets::Secret;
use crate::config::values::units;
pub use changes::{Described, changes};
pub use load::load;
pub use problem::{Problem, Severity, WARNINGS};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Dotted path.
    pub key: String,
    /// Its value; a secret shows as `set (32 characters)`.
    pub value: String,
    /// `default`, `config.yaml:12`, `.env:3`, `environment METRICS_ENABLED`, `--port`.
    pub source: String,
}

/// Values that are shown where a setting has none.
const NO_VALUE: &[&str] =
    &["none", "not set", "asks the upstream", "none is known", "taken for set", REFUSED];

impl EffectiveSetting {
    /// True if a value was given and refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.value == REFUSED
    }

    /// The value with its type, null where there is none. A secret is the text that is shown, never its value.
    #[must_use]
    pub fn typed(&self) -> serde_json::Value {
        let row = row_of(&self.key);
        let is_default_in_words = row.is_some_and(|row| match row.default {
            RowDefault::Derived(words) => words == self.value,
            RowDefault::Text(_) => false,
        });
        if is_default_in_words || NO_VALUE.contains(&self.value.as_str()) {
            return serde_json::Value::Null;
        }
        if self.key.starts_with("providers.") && self.key.contains(".prices.") {
            return prices(&self.value);
        }
        row.and_then(|row| row.typed(&self.value)).unwrap_or_else(|| self.value.as_str().into())
    }
}

/// `input 2.5, output 10` as an object of numbers.
fn prices(shown: &str) -> serde_json::Value {
    let pairs = shown.split(", ").filter_map(|pair| pair.split_once(' '));
    pairs.map(|(kind, price)| (kind.to_owned(), serde_json::Value::from(units::decimal(price)))).collect()
}
