//! State of a listener's thread: its metrics cells, and its worker under the active configuration.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::active::ActiveConfig;
use super::connections::Connections;
use super::lifecycle::Lifecycle;
use super::worker::{AppState, WorkerState};
use crate::gateway::request::router::Router;
use crate::metrics::WorkerMetrics;
use crate::providers::Client;

/// Connections beyond the cap that are served nothing but health and metrics.
const RESERVED_CONNECTIONS: usize = 16;
/// Connections of the metrics' own listener, which the caps do not count.
const METRICS_CONNECTIONS: usize = 256;

/// Makes the router of a worker.
pub(crate) type MakeRouter = fn(&WorkerState) -> Router;

/// State of one accept loop.
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
    active_worker: Mutex<Arc<ActiveWorker>>,
}

/// Worker and router under the active configuration, until the next reload.
#[derive(Debug)]
pub(crate) struct ActiveWorker {
    pub(crate) worker: WorkerState,
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
        let active_worker = ActiveWorker::new(app, client, metrics.clone(), router);
        let (active, connections) = (Arc::clone(active), lifecycle.accept_loop());
        Self {
            metrics,
            lifecycle,
            connections,
            active,
            router,
            capped,
            active_worker: Mutex::new(active_worker),
        }
    }

    /// The active worker.
    pub(crate) fn active_worker(&self) -> Arc<ActiveWorker> {
        Arc::clone(&self.latest())
    }

    /// The same in place, brought up to date.
    fn latest(&self) -> MutexGuard<'_, Arc<ActiveWorker>> {
        let mut latest = self.active_worker.lock();
        if !self.active.is(&latest.worker.app) {
            let (app, old) = (self.active.app(), &latest.worker);
            // Its connections to upstreams last as long as they would be made alike.
            let client = if Arc::ptr_eq(&app.egress, &old.app.egress) {
                old.client.clone()
            } else {
                Client::new(&app.egress, app.limits.idle_upstream)
            };
            *latest = ActiveWorker::new(app, client, self.metrics.clone(), self.router);
        }
        latest
    }

    /// Brings a connection's copy up to date; without a reload that is a comparison of two pointers.
    pub(crate) fn follow(&self, worker: &mut Arc<ActiveWorker>) {
        if !self.active.is(&worker.worker.app) {
            *worker = self.active_worker();
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

impl ActiveWorker {
    fn new(
        app: Arc<AppState>,
        client: Client,
        metrics: Option<WorkerMetrics>,
        router: MakeRouter,
    ) -> Arc<Self> {
        let worker = WorkerState::new(app, client, metrics);
        let router = router(&worker);
        Arc::new(Self { worker, router })
    }
}
