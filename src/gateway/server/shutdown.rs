//! From the signal to the end: not ready, drained, closed, cut; the metrics' own listener last.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::metrics_listener::Scrapes;
use super::threads::Workers;
use crate::gateway::state::worker::AppState;

/// Time for the last events of streams to be written after the grace period.
const LAST_EVENTS: Duration = Duration::from_millis(500);

/// Drains and stops; returns how many requests were cut off.
pub(crate) async fn stop(app: &AppState, workers: &mut Workers, scrapes: Option<Scrapes>) -> usize {
    let (lifecycle, shutdown) = (&app.lifecycle, app.config.server.shutdown);
    lifecycle.leave();
    tracing::info!(in_flight = lifecycle.in_flight(), "shutting down");
    tokio::time::sleep(shutdown.delay).await;
    lifecycle.draining.cancel();
    let mut cut = 0;
    if tokio::time::timeout(shutdown.grace, workers.all_ended()).await.is_err() {
        cut = lifecycle.in_flight();
        lifecycle.cut.cancel();
        lifecycle.closing.cancel();
        // A client that does not read its last event in this time does not get it.
        drop(tokio::time::timeout(LAST_EVENTS, workers.all_ended()).await);
    }
    if let Some(scrapes) = scrapes {
        scrapes.end().await;
    }
    tracing::info!(cut, "stopped");
    cut
}

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes both over; call it inside a runtime.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
