//! Every route with its methods and its lock, and the router made of them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{MethodRouter, any};
use futures_util::FutureExt as _;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response};

use super::model_call::Received;
use super::{metrics, model_call, models, passthrough, resources, transfer_coding};
use crate::gateway::http::auth::CallerIndex;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::{cross_site, headers, host};
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::response::reply::{ObservedBody, Reply, ReplyBody};
use crate::gateway::state::lifecycle::BeyondCap;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::{Endpoint, Surface};
use crate::panics;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Nothing.
    Open,
    /// A key of the API.
    Key,
    /// A key that may read the metrics.
    MetricsKey,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Whatever no other route is for.
    Unmatched,
    /// The exposition, at the configured path.
    Scrape,
    /// A model call.
    Call(Endpoint),
    /// A call about what a provider keeps.
    Stored(Endpoint),
    /// Anything a provider has.
    Passthrough,
    /// The list of models.
    ListModels,
    /// One model.
    ShowModel,
    /// Alive.
    Health,
    /// Ready for requests.
    Ready,
}

/// One row of the route table.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its path in metrics and logs.
    pub(crate) template: &'static str,
    /// Its path for the router.
    path: &'static str,
    /// Methods, as an `Allow` header has them.
    allow: &'static str,
    pub(crate) lock: Lock,
    pub(crate) action: Action,
}

const fn route(
    template: &'static str,
    path: &'static str,
    allow: &'static str,
    lock: Lock,
    action: Action,
) -> Route {
    Route { template, path, allow, lock, action }
}

impl Route {
    /// Whether it is there for a method; the one for whatever no other is for takes all.
    fn takes(&self, method: &Method) -> bool {
        self.allow.is_empty() || self.allow.split(',').any(|allowed| allowed == method.as_str())
    }
}

/// A model call.
const fn call(path: &'static str, endpoint: Endpoint) -> Route {
    route(path, path, "POST", Lock::Key, Action::Call(endpoint))
}

/// A call about what a provider keeps.
const fn stored(path: &'static str, allow: &'static str, endpoint: Endpoint) -> Route {
    route(path, path, allow, Lock::Key, Action::Stored(endpoint))
}

/// The methods that pass through.
const ANY: &str = "GET,HEAD,POST,PUT,PATCH,DELETE";

/// Index of the row for whatever no other route is for.
pub(crate) const UNMATCHED: usize = 0;
/// Index of the row of the metrics endpoint.
const SCRAPE: usize = 1;

/// How many rows the table has.
pub(crate) const COUNT: usize = 27;

/// Every route. The first two have no fixed path.
#[rustfmt::skip]
pub(crate) static ROUTES: [Route; COUNT] = [
    route("unmatched", "", "", Lock::Open, Action::Unmatched),
    route("metrics", "", "GET,HEAD", Lock::MetricsKey, Action::Scrape),
    call("/v1/chat/completions", Endpoint::ChatCompletions),
    call("/v1/completions", Endpoint::Completions),
    call("/v1/responses", Endpoint::Responses),
    stored("/v1/responses/{id}", "GET,DELETE", Endpoint::Response),
    stored("/v1/responses/{id}/cancel", "POST", Endpoint::Response),
    stored("/v1/responses/{id}/input_items", "GET", Endpoint::Response),
    call("/v1/embeddings", Endpoint::Embeddings),
    call("/v1/rerank", Endpoint::Rerank),
    call("/v1/messages", Endpoint::Messages),
    call("/v1/messages/count_tokens", Endpoint::CountTokens),
    call("/v1/moderations", Endpoint::Moderations),
    call("/v1/images/generations", Endpoint::ImageGenerations),
    call("/v1/audio/speech", Endpoint::Speech),
    call("/v1/audio/transcriptions", Endpoint::Transcriptions),
    stored("/v1/files", "GET,POST", Endpoint::Files),
    stored("/v1/files/{id}", "GET,DELETE", Endpoint::File),
    stored("/v1/files/{id}/content", "GET", Endpoint::File),
    stored("/v1/batches", "GET,POST", Endpoint::Batches),
    stored("/v1/batches/{id}", "GET", Endpoint::Batch),
    stored("/v1/batches/{id}/cancel", "POST", Endpoint::Batch),
    route("/v1/models", "/v1/models", "GET,HEAD", Lock::Key, Action::ListModels),
    route("/v1/models/{id}", "/v1/models/{*id}", "GET,HEAD", Lock::Key, Action::ShowModel),
    route("/p/{provider}/{rest}", "/p/{provider}/{*rest}", ANY, Lock::Key, Action::Passthrough),
    route("/health", "/health", "GET,HEAD", Lock::Open, Action::Health),
    route("/health/ready", "/health/ready", "GET,HEAD", Lock::Open, Action::Ready),
];

/// Every route with a path of its own: its path and the methods it takes, as an `Allow` header has them.
pub fn route_table() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().skip(SCRAPE + 1).map(|route| (route.template, route.allow))
}

/// Templates of all routes in the order of the table, with the path at which `config` has the metrics.
pub(crate) fn templates(metrics_path: &str) -> Vec<&str> {
    ROUTES
        .iter()
        .map(|route| if route.action == Action::Scrape { metrics_path } else { route.template })
        .collect()
}

/// The router of one worker. With metrics disabled it has no metrics route.
pub(crate) fn router(worker: &Arc<WorkerState>) -> Router {
    let config = &worker.app.config;
    let base = &config.server.base_path;
    let mut router = Router::new();
    for (index, route) in ROUTES.iter().enumerate().skip(SCRAPE + 1) {
        router = router.route(&format!("{base}{}", route.path), methods(worker, index));
    }
    if worker.metrics.is_some() && config.metrics.listen.is_none() {
        router = with_scrape(router, worker);
    }
    with_fallback(router, worker)
}

/// The router of the metrics' own listener: the endpoint and health, without the base path.
pub(crate) fn metrics_router(worker: &Arc<WorkerState>) -> Router {
    let mut router = Router::new();
    for (index, route) in ROUTES.iter().enumerate() {
        if matches!(route.action, Action::Health | Action::Ready) {
            router = router.route(route.path, methods(worker, index));
        }
    }
    with_fallback(with_scrape(router, worker), worker)
}

fn with_scrape(router: Router, worker: &Arc<WorkerState>) -> Router {
    let path = worker.app.config.metrics_path();
    router.route(&path, methods(worker, SCRAPE)).route(&format!("{path}/"), methods(worker, SCRAPE))
}

fn with_fallback(router: Router, worker: &Arc<WorkerState>) -> Router {
    let worker = Arc::clone(worker);
    router.fallback(move |request| serve(Arc::clone(&worker), UNMATCHED, request))
}

/// Takes every method, so that ours is the one answer to a wrong one.
fn methods(worker: &Arc<WorkerState>, index: usize) -> MethodRouter {
    let worker = Arc::clone(worker);
    any(move |request| serve(Arc::clone(&worker), index, request))
}

/// One request from its head to its answer.
async fn serve(worker: Arc<WorkerState>, index: usize, request: Request<Body>) -> Response<Body> {
    let route = &ROUTES[index];
    let request_id = headers::request_id(request.headers());
    let head = host::check(&request).and_then(|()| transfer_coding::check(request.headers()));
    if head.is_ok() && !route.takes(request.method()) {
        let mut record = RequestRecord::start(&worker, (index, route.template), &request, &request_id);
        let refusal = GatewayError::method_not_allowed(route.allow);
        record.refused(&refusal);
        let mut reply = refusal.into_reply();
        reply.headers.insert(ALLOW, HeaderValue::from_static(route.allow));
        return respond(reply, Some(record), request_id);
    }
    match route.action {
        _ if head.is_err() => {}
        Action::Health => return respond(Reply::json(r#"{"status":"ok"}"#), None, request_id),
        Action::Ready => return respond(ready(&worker), None, request_id),
        _ => {}
    }
    let admitted = head.and_then(|()| authorize(&worker, route, &request));
    if route.action == Action::Scrape && admitted.is_ok() {
        return respond(metrics::scrape(&worker, request.headers()).await, None, request_id);
    }
    let mut record = RequestRecord::start(&worker, (index, route.template), &request, &request_id);
    let reply = match admitted {
        Err(refusal) => Err(refusal),
        Ok(caller) => {
            let answer = answer(&worker, route, request, &request_id, caller, &mut record);
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            answer.unwrap_or(Err(GatewayError::Internal))
        }
    };
    if let Err(refusal) = &reply {
        record.refused(refusal);
        if let (Some(metrics), Some(reason)) = (&worker.metrics, refusal.rejection()) {
            metrics.process().rejected(reason);
        }
    }
    // An exchange that is dropped before it is answered notes that its caller left.
    let record = (!matches!(reply, Err(GatewayError::ClientDisconnected))).then_some(record);
    respond(reply.unwrap_or_else(GatewayError::into_reply), record, request_id)
}

fn authorize(
    worker: &WorkerState,
    route: &Route,
    request: &Request<Body>,
) -> Result<Option<CallerIndex>, GatewayError> {
    let surface = match route.lock {
        Lock::Open => return Ok(None),
        Lock::Key => Surface::Api,
        Lock::MetricsKey => Surface::Metrics,
    };
    if worker.app.access.is_open(surface) {
        let config = &worker.app.config;
        let host = if surface == Surface::Metrics { config.metrics_address().0 } else { &config.server.host };
        return cross_site::check(request, host).map(|()| None);
    }
    worker.app.access.check(surface, request.headers()).map_err(|refusal| {
        if let Some(metrics) = &worker.metrics {
            metrics.process().auth_failed(surface, refusal.failure);
        }
        refusal.error
    })
}

async fn answer(
    worker: &WorkerState,
    route: &Route,
    request: Request<Body>,
    request_id: &HeaderValue,
    caller: Option<CallerIndex>,
    record: &mut RequestRecord,
) -> Result<Reply, GatewayError> {
    let lifecycle = &worker.app.lifecycle;
    let endpoint = match route.action {
        Action::Call(endpoint) | Action::Stored(endpoint) => Some(endpoint),
        Action::Passthrough => Some(passthrough::endpoint(worker, request.method(), request.uri())),
        _ => None,
    };
    if let Some(endpoint) = endpoint {
        record.model_call(endpoint);
    }
    if let Some(caller) = caller {
        record.caller(worker, caller);
    }
    if worker.cut.is_cancelled() {
        return Err(GatewayError::DRAINING);
    }
    if route.action == Action::Unmatched {
        return Err(GatewayError::NO_SUCH_ROUTE);
    }
    if request.extensions().get::<BeyondCap>().is_some() {
        return Err(GatewayError::TOO_MANY_CONNECTIONS);
    }
    let in_flight = lifecycle.enter(worker.app.limits.in_flight).ok_or(GatewayError::OVERLOADED)?;
    record.hold(in_flight);
    panics::point("handler", request.uri().path().as_bytes());
    match (route.action, endpoint) {
        (Action::ListModels, _) => Ok(models::list(worker)),
        (Action::ShowModel, _) => models::show(worker, request).await,
        (action, Some(endpoint)) => {
            let (head, body) = request.into_parts();
            let received = Received { head, request_id: request_id.clone(), body };
            match action {
                Action::Stored(_) => resources::call(worker, endpoint, received, record).await,
                Action::Passthrough => passthrough::call(worker, endpoint, received, record).await,
                _ => model_call::model_call(worker, endpoint, received, record).await,
            }
        }
        (_, None) => Err(GatewayError::NO_SUCH_ROUTE),
    }
}

fn ready(worker: &WorkerState) -> Reply {
    if worker.app.lifecycle.is_ready() {
        return Reply::json(r#"{"status":"ok"}"#);
    }
    let mut reply = Reply::json(r#"{"status":"draining"}"#);
    reply.status = http::StatusCode::SERVICE_UNAVAILABLE;
    reply
}

fn respond(reply: Reply, mut record: Option<RequestRecord>, request_id: HeaderValue) -> Response<Body> {
    let Reply { status, headers, body, answer } = reply;
    if let Some(record) = &mut record {
        record.answered(status.as_u16(), answer);
        // The place in flight is not held while an unread body is waited for.
        if matches!(body, ReplyBody::Full(_)) {
            record.release();
        }
    }
    let mut response = Response::new(ObservedBody::watch(body, record));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().insert(headers::REQUEST_ID, request_id);
    response
}
