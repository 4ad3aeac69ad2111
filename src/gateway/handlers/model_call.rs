//! A model call from its body to its response.

use axum::body::Body;
use bytes::Bytes;
use http::header::HeaderValue;
use http::request::{Parts, Request};

use crate::api::Endpoint;
use crate::gateway::dispatch::call::dispatch;
use crate::gateway::http::body_memory::Reservation;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::{body, headers};
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::request::operation::{Operation, OperationKind, Payload};
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;

/// A request whose body is not read yet.
pub(crate) struct Received {
    pub(crate) head: Parts,
    pub(crate) request_id: HeaderValue,
    pub(crate) body: Body,
}

/// Relays one call: reads its body, finds its targets, carries it out.
pub(crate) async fn call(
    worker: &WorkerState,
    endpoint: Endpoint,
    mut received: Received,
    record: &mut RequestRecord,
) -> Result<Response, GatewayError> {
    let body = received.body(worker, record).await?;
    let payload = Payload::of_model_call(endpoint, &received.head.headers, body).await?;
    let operation = received.operation(OperationKind::Model, endpoint, payload);
    record.decoded(operation.stream);

    let targets = worker.targets(operation.payload.model())?.speaking(endpoint, &worker.app.providers)?;
    dispatch(worker, &targets, &operation, record).await
}

impl Received {
    pub(crate) fn new(request: Request<Body>, request_id: &HeaderValue) -> Self {
        let (head, body) = request.into_parts();
        Self { head, request_id: request_id.clone(), body }
    }

    /// The operation of a call whose body was read.
    pub(crate) fn operation(self, kind: OperationKind, endpoint: Endpoint, payload: Payload) -> Operation {
        Operation::new(kind, endpoint, self.head, self.request_id, payload)
    }

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
        record.body_awaited();
        let limits = (server.body_size_limit, server.timeouts.body);
        let memory = Reservation::of(&worker.app.lifecycle.bodies, worker.app.limits.body_memory);
        let body = body::read(&self.head.headers, body, limits, memory).await?;
        record.body_read();
        Ok(body)
    }
}
