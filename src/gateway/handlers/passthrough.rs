//! Anything a provider has, by its name: `/p/{provider}/…` with that provider's credential.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::gemini::{self, ModelCall};
use super::model_call::Received;
use crate::api::endpoint::Content;
use crate::api::usage::Declaration;
use crate::api::{Endpoint, paths};
use crate::gateway::dispatch::call::dispatch;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::{headers, path};
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::request::json::Peek;
use crate::gateway::request::members::Reading;
use crate::gateway::request::operation::{OperationKind, Payload, parsed};
use crate::gateway::request::router::Prefix;
use crate::gateway::request::targets::unknown_provider;
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;
use crate::providers::Upstream;

/// Relays one call as it is.
pub(crate) async fn call(
    worker: &WorkerState,
    endpoint: Endpoint,
    mut received: Box<Received>,
    record: &mut RequestRecord,
) -> Result<Response, GatewayError> {
    let below = received.path_below(worker).to_owned();
    let place = Place::of(worker, &received.head.method, &below).ok_or(GatewayError::NO_SUCH_ROUTE)?;
    let (path, native_call) = (place.path, place.native_call);
    let providers = &worker.app.providers;
    let Some(upstream) = place.upstream else {
        return Err(unknown_provider(StatusCode::NOT_FOUND, None, providers));
    };
    if !path::stays_below(&path[1..]) {
        let message = "The path contains a segment that an upstream may read as another path (dots, encoded slashes): send it in plain form.";
        return Err(GatewayError::invalid(message, None, "invalid_path"));
    }
    let body = received.body_as_it_is(worker, record).await?;
    let peek = peek(&received.head.headers, &body, mem::take(&mut received.reading)).await;
    let mut operation = received.operation(OperationKind::Passthrough, endpoint, Payload::AsIs(body));
    operation = operation.at(path.to_owned(), Content::Any);
    let mut model = None;
    if let Some(peek) = &peek {
        operation.stream |= peek.stream;
        model = Some(peek.model.as_str());
    }
    if let Some(call) = native_call {
        operation.declaration = Declaration::Gemini;
        operation.stream |= call.stream;
        model = Some(call.model);
    }
    record.decoded(operation.stream);
    let targets = worker.targets_at(upstream, model);
    dispatch(worker, &targets, &operation, record).await
}

/// The endpoint that a request is for, as far as it is one that is known.
pub(crate) fn endpoint(worker: &WorkerState, method: &Method, uri: &Uri) -> Endpoint {
    let base = worker.app.config.server.base_path.len() + Prefix::Passthrough.as_str().len();
    let below = uri.path().get(base..).unwrap_or_default();
    match Place::of(worker, method, below) {
        Some(place) => place.endpoint,
        None => Endpoint::Other,
    }
}

/// Destination of a path below `/p/`.
struct Place<'a> {
    /// `None` where no provider has the name.
    upstream: Option<&'a Arc<Upstream>>,
    /// Below the upstream's base URL.
    path: &'a str,
    endpoint: Endpoint,
    /// The call of a model, where it is one of Gemini's own API.
    native_call: Option<ModelCall<'a>>,
}

impl<'a> Place<'a> {
    /// `None` where no provider and no path below it are named.
    fn of(worker: &'a WorkerState, method: &Method, below: &'a str) -> Option<Self> {
        let (name, path) = below.split_at(below.find('/')?);
        let upstream = worker.app.providers.upstream(name);
        if let Some(upstream) = upstream
            && let Some(native) = upstream.native()
            && path.len() > 1
        {
            let Some(path) = gemini::compatible(upstream, method, path) else {
                let native_call = gemini::model_call(method, path);
                return Some(Self { upstream: Some(native), path, endpoint: Endpoint::Other, native_call });
            };
            return Self::compatible(Some(upstream), method, path);
        }
        // `/v1` before the path is optional.
        let path = if paths::is_below(path, paths::API) { &path[paths::API.len()..] } else { path };
        Self::compatible(upstream, method, path)
    }

    fn compatible(upstream: Option<&'a Arc<Upstream>>, method: &Method, path: &'a str) -> Option<Self> {
        let endpoint = endpoint_of(method, path);
        (path.len() > 1).then_some(Self { upstream, path, endpoint, native_call: None })
    }
}

/// The endpoint of a path below a provider's base URL. Azure's may hold a deployment.
pub(crate) fn endpoint_of(method: &Method, path: &str) -> Endpoint {
    let path = path.strip_prefix("/openai").unwrap_or(path);
    if let Some(below) = path.strip_prefix("/deployments/")
        && let Some(at) = below.find('/')
    {
        return Endpoint::of_path(method.as_str(), &below[at..]);
    }
    Endpoint::of_path(method.as_str(), path.strip_prefix("/v1").unwrap_or(path))
}

/// Reads the rest of a JSON body, if it is one that can be read.
async fn peek(headers: &HeaderMap, body: &Bytes, reading: Reading) -> Option<Peek> {
    if body.is_empty() || headers::is_encoded(headers) || !headers::is_json(headers) {
        return None;
    }
    parsed(body.clone(), |body| Peek::of(&body, reading, None)).await.ok()
}
