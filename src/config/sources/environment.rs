//! Sources of settings: the process environment, files, flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::config::{Key, Texts};

/// The process environment, read once and passed down; tests make their own.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the environment of this process. Variables that are not UTF-8 are left out.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; an empty one counts as unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Every variable, empty ones too, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Environment {
    /// Names only: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Input of [`crate::config::load`].
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The process environment.
    pub environment: Environment,
    /// Directory of relative paths; empty is the working directory.
    pub directory: PathBuf,
    /// `--config`; `AURORA_CONFIG_PATH` is looked up in `environment`.
    pub config_file: Option<PathBuf>,
    /// `--env-file`.
    pub env_file: Option<PathBuf>,
    /// Settings given as flags.
    pub flags: Vec<Flag>,
    /// `serve --demo`.
    pub demo: Option<Demo>,
    /// `config check --assume-set`: an unresolved `${VAR}` is noted, not refused.
    pub assume_set: bool,
    /// File descriptors that the process may open at most; `None` where that is unknown or unlimited.
    pub file_limit: Option<u64>,
    /// Taken instead of reading the configuration file and `.env`, so that files of secrets alone are read.
    pub texts: Option<Texts>,
}

/// A setting given as a flag.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag, such as `--port`.
    pub name: &'static str,
    /// The setting.
    pub key: Key,
    /// Its value.
    pub value: String,
}

/// The embedded upstream of `serve --demo`: the only provider, regardless of the files.
#[derive(Debug, Clone)]
pub struct Demo {
    /// Its base URL.
    pub base_url: Url,
    /// Its models.
    pub models: Vec<String>,
}
