//! Deadline of a provider: a point in time, and no later than the end of the process.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::http::error::{Fault, GatewayError};
use crate::gateway::state::connection_state::ConnectionState;
use crate::gateway::state::worker::WorkerState;

/// The time that one dispatch may take until its response can be relayed, retries included.
pub(crate) struct Deadline {
    pub(crate) begun: Instant,
    pub(crate) at: Instant,
    limit: Duration,
    waited_for: &'static str,
    /// The client's connection, in whose task the waits are: it wakes them at the deadline and at the end of the process.
    connection: Arc<ConnectionState>,
    /// Something had to be waited for.
    has_waited: AtomicBool,
}

/// Reason for giving up the wait for a provider.
pub(crate) enum GivenUp {
    TooLate,
    ShuttingDown,
}

impl Deadline {
    pub(crate) fn new(worker: &WorkerState, stream: bool, connection: &Arc<ConnectionState>) -> Self {
        let http = &worker.app.config.http;
        let (limit, waited_for) =
            if stream { (http.stream_first_event, "first event") } else { (http.timeout, "response") };
        let begun = Instant::now();
        let connection = Arc::clone(connection);
        Self { begun, at: begun + limit, limit, waited_for, connection, has_waited: AtomicBool::new(false) }
    }

    /// Returns true if something had to be waited for since the last call.
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited.swap(false, Ordering::Relaxed)
    }

    /// Waits within the deadline, without a timer and a waiter of its own for each wait: the connection has one timer,
    /// which most requests only postpone.
    pub(crate) async fn within<T>(&self, wait: impl Future<Output = T>) -> Result<T, GivenUp> {
        let mut wait = pin!(wait);
        let mut was_pending = false;
        poll_fn(|cx| {
            if let Poll::Ready(result) = wait.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            // Where the deadline has passed before the wait began, the connection wakes it at once.
            if std::mem::replace(&mut was_pending, true) && Instant::now() >= self.at {
                return Poll::Ready(Err(GivenUp::TooLate));
            }
            if self.connection.is_closing() {
                return Poll::Ready(Err(GivenUp::ShuttingDown));
            }
            self.has_waited.store(true, Ordering::Relaxed);
            self.connection.wake_at(self.at);
            Poll::Pending
        })
        .await
    }

    /// The error of a wait for this provider that was given up.
    pub(crate) fn missed(&self, why: &GivenUp, provider: &str) -> GatewayError {
        match why {
            GivenUp::TooLate => {
                let message = format!("no {} within {:?}", self.waited_for, self.limit);
                GatewayError::upstream(provider, Fault::TimedOut, message)
            }
            GivenUp::ShuttingDown => GatewayError::CUT,
        }
    }
}
