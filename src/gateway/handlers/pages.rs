//! Pages about the gateway itself: what it has, and its metrics.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::live_page;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::negotiation::{self, Form};
use crate::gateway::response::client_response::Response;
use crate::gateway::state::listener_state::ActiveWorker;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::CallOutcome;

/// The paths of interest on a listener. It says neither version nor models: it is open.
#[derive(Serialize)]
struct Index {
    name: &'static str,
    /// Base URL of OpenAI's clients; absent on the metrics' own listener, as are the models.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<String>,
    health: String,
    ready: String,
    /// Absent if metrics are off, and where another listener has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
}

/// Responds to `GET /`: with the live page where this listener has the metrics and the client is a browser, else with
/// the paths of interest.
pub(crate) fn index(active: &ActiveWorker, headers: &HeaderMap) -> Response {
    let config = &active.worker.app.config;
    let metrics = Some(config.metrics_path()).filter(|path| active.router.plain(path).is_some());
    let has_page = config.server.page && metrics.is_some();
    if has_page && negotiation::prefers_html(headers) {
        return live_page::respond(&config.metrics.endpoint);
    }
    let has_api = metrics.is_none() || config.metrics.listen.is_none();
    let base = if has_api { config.server.base_path.as_str() } else { "" };
    let index = Index {
        name: "aurora",
        api: has_api.then(|| format!("{base}/v1")),
        models: has_api.then(|| format!("{base}/v1/models")),
        health: format!("{base}/health"),
        ready: format!("{base}/health/ready"),
        metrics,
    };
    let Ok(body) = serde_json::to_vec(&index) else { return GatewayError::Internal.into_response() };
    let mut response = Response::json(body);
    if has_page {
        response.headers.insert(VARY, HeaderValue::from_static("accept"));
    }
    response
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
