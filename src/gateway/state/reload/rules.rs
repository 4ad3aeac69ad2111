//! Rules for what a reload may not change: settings that only a start can change, and the last key that locks something.

use crate::config::{Config, Key};

/// Puts back what only a start can change; names what differed.
pub(crate) fn keep_fixed(config: &mut Config, old: &Config) -> impl Iterator<Item = Key> {
    let (server, metrics) = (&mut config.server, &mut config.metrics);
    let kept = [
        (Key::ServerHost, keep(&mut server.host, &old.server.host)),
        (Key::ServerPort, keep(&mut server.port, &old.server.port)),
        (Key::ServerBasePath, keep(&mut server.base_path, &old.server.base_path)),
        (Key::ServerWorkers, keep(&mut server.workers, &old.server.workers)),
        (Key::MetricsEnabled, keep(&mut metrics.enabled, &old.metrics.enabled)),
        (Key::MetricsEndpoint, keep(&mut metrics.endpoint, &old.metrics.endpoint)),
        (Key::MetricsListen, keep(&mut metrics.listen, &old.metrics.listen)),
        (Key::MetricsMaxModels, keep(&mut metrics.max_models, &old.metrics.max_models)),
        (
            Key::MetricsMaxUnlistedModels,
            keep(&mut metrics.max_unlisted_models, &old.metrics.max_unlisted_models),
        ),
        (Key::MetricsMaxSeries, keep(&mut metrics.max_series, &old.metrics.max_series)),
        (Key::MetricsExemplars, keep(&mut metrics.exemplars, &old.metrics.exemplars)),
        (Key::LogFormat, keep(&mut config.log.format, &old.log.format)),
    ];
    kept.into_iter().filter(|(_, differed)| *differed).map(|(key, _)| key)
}

fn keep<T: Clone + PartialEq>(new: &mut T, old: &T) -> bool {
    let differs = new != old;
    new.clone_from(old);
    differs
}

/// Locks that `new` would take away, each as a sentence that says what to do.
pub(crate) fn unlocks(old: &Config, new: &Config) -> Vec<String> {
    let would_lose = |locks: fn(&Config) -> bool| locks(old) && !locks(new);
    let mut lost = Vec::new();
    if would_lose(has_master) {
        lost.push("server.master_key");
    } else {
        if would_lose(locks_api) {
            lost.push("the last key of server.keys");
        }
        if would_lose(locks_metrics) {
            lost.push("metrics.token, the last credential of the metrics");
        }
    }
    lost.into_iter().map(sentence).collect()
}

fn has_master(config: &Config) -> bool {
    config.server.master_key.is_some()
}

fn locks_api(config: &Config) -> bool {
    has_master(config) || !config.server.keys.is_empty()
}

fn locks_metrics(config: &Config) -> bool {
    has_master(config) || config.metrics.token.is_some()
}

fn sentence(lost: &str) -> String {
    format!("it would take away {lost}; a reload never unlocks: restore it, or restart to run without it")
}
