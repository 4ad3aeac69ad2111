//! Responses to clients: what a handler returns.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::recorded_body::ResponseBody;
use super::relay_body::RelayBody;
use crate::gateway::http::error::{Fault, GatewayError};
use crate::metrics::CallOutcome;

/// `Retry-After` of a refusal of ours that has nothing to do with the request.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");

/// A response to a client.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ResponseBody,
    /// Its meaning for the client of a model.
    pub(crate) outcome: CallOutcome,
}

impl Response {
    /// A response that is complete in memory.
    pub(crate) fn full(status: StatusCode, headers: HeaderMap, bytes: Bytes, outcome: CallOutcome) -> Self {
        Self { status, headers, body: ResponseBody::Full(bytes), outcome }
    }

    /// 200 with JSON of our own.
    pub(crate) fn json(json: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self::full(StatusCode::OK, headers, json.into(), CallOutcome::Ok)
    }

    /// An upstream's response that is complete in memory.
    pub(crate) fn held(status: StatusCode, headers: HeaderMap, bytes: Bytes) -> Self {
        Self::full(status, headers, bytes, outcome_of(status))
    }

    /// An upstream's response whose body is relayed as it arrives.
    pub(crate) fn relayed(status: StatusCode, headers: HeaderMap, body: RelayBody) -> Self {
        Self { status, headers, body: ResponseBody::Relay(Box::new(body)), outcome: outcome_of(status) }
    }
}

/// Meaning of an upstream's status for the client.
fn outcome_of(status: StatusCode) -> CallOutcome {
    match status.as_u16() {
        0..400 => CallOutcome::Ok,
        429 => CallOutcome::RateLimited,
        400..500 => CallOutcome::CallerError,
        _ => CallOutcome::UpstreamError,
    }
}

impl GatewayError {
    /// The response to the client for this error.
    pub(crate) fn into_response(self) -> Response {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &self {
            Self::Unauthorized { .. } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Unavailable { .. } => {
                headers.insert(RETRY_AFTER, RETRY_SOON);
            }
            Self::Upstream { fault: Fault::BreakerOpen(remaining), .. } => {
                // Whole seconds, rounded up: a retry before the breaker is half-open would fail.
                let seconds = remaining.as_secs() + u64::from(remaining.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, seconds.into());
            }
            Self::Refused { .. }
            | Self::Forbidden { .. }
            | Self::Upstream { .. }
            | Self::ClientDisconnected
            | Self::Internal => {}
        }
        Response::full(self.status(), headers, Bytes::from(self.envelope()), self.outcome())
    }
}
