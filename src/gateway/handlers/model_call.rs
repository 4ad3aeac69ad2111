//! A model call from its body to its response.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::Poll;

use axum::extract::{FromRequestParts as _, Path};
use bytes::Bytes;
use http::request::Parts;

use super::client_body::{self, ClientBody};
use crate::api::Endpoint;
use crate::gateway::dispatch::call::dispatch;
use crate::gateway::http::body_memory::Reservation;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::headers::{self, RequestIds};
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::request::members::Reading;
use crate::gateway::request::operation::{Operation, OperationKind, Payload};
use crate::gateway::request::router::Prefix;
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;

/// A request whose body is not read yet.
pub(crate) struct Received {
    prefix: Prefix,
    pub(crate) head: Parts,
    ids: RequestIds,
    /// `None` once it is read.
    body: Option<ClientBody>,
    /// The members found in the body while it arrived.
    pub(crate) reading: Reading,
    /// Its connection is beyond the cap: only pages about the gateway are served on it.
    pub(crate) beyond_cap: bool,
}

/// Relays one call: reads its body, finds its targets, carries it out. `named` is the model where the path names it.
pub(crate) async fn call(
    worker: &WorkerState,
    endpoint: Endpoint,
    named: Option<String>,
    mut received: Box<Received>,
    record: &mut RequestRecord,
) -> Result<Response, GatewayError> {
    let body = received.body(worker, record).await?;
    let body = (body, mem::take(&mut received.reading));
    let payload = Payload::of_model_call(endpoint, &received.head.headers, body, named).await?;
    let operation = received.operation(OperationKind::Model, endpoint, payload);
    record.decoded(operation.stream);

    let targets = worker.targets(operation.payload.model())?.supporting(endpoint, &worker.app.providers)?;
    dispatch(worker, &targets, &operation, record).await
}

impl Received {
    /// Boxed, since it goes through the futures of several functions, each of which would have two places for it.
    pub(crate) fn new(
        (prefix, beyond_cap): (Prefix, bool),
        (head, body): (Parts, ClientBody),
        ids: RequestIds,
    ) -> Box<Self> {
        Box::new(Self { prefix, head, ids, body: Some(body), reading: Reading::default(), beyond_cap })
    }

    /// Model and endpoint that the path of a deployment names.
    pub(crate) async fn deployment(
        &mut self,
        worker: &WorkerState,
    ) -> Result<(String, Endpoint), GatewayError> {
        let path = Path::<String>::from_request_parts(&mut self.head, &()).await;
        let Ok(Path(path)) = path else { return Err(GatewayError::NO_SUCH_ROUTE) };
        let (model, endpoint) = Endpoint::of_deployment_path(&path).ok_or(GatewayError::NO_SUCH_ROUTE)?;
        // An escaped slash is part of the model alone.
        if !self.path_below(worker).ends_with(endpoint.as_str()) {
            return Err(GatewayError::NO_SUCH_ROUTE);
        }
        if model.chars().any(char::is_control) {
            return Err(GatewayError::unknown_model(model));
        }
        Ok((model.to_owned(), endpoint))
    }

    /// The operation of a call whose body was read.
    pub(crate) fn operation(self, kind: OperationKind, endpoint: Endpoint, payload: Payload) -> Operation {
        let mut operation = Operation::new(kind, endpoint, self.head, self.ids, payload);
        operation.is_azure = self.prefix.is_azure();
        operation
    }

    /// The path behind the base path and the prefix of the route, both of which it is known to begin with.
    pub(crate) fn path_below(&self, worker: &WorkerState) -> &str {
        let path = self.head.uri.path();
        path.get(worker.app.config.server.base_path.len() + self.prefix.as_str().len()..).unwrap_or_default()
    }

    /// The whole body, within the limits of the server; it must not be encoded.
    pub(crate) async fn body(
        &mut self,
        worker: &WorkerState,
        record: &mut RequestRecord,
    ) -> Result<Bytes, GatewayError> {
        if headers::is_encoded(&self.head.headers) {
            return Err(client_body::encoded());
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
        let Some(body) = self.body.take() else { return Ok(Bytes::new()) };
        let limits = (server.body_size_limit, server.timeouts.body);
        let memory = Reservation::of(&worker.app.lifecycle.bodies, worker.app.limits.body_memory);
        let arrived = |body: &[u8]| self.reading.update(body);
        let mut reading = pin!(body.read(limits, memory, arrived));
        // Most bodies came with their head.
        if let Poll::Ready(body) = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
            return body;
        }
        record.body_awaited();
        let body = reading.await?;
        record.body_read();
        Ok(body)
    }
}
