//! What a caller is told when there is no answer to relay: OpenAI's error envelope.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::reply::Reply;
use crate::metrics::{Answer, Rejection};
use crate::providers::UpstreamError;

/// When to try again after a refusal of ours that has nothing to do with the request.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");

/// Why a request got no answer of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// The request cannot be served as it is; the message says what to change.
    #[error("{message}")]
    Refused {
        status: StatusCode,
        message: Cow<'static, str>,
        param: Option<&'static str>,
        code: &'static str,
    },
    /// The credential was missing or wrong.
    #[error("{message}")]
    Unauthorized { message: Cow<'static, str> },
    /// Aurora cannot take the request now.
    #[error("{message}")]
    Unavailable { message: &'static str, code: &'static str },
    /// There was no usable answer from the provider.
    #[error("provider `{provider}`: {message}")]
    Upstream { provider: String, message: String, code: &'static str, timed_out: bool },
    /// The connection ended inside the request; whoever may still read is told so.
    #[error("The body could not be read to its end.")]
    CallerLeft,
    /// A defect of ours.
    #[error("internal error; please report it")]
    Internal,
}

/// The envelope: always all four keys.
#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl GatewayError {
    /// 400 about the request body.
    pub(super) fn invalid(
        message: impl Into<Cow<'static, str>>,
        param: Option<&'static str>,
        code: &'static str,
    ) -> Self {
        Self::Refused { status: StatusCode::BAD_REQUEST, message: message.into(), param, code }
    }

    /// 404 as OpenAI answers it.
    pub(super) fn unknown_model(model: &str) -> Self {
        let shown: String = model.chars().filter(|c| !c.is_control()).take(128).collect();
        let message = format!(
            "The model `{shown}` does not exist: no provider lists it. GET /v1/models shows what is served."
        );
        Self::Refused {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
            param: Some("model"),
            code: "model_not_found",
        }
    }

    /// 503 while nobody is configured to serve any model.
    pub(super) const NO_PROVIDER: Self = Self::Unavailable {
        message: "No provider is configured: set OPENAI_API_KEY or another provider's key, or add one to config.yaml.",
        code: "no_provider",
    };
    /// 503 while the gateway stops.
    pub(super) const DRAINING: Self = Self::Unavailable {
        message: "The gateway is shutting down; send the request again.",
        code: "draining",
    };
    /// 503 over `server.max_in_flight`.
    pub(super) const OVERLOADED: Self = Self::Unavailable {
        message: "Too many requests are in flight (server.max_in_flight); send the request again.",
        code: "too_many_in_flight",
    };
    /// 503 over `server.max_connections`.
    pub(super) const TOO_MANY_CONNECTIONS: Self = Self::Unavailable {
        message: "Too many connections are open (server.max_connections); send the request again.",
        code: "too_many_connections",
    };
    /// 404 for whatever the route table does not have.
    pub(super) const NO_SUCH_ROUTE: Self = Self::Refused {
        status: StatusCode::NOT_FOUND,
        message: Cow::Borrowed("There is no such route."),
        param: None,
        code: "unknown_route",
    };

    /// No status line from the provider.
    pub(super) fn no_answer(provider: &str, error: &UpstreamError) -> Self {
        let timed_out = matches!(error, UpstreamError::ConnectTimeout(_));
        let code = if timed_out { "upstream_timeout" } else { "upstream_unreachable" };
        Self::Upstream { provider: provider.to_owned(), message: error.to_string(), code, timed_out }
    }

    /// Our patience with the provider ended.
    pub(super) fn timeout(provider: &str, waited_for: &str, limit: Duration) -> Self {
        Self::Upstream {
            provider: provider.to_owned(),
            message: format!("no {waited_for} within {limit:?}"),
            code: "upstream_timeout",
            timed_out: true,
        }
    }

    /// A 2xx that is no answer, or a redirect.
    pub(super) fn useless_answer(provider: &str, message: impl Into<String>) -> Self {
        Self::Upstream {
            provider: provider.to_owned(),
            message: message.into(),
            code: "upstream_invalid_answer",
            timed_out: false,
        }
    }

    /// The provider refused our credential, which is not the caller's business.
    pub(super) fn credentials(provider: &str) -> Self {
        Self::Upstream {
            provider: provider.to_owned(),
            message: "it refused the configured credential; the operator has to look at its api_key".into(),
            code: "upstream_credentials",
            timed_out: false,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Refused { status, .. } => *status,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::CallerLeft => StatusCode::BAD_REQUEST,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream { timed_out: true, .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream { timed_out: false, .. } => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Why the request was turned away before any provider was asked, where it was.
    pub(super) fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Refused { code: "unknown_route", .. }
            | Self::Unauthorized { .. }
            | Self::Upstream { .. }
            | Self::CallerLeft
            | Self::Internal => None,
            Self::Refused { code: "model_not_found", .. } => Some(Rejection::ModelNotFound),
            Self::Refused { code: "body_too_large", .. } => Some(Rejection::BodyTooLarge),
            Self::Refused { .. } => Some(Rejection::InvalidRequest),
            Self::Unavailable { code: "draining", .. } => Some(Rejection::Draining),
            Self::Unavailable { code: "no_provider", .. } => Some(Rejection::NoProvider),
            Self::Unavailable { .. } => Some(Rejection::Concurrency),
        }
    }

    fn answer(&self) -> Answer {
        match self {
            Self::Refused { .. } | Self::Unauthorized { .. } => Answer::CallerError,
            Self::CallerLeft => Answer::Cancelled,
            Self::Unavailable { .. } | Self::Internal => Answer::GatewayError,
            Self::Upstream { .. } => Answer::UpstreamError,
        }
    }

    /// The envelope as JSON.
    pub(super) fn envelope(&self) -> String {
        let (kind, param, code) = match self {
            Self::Refused { param, code, .. } => ("invalid_request_error", *param, Some(*code)),
            Self::Unauthorized { .. } => ("authentication_error", None, Some("invalid_api_key")),
            Self::CallerLeft => ("invalid_request_error", None, Some("incomplete_body")),
            Self::Unavailable { code, .. } => ("server_error", None, Some(*code)),
            Self::Upstream { code, .. } => ("upstream_error", None, Some(*code)),
            Self::Internal => ("server_error", None, Some("internal_error")),
        };
        envelope(&self.to_string(), kind, param, code)
    }

    pub(super) fn into_reply(self) -> Reply {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &self {
            Self::Unauthorized { .. } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Unavailable { .. } => {
                headers.insert(RETRY_AFTER, RETRY_SOON);
            }
            // The rest of the body is not waited for, so nothing can follow it.
            Self::Refused { code: "body_too_large" | "body_timeout" | "unsupported_encoding", .. } => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Refused { .. } | Self::Upstream { .. } | Self::CallerLeft | Self::Internal => {}
        }
        Reply::full(self.status(), headers, Bytes::from(self.envelope()), self.answer())
    }

    /// 405 with the methods that the route has.
    pub(super) fn method_not_allowed(allow: &'static str) -> Reply {
        let error = Self::Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: format!("This route takes {allow}.").into(),
            param: None,
            code: "method_not_allowed",
        };
        let mut reply = error.into_reply();
        reply.headers.insert(ALLOW, HeaderValue::from_static(allow));
        reply
    }
}

/// OpenAI's error object.
fn envelope(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    let envelope = Envelope { error: Body { message, r#type: kind, param, code } };
    serde_json::to_string(&envelope).unwrap_or_default()
}
