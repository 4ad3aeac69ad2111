//! What is allowed but worth a word, and what only shows once everything is read.

use std::path::PathBuf;

use super::problem::{Fault, Layer, Place, Problems};
use super::source::Environment;
use super::{Config, EffectiveSetting, paths};

/// Shortest master key that is not guessed, in characters.
const MIN_KEY: usize = 16;

/// What is known beside the configuration itself.
pub(super) struct Facts<'a> {
    pub(super) settings: &'a [EffectiveSetting],
    pub(super) environment: &'a Environment,
    /// The file, when it holds a key and everyone may read it.
    pub(super) readable_key_file: Option<(PathBuf, Place)>,
}

impl Facts<'_> {
    fn source(&self, key: &str) -> &str {
        self.settings.iter().find(|setting| setting.key == key).map_or("default", |setting| &setting.source)
    }

    fn place(&self, key: &str) -> Place {
        Place::new(Layer::Default, self.source(key))
    }
}

/// Checks the whole.
pub(super) fn check(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    check_access(config, facts, problems);
    check_models(config, facts, problems);
    if let Some((_, file)) = &facts.readable_key_file {
        let what = "holds a key and can be read by every user of this machine";
        problems.warn(
            file,
            "",
            Fault::new("readable-key", what, "chmod 600 it, or write ${VAR} instead of the key"),
        );
    }
    let empty = facts.environment.iter().any(|(name, value)| name == "METRICS_ENABLED" && value.is_empty());
    if empty && config.metrics.enabled {
        let place = Place::new(Layer::Environment, "environment METRICS_ENABLED");
        let what =
            format!("empty counts as unset, so metrics stay enabled by {}", facts.source("metrics.enabled"));
        problems.warn(
            &place,
            "metrics.enabled",
            Fault::new("empty-variable", what, "set METRICS_ENABLED=false to disable them"),
        );
    }
    if config.providers.is_empty() {
        let what = "no provider, so every model request is answered 503";
        let fix = "set a key such as OPENAI_API_KEY, or add a provider to the configuration file";
        problems.warn(&Place::default_value(), "providers", Fault::new("no-provider", what, fix));
    }
}

fn check_access(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let place = facts.place("server.master_key");
    match &config.server.master_key {
        None => {
            let what = "not set, so whoever reaches the address may use the gateway";
            problems.warn(
                &place,
                "server.master_key",
                Fault::new("no-master-key", what, "set AURORA_MASTER_KEY"),
            );
        }
        Some(key) if key.expose().chars().count() < MIN_KEY => {
            let what = format!("shorter than {MIN_KEY} characters, so it can be guessed");
            let fix = "make one with: openssl rand -hex 32";
            problems.warn(&place, "server.master_key", Fault::new("short-master-key", what, fix));
        }
        Some(_) => {}
    }
    let open = config.server.master_key.is_none() && !paths::is_loopback(&config.server.host);
    if config.metrics.enabled && open {
        let what = format!("open to whoever reaches {}:{}", config.server.host, config.server.port);
        let fix = "set AURORA_MASTER_KEY, or bind 127.0.0.1 with AURORA_HOST";
        problems.warn(
            &facts.place("metrics.enabled"),
            "metrics.endpoint",
            Fault::new("open-metrics", what, fix),
        );
    }
}

fn check_models(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let models: usize = config.providers.iter().map(|provider| provider.models.len()).sum();
    if models > config.metrics.max_models {
        let what = format!(
            "{models} models are configured (got {}, expected {models} or more)",
            config.metrics.max_models
        );
        let fix = format!("set METRICS_MAX_MODELS={models}");
        problems.error(
            &facts.place("metrics.max_models"),
            "metrics.max_models",
            Fault::new("too-many-models", what, fix),
        );
    }
}
