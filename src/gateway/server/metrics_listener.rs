//! The metrics' own listener: outside the caps, served by the main thread, closed last.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::{accept, listener};
use crate::config::Config;
use crate::gateway::handlers::routes;
use crate::gateway::state::active::ActiveConfig;
use crate::gateway::state::lifecycle::Lifecycle;
use crate::gateway::state::listener_state::ListenerState;
use crate::metrics::WorkerMetrics;

/// Time for the last scrape to be read to its end.
const LAST_SCRAPE: Duration = Duration::from_millis(500);

/// Bound, but nothing is accepted yet.
#[derive(Debug)]
pub(crate) struct MetricsListener {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Scrapes are served.
pub(crate) struct Scrapes {
    accepting: JoinHandle<()>,
    lifecycle: Arc<Lifecycle>,
}

impl MetricsListener {
    /// `None` where the metrics have no address of their own.
    pub(crate) fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        if !config.metrics.enabled {
            return Ok(None);
        }
        let Some((host, port)) = &config.metrics.listen else { return Ok(None) };
        let listener = listener::bind_metrics(host, *port)?;
        let address = listener.local_addr().context("the bound address cannot be read")?;
        Ok(Some(Self { listener, address }))
    }

    /// Serves in the runtime it is called in.
    pub(crate) fn start(
        self,
        active: &Arc<ActiveConfig>,
        metrics: Option<WorkerMetrics>,
    ) -> std::io::Result<Scrapes> {
        let lifecycle = Arc::<Lifecycle>::default();
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let listener_state =
            ListenerState::of_metrics(active, metrics, Arc::clone(&lifecycle), routes::metrics_router);
        let accepting = tokio::spawn(accept::accept(listener, Arc::new(listener_state), None));
        Ok(Scrapes { accepting, lifecycle })
    }
}

impl Scrapes {
    /// Lets the scrapes that are being read come to their end.
    pub(crate) async fn end(self) {
        self.lifecycle.draining.cancel();
        self.lifecycle.closing.cancel();
        // A scrape that is not read in this time is cut.
        drop(tokio::time::timeout(LAST_SCRAPE, self.accepting).await);
    }
}
