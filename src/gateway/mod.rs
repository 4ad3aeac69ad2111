//! The gateway: share-nothing workers behind one address, and their start and stop.
//!
//! Each worker is a thread with its own single-threaded runtime, listener, router, upstream connections and metric
//! cells. `connection.rs` accepts, `routes.rs` finds and locks the route, `relay.rs` tells the story of a model call,
//! `stored.rs` and `passthrough.rs` those of calls that are bound to a provider.

mod answer;
mod attempts;
mod auth;
mod connection;
mod deadline;
mod error;
mod exchange;
mod headers;
mod io;
mod last_word;
mod lifecycle;
mod listen;
mod models;
mod multipart;
mod operation;
mod passthrough;
mod path;
mod peek;
mod relay;
mod relay_body;
mod reply;
mod request_body;
mod request_log;
mod routes;
mod scrape;
mod shutdown;
mod stored;
pub mod tap;
mod targets;
mod usage;
mod verdict;
mod worker;
mod workers;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::logging::DroppedLines;
use crate::metrics::{Build, Configured, Live, LiveFacts, Metrics, Setup};
use crate::providers::{Client, Providers, discover_forever};
use crate::{tls, version};
use auth::Access;
use lifecycle::Lifecycle;
use routes::ROUTES;
use shutdown::Signals;
use worker::{Limits, Shared, Worker};
use workers::Workers;

/// A gateway whose address is bound and whose workers can start.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    tls: rustls::ClientConfig,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Within the grace period, or after it with this many requests cut off.
    Drained {
        /// Requests that were still in flight.
        cut: usize,
    },
    /// A second signal wanted it at once.
    AtOnce,
}

impl Gateway {
    /// Binds the address and makes everything ready that the configuration can make fail.
    ///
    /// # Errors
    /// A port in use, a host that is no address of this machine, a provider that cannot be called, a machine that
    /// trusts no certificate while a provider needs one.
    pub fn bind(config: Config, dropped_lines: DroppedLines) -> anyhow::Result<Self> {
        let limits = listen::limits(&config.server);
        let listeners = listen::bind(&config.server.host, config.server.port, config.server.workers.get())?;
        let address = listeners[0].local_addr().context("the bound address cannot be read")?;
        let tls = client_tls(&config)?;
        let providers = Arc::new(Providers::new(&config, None)?);
        let lifecycle = Arc::new(Lifecycle::default());
        let live = live(&lifecycle, limits, dropped_lines);
        let metrics = if config.metrics.enabled { Some(metrics(&config, live)?) } else { None };
        let access = Access::new(config.server.master_key.as_ref());
        let shared =
            Shared { access, providers, metrics, rendering: Semaphore::new(1), lifecycle, limits, config };
        Ok(Self { shared: Arc::new(shared), listeners, address, tls })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Path of the metrics endpoint, base path included.
    #[must_use]
    pub fn metrics_path(&self) -> String {
        self.shared.config.metrics_path()
    }

    /// Serves until SIGINT or SIGTERM.
    ///
    /// # Errors
    /// When a worker cannot be started, or ends by itself.
    pub fn run(self) -> anyhow::Result<Ended> {
        let runtime = workers::runtime()?;
        let ended = runtime.block_on(self.serve());
        // A name that is still being looked up does not hold the end up.
        runtime.shutdown_background();
        ended
    }

    async fn serve(self) -> anyhow::Result<Ended> {
        let mut signals = Signals::new()?;
        self.announce();
        let mut workers = Workers::new();
        for (index, listener) in self.listeners.into_iter().enumerate() {
            let client = Client::new(self.tls.clone(), self.shared.config.http.connect_timeout);
            let metrics = self.shared.metrics.as_ref().map(|metrics| metrics.worker(index));
            workers.start(listener, Worker::new(Arc::clone(&self.shared), client, metrics))?;
        }
        let discovery = tokio::spawn(discover_forever(Arc::clone(&self.shared.providers), self.tls));
        tokio::select! {
            () = signals.next() => {}
            ended = workers.one_ended() => {
                return ended.and(Err(anyhow::anyhow!("a worker ended although nobody asked it to")));
            }
        }
        discovery.abort();
        tokio::select! {
            cut = shutdown::stop(&self.shared, &mut workers) => Ok(Ended::Drained { cut }),
            () = signals.next() => Ok(Ended::AtOnce),
        }
    }

    fn announce(&self) {
        let config = &self.shared.config;
        if config.metrics.enabled {
            tracing::info!(endpoint = config.metrics_path(), "prometheus metrics enabled");
        } else {
            tracing::info!("prometheus metrics disabled");
        }
        tracing::info!(
            address = self.address.to_string(),
            workers = self.listeners.len(),
            providers = config.providers.len(),
            "listening"
        );
    }
}

pub use routes::route_table;

/// How many routes there are, as the label `route` counts them.
pub const ROUTE_COUNT: usize = routes::COUNT;

/// What a scrape asks the gateway for.
fn live(lifecycle: &Arc<Lifecycle>, limits: Limits, dropped_lines: DroppedLines) -> LiveFacts {
    let lifecycle = Arc::clone(lifecycle);
    Box::new(move || {
        let (in_flight, connections) = (lifecycle.in_flight(), lifecycle.connections());
        Live {
            in_flight,
            in_flight_limit: limits.in_flight,
            active_connections: in_flight.min(connections),
            idle_connections: connections.saturating_sub(in_flight),
            log_lines_dropped: dropped_lines.count(),
        }
    })
}

/// Every family, with zeros for what the configuration names.
fn metrics(config: &Config, live: LiveFacts) -> anyhow::Result<Arc<Metrics>> {
    let path = config.metrics_path();
    let routes: Vec<&str> = ROUTES
        .iter()
        .map(|route| if route.action == routes::Action::Scrape { path.as_str() } else { route.template })
        .collect();
    let providers: Vec<(&str, &str)> =
        config.providers.iter().map(|provider| (provider.name.as_str(), provider.kind.name)).collect();
    let models: Vec<(&str, &str)> = config
        .providers
        .iter()
        .flat_map(|provider| provider.models.iter().map(|model| (provider.name.as_str(), model.as_str())))
        .collect();
    let setup = Setup {
        workers: config.server.workers.get(),
        routes: &routes,
        max_models: config.metrics.max_models,
        max_series: config.metrics.max_series,
        build: Build { version: version::VERSION, revision: version::REVISION, rustc: version::RUSTC },
        live,
        configured: Configured { providers: &providers, models: &models, ..Configured::default() },
    };
    Ok(Metrics::new(setup)?)
}

/// Trust is read only where a provider is called over TLS.
fn client_tls(config: &Config) -> anyhow::Result<rustls::ClientConfig> {
    let needed = config.providers.iter().any(|provider| provider.base_url.scheme() == "https");
    Ok(if needed { tls::client_config()? } else { tls::client_config_without_roots()? })
}
