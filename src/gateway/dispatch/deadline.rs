//! Deadline of a provider: a point in time, and no later than the end of the process.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::gateway::http::error::{Fault, GatewayError};
use crate::gateway::state::worker::WorkerState;

/// The time that one dispatch may take until its response can be relayed, retries included.
pub(crate) struct Deadline<'a> {
    pub(crate) begun: Instant,
    pub(crate) at: Instant,
    limit: Duration,
    waited_for: &'static str,
    cut: &'a CancellationToken,
}

/// Reason for giving up the wait for a provider.
pub(crate) enum GivenUp {
    TooLate,
    ShuttingDown,
}

impl<'a> Deadline<'a> {
    pub(crate) fn new(worker: &'a WorkerState, stream: bool) -> Self {
        let http = &worker.app.config.http;
        let (limit, waited_for) =
            if stream { (http.stream_first_event, "first event") } else { (http.timeout, "response") };
        let begun = Instant::now();
        Self { begun, at: begun + limit, limit, waited_for, cut: &worker.cut }
    }

    pub(crate) async fn within<T>(&self, wait: impl Future<Output = T>) -> Result<T, GivenUp> {
        tokio::select! {
            biased;
            result = timeout_at(self.at, wait) => result.map_err(|_| GivenUp::TooLate),
            () = self.cut.cancelled() => Err(GivenUp::ShuttingDown),
        }
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
