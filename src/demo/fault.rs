//! Error responses of the demo, and the models that fail on purpose.

use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Delay of demo-slow.
pub(crate) const SLOWNESS: Duration = Duration::from_secs(5);

/// `Retry-After` of demo-429, in seconds.
const RETRY_AFTER: &str = "2";

/// An error response in OpenAI's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into() }
    }

    /// Invalid request body; `param` names the member.
    pub(crate) fn invalid(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { param, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message) }
    }

    /// Unknown model.
    pub(crate) fn unknown_model(model: &str) -> Self {
        let message =
            format!("The model `{model}` does not exist; the demo has {}.", super::MODELS.join(", "));
        let refusal = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message);
        Self { code: Some("model_not_found"), param: Some("model"), ..refusal }
    }

    /// Unknown path.
    pub(crate) fn unknown_route(method: &str, path: &str) -> Self {
        let message = format!("Unknown request: {method} {path}");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    /// Error of a model that fails before it responds.
    pub(crate) fn of_model(model: &str) -> Option<Self> {
        match model {
            "demo-429" => Some(Self {
                code: Some("rate_limit_exceeded"),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "requests", "demo-429 is always rate-limited.")
            }),
            "demo-500" => Some(Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                "demo-500 always fails with an internal error.",
            )),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, kind, code, param, message } = self;
        let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}
