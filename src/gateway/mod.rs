//! The gateway: share-nothing workers behind one address, and their start and stop.
//!
//! Each worker is a thread with its own single-threaded runtime, listener, router, upstream connections and metric
//! cells. `server/` accepts and spreads the connections over the workers; `handlers/routes.rs` finds the route,
//! `serve.rs` beside it checks the credential, `model_call.rs` serves a model call, `resources.rs` and
//! `passthrough.rs` those that are bound to a provider; `dispatch/` carries an operation out. All that follows from the configuration is rebuilt as a whole when it changes
//! (`state/reload/`); requests in flight keep what they began with.

mod dispatch;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handlers;
mod http;
mod observe;
mod request;
pub mod response;
mod server;
mod state;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::task::AbortOnDropHandle;

use crate::config::{Config, Loaded, Sources};
use crate::gateway::state::active::ActiveConfig;
use crate::gateway::state::listener_state::ListenerState;
use crate::gateway::state::reload::Reloader;
use crate::gateway::state::worker::AppState;
use crate::logging::{DroppedLines, LogLevel};
use server::metrics_listener::MetricsListener;
use server::shutdown::Signals;
use server::spread::Spread;
use server::threads::Workers;

/// A gateway whose addresses are bound and whose workers can start.
#[derive(Debug)]
pub struct Gateway {
    active: Arc<ActiveConfig>,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    metrics: Option<MetricsListener>,
}

/// End of a run.
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
    /// Binds the addresses and makes everything ready that the configuration can make fail.
    ///
    /// # Errors
    /// A port in use, a host that is no address of this machine, a provider that cannot be called, a machine that
    /// trusts no certificate while a provider needs one.
    pub fn bind(config: Config, dropped_lines: DroppedLines) -> anyhow::Result<Self> {
        let listeners = server::listener::bind(&config.server)?;
        let address = listeners[0].local_addr().context("the bound address cannot be read")?;
        let metrics = MetricsListener::bind(&config)?;
        let metrics_path = config.metrics_path();
        let routes = handlers::routes::templates(&metrics_path);
        let active = Arc::new(ActiveConfig::new(AppState::new(config, dropped_lines, &routes)?));
        Ok(Self { active, listeners, address, metrics })
    }

    /// Address of the listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL of the metrics endpoint.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        let address = self.metrics.as_ref().map_or(self.address, |listener| listener.address);
        format!("http://{address}{}", self.active.app().config.metrics_path())
    }

    /// Serves until SIGINT or SIGTERM; `sources`, which `loaded` came from, are read again at SIGHUP.
    ///
    /// # Errors
    /// When a worker cannot be started, or ends by itself.
    pub fn run(self, sources: Sources, loaded: Loaded, log_level: LogLevel) -> anyhow::Result<Ended> {
        let runtime = server::threads::runtime()?;
        let ended = runtime.block_on(self.serve(sources, loaded, log_level));
        // A name that is still being looked up does not hold the end up.
        runtime.shutdown_background();
        ended
    }

    async fn serve(self, sources: Sources, loaded: Loaded, log_level: LogLevel) -> anyhow::Result<Ended> {
        let mut signals = Signals::new()?;
        let reloader = Reloader::new(Arc::clone(&self.active), sources, loaded, log_level)?;
        self.announce();
        let mut workers = Workers::new();
        let metrics = self.active.app().metrics.clone();
        let cells = |index| metrics.as_ref().map(|metrics| metrics.worker(index));
        let own = self.listeners.len();
        let states: Vec<ListenerState> = (0..own)
            .map(|index| ListenerState::of_api(&self.active, cells(index), handlers::routes::router))
            .collect();
        let shares = Spread::over(states.iter().map(|state| &state.connections));
        for ((listener, state), share) in self.listeners.into_iter().zip(states).zip(shares) {
            workers.start(listener, state, share)?;
        }
        let scrapes = match self.metrics {
            Some(listener) => Some(listener.start(&self.active, cells(own))?),
            None => None,
        };
        let reloading = AbortOnDropHandle::new(tokio::spawn(reloader.run()));
        tokio::select! {
            () = signals.next() => {}
            ended = workers.one_ended() => {
                return ended.and(Err(anyhow::anyhow!("a worker ended unexpectedly")));
            }
        }
        drop(reloading);
        let app = self.active.app();
        tokio::select! {
            cut = server::shutdown::stop(&app, &mut workers, scrapes) => Ok(Ended::Drained { cut }),
            () = signals.next() => Ok(Ended::AtOnce),
        }
    }

    fn announce(&self) {
        let app = self.active.app();
        let config = &app.config;
        match &self.metrics {
            _ if !config.metrics.enabled => tracing::info!("prometheus metrics disabled"),
            None => tracing::info!(endpoint = config.metrics_path(), "prometheus metrics enabled"),
            Some(listener) => tracing::info!(
                endpoint = config.metrics_path(),
                address = listener.address.to_string(),
                "prometheus metrics enabled"
            ),
        }
        tracing::info!(
            address = self.address.to_string(),
            workers = self.listeners.len(),
            providers = config.providers.len(),
            "listening"
        );
    }
}

pub use crate::gateway::handlers::routes::{route_count, route_table};
pub use server::listener::file_limit;

#[cfg(feature = "bench-entry")]
#[doc(hidden)]
#[path = "../../benches/entry/preparation.rs"]
pub mod preparation;
