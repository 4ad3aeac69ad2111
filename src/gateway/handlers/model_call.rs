//! A model call from its body to its answer.

use axum::body::Body;
use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;

use crate::gateway::dispatch::attempts::carry_out;
use crate::gateway::http::body_memory::Reservation;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::{body, headers, path};
use crate::gateway::observe::record::Exchange;
use crate::gateway::request::operation::{Content, Operation, OperationKind, Payload};
use crate::gateway::request::usage::Declaration;
use crate::gateway::response::reply::Reply;
use crate::gateway::state::worker::Worker;
use crate::metrics::{Endpoint, HttpObserver};

/// A call as it was received.
pub(crate) struct Received {
    pub(crate) head: Parts,
    pub(crate) request_id: HeaderValue,
    pub(crate) body: Body,
}

/// Relays one call: read, resolve, ask, answer.
pub(crate) async fn model_call(
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
    pub(crate) fn path_below(&self, worker: &Worker, prefix: &str) -> &str {
        let path = self.head.uri.path();
        path.get(worker.shared.config.server.base_path.len() + prefix.len()..).unwrap_or_default()
    }

    /// The whole body, within the limits of the server; it must not be encoded.
    pub(crate) async fn body(
        &mut self,
        worker: &Worker,
        exchange: &mut Exchange,
    ) -> Result<Bytes, GatewayError> {
        if headers::is_encoded(&self.head.headers) {
            return Err(body::encoded());
        }
        self.body_as_it_is(worker, exchange).await
    }

    /// The whole body, within the limits of the server.
    pub(crate) async fn body_as_it_is(
        &mut self,
        worker: &Worker,
        exchange: &mut Exchange,
    ) -> Result<Bytes, GatewayError> {
        let server = &worker.shared.config.server;
        let body = std::mem::take(&mut self.body);
        exchange.note(HttpObserver::body_awaited);
        let limits = (server.body_size_limit, server.timeouts.body);
        let memory = Reservation::of(&worker.shared.lifecycle.bodies, worker.shared.limits.body_memory);
        let body = body::read(&self.head.headers, body, limits, memory).await?;
        exchange.note(HttpObserver::body_read);
        Ok(body)
    }
}
