//! How long a provider may take: up to a time, and no longer than the process lasts.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::error::GatewayError;
use super::exchange::Dispatch;
use super::targets::ModelTarget;
use super::worker::Worker;
use crate::metrics::DispatchObserver;

/// The time that one dispatch may take until its answer can be relayed.
pub(super) struct Deadline<'a> {
    pub(super) at: Instant,
    limit: Duration,
    waited_for: &'static str,
    cut: &'a CancellationToken,
}

/// Why a wait for a provider was given up.
pub(super) enum GivenUp {
    TooLate,
    ShuttingDown,
}

impl<'a> Deadline<'a> {
    pub(super) fn new(worker: &'a Worker, stream: bool) -> Self {
        let http = &worker.shared.config.http;
        let (limit, waited_for) =
            if stream { (http.stream_first_event, "first event") } else { (http.timeout, "answer") };
        Self { at: Instant::now() + limit, limit, waited_for, cut: &worker.cut }
    }

    pub(super) async fn within<T>(&self, wait: impl Future<Output = T>) -> Result<T, GivenUp> {
        tokio::select! {
            biased;
            result = timeout_at(self.at, wait) => result.map_err(|_| GivenUp::TooLate),
            () = self.cut.cancelled() => Err(GivenUp::ShuttingDown),
        }
    }

    pub(super) fn missed(
        &self,
        why: &GivenUp,
        target: &ModelTarget,
        dispatch: &mut Dispatch,
    ) -> GatewayError {
        match why {
            GivenUp::TooLate => {
                dispatch.note(DispatchObserver::timed_out);
                GatewayError::timeout(&target.upstream.provider.name, self.waited_for, self.limit)
            }
            GivenUp::ShuttingDown => {
                dispatch.note(DispatchObserver::cut);
                GatewayError::DRAINING
            }
        }
    }
}
