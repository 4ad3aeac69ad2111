//! Warnings, and errors that show only once everything is read.

use std::collections::BTreeMap;

use crate::config::problem::{Fault, Layer, Place, Problems};
use crate::config::providers::resilience;
use crate::config::sources::environment::Environment;
use crate::config::values::{paths, secrets, units};
use crate::config::{Config, Key};

/// File descriptors kept for everything that is neither a connection nor a request in flight.
pub(crate) const OTHER_FILES: usize = 64;

/// Problem and remedy of a metrics endpoint for which no key is valid.
pub const CLOSED_METRICS: (&str, &str) = (
    "closed to everyone, because server.keys are for the API only",
    "set METRICS_TOKEN or AURORA_MASTER_KEY",
);

/// Facts beside the configuration itself.
pub(crate) struct Facts<'a> {
    /// Place of the value of each setting.
    pub(crate) places: &'a BTreeMap<Key, Place>,
    pub(crate) environment: &'a Environment,
    /// File descriptors that the process may open, where that is known and limited.
    pub(crate) file_limit: Option<u64>,
    /// The configuration file, when it contains a key and is world-readable.
    pub(crate) readable_key_file: Option<Place>,
}

impl Facts<'_> {
    fn place(&self, key: Key) -> Place {
        self.places.get(&key).cloned().unwrap_or_else(Place::default_value)
    }
}

/// Checks the whole configuration.
pub(crate) fn check(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    check_access(config, facts, problems);
    check_metrics(config, facts, problems);
    check_models(config, facts, problems);
    check_backoff(config, facts, problems);
    check_body_memory(config, facts, problems);
    check_caps(config, facts, problems);
    if let Some(file) = &facts.readable_key_file {
        let what = "contains a key and is readable by every user of this machine";
        problems.warn(
            file,
            "",
            Fault::new("readable-key", what, "chmod 600 it, or write ${VAR} instead of the key"),
        );
    }
    let empty = facts.environment.iter().any(|(name, value)| name == "METRICS_ENABLED" && value.is_empty());
    if empty && config.metrics.enabled {
        let place = Place::new(Layer::Environment, "environment METRICS_ENABLED");
        let what = format!(
            "empty counts as unset, so metrics stay enabled by {}",
            facts.place(Key::MetricsEnabled).provenance()
        );
        problems.warn(
            &place,
            Key::MetricsEnabled,
            Fault::new("empty-variable", what, "set METRICS_ENABLED=false to disable them"),
        );
    }
    if config.providers.is_empty() && !problems.refused_below("providers") {
        let what = "no provider, so every model request gets 503";
        let fix = "set a key such as OPENAI_API_KEY, or add a provider to the configuration file";
        problems.warn(&Place::default_value(), "providers", Fault::new("no-provider", what, fix));
    }
}

fn check_access(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let server = &config.server;
    let refused = problems.refused(Key::ServerMasterKey) || problems.refused_below("server.keys");
    if server.master_key.is_none() && server.keys.is_empty() && !refused {
        let what = "not set, so anyone who can reach the address can use the gateway";
        problems.warn(
            &facts.place(Key::ServerMasterKey),
            Key::ServerMasterKey,
            Fault::new("no-master-key", what, "set AURORA_MASTER_KEY"),
        );
    }
    for (key, secret, id) in [
        (Key::ServerMasterKey, &server.master_key, "short-master-key"),
        (Key::MetricsToken, &config.metrics.token, "short-metrics-token"),
    ] {
        if let Some(secret) = secret
            && let Some(fault) = secrets::weakness(secret, id)
        {
            problems.warn(&facts.place(key), key, fault);
        }
    }
}

fn check_metrics(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let (server, metrics) = (&config.server, &config.metrics);
    if let Some((host, port)) = &metrics.listen
        && paths::collide((host, *port), (&server.host, server.port))
    {
        let what =
            format!("the address of the server itself, {}", paths::authority(&server.host, server.port));
        let fix = "write another port, or remove it to serve the endpoint there";
        problems.error(
            &facts.place(Key::MetricsListen),
            Key::MetricsListen,
            Fault::new("same-listener", what, fix),
        );
    }
    let keys_refused = [Key::ServerMasterKey, Key::MetricsToken].into_iter().any(|key| problems.refused(key));
    let (host, port) = config.metrics_address();
    let unlocked = server.master_key.is_none() && metrics.token.is_none();
    if metrics.enabled && config.metrics_are_closed() && !keys_refused {
        let (what, fix) = CLOSED_METRICS;
        problems.warn(
            &facts.place(Key::MetricsEnabled),
            Key::MetricsEndpoint,
            Fault::new("closed-metrics", what, fix),
        );
    } else if metrics.enabled && unlocked && !keys_refused && !paths::is_loopback(host) {
        let what = format!("open to anyone who can reach {}", paths::authority(host, port));
        let fix = match metrics.listen {
            Some(_) => "set METRICS_TOKEN or AURORA_MASTER_KEY, or bind 127.0.0.1 with METRICS_LISTEN",
            None => "set METRICS_TOKEN or AURORA_MASTER_KEY, or bind 127.0.0.1 with AURORA_HOST",
        };
        problems.warn(
            &facts.place(Key::MetricsEnabled),
            Key::MetricsEndpoint,
            Fault::new("open-metrics", what, fix),
        );
    }
    let is_master = metrics.token.is_some() && metrics.token == server.master_key;
    if is_master && metrics.token != Some(secrets::assumed()) && !keys_refused {
        let what = "the same as server.master_key, so anyone who reads metrics can use the gateway";
        problems.warn(
            &facts.place(Key::MetricsToken),
            Key::MetricsToken,
            Fault::new("token-is-master-key", what, secrets::MAKE_ONE),
        );
    }
}

fn check_backoff(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let latest = resilience::BACKOFFS.into_iter().max_by_key(|key| facts.place(*key).layer);
    let key = latest.unwrap_or(Key::RetryMaxBackoff);
    if let Some(fault) = resilience::check_backoff(&config.resilience.retry, key) {
        problems.error(&facts.place(key), key, fault);
    }
}

fn check_body_memory(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let server = &config.server;
    let Some(memory) = server.body_memory.filter(|memory| *memory < server.body_size_limit) else { return };
    let what = format!(
        "less than server.body_size_limit (got {}, expected {} or more), so larger bodies always get 503",
        units::show_size(memory as u64),
        units::show_size(server.body_size_limit as u64),
    );
    let fix = "raise it, or lower BODY_SIZE_LIMIT";
    problems.warn(
        &facts.place(Key::ServerBodyMemory),
        Key::ServerBodyMemory,
        Fault::new("small-body-memory", what, fix),
    );
}

/// Connections and requests in flight that take more file descriptors than there are.
fn check_caps(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let caps = (config.server.max_connections, config.server.max_in_flight);
    let (connections, in_flight, key) = match caps {
        (None, None) => return,
        (Some(connections), None) => (connections, connections, Key::ServerMaxConnections),
        (None, Some(in_flight)) => (in_flight, in_flight, Key::ServerMaxInFlight),
        (Some(connections), Some(in_flight)) => {
            (connections, in_flight.min(connections), Key::ServerMaxConnections)
        }
    };
    let needed = (connections + in_flight + OTHER_FILES) as u64;
    let Some(limit) = facts.file_limit.filter(|limit| *limit < needed) else { return };
    let what = format!(
        "{connections} connections and {in_flight} requests in flight take up to {needed} file descriptors, but this process \
         may open {limit}"
    );
    let fit = (limit / 2).saturating_sub(OTHER_FILES as u64).max(1);
    let fix =
        format!("raise the hard limit (ulimit -Hn, LimitNOFILE=, --ulimit nofile=), or write {fit} or less");
    problems.warn(&facts.place(key), key, Fault::new("descriptor-limit", what, fix));
}

fn check_models(config: &Config, facts: &Facts<'_>, problems: &mut Problems) {
    let models = config.named_models().len();
    if models > config.metrics.max_models {
        let what = format!(
            "{models} models are configured (got {}, expected {models} or more)",
            config.metrics.max_models
        );
        let fix = format!("set METRICS_MAX_MODELS={models}");
        problems.error(
            &facts.place(Key::MetricsMaxModels),
            Key::MetricsMaxModels,
            Fault::new("too-many-models", what, fix),
        );
    }
}
