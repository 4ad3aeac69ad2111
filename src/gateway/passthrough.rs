//! Anything a provider has, by its name: `/p/{provider}/…` with that provider's credential.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::attempts::carry_out;
use super::error::GatewayError;
use super::exchange::Exchange;
use super::operation::{Content, Operation, OperationKind, Payload, parsed};
use super::peek::Peek;
use super::relay::Received;
use super::reply::Reply;
use super::targets::unknown_provider;
use super::worker::Worker;
use super::{headers, path};
use crate::metrics::Endpoint;

/// What stands before the provider's name.
const PREFIX: &str = "/p/";

/// Relays one call as it is.
pub(super) async fn call(
    worker: &Worker,
    endpoint: Endpoint,
    mut received: Received,
    exchange: &mut Exchange,
) -> Result<Reply, GatewayError> {
    let (name, path) = apart(received.path_below(worker, PREFIX)).ok_or(GatewayError::NO_SUCH_ROUTE)?;
    let path = path.to_owned();
    let providers = &worker.shared.providers;
    let upstream =
        providers.upstream(name).ok_or_else(|| unknown_provider(StatusCode::NOT_FOUND, None, providers))?;
    if !path::stays_below(&path[1..]) {
        let message = "The path holds what could lead elsewhere than it seems: send it plainly.";
        return Err(GatewayError::invalid(message, None, "invalid_path"));
    }
    let body = received.body_as_it_is(worker, exchange).await?;
    let peek = peek(&received.head.headers, &body).await;
    let query = path::forwarded(received.head.uri.query());
    let stream = peek.as_ref().is_some_and(|peek| peek.stream) || path::asks_for_stream(query.as_deref());
    exchange.note(|observer| observer.decoded(stream));
    let targets = worker.targets_at(upstream, peek.as_ref().map(|peek| peek.model.as_str()));
    let operation = Operation {
        kind: OperationKind::Passthrough,
        endpoint,
        method: received.head.method,
        path: path.into(),
        query,
        headers: received.head.headers,
        request_id: received.request_id,
        payload: Payload::AsIs(body),
        stream,
        content: Content::Any,
    };
    carry_out(worker, &targets, &operation, exchange).await
}

/// The endpoint that a request is for, as far as it is one that is known.
pub(super) fn endpoint(worker: &Worker, method: &Method, uri: &Uri) -> Endpoint {
    let base = worker.shared.config.server.base_path.len() + PREFIX.len();
    let below = uri.path().get(base..).unwrap_or_default();
    apart(below).map_or(Endpoint::Other, |(_, path)| endpoint_of(method, path))
}

/// The endpoint of a path below a provider's base URL. Azure's may hold a deployment.
fn endpoint_of(method: &Method, path: &str) -> Endpoint {
    let path = path.strip_prefix("/openai").unwrap_or(path);
    let deployment = path.strip_prefix("/deployments/").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    let path = deployment.unwrap_or_else(|| path.strip_prefix("/v1").unwrap_or(path));
    let mut segments = path.split('/').skip(1);
    let (first, is_below) = (segments.next().unwrap_or_default(), segments.next().is_some());
    let kept = match (first, is_below) {
        ("responses", true) => Endpoint::Response,
        ("files", false) => Endpoint::Files,
        ("files", true) => Endpoint::File,
        ("batches", false) => Endpoint::Batches,
        ("batches", true) => Endpoint::Batch,
        ("models", _) => Endpoint::Models,
        _ => Endpoint::Other,
    };
    let by_name = || Endpoint::ALL.iter().find(|endpoint| endpoint.as_str() == path);
    if kept == Endpoint::Other && method == Method::POST { by_name().copied().unwrap_or(kept) } else { kept }
}

/// Name and path below the provider's base URL; `/v1` before it may stand or not.
fn apart(below: &str) -> Option<(&str, &str)> {
    let slash = below.find('/')?;
    let (name, path) = below.split_at(slash);
    let path =
        path.strip_prefix("/v1").filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    (path.len() > 1).then_some((name, path))
}

/// What a JSON body says, if it is one that can be read.
async fn peek(headers: &HeaderMap, body: &Bytes) -> Option<Peek> {
    if body.is_empty() || headers::is_encoded(headers) || !headers::is_json(headers) {
        return None;
    }
    parsed(body.clone(), |body| Peek::of(&body)).await.ok()
}
