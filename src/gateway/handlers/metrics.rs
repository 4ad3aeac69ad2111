//! The metrics endpoint.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::gateway::http::error::GatewayError;
use crate::gateway::http::negotiation::Form;
use crate::gateway::response::reply::Reply;
use crate::gateway::state::worker::WorkerState;
use crate::metrics::Answer;

/// Answers an authorised scrape.
pub(crate) async fn scrape(worker: &WorkerState, headers: &HeaderMap) -> Reply {
    let Some(metrics) = &worker.app.metrics else { return GatewayError::NO_SUCH_ROUTE.into_reply() };
    let form = Form::of(headers);
    let reply = match worker.app.renders.ask(metrics, form).await {
        Some(exposition) => answer(form, exposition),
        None => GatewayError::Internal.into_reply(),
    };
    metrics.scraped(form.format, reply.status.as_u16());
    reply
}

fn answer(form: Form, exposition: Bytes) -> Reply {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if form.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Reply::full(StatusCode::OK, headers, exposition, Answer::Ok)
}
