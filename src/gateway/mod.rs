//! The gateway: share-nothing workers behind one address, and their start and stop.
//!
//! Each worker is a thread with its own single-threaded runtime, listener, router, upstream connections and metric
//! cells. `connection.rs` accepts, `routes.rs` finds and locks the route, `relay.rs` tells the story of a model call.

mod auth;
mod connection;
mod error;
mod exchange;
mod headers;
mod io;
mod lifecycle;
mod listen;
mod models;
mod peek;
mod relay;
mod relay_body;
mod reply;
mod request_body;
mod request_log;
mod routes;
mod scrape;
mod tap;
mod usage;
mod worker;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::metrics::{Build, Metrics, Setup};
use crate::providers::{Client, Providers, discover_forever};
use crate::{tls, version};
use auth::Access;
use error::GatewayError;
use lifecycle::Lifecycle;
use routes::ROUTES;
use worker::{Shared, Worker};

/// Time for last words to be written after the grace period.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A gateway whose address is bound and whose workers can start.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
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
    /// Binds the address and makes everything ready that can fail.
    ///
    /// # Errors
    /// A port in use, a host that is no address of this machine, a provider that cannot be called.
    pub fn bind(config: Config) -> anyhow::Result<Self> {
        let limits = listen::limits(&config.server);
        let listeners = listen::bind(&config.server.host, config.server.port, config.server.workers.get())?;
        let address = listeners[0].local_addr().context("the bound address cannot be read")?;
        let providers = Arc::new(Providers::new(&config.providers)?);
        let metrics = if config.metrics.enabled { Some(metrics(&config)?) } else { None };
        let access = Access::new(config.server.master_key.as_ref());
        let shared =
            Shared { access, providers, metrics, lifecycle: Arc::new(Lifecycle::default()), limits, config };
        Ok(Self { shared: Arc::new(shared), listeners, address })
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
    /// When a worker cannot be started.
    pub fn run(self) -> anyhow::Result<Ended> {
        let runtime = runtime()?;
        let mut signals = runtime.block_on(async { Signals::new() })?;
        let tls = client_tls(&self.shared.config)?;
        self.announce();
        let mut workers = Vec::new();
        for (index, listener) in self.listeners.into_iter().enumerate() {
            let client = Client::new(tls.clone(), self.shared.config.http.connect_timeout);
            let metrics = self.shared.metrics.as_ref().map(|metrics| metrics.worker(index));
            let worker = Arc::new(Worker::new(Arc::clone(&self.shared), client, metrics));
            let start = thread::Builder::new().name(format!("worker-{index}"));
            workers.push(
                start.spawn(move || work(listener, worker)).context("a worker thread could not start")?,
            );
        }
        runtime.block_on(async {
            let discovery = tokio::spawn(discover_forever(Arc::clone(&self.shared.providers)));
            signals.next().await;
            discovery.abort();
            tokio::select! {
                cut = stop(&self.shared, &workers) => Ok(Ended::Drained { cut }),
                () = signals.next() => Ok(Ended::AtOnce),
            }
        })
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

/// How many routes there are, as the label `route` counts them.
pub const ROUTE_COUNT: usize = routes::COUNT;

/// Every family, with zeros for what the configuration names.
fn metrics(config: &Config) -> anyhow::Result<Arc<Metrics>> {
    let path = config.metrics_path();
    let routes: Vec<&str> = ROUTES
        .iter()
        .map(|route| if route.action == routes::Action::Scrape { path.as_str() } else { route.template })
        .collect();
    let providers: Vec<&str> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
    let models: Vec<(&str, &str)> = config
        .providers
        .iter()
        .flat_map(|provider| provider.models.iter().map(|model| (provider.name.as_str(), model.as_str())))
        .collect();
    let setup = Setup {
        workers: config.server.workers.get(),
        routes: &routes,
        providers: &providers,
        models: &models,
        max_models: config.metrics.max_models,
        build: Build { version: version::VERSION, revision: version::REVISION, rustc: version::RUSTC },
    };
    Ok(Metrics::new(&setup)?)
}

/// Trust is read only where a provider is called over TLS.
fn client_tls(config: &Config) -> anyhow::Result<rustls::ClientConfig> {
    let needed = config.providers.iter().any(|provider| provider.base_url.scheme() == "https");
    Ok(if needed { tls::client_config()? } else { tls::client_config_without_roots()? })
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime could be made")
}

/// The life of one worker thread.
fn work(listener: TcpListener, worker: Arc<Worker>) -> anyhow::Result<()> {
    let router = routes::router(&worker);
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        connection::accept(listener, worker, router).await;
        Ok(())
    })
}

/// Drains and stops; returns how many requests were cut off.
async fn stop(shared: &Shared, workers: &[thread::JoinHandle<anyhow::Result<()>>]) -> usize {
    let (lifecycle, shutdown) = (&shared.lifecycle, shared.config.server.shutdown);
    lifecycle.leave();
    tracing::info!(in_flight = lifecycle.in_flight(), "shutting down");
    tokio::time::sleep(shutdown.delay).await;
    lifecycle.draining.cancel();
    let mut cut = 0;
    let drained = async {
        lifecycle.idle().await;
        lifecycle.closing.cancel();
        finished(workers).await;
    };
    if tokio::time::timeout(shutdown.grace, drained).await.is_err() {
        cut = lifecycle.in_flight();
        lifecycle.closing.cancel();
        lifecycle.cut.cancel();
        drop(tokio::time::timeout(LAST_WORDS, finished(workers)).await);
    }
    tracing::info!(cut, "stopped");
    cut
}

async fn finished(workers: &[thread::JoinHandle<anyhow::Result<()>>]) {
    while !workers.iter().all(thread::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn draining() -> GatewayError {
    GatewayError::Unavailable {
        message: "The gateway is shutting down; send the request again.",
        code: "draining",
    }
}

fn overloaded() -> GatewayError {
    GatewayError::Unavailable {
        message: "Too many requests are in flight (server.max_in_flight); send the request again.",
        code: "too_many_in_flight",
    }
}

fn too_many_connections() -> GatewayError {
    GatewayError::Unavailable {
        message: "Too many connections are open (server.max_connections); send the request again.",
        code: "too_many_connections",
    }
}

fn no_such_route() -> GatewayError {
    GatewayError::Refused {
        status: http::StatusCode::NOT_FOUND,
        message: "There is no such route.".into(),
        param: None,
        code: "unknown_route",
    }
}
