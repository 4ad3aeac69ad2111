//! Every route with its methods and its lock, and the router made of them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{MethodFilter, MethodRouter};
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response};

use super::auth::CallerIndex;
use super::connection::BeyondCap;
use super::error::GatewayError;
use super::exchange::Exchange;
use super::reply::{ObservedBody, Reply};
use super::worker::Worker;
use super::{headers, models, relay, scrape};
use crate::metrics::{Endpoint, Surface};

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// Nothing.
    Open,
    /// A key of the API.
    Key,
    /// A key that may read the metrics.
    MetricsKey,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Whatever no other route is for.
    Unmatched,
    /// The exposition, at the configured path.
    Scrape,
    /// A model call.
    Call(Endpoint),
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
pub(super) struct Route {
    /// Its path in metrics and logs.
    pub(super) template: &'static str,
    /// Its path for the router.
    path: &'static str,
    /// Methods, as an `Allow` header has them.
    allow: &'static str,
    pub(super) lock: Lock,
    pub(super) action: Action,
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

/// Index of the row for whatever no other route is for.
pub(super) const UNMATCHED: usize = 0;
/// Index of the row of the metrics endpoint.
const SCRAPE: usize = 1;

/// How many rows the table has.
pub(super) const COUNT: usize = 10;

/// Every route. The first two have no fixed path.
#[rustfmt::skip]
pub(super) static ROUTES: [Route; COUNT] = [
    route("unmatched", "", "", Lock::Open, Action::Unmatched),
    route("metrics", "", "GET,HEAD", Lock::MetricsKey, Action::Scrape),
    route("/v1/chat/completions", "/v1/chat/completions", "POST", Lock::Key, Action::Call(Endpoint::ChatCompletions)),
    route("/v1/completions", "/v1/completions", "POST", Lock::Key, Action::Call(Endpoint::Completions)),
    route("/v1/embeddings", "/v1/embeddings", "POST", Lock::Key, Action::Call(Endpoint::Embeddings)),
    route("/v1/responses", "/v1/responses", "POST", Lock::Key, Action::Call(Endpoint::Responses)),
    route("/v1/models", "/v1/models", "GET,HEAD", Lock::Key, Action::ListModels),
    route("/v1/models/{id}", "/v1/models/{*id}", "GET,HEAD", Lock::Key, Action::ShowModel),
    route("/health", "/health", "GET,HEAD", Lock::Open, Action::Health),
    route("/health/ready", "/health/ready", "GET,HEAD", Lock::Open, Action::Ready),
];

/// The router of one worker. With metrics disabled it has no metrics route.
pub(super) fn router(worker: &Arc<Worker>) -> Router {
    let config = &worker.shared.config;
    let base = &config.server.base_path;
    let mut router = Router::new();
    for (index, route) in ROUTES.iter().enumerate().skip(SCRAPE + 1) {
        router = router.route(&format!("{base}{}", route.path), methods(worker, index, route));
    }
    if worker.metrics.is_some() && config.metrics.listen.is_none() {
        router = with_scrape(router, worker);
    }
    with_fallback(router, worker)
}

/// The router of the metrics' own listener: the endpoint and health, without the base path.
pub(super) fn metrics_router(worker: &Arc<Worker>) -> Router {
    let mut router = Router::new();
    for (index, route) in ROUTES.iter().enumerate() {
        if matches!(route.action, Action::Health | Action::Ready) {
            router = router.route(route.path, methods(worker, index, route));
        }
    }
    with_fallback(with_scrape(router, worker), worker)
}

fn with_scrape(router: Router, worker: &Arc<Worker>) -> Router {
    let path = worker.shared.config.metrics_path();
    router
        .route(&path, methods(worker, SCRAPE, &ROUTES[SCRAPE]))
        .route(&format!("{path}/"), methods(worker, SCRAPE, &ROUTES[SCRAPE]))
}

fn with_fallback(router: Router, worker: &Arc<Worker>) -> Router {
    let worker = Arc::clone(worker);
    router.fallback(move |request| serve(Arc::clone(&worker), UNMATCHED, request))
}

fn methods(worker: &Arc<Worker>, index: usize, route: &'static Route) -> MethodRouter {
    let filter =
        if route.allow == "POST" { MethodFilter::POST } else { MethodFilter::GET.or(MethodFilter::HEAD) };
    let handler = {
        let worker = Arc::clone(worker);
        move |request| serve(Arc::clone(&worker), index, request)
    };
    let worker = Arc::clone(worker);
    MethodRouter::new().on(filter, handler).fallback(move |request: Request<Body>| {
        let worker = Arc::clone(&worker);
        async move {
            let request_id = headers::request_id(request.headers());
            let exchange = Exchange::start(&worker, index, request.method().as_str(), &request_id);
            respond(GatewayError::method_not_allowed(route.allow), Some(exchange), request_id)
        }
    })
}

/// One request from its head to its answer.
async fn serve(worker: Arc<Worker>, index: usize, request: Request<Body>) -> Response<Body> {
    let route = &ROUTES[index];
    let request_id = headers::request_id(request.headers());
    match route.action {
        Action::Health => return respond(Reply::json(r#"{"status":"ok"}"#), None, request_id),
        Action::Ready => return respond(ready(&worker), None, request_id),
        _ => {}
    }
    let admitted = authorize(&worker, route, &request);
    if route.action == Action::Scrape && admitted.is_ok() {
        return respond(scrape::scrape(&worker, request.headers()).await, None, request_id);
    }
    let mut exchange = Exchange::start(&worker, index, request.method().as_str(), &request_id);
    let reply = match admitted {
        Err(refusal) => Err(refusal),
        Ok(caller) => {
            let answer = answer(&worker, route, request, &request_id, caller, &mut exchange);
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            answer.unwrap_or_else(|_| Err(panicked(&worker)))
        }
    };
    if let Err(refusal) = &reply {
        exchange.refused(refusal);
        if let (Some(metrics), Some(reason)) = (&worker.metrics, refusal.rejection()) {
            metrics.process().rejected(reason);
        }
    }
    // An exchange that is dropped before it is answered notes that its caller left.
    let exchange = (!matches!(reply, Err(GatewayError::CallerLeft))).then_some(exchange);
    respond(reply.unwrap_or_else(GatewayError::into_reply), exchange, request_id)
}

fn panicked(worker: &Worker) -> GatewayError {
    if let Some(metrics) = &worker.metrics {
        metrics.process().panicked();
    }
    GatewayError::Internal
}

fn authorize(
    worker: &Worker,
    route: &Route,
    request: &Request<Body>,
) -> Result<Option<CallerIndex>, GatewayError> {
    let surface = match route.lock {
        Lock::Open => return Ok(None),
        Lock::Key => Surface::Api,
        Lock::MetricsKey => Surface::Metrics,
    };
    worker.shared.access.check(surface, request.headers()).map_err(|refusal| {
        if let Some(metrics) = &worker.metrics {
            metrics.process().auth_failed(surface, refusal.failure);
        }
        refusal.error
    })
}

async fn answer(
    worker: &Worker,
    route: &Route,
    request: Request<Body>,
    request_id: &HeaderValue,
    caller: Option<CallerIndex>,
    exchange: &mut Exchange,
) -> Result<Reply, GatewayError> {
    let lifecycle = &worker.shared.lifecycle;
    if let Action::Call(endpoint) = route.action {
        exchange.model_call(endpoint);
    }
    if let Some(caller) = caller {
        exchange.caller(worker, caller);
    }
    if lifecycle.draining.is_cancelled() {
        return Err(GatewayError::DRAINING);
    }
    if request.extensions().get::<BeyondCap>().is_some() {
        return Err(GatewayError::TOO_MANY_CONNECTIONS);
    }
    let in_flight = lifecycle.enter(worker.shared.limits.in_flight).ok_or(GatewayError::OVERLOADED)?;
    exchange.hold(in_flight);
    match route.action {
        Action::Call(endpoint) => {
            let (head, body) = request.into_parts();
            let received = relay::Received { headers: head.headers, request_id: request_id.clone(), body };
            relay::model_call(worker, endpoint, received, exchange).await
        }
        Action::ListModels => Ok(models::list(worker)),
        Action::ShowModel => models::show(worker, request).await,
        Action::Unmatched | Action::Scrape | Action::Health | Action::Ready => {
            Err(GatewayError::NO_SUCH_ROUTE)
        }
    }
}

fn ready(worker: &Worker) -> Reply {
    if worker.shared.lifecycle.is_ready() {
        return Reply::json(r#"{"status":"ok"}"#);
    }
    let mut reply = Reply::json(r#"{"status":"draining"}"#);
    reply.status = http::StatusCode::SERVICE_UNAVAILABLE;
    reply
}

fn respond(reply: Reply, mut exchange: Option<Exchange>, request_id: HeaderValue) -> Response<Body> {
    let Reply { status, headers, body, answer } = reply;
    if let Some(exchange) = &mut exchange {
        exchange.answered(status.as_u16(), answer);
    }
    let mut response = Response::new(ObservedBody::watch(body, exchange));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().insert(headers::REQUEST_ID, request_id);
    response
}
