//! The metrics endpoint.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::gateway::http::error::GatewayError;
use crate::gateway::http::negotiation::Form;
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::CallOutcome;

/// Responds to an authorised scrape.
pub(crate) async fn scrape(worker: &WorkerState, headers: &HeaderMap) -> Response {
    let Some(metrics) = &worker.app.metrics else { return GatewayError::NO_SUCH_ROUTE.into_response() };
    let form = Form::of(headers);
    let response = match worker.app.renders.render(metrics, form).await {
        Some(exposition) => respond(form, exposition),
        None => GatewayError::Internal.into_response(),
    };
    metrics.scraped(form.format, response.status.as_u16());
    response
}

fn respond(form: Form, exposition: Bytes) -> Response {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if form.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Response::full(StatusCode::OK, headers, exposition, CallOutcome::Ok)
}
