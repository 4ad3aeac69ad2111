//! Pages about the gateway itself: what it has, and its metrics.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use crate::gateway::http::error::GatewayError;
use crate::gateway::http::negotiation::Form;
use crate::gateway::response::client_response::Response;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::CallOutcome;

/// The paths of interest, for whoever opens the address in a browser. It says neither version nor models: it is open.
#[derive(Serialize)]
struct Index {
    name: &'static str,
    /// Base URL of OpenAI's clients.
    api: String,
    models: String,
    health: String,
    ready: String,
    /// Absent if metrics are off or have a listener of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
}

/// Responds to `GET /`.
pub(crate) fn index(worker: &WorkerState) -> Response {
    let config = &worker.app.config;
    let base = &config.server.base_path;
    let has_metrics = worker.app.metrics.is_some() && config.metrics.listen.is_none();
    let index = Index {
        name: "aurora",
        api: format!("{base}/v1"),
        models: format!("{base}/v1/models"),
        health: format!("{base}/health"),
        ready: format!("{base}/health/ready"),
        metrics: has_metrics.then(|| config.metrics_path()),
    };
    match serde_json::to_vec(&index) {
        Ok(body) => Response::json(body),
        Err(_) => GatewayError::Internal.into_response(),
    }
}

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
