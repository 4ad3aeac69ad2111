//! Carries an operation out: at its first target, and where that fails at the next.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::answer::{Call, UpstreamAnswer};
use super::deadline::Deadline;
use super::error::GatewayError;
use super::exchange::{Dispatch, Exchange};
use super::operation::Operation;
use super::reply::Reply;
use super::targets::Targets;
use super::worker::Worker;
use crate::metrics::DispatchObserver;
use crate::providers::UpstreamError;

/// Asks the targets in their order until one has an answer; the last one's failure is the answer where none has.
pub(super) async fn carry_out(
    worker: &Worker,
    targets: &Targets,
    operation: &Operation,
    exchange: &mut Exchange,
) -> Result<Reply, GatewayError> {
    let mut reply = Err(GatewayError::NO_PROVIDER);
    for target in targets.in_turn() {
        let request = operation.request_to(target)?;
        let mut dispatch = exchange.dispatch(targets, target, operation);
        let deadline = Deadline::new(worker, operation.stream);
        let call = Call { worker, target, operation, deadline };
        reply = match call.attempt(request, &mut dispatch, exchange).await {
            Ok(answer) => return Ok(call.reply(answer, dispatch)),
            Err(error) => Err(error),
        };
    }
    reply
}

impl Call<'_> {
    /// Asks the target once.
    async fn attempt(
        &self,
        request: Request<Full<Bytes>>,
        dispatch: &mut Dispatch,
        exchange: &mut Exchange,
    ) -> Result<UpstreamAnswer, GatewayError> {
        let response = self.ask(request, dispatch).await?;
        exchange.dispatched();
        let answer = self.read(response, dispatch, exchange).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            dispatch.note(DispatchObserver::completed);
            return Err(GatewayError::credentials(self.provider()));
        }
        Ok(answer)
    }

    /// Sends the request and waits for the upstream's headers.
    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        dispatch: &mut Dispatch,
    ) -> Result<Response<Incoming>, GatewayError> {
        dispatch.note(DispatchObserver::attempt);
        match self.deadline.within(self.worker.client.send(request)).await {
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                dispatch.note(|observer| observer.answered(status));
                Ok(response)
            }
            Ok(Err(error)) => {
                let provider = self.provider();
                dispatch.note(match error {
                    UpstreamError::ConnectTimeout(_) => DispatchObserver::timed_out,
                    UpstreamError::Connect(_) => DispatchObserver::unreachable,
                    UpstreamError::Broken(_) => DispatchObserver::failed,
                });
                tracing::debug!(provider, error = format!("{error:?}"), "no answer from the provider");
                Err(GatewayError::no_answer(provider, &error))
            }
            Err(why) => Err(self.deadline.missed(&why, self.target, dispatch)),
        }
    }
}
