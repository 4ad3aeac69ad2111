//! Carries an operation out: at its first target, there again where that may help, at the next one where it does not.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};

use super::answer::Call;
use super::deadline::Deadline;
use super::error::GatewayError;
use super::exchange::{Dispatch, Exchange};
use super::operation::{Operation, unaddressable};
use super::reply::Reply;
use super::targets::{ModelTarget, Targets};
use super::verdict::{self, Outcome};
use super::worker::Worker;
use crate::metrics::{Answer, Attempt, DispatchObserver, RetryReason};
use crate::providers::{self, Connection, RequestBody, Reuse, UpstreamBody, UpstreamError};

/// Asks the targets in their order until one has an answer; the last one's failure is the answer where none has. Those
/// that have no address for the operation are passed over.
pub(super) async fn carry_out(
    worker: &Worker,
    targets: &Targets,
    operation: &Operation,
    exchange: &mut Exchange,
) -> Result<Reply, GatewayError> {
    let mut in_turn = targets.in_turn();
    let mut next = addressed(&mut in_turn, operation);
    let mut before = None;
    while let Some((target, request)) = next.take() {
        let mut dispatch = exchange.dispatch(targets, target, operation);
        if let Some(from) = before {
            tracing::debug!(from, to = target.upstream.provider.name, "fallback");
            dispatch.note(|observer| observer.fell_back(from));
        }
        let call = Call { worker, target, operation, deadline: Deadline::new(worker, operation.stream) };
        let (outcome, retries) = call.dispatch(request, &mut dispatch, exchange).await;
        if verdict::may_fall_back(&outcome) {
            next = addressed(&mut in_turn, operation);
        }
        let goes_on = next.is_some();
        if goes_on || outcome.is_err() {
            verdict::note_end(&outcome, &mut dispatch);
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
    /// Asks the target until there is an answer or no retry left; also gives the number of retries.
    async fn dispatch(
        &self,
        mut request: Request<RequestBody>,
        dispatch: &mut Dispatch,
        exchange: &mut Exchange,
    ) -> (Outcome, u32) {
        let passage = match self.target.upstream.admit(self.deadline.begun.into_std()) {
            Ok(passage) => passage,
            Err(left) => return (Err(GatewayError::breaker_open(self.provider(), left)), 0),
        };
        let mut retries = 0;
        let outcome = loop {
            let outcome = self.attempt(request, dispatch, exchange).await;
            if let Some(failure) = verdict::failed_attempt(&outcome) {
                dispatch.note(|observer| observer.attempt_ended(failure));
            }
            let Some((reason, pause)) = self.retry(&outcome, retries) else { break outcome };
            dispatch.note(|observer| observer.retried(reason));
            retries += 1;
            request = match self.paused(pause).await {
                Ok(request) => request,
                Err(error) => break Err(error),
            };
        };
        verdict::record(&outcome, passage);
        (outcome, retries)
    }

    /// The request once more, after a pause.
    async fn paused(&self, pause: Duration) -> Result<Request<RequestBody>, GatewayError> {
        let paused = self.deadline.within(sleep(pause)).await;
        paused.map_err(|why| self.deadline.missed(&why, self.provider()))?;
        self.operation.request_to(self.target)
    }

    /// Asks the target once.
    async fn attempt(
        &self,
        request: Request<RequestBody>,
        dispatch: &mut Dispatch,
        exchange: &mut Exchange,
    ) -> Outcome {
        let response = self.ask(request, dispatch, exchange).await?;
        let status = response.status().as_u16();
        dispatch.note(|observer| observer.answered(status));
        exchange.upstream_answered(status);
        let answer = self.read(response, dispatch, exchange).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(GatewayError::credentials(self.provider()));
        }
        Ok(answer)
    }

    /// Sends the request and waits for the upstream's headers. A send is an attempt, and so is a failure to connect.
    async fn ask(
        &self,
        mut request: Request<RequestBody>,
        dispatch: &mut Dispatch,
        exchange: &mut Exchange,
    ) -> Result<Response<UpstreamBody>, GatewayError> {
        let (mut reuse, mut is_counted) = (Reuse::Idle, false);
        loop {
            let connection = self.connection(&request, reuse).await;
            let is_ours = matches!(connection, Err(GatewayError::Unavailable { .. }));
            if !is_ours && !std::mem::replace(&mut is_counted, true) {
                exchange.attempt();
                dispatch.note(DispatchObserver::attempt);
            }
            let error = match self.deadline.within(connection?.send(request)).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => error,
                Err(why) => return Err(self.deadline.missed(&why, self.provider())),
            };
            match &error {
                UpstreamError::Unsent(_) => {}
                UpstreamError::Crossed(_) if self.operation.may_be_replayed() => {
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
            Err(why) => Err(self.deadline.missed(&why, self.provider())),
        }
    }

    fn no_answer(&self, error: &UpstreamError) -> GatewayError {
        let provider = self.provider();
        tracing::debug!(provider, error = format!("{error:?}"), "no answer from the provider");
        GatewayError::no_answer(provider, error)
    }

    /// Why and after which pause to ask again, if at all.
    fn retry(&self, outcome: &Outcome, retries: u32) -> Option<(RetryReason, Duration)> {
        let (reason, asked_for) = verdict::retry_reason(outcome)?;
        let upstream = &self.target.upstream;
        let settings = &upstream.provider.resilience.retry;
        if retries >= settings.max_retries {
            return None;
        }
        let pause = providers::pause(settings, retries, asked_for)?;
        let now = Instant::now();
        let in_time = now.checked_add(pause).is_some_and(|then| then < self.deadline.at);
        (in_time && upstream.may_retry(now.into_std())).then_some((reason, pause))
    }
}
