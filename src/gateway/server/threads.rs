//! The worker threads, and the news of their end.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::accept;
use super::spread::Share;
use crate::gateway::state::listener_state::ListenerState;

/// Every worker of the process.
pub(crate) struct Workers {
    running: usize,
    ended: UnboundedReceiver<anyhow::Result<()>>,
    report: UnboundedSender<anyhow::Result<()>>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let (report, ended) = unbounded_channel();
        Self { running: 0, ended, report }
    }

    /// Starts a thread that serves a listener, and its share of the connections of all.
    pub(crate) fn start(
        &mut self,
        listener: TcpListener,
        listener_state: ListenerState,
        share: Share,
    ) -> anyhow::Result<()> {
        let report = self.report.clone();
        let life = move || {
            let work = AssertUnwindSafe(|| work(listener, listener_state, share));
            let result = match catch_unwind(work) {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!("a worker panicked")),
            };
            // The receiver is gone when the process is about to end.
            drop(report.send(result));
        };
        let name = format!("worker-{}", self.running);
        thread::Builder::new().name(name).spawn(life).context("a worker thread could not start")?;
        self.running += 1;
        Ok(())
    }

    /// Waits for one worker to end, which none does while the gateway serves.
    pub(crate) async fn one_ended(&mut self) -> anyhow::Result<()> {
        let result = self.ended.recv().await;
        self.running -= 1;
        result.unwrap_or(Ok(()))
    }

    /// Waits for all workers to end.
    pub(crate) async fn all_ended(&mut self) {
        while self.running > 0 {
            if let Err(error) = self.one_ended().await {
                tracing::error!(error = format!("{error:#}"), "a worker failed");
            }
        }
    }
}

/// The life of one worker thread.
fn work(listener: TcpListener, listener_state: ListenerState, share: Share) -> anyhow::Result<()> {
    let listener_state = Arc::new(listener_state);
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accept::accept(listener, listener_state, Some(share)).await;
        Ok(())
    });
    // A name that is still being looked up does not hold the end up.
    runtime.shutdown_background();
    served
}

/// A single-threaded runtime.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime could be made")
}
