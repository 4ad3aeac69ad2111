//! Carries an operation out: at its first target, there again where that may help, at the next one where it does not.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Request, Response, StatusCode};
use tokio::time::{Instant, sleep};

use super::classify::{Class, Outcome, Retry};
use super::deadline::Deadline;
use super::upstream_response::Call;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::headers;
use crate::gateway::observe::record::{Dispatch, RequestRecord};
use crate::gateway::request::operation::{Operation, unaddressable};
use crate::gateway::request::targets::{ModelTarget, Targets};
use crate::gateway::response::reply::Reply;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::{Answer, Attempt, DispatchObserver, RetryReason};
use crate::providers::{self, Connection, Permit, RequestBody, Reuse, UpstreamBody, UpstreamError};

/// Number of the SDK's own retries so far, as the SDKs of OpenAI and Anthropic send it.
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");

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

/// Asks the targets in their order until one has an answer; the last one's failure is the answer where none has. Those
/// that have no address for the operation are passed over.
pub(crate) async fn carry_out(
    worker: &WorkerState,
    targets: &Targets,
    operation: &Operation,
    record: &mut RequestRecord,
) -> Result<Reply, GatewayError> {
    let mut in_turn = targets.in_turn();
    let mut next = addressed(&mut in_turn, operation);
    let mut before = None;
    while let Some((target, request)) = next.take() {
        let mut dispatch = record.dispatch(targets, target, operation);
        if let Some(from) = before {
            tracing::debug!(from, to = target.upstream.provider.name, "fallback");
            dispatch.note(|observer| observer.fell_back(from));
        }
        let call = Call { worker, target, operation, deadline: Deadline::new(worker, operation.stream) };
        let Dispatched { outcome, class, retries } = call.dispatch(request, &mut dispatch, record).await;
        if class.falls_back {
            next = addressed(&mut in_turn, operation);
        }
        let goes_on = next.is_some();
        if goes_on || outcome.is_err() {
            dispatch.note(class.end);
        }
        if goes_on {
            before = Some(target.upstream.provider.name.as_str());
            continue;
        }
        let detour = match (before.is_some(), retries) {
            (true, _) => Answer::OkAfterFallback,
            (false, 1..) => Answer::OkAfterRetry,
            (false, 0) => Answer::Ok,
        };
        return outcome.map(|answer| call.reply(answer, dispatch).if_ok(detour));
    }
    Err(targets.all.first().map_or(GatewayError::NO_PROVIDER, |target| unaddressable(target)))
}

/// The next target that has an address for the operation, and the request to it.
fn addressed<'a>(
    in_turn: &mut impl Iterator<Item = &'a Arc<ModelTarget>>,
    operation: &Operation,
) -> Option<(&'a Arc<ModelTarget>, Request<RequestBody>)> {
    in_turn.find_map(|target| Some((target, operation.request_to(target).ok()?)))
}

impl Call<'_> {
    /// Asks the target until there is an answer or no retry left.
    async fn dispatch(
        &self,
        mut request: Request<RequestBody>,
        dispatch: &mut Dispatch,
        record: &mut RequestRecord,
    ) -> Dispatched {
        let mut permit = match self.target.admit(self.deadline.begun.into_std()) {
            Ok(permit) => permit,
            Err((scope, refused)) => {
                let error = GatewayError::breaker_open(self.provider(), scope, &refused);
                return Dispatched::new(Err(error), 0);
            }
        };
        let (mut retries, mut retried) = (0, None);
        let dispatched = loop {
            let outcome = self.attempt(request, retried, dispatch, record, &mut permit).await;
            let dispatched = Dispatched::new(outcome, retries);
            if let Some(failure) = dispatched.class.attempt {
                dispatch.note(|observer| observer.attempt_ended(failure));
            }
            let Some((reason, pause)) = self.retry(dispatched.class.retry, retries) else { break dispatched };
            tracing::debug!(provider = self.provider(), reason = reason.as_str(), ?pause, "retry");
            request = match self.paused(pause).await {
                Ok(request) => request,
                Err(error) => break Dispatched::new(Err(error), retries),
            };
            retries += 1;
            retried = Some(reason);
        };
        permit.settle(&dispatched.class.health);
        dispatched
    }

    /// The request once more, after a pause.
    async fn paused(&self, pause: Duration) -> Result<Request<RequestBody>, GatewayError> {
        let paused = self.deadline.within(sleep(pause)).await;
        paused.map_err(|why| self.deadline.missed(&why, self.provider()))?;
        self.operation.request_to(self.target)
    }

    /// Asks the target once; `retried` is the reason where it is a retry.
    async fn attempt(
        &self,
        request: Request<RequestBody>,
        retried: Option<RetryReason>,
        dispatch: &mut Dispatch,
        record: &mut RequestRecord,
        permit: &mut Permit<'_>,
    ) -> Outcome {
        let response = self.ask(request, retried, dispatch, record).await?;
        let status = response.status();
        dispatch.note(|observer| observer.answered(status.as_u16()));
        record.upstream_answered(status.as_u16());
        permit.connected();
        // Of a stream the first event counts, which shows only when it is read.
        if permit.is_probe() && status.is_success() && headers::is_json(response.headers()) {
            permit.begun();
        }
        let answer = self.read(response, dispatch, record).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(GatewayError::credentials(self.provider()));
        }
        Ok(answer)
    }

    /// Sends the request and waits for the upstream's headers. A send is an attempt, and so is a failure to connect; only
    /// then a retry counts.
    async fn ask(
        &self,
        mut request: Request<RequestBody>,
        mut retried: Option<RetryReason>,
        dispatch: &mut Dispatch,
        record: &mut RequestRecord,
    ) -> Result<Response<UpstreamBody>, GatewayError> {
        let (mut reuse, mut is_counted) = (Reuse::Idle, false);
        loop {
            let connection = self.connection(&request, reuse).await;
            let is_ours = matches!(connection, Err(GatewayError::Unavailable { .. }));
            if !is_ours && !std::mem::replace(&mut is_counted, true) {
                record.attempt();
                dispatch.note(DispatchObserver::attempt);
                if let Some(reason) = retried.take() {
                    dispatch.note(|observer| observer.retried(reason));
                }
            }
            let sent = pin!(connection?.send(request));
            let error = match self.deadline.within(sent).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => error,
                Err(why) => return Err(self.deadline.missed(&why, self.provider())),
            };
            match &error {
                UpstreamError::Unsent(_) => {}
                UpstreamError::Crossed(_) if !self.operation.is_write() => {
                    dispatch.note(|observer| observer.attempt_ended(Attempt::ServerError));
                    is_counted = false;
                }
                _ => return Err(self.no_answer(&error)),
            }
            // Only a reused connection fails in these ways.
            reuse = Reuse::Never;
            request = self.operation.request_to(self.target)?;
        }
    }

    async fn connection(
        &self,
        request: &Request<RequestBody>,
        reuse: Reuse,
    ) -> Result<Box<Connection>, GatewayError> {
        match self.deadline.within(self.worker.client.connection(request.uri(), reuse)).await {
            Ok(connection) => connection.map_err(|error| self.no_answer(&error)),
            Err(why) => Err(self.deadline.missed(&why, self.provider()).while_connecting()),
        }
    }

    fn no_answer(&self, error: &UpstreamError) -> GatewayError {
        let provider = self.provider();
        tracing::debug!(provider, error = format!("{error:?}"), "no answer from the provider");
        GatewayError::no_answer(provider, error)
    }

    /// Why and after which pause to ask again, if at all.
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
}
