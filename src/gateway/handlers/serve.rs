//! One request from its head to its response.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{ALLOW, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::client_body::ClientBody;
use super::model_call::Received;
use super::routes::{Action, Lock, Page, ROUTES, RequestKind, Route, UNMATCHED_ROUTE};
use super::{model_call, models, pages, passthrough, resources};
use crate::gateway::http::auth::CallerIndex;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::headers::{self, RequestIds, TraceContext};
use crate::gateway::http::{cross_site, framing};
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::response::client_response::Response;
use crate::gateway::response::recorded_body::{RecordedBody, ResponseBody};
use crate::gateway::state::listener_state::ActiveWorker;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::{Ending, Surface};
use crate::panics;

/// Serves a request: finds its route, checks its head, records it unless it is for a page about the gateway, handles it.
pub(crate) async fn serve(
    active: &ActiveWorker,
    request: Request<ClientBody>,
    (is_plain, beyond_cap): (bool, bool),
) -> http::Response<RecordedBody> {
    let worker = &active.worker;
    let (mut head, body) = request.into_parts();
    let routed = match active.router.plain(head.uri.path()) {
        Some(routed) => routed,
        None => Box::pin(active.router.matching(&mut head)).await.unwrap_or(UNMATCHED_ROUTE),
    };
    let route = &ROUTES[routed.index];
    let is_head = head.method == Method::HEAD;
    let request_id = headers::request_id(&head.headers);
    let admitted = admit(worker, route, &head, is_plain);
    let kind = match (route.action, &admitted) {
        (Action::Page(page), Ok(_)) => {
            let page = Box::pin(render(active, page, &head.headers)).await;
            return respond(page, None, request_id, is_head);
        }
        // What is refused is no page.
        (Action::Page(_), Err(_)) => RequestKind::Unmatched,
        (Action::Request(kind), _) => kind,
    };
    let template = (routed.index, &*route.template);
    let ids = RequestIds { request_id: request_id.clone(), trace: TraceContext::of(&head.headers) };
    let mut record = RequestRecord::start(worker, body.connection(), template, &head.method, &ids);
    let outcome = match admitted {
        Err(refusal) => Err(refusal),
        Ok(caller) => {
            let received = Received::new((routed.prefix, beyond_cap), (head, body), ids);
            let handled = handle(worker, kind, received, caller, &mut record);
            let handled = AssertUnwindSafe(handled).catch_unwind().await;
            if handled.is_err() {
                record.end_dispatch(Ending::Panicked);
            }
            handled.unwrap_or(Err(GatewayError::Internal))
        }
    };
    match outcome {
        Ok(response) => respond(response, Some(record), request_id, is_head),
        Err(refusal) => {
            let record = refused(worker, &refusal, record);
            respond(route.refusal(refusal), record, request_id, is_head)
        }
    }
}

/// Checks the head of a request: its host, its transfer coding, its method, its credential.
fn admit(
    worker: &WorkerState,
    route: &Route,
    head: &Parts,
    is_plain: bool,
) -> Result<Option<CallerIndex>, GatewayError> {
    framing::check(head, is_plain)?;
    if !route.takes(&head.method) {
        return Err(GatewayError::method_not_allowed(route.allow));
    }
    let surface = match route.lock {
        Lock::Open => return Ok(None),
        Lock::Key => Surface::Api,
        Lock::MetricsKey => Surface::Metrics,
    };
    if worker.app.access.is_open(surface) {
        let config = &worker.app.config;
        let host = if surface == Surface::Metrics { config.metrics_address().0 } else { &config.server.host };
        cross_site::check(head, host)?;
        return Ok(None);
    }
    match worker.app.access.check(surface, &head.headers) {
        Ok(caller) => Ok(caller),
        Err(refusal) => {
            if let Some(metrics) = &worker.metrics {
                metrics.process().auth_failed(surface, refusal.failure);
            }
            Err(refusal.error)
        }
    }
}

async fn render(active: &ActiveWorker, page: Page, headers: &HeaderMap) -> Response {
    let worker = &active.worker;
    match page {
        Page::Index => pages::index(active, headers),
        Page::Health => Response::json(r#"{"status":"ok"}"#),
        Page::Ready if worker.app.lifecycle.is_ready() => Response::json(r#"{"status":"ok"}"#),
        Page::Ready => {
            let mut response = Response::json(r#"{"status":"draining"}"#);
            response.status = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
        Page::Metrics => pages::scrape(worker, headers).await,
    }
}

/// Hands a request to the handler of its kind.
async fn handle(
    worker: &WorkerState,
    kind: RequestKind,
    mut received: Box<Received>,
    caller: Option<CallerIndex>,
    record: &mut RequestRecord,
) -> Result<Response, GatewayError> {
    match kind {
        RequestKind::Unmatched => not_draining(worker).and(Err(GatewayError::NO_SUCH_ROUTE)),
        RequestKind::ListModels => {
            enter(worker, &received, caller, record)?;
            Ok(models::list(worker))
        }
        RequestKind::ShowModel => {
            enter(worker, &received, caller, record)?;
            models::show(worker, received.head).await
        }
        RequestKind::ModelCall(endpoint) => {
            record.model_call(endpoint);
            enter(worker, &received, caller, record)?;
            model_call::call(worker, endpoint, None, received, record).await
        }
        RequestKind::Deployment => {
            let (model, endpoint) = received.deployment(worker).await?;
            record.model_call(endpoint);
            enter(worker, &received, caller, record)?;
            model_call::call(worker, endpoint, Some(model), received, record).await
        }
        RequestKind::Stored(endpoint, content) => {
            record.model_call(endpoint);
            enter(worker, &received, caller, record)?;
            resources::call(worker, endpoint, content, received, record).await
        }
        RequestKind::Passthrough => {
            let endpoint = passthrough::endpoint(worker, &received.head.method, &received.head.uri);
            record.model_call(endpoint);
            enter(worker, &received, caller, record)?;
            passthrough::call(worker, endpoint, received, record).await
        }
    }
}

/// Records the caller and takes a place in flight; refused while the gateway stops or is full.
fn enter(
    worker: &WorkerState,
    received: &Received,
    caller: Option<CallerIndex>,
    record: &mut RequestRecord,
) -> Result<(), GatewayError> {
    if let Some(caller) = caller {
        record.caller(worker, caller);
    }
    not_draining(worker)?;
    if received.beyond_cap {
        return Err(GatewayError::TOO_MANY_CONNECTIONS);
    }
    let in_flight = worker.app.lifecycle.enter(worker.app.limits.in_flight);
    record.hold(in_flight.ok_or(GatewayError::OVERLOADED)?);
    panics::point("handler", received.head.uri.path().as_bytes());
    Ok(())
}

fn not_draining(worker: &WorkerState) -> Result<(), GatewayError> {
    if worker.cut.is_cancelled() { Err(GatewayError::DRAINING) } else { Ok(()) }
}

/// Records a refusal. A record that is dropped without a response says by itself that its client disconnected.
fn refused(
    worker: &WorkerState,
    refusal: &GatewayError,
    mut record: Box<RequestRecord>,
) -> Option<Box<RequestRecord>> {
    record.refused(refusal);
    if let (Some(metrics), Some(reason)) = (&worker.metrics, refusal.rejection()) {
        metrics.process().rejected(reason);
    }
    (!matches!(refusal, GatewayError::ClientDisconnected)).then_some(record)
}

impl Route {
    /// The response to a request that it refuses.
    fn refusal(&self, refusal: GatewayError) -> Response {
        let is_wrong_method = refusal.status() == StatusCode::METHOD_NOT_ALLOWED;
        let mut response = refusal.into_response();
        if is_wrong_method {
            response.headers.insert(ALLOW, HeaderValue::from_static(self.allow));
        }
        response
    }
}

fn respond(
    response: Response,
    mut record: Option<Box<RequestRecord>>,
    request_id: HeaderValue,
    is_head: bool,
) -> http::Response<RecordedBody> {
    let Response { status, mut headers, mut body, outcome } = response;
    if let Some(record) = &mut record {
        record.responded(status.as_u16(), outcome);
        // The place in flight is not held while an unread body is waited for.
        if matches!(body, ResponseBody::Full(_)) {
            record.release();
        }
    }
    if is_head {
        // The size of the body, where it is known, instead of the body.
        if let Some(size) = body.size() {
            headers.entry(CONTENT_LENGTH).or_insert(size.into());
        }
        body = ResponseBody::Full(Bytes::new());
    }
    headers.insert(headers::REQUEST_ID, request_id);
    let mut response = http::Response::new(RecordedBody::new(body, record));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
