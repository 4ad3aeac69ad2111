//! State of a listener's thread: its metrics cells, and what it serves requests with under the active configuration.
//! force.

use std::sync::Arc;

use axum::Router;
use parking_lot::{Mutex, MutexGuard};

use super::active::ActiveConfig;
use super::connections::Connections;
use super::lifecycle::Lifecycle;
use super::worker::{AppState, WorkerState};
use crate::metrics::WorkerMetrics;
use crate::providers::Client;

/// Connections beyond the cap that are served nothing but health and metrics.
const RESERVED_CONNECTIONS: usize = 16;
/// Connections of the metrics' own listener, which the caps do not count.
const METRICS_CONNECTIONS: usize = 256;

/// Makes the router of a worker.
pub(crate) type MakeRouter = fn(&Arc<WorkerState>) -> Router;

/// One accept loop's place.
#[derive(Debug)]
pub(crate) struct ListenerState {
    pub(crate) metrics: Option<WorkerMetrics>,
    /// Closing of its listener, and the connections that come in by it.
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) connections: Arc<Connections>,
    active: Arc<ActiveConfig>,
    router: MakeRouter,
    /// Counted by the caps.
    capped: bool,
    serving: Mutex<Serving>,
}

/// State that requests are served with, until the next reload.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    pub(crate) worker: Arc<WorkerState>,
    pub(crate) router: Router,
}

impl ListenerState {
    /// Serves the API.
    pub(crate) fn of_api(
        active: &Arc<ActiveConfig>,
        metrics: Option<WorkerMetrics>,
        router: MakeRouter,
    ) -> Self {
        let lifecycle = Arc::clone(&active.app().lifecycle);
        Self::new(active, metrics, lifecycle, router, true)
    }

    /// Serves the metrics on a listener of their own, until `lifecycle` closes.
    pub(crate) fn of_metrics(
        active: &Arc<ActiveConfig>,
        metrics: Option<WorkerMetrics>,
        lifecycle: Arc<Lifecycle>,
        router: MakeRouter,
    ) -> Self {
        Self::new(active, metrics, lifecycle, router, false)
    }

    fn new(
        active: &Arc<ActiveConfig>,
        metrics: Option<WorkerMetrics>,
        lifecycle: Arc<Lifecycle>,
        router: MakeRouter,
        capped: bool,
    ) -> Self {
        let app = active.app();
        let client = Client::new(&app.egress, app.limits.idle_upstream);
        let serving = Serving::new(app, client, metrics.clone(), router);
        let (active, connections) = (Arc::clone(active), lifecycle.accept_loop());
        Self { metrics, lifecycle, connections, active, router, capped, serving: Mutex::new(serving) }
    }

    /// State that requests are served with now.
    pub(crate) fn serving(&self) -> Serving {
        self.latest().clone()
    }

    /// Its own copy of it, brought up to date.
    fn latest(&self) -> MutexGuard<'_, Serving> {
        let mut serving = self.serving.lock();
        if !self.active.is(&serving.worker.app) {
            let (app, old) = (self.active.app(), &serving.worker);
            // Its connections to upstreams last as long as they would be made alike.
            let client = if Arc::ptr_eq(&app.egress, &old.app.egress) {
                old.client.clone()
            } else {
                Client::new(&app.egress, app.limits.idle_upstream)
            };
            *serving = Serving::new(app, client, self.metrics.clone(), self.router);
        }
        serving
    }

    /// Brings what a connection serves with up to date; without a reload that is a comparison of two pointers.
    pub(crate) fn follow(&self, serving: &mut Serving) {
        if !self.active.is(&serving.worker.app) {
            *serving = self.serving();
        }
    }

    /// Connections that are served everything.
    pub(crate) fn cap(&self) -> usize {
        if self.capped { self.latest().worker.app.limits.connections } else { METRICS_CONNECTIONS }
    }

    /// Connections that are accepted at all.
    pub(crate) fn most_connections(&self) -> usize {
        if self.capped { self.cap() + RESERVED_CONNECTIONS } else { METRICS_CONNECTIONS }
    }
}

impl Serving {
    fn new(app: Arc<AppState>, client: Client, metrics: Option<WorkerMetrics>, router: MakeRouter) -> Self {
        let worker = Arc::new(WorkerState::new(app, client, metrics));
        let router = router(&worker);
        Self { worker, router }
    }
}
