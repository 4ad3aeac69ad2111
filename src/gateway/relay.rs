//! A model call from its body to its answer.

use axum::body::Body;
use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;

use super::attempts::carry_out;
use super::body_memory::Reservation;
use super::error::GatewayError;
use super::exchange::Exchange;
use super::operation::{Content, Operation, OperationKind, Payload};
use super::reply::Reply;
use super::usage::Declaration;
use super::worker::Worker;
use super::{headers, path, request_body};
use crate::metrics::{Endpoint, HttpObserver};

/// A call as it was received.
pub(super) struct Received {
    pub(super) head: Parts,
    pub(super) request_id: HeaderValue,
    pub(super) body: Body,
}

/// Relays one call: read, resolve, ask, answer.
pub(super) async fn model_call(
    worker: &Worker,
    endpoint: Endpoint,
    mut received: Received,
    exchange: &mut Exchange,
) -> Result<Reply, GatewayError> {
    let body = received.body(worker, exchange).await?;
    let payload = Payload::of_model_call(endpoint, &received.head.headers, body).await?;
    exchange.note(|observer| observer.decoded(payload.stream()));

    let targets = worker.targets(payload.model())?.speaking(endpoint, &worker.shared.providers)?;
    let operation = Operation {
        kind: OperationKind::Model,
        endpoint,
        declaration: Declaration::of(endpoint),
        method: received.head.method,
        path: endpoint.as_str().into(),
        query: path::forwarded(received.head.uri.query()),
        headers: received.head.headers,
        request_id: received.request_id,
        stream: payload.stream(),
        payload,
        content: match endpoint {
            Endpoint::Speech | Endpoint::Transcriptions => Content::NoPage,
            _ => Content::Json,
        },
    };
    carry_out(worker, &targets, &operation, exchange).await
}

impl Received {
    /// The path behind the base path and `prefix`, both of which the route has shown to be there.
    pub(super) fn path_below(&self, worker: &Worker, prefix: &str) -> &str {
        let path = self.head.uri.path();
        path.get(worker.shared.config.server.base_path.len() + prefix.len()..).unwrap_or_default()
    }

    /// The whole body, within the limits of the server; it must not be encoded.
    pub(super) async fn body(
        &mut self,
        worker: &Worker,
        exchange: &mut Exchange,
    ) -> Result<Bytes, GatewayError> {
        if headers::is_encoded(&self.head.headers) {
            return Err(request_body::encoded());
        }
        self.body_as_it_is(worker, exchange).await
    }

    /// The whole body, within the limits of the server.
    pub(super) async fn body_as_it_is(
        &mut self,
        worker: &Worker,
        exchange: &mut Exchange,
    ) -> Result<Bytes, GatewayError> {
        let server = &worker.shared.config.server;
        let body = std::mem::take(&mut self.body);
        exchange.note(HttpObserver::body_awaited);
        let limits = (server.body_size_limit, server.timeouts.body);
        let memory = Reservation::of(&worker.shared.lifecycle.bodies, worker.shared.limits.body_memory);
        let body = request_body::read(&self.head.headers, body, limits, memory).await?;
        exchange.note(HttpObserver::body_read);
        Ok(body)
    }
}
