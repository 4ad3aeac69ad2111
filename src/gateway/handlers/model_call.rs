//! A model call from its body to its answer.

use axum::body::Body;
use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;

use crate::gateway::dispatch::attempts::carry_out;
use crate::gateway::http::body_memory::Reservation;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::{body, headers, path};
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::request::operation::{Content, Operation, OperationKind, Payload};
use crate::gateway::request::usage::Declaration;
use crate::gateway::response::reply::Reply;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::{Endpoint, HttpObserver};

/// A call as it was received.
pub(crate) struct Received {
    pub(crate) head: Parts,
    pub(crate) request_id: HeaderValue,
    pub(crate) body: Body,
}

/// Relays one call: read, resolve, ask, answer.
pub(crate) async fn model_call(
    worker: &WorkerState,
    endpoint: Endpoint,
    mut received: Received,
    record: &mut RequestRecord,
) -> Result<Reply, GatewayError> {
    let body = received.body(worker, record).await?;
    let payload = Payload::of_model_call(endpoint, &received.head.headers, body).await?;
    record.note(|observer| observer.decoded(payload.stream()));

    let targets = worker.targets(payload.model())?.speaking(endpoint, &worker.app.providers)?;
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
    carry_out(worker, &targets, &operation, record).await
}

impl Received {
    /// The path behind the base path and `prefix`, both of which the route has shown to be there.
    pub(crate) fn path_below(&self, worker: &WorkerState, prefix: &str) -> &str {
        let path = self.head.uri.path();
        path.get(worker.app.config.server.base_path.len() + prefix.len()..).unwrap_or_default()
    }

    /// The whole body, within the limits of the server; it must not be encoded.
    pub(crate) async fn body(
        &mut self,
        worker: &WorkerState,
        record: &mut RequestRecord,
    ) -> Result<Bytes, GatewayError> {
        if headers::is_encoded(&self.head.headers) {
            return Err(body::encoded());
        }
        self.body_as_it_is(worker, record).await
    }

    /// The whole body, within the limits of the server.
    pub(crate) async fn body_as_it_is(
        &mut self,
        worker: &WorkerState,
        record: &mut RequestRecord,
    ) -> Result<Bytes, GatewayError> {
        let server = &worker.app.config.server;
        let body = std::mem::take(&mut self.body);
        record.note(HttpObserver::body_awaited);
        let limits = (server.body_size_limit, server.timeouts.body);
        let memory = Reservation::of(&worker.app.lifecycle.bodies, worker.app.limits.body_memory);
        let body = body::read(&self.head.headers, body, limits, memory).await?;
        record.note(HttpObserver::body_read);
        Ok(body)
    }
}
