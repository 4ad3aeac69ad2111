//! Preparation of a call, from its body to the request of its first attempt, for the benchmark of the same name. The
//! crate includes this file with the feature `bench-entry` only.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request};

use crate::api::Endpoint;
use crate::config::Config;
use crate::gateway::http::headers::{RequestIds, TraceContext};
use crate::gateway::request::json::Peek;
use crate::gateway::request::members::Reading;
use crate::gateway::request::operation::{Operation, OperationKind, Payload};
use crate::gateway::state::worker::{AppState, WorkerState};
use crate::logging::DroppedLines;
use crate::providers::Client;

/// A worker without a listener.
#[derive(Debug)]
pub struct Preparation(WorkerState);

impl Preparation {
    /// Builds the state that a gateway of this configuration would have.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let app = Arc::new(AppState::new(config, DroppedLines::default(), &[])?);
        let client = Client::new(&app.egress, app.limits.idle_upstream);
        let metrics = app.metrics.as_ref().map(|metrics| metrics.worker(0));
        Ok(Self(WorkerState::new(app, client, metrics)))
    }

    /// Reads a chat's body, finds its targets and makes the first one's request; gives the size of its body.
    ///
    /// # Errors
    /// The call would be refused.
    pub fn prepare(&self, body: &Bytes) -> anyhow::Result<usize> {
        let endpoint = Endpoint::ChatCompletions;
        let peek = Peek::of(body, Reading::default(), None)?;
        let targets = self.0.targets(&peek.model)?.supporting(endpoint, &self.0.app.providers)?;
        let (head, ()) = Request::post(endpoint.as_str()).body(())?.into_parts();
        let payload = Payload::Json { peek, body: body.clone() };
        let trace = TraceContext::of(&head.headers);
        let ids = RequestIds { request_id: HeaderValue::from_static("a-request-id"), trace };
        let operation = Operation::new(OperationKind::Model, endpoint, head, ids, payload);
        let target = targets.in_turn().next().ok_or_else(|| anyhow::anyhow!("no target"))?;
        let request = operation.request_to(target)?;
        Ok(bytes::Buf::remaining(&request.body))
    }
}
