//! Dispatch of an operation: at its first target, there again where a retry may help, at the next one where it does not.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use tokio::time::{Instant, sleep};

use super::classify::{Class, Outcome, Retry};
use super::deadline::Deadline;
use super::upstream_response::Reader;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::headers;
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::request::operation::{Operation, unaddressable};
use crate::gateway::request::targets::{ModelTarget, Targets};
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::{Attempt, CallOutcome, RetryReason};
use crate::providers::{self, Connection, Permit, Reuse, UpstreamBody, UpstreamError, UpstreamRequest};

/// Number of the SDK's own retries so far, as the SDKs of OpenAI and Anthropic send it.
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");

/// Dispatches an operation to the targets in their order until one responds; where none does, the last one's failure is
/// the response. Targets that have no address for the operation are skipped.
pub(crate) async fn dispatch(
    worker: &WorkerState,
    targets: &Targets,
    operation: &Operation,
    record: &mut RequestRecord,
) -> Result<Response, GatewayError> {
    let mut in_turn = targets.in_turn();
    let mut next = addressable(&mut in_turn, operation);
    let mut falls_back = false;
    while let Some((target, request)) = next.take() {
        let deadline = Deadline::new(worker, operation.stream, record.connection());
        record.begin_dispatch(target, targets.model_route_metrics());
        let call = Call { worker, target, operation, deadline };
        let Dispatched { outcome, class, retries } = call.run(request, record).await;
        if class.falls_back {
            next = addressable(&mut in_turn, operation);
        }
        if let Some((next, _)) = &next {
            let (from, to) = (target.upstream.provider.name.as_str(), next.upstream.provider.name.as_str());
            tracing::debug!(from, to, "fallback");
            record.end_dispatch(class.ending);
            falls_back = true;
            continue;
        }
        let response = match outcome {
            Ok(response) => response,
            Err(error) => {
                record.end_dispatch(class.ending);
                return Err(error);
            }
        };
        let mut response = response.into_response(&call, record);
        if response.outcome == CallOutcome::Ok && falls_back {
            response.outcome = CallOutcome::OkAfterFallback;
        } else if response.outcome == CallOutcome::Ok && retries > 0 {
            response.outcome = CallOutcome::OkAfterRetry;
        }
        return Ok(response);
    }
    Err(targets.all.first().map_or(GatewayError::NO_PROVIDER, |target| unaddressable(target)))
}

/// The next target that has an address for the operation, and the request to it.
fn addressable<'a>(
    in_turn: &mut impl Iterator<Item = &'a Arc<ModelTarget>>,
    operation: &Operation,
) -> Option<(&'a Arc<ModelTarget>, Box<UpstreamRequest>)> {
    in_turn.find_map(|target| Some((target, operation.request_to(target).ok()?)))
}

/// One dispatch: an operation at a target.
pub(super) struct Call<'a> {
    pub(super) worker: &'a WorkerState,
    pub(super) target: &'a Arc<ModelTarget>,
    pub(super) operation: &'a Operation,
    pub(super) deadline: Deadline,
}

/// A dispatch that is over, but for the relay of its response.
struct Dispatched {
    outcome: Outcome,
    class: Class,
    retries: u32,
}

impl Dispatched {
    fn new(outcome: Outcome, retries: u32) -> Self {
        Self { class: Class::of(&outcome), outcome, retries }
    }
}

impl Call<'_> {
    /// Attempts the target until there is a response to relay, or no retry remains.
    async fn run(&self, mut request: Box<UpstreamRequest>, record: &mut RequestRecord) -> Dispatched {
        let mut permit = match self.target.admit(self.deadline.begun.into_std()) {
            Ok(permit) => permit,
            Err((scope, refused)) => {
                let error = GatewayError::breaker_open(self.provider(), scope, &refused);
                return Dispatched::new(Err(error), 0);
            }
        };
        let (mut retries, mut retried) = (0, None);
        let dispatched = loop {
            let outcome = self.attempt(request, retried, record, &mut permit).await;
            let dispatched = Dispatched::new(outcome, retries);
            if let Some(failure) = dispatched.class.attempt {
                record.attempt_failed(failure);
            }
            let Some((reason, pause)) = self.retry(dispatched.class.retry, retries) else { break dispatched };
            tracing::debug!(provider = self.provider(), reason = reason.as_str(), ?pause, "retry");
            request = match self.request_after(pause).await {
                Ok(request) => request,
                Err(error) => break Dispatched::new(Err(error), retries),
            };
            retries += 1;
            retried = Some(reason);
        };
        permit.settle(&dispatched.class.health);
        dispatched
    }

    /// One attempt at the target; `retried` is the reason where it is a retry.
    async fn attempt(
        &self,
        request: Box<UpstreamRequest>,
        retried: Option<RetryReason>,
        record: &mut RequestRecord,
        permit: &mut Permit<'_>,
    ) -> Outcome {
        let response = self.send(request, retried, record).await?;
        let status = response.status();
        record.upstream_responded(status.as_u16());
        permit.connected();
        // Of a stream the first event counts, which shows only when it is read.
        if permit.is_probe() && status.is_success() && headers::is_json(response.headers()) {
            permit.begun();
        }
        let response = Reader { call: self, record }.read(response).await?;
        if response.status == StatusCode::UNAUTHORIZED {
            return Err(GatewayError::credentials(self.provider()));
        }
        Ok(response)
    }

    /// Sends the request and waits for the upstream's headers. A send is an attempt, and so is a failure to connect;
    /// only then a retry counts.
    async fn send(
        &self,
        mut request: Box<UpstreamRequest>,
        mut retried: Option<RetryReason>,
        record: &mut RequestRecord,
    ) -> Result<http::Response<UpstreamBody>, GatewayError> {
        let (mut reuse, mut is_counted) = (Reuse::Idle, false);
        loop {
            let connection = self.connection(&request, reuse).await;
            let is_ours = matches!(connection, Err(GatewayError::Unavailable { .. }));
            if !is_ours && !std::mem::replace(&mut is_counted, true) {
                record.begin_attempt(retried.take());
            }
            let sent = pin!(connection?.send(*request));
            let error = match self.deadline.within(sent).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => error,
                Err(why) => return Err(self.deadline.missed(&why, self.provider())),
            };
            match &error {
                UpstreamError::Unsent(_) => {}
                UpstreamError::Crossed(_) if !self.operation.is_write() => {
                    record.attempt_failed(Attempt::ServerError);
                    is_counted = false;
                }
                _ => return Err(self.no_response(&error)),
            }
            // Only a reused connection fails in these ways.
            reuse = Reuse::Never;
            request = self.operation.request_to(self.target)?;
        }
    }

    async fn connection(
        &self,
        request: &UpstreamRequest,
        reuse: Reuse,
    ) -> Result<Box<Connection>, GatewayError> {
        match self.deadline.within(self.worker.client.connection(&request.uri, reuse)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.no_response(&error)),
            Err(why) => Err(self.deadline.missed(&why, self.provider()).while_connecting()),
        }
    }

    fn no_response(&self, error: &UpstreamError) -> GatewayError {
        let provider = self.provider();
        tracing::debug!(provider, error = format!("{error:?}"), "no response from the provider");
        GatewayError::no_response(provider, error)
    }

    /// Reason and pause of a retry, if there is to be one.
    fn retry(&self, retry: Option<Retry>, retries: u32) -> Option<(RetryReason, Duration)> {
        let Retry { reason, after } = retry?;
        // A client that retries by itself would multiply ours; and a write may have been carried out.
        let is_clients_retry = self.operation.header_number(&RETRY_COUNT) > 0;
        if is_clients_retry || self.operation.is_write() && reason != RetryReason::ConnectError {
            return None;
        }
        let upstream = &self.target.upstream;
        let settings = &upstream.provider.resilience.retry;
        if retries >= settings.max_retries {
            return None;
        }
        let pause = providers::pause(settings, retries, after)?;
        let now = Instant::now();
        let in_time = now.checked_add(pause).is_some_and(|then| then < self.deadline.at);
        (in_time && upstream.may_retry(now.into_std())).then_some((reason, pause))
    }

    /// The request once more, after a pause.
    async fn request_after(&self, pause: Duration) -> Result<Box<UpstreamRequest>, GatewayError> {
        if let Err(why) = self.deadline.within(sleep(pause)).await {
            return Err(self.deadline.missed(&why, self.provider()));
        }
        self.operation.request_to(self.target)
    }

    pub(super) fn provider(&self) -> &str {
        &self.target.upstream.provider.name
    }
}
