//! A model call from its body to its answer.

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderValue;

use super::attempts::carry_out;
use super::error::GatewayError;
use super::exchange::Exchange;
use super::operation::Operation;
use super::peek::Peek;
use super::reply::Reply;
use super::request_body;
use super::worker::Worker;
use crate::metrics::Endpoint;

/// A body above this size is parsed off the worker.
const PARSED_ELSEWHERE: usize = 256 << 10;

/// A model call as it was received.
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) request_id: HeaderValue,
    pub(super) body: axum::body::Body,
}

/// Relays one call: read, resolve, ask, answer.
pub(super) async fn model_call(
    worker: &Worker,
    endpoint: Endpoint,
    received: Received,
    exchange: &mut Exchange,
) -> Result<Reply, GatewayError> {
    let server = &worker.shared.config.server;
    let Received { headers, request_id, body } = received;
    exchange.body_awaited();
    let body = request_body::read(&headers, body, server.body_size_limit, server.timeouts.body).await?;
    exchange.body_read();
    let peek = peek(&body).await?;
    exchange.decoded(peek.stream);

    let targets = worker.targets(&peek.model)?;
    let operation = Operation::post(endpoint, headers, request_id, peek, body);
    carry_out(worker, &targets, &operation, exchange).await
}

async fn peek(body: &Bytes) -> Result<Peek, GatewayError> {
    if body.len() <= PARSED_ELSEWHERE {
        return Peek::of(body);
    }
    let body = body.clone();
    let peek = tokio::task::spawn_blocking(move || Peek::of(&body)).await;
    peek.unwrap_or(Err(GatewayError::Internal))
}
