//! Registration of a configuration's facts with the metrics.

use std::sync::Arc;

use super::lifecycle::Lifecycle;
use crate::config::Config;
use crate::gateway::http::auth::Access;
use crate::logging::{self, DroppedLines};
use crate::metrics::{Build, Configured, Live, LiveFacts, Metrics, Setup};
use crate::{panics, version};

/// Every family, with zeros for what the configuration names. `routes` are the templates of the route table, in its
/// order.
pub(crate) fn metrics(
    config: &Config,
    access: &Access,
    lifecycle: &Arc<Lifecycle>,
    dropped_lines: DroppedLines,
    routes: &[&str],
) -> anyhow::Result<Arc<Metrics>> {
    // A listener of the metrics' own counts beside the workers.
    let workers = config.server.workers.get() + usize::from(config.metrics.listen.is_some());
    let live = live(lifecycle, dropped_lines);
    with_configured(config, access, |configured| {
        let setup = Setup {
            workers,
            routes,
            max_models: config.metrics.max_models,
            max_unlisted_models: config.metrics.max_unlisted_models,
            max_series: config.metrics.max_series,
            exemplars: config.metrics.exemplars,
            build: Build { version: version::VERSION, revision: version::REVISION, rustc: version::RUSTC },
            live,
            configured: *configured,
        };
        Ok(Metrics::new(setup)?)
    })
}

/// Hands over what a configuration names.
pub(crate) fn with_configured<T>(
    config: &Config,
    access: &Access,
    hand_over: impl FnOnce(&Configured) -> T,
) -> T {
    let providers: Vec<(&str, &str)> =
        config.providers.iter().map(|provider| (provider.name.as_str(), provider.kind.name)).collect();
    let priced: Vec<(&str, &str)> = config
        .providers
        .iter()
        .flat_map(|provider| provider.prices.keys().map(|model| (provider.name.as_str(), model.as_str())))
        .collect();
    let model_routes: Vec<&str> = config.routes.iter().map(|route| route.model.as_str()).collect();
    let callers: Vec<&str> = access.names().filter(|_| access.counts_callers()).collect();
    hand_over(&Configured {
        providers: &providers,
        models: &config.named_models(),
        priced: &priced,
        model_routes: &model_routes,
        callers: &callers,
        hash: &config.digest(),
    })
}

/// Facts that a scrape reads from the gateway.
fn live(lifecycle: &Arc<Lifecycle>, dropped_lines: DroppedLines) -> LiveFacts {
    let lifecycle = Arc::clone(lifecycle);
    Box::new(move || {
        let (active, connections) = (lifecycle.active(), lifecycle.connections());
        Live {
            in_flight: lifecycle.in_flight(),
            in_flight_limit: lifecycle.in_flight_limit(),
            active_connections: active,
            idle_connections: connections.saturating_sub(active),
            log_lines_dropped: dropped_lines.count(),
            log_lines_suppressed: logging::suppressed_lines(),
            panics: panics::count(),
        }
    })
}
