//! Errors of ours, in OpenAI's envelope.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::metrics::{CallOutcome, Rejection};
use crate::providers::{BreakerScope, Refused, UpstreamError};

/// Reason for which there is no response to relay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
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
    /// The credential is right, but not for this.
    #[error("{message}")]
    Forbidden { message: Cow<'static, str> },
    /// Aurora cannot take the request now.
    #[error("{message}")]
    Unavailable { message: &'static str, code: &'static str },
    /// There was no valid response from the provider.
    #[error("provider `{provider}`: {message}")]
    Upstream { provider: String, message: String, fault: Fault },
    /// The connection ended inside the request.
    #[error("The body could not be read to its end.")]
    ClientDisconnected,
    /// A defect of ours.
    #[error("internal error; please report it")]
    Internal,
}

/// Reason for which a provider gave no valid response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There was no connection.
    Unreachable,
    /// There was no connection in time.
    ConnectTimeout,
    /// The connection broke before the head of a response arrived: the request may have been carried out.
    Broken,
    /// The connection broke inside a response of which nothing was relayed.
    CutShort,
    /// Our timeout passed.
    TimedOut,
    /// An invalid 2xx, or a redirect.
    InvalidResponse,
    /// It refused our credential.
    Credentials,
    /// It failed so often that no request is sent to it for this long.
    BreakerOpen(Duration),
}

impl Fault {
    const fn code(self) -> &'static str {
        match self {
            Self::Unreachable | Self::Broken => "upstream_unreachable",
            Self::ConnectTimeout | Self::TimedOut => "upstream_timeout",
            Self::CutShort | Self::InvalidResponse => "upstream_invalid_answer",
            Self::Credentials => "upstream_credentials",
            Self::BreakerOpen(_) => "upstream_circuit_open",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::BreakerOpen(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable | Self::Broken | Self::CutShort | Self::InvalidResponse | Self::Credentials => {
                StatusCode::BAD_GATEWAY
            }
        }
    }
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
    pub(crate) fn invalid(
        message: impl Into<Cow<'static, str>>,
        param: Option<&'static str>,
        code: &'static str,
    ) -> Self {
        Self::Refused { status: StatusCode::BAD_REQUEST, message: message.into(), param, code }
    }

    /// 404 as OpenAI sends it.
    pub(crate) fn unknown_model(model: &str) -> Self {
        Self::unknown_model_like(model, None)
    }

    /// The same, with the name of a model that may have been meant.
    pub(crate) fn unknown_model_like(model: &str, similar: Option<&str>) -> Self {
        let shown: String = model.chars().filter(|c| !c.is_control()).take(128).collect();
        let meant = similar.map(|similar| format!(" Did you mean `{similar}`?")).unwrap_or_default();
        let message = format!(
            "The model `{shown}` does not exist: no provider lists it.{meant} GET /v1/models shows what is served."
        );
        Self::Refused {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
            param: Some("model"),
            code: "model_not_found",
        }
    }

    /// 503 while no provider is configured.
    pub(crate) const NO_PROVIDER: Self = Self::Unavailable {
        message: "No provider is configured: set OPENAI_API_KEY or another provider's key, or add one to config.yaml.",
        code: "no_provider",
    };
    /// 503 while the gateway stops.
    pub(crate) const DRAINING: Self = Self::Unavailable {
        message: "The gateway is shutting down; send the request again.",
        code: "draining",
    };
    /// 503 for what was under way when the grace period ended.
    pub(crate) const CUT: Self = Self::Unavailable {
        message: "The gateway is shutting down; send the request again.",
        code: "shutting_down",
    };
    /// 503 over `server.max_in_flight`.
    pub(crate) const OVERLOADED: Self = Self::Unavailable {
        message: "Too many requests are in flight (server.max_in_flight); send the request again.",
        code: "too_many_in_flight",
    };
    /// 503 over `server.body_memory`.
    pub(crate) const NO_BODY_MEMORY: Self = Self::Unavailable {
        message: "The bodies of the requests in flight use all the memory allowed for them (server.body_memory, BODY_MEMORY); \
                  send the request again.",
        code: "body_memory",
    };
    /// 503 over `server.max_connections`.
    pub(crate) const TOO_MANY_CONNECTIONS: Self = Self::Unavailable {
        message: "Too many connections are open (server.max_connections); send the request again.",
        code: "too_many_connections",
    };
    /// 503 while no connection to a provider can be opened for want of file descriptors.
    pub(crate) const OUT_OF_DESCRIPTORS: Self = Self::Unavailable {
        message: "No file descriptors are available for a connection to the provider (ulimit -n); send the request again.",
        code: "out_of_descriptors",
    };
    /// 404 for whatever the route table does not have.
    pub(crate) const NO_SUCH_ROUTE: Self = Self::Refused {
        status: StatusCode::NOT_FOUND,
        message: Cow::Borrowed("There is no such route."),
        param: None,
        code: "unknown_route",
    };

    /// There is no response of a provider, for this reason.
    pub(crate) fn upstream(provider: &str, fault: Fault, message: impl Into<String>) -> Self {
        Self::Upstream { provider: provider.to_owned(), message: message.into(), fault }
    }

    /// No status line from the provider.
    pub(crate) fn no_response(provider: &str, error: &UpstreamError) -> Self {
        let fault = match error {
            UpstreamError::OutOfDescriptors => return Self::OUT_OF_DESCRIPTORS,
            UpstreamError::ConnectTimeout(_) => Fault::ConnectTimeout,
            UpstreamError::Connect(_) => Fault::Unreachable,
            UpstreamError::Informational => Fault::InvalidResponse,
            UpstreamError::Unsent(_) | UpstreamError::Crossed(_) | UpstreamError::Broken(_) => Fault::Broken,
        };
        Self::upstream(provider, fault, error.to_string())
    }

    /// The same, where there was no connection yet: it is not the model that was waited for.
    pub(crate) fn while_connecting(mut self) -> Self {
        if let Self::Upstream { fault, .. } = &mut self
            && *fault == Fault::TimedOut
        {
            *fault = Fault::ConnectTimeout;
        }
        self
    }

    /// The provider refused our credential, which does not concern the client.
    pub(crate) fn credentials(provider: &str) -> Self {
        let message = "it refused the configured credential; the operator has to check its api_key";
        Self::upstream(provider, Fault::Credentials, message)
    }

    /// A circuit breaker lets nothing through to the provider, or to the model.
    pub(crate) fn breaker_open(provider: &str, scope: BreakerScope, refused: &Refused) -> Self {
        let of = match scope {
            BreakerScope::Provider => "to connect",
            BreakerScope::Model => "of this model",
        };
        let message = format!(
            "circuit breaker open after repeated failures {of}; the last one: {}",
            refused.last_error
        );
        Self::upstream(provider, Fault::BreakerOpen(refused.remaining), message)
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused { status, .. } => *status,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::ClientDisconnected => StatusCode::BAD_REQUEST,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream { fault, .. } => fault.status(),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Reason that the request was rejected before dispatch, where it was.
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Refused { code: "unknown_route" | "method_not_allowed", .. }
            | Self::Unavailable { code: "shutting_down", .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::Upstream { .. }
            | Self::ClientDisconnected
            | Self::Internal => None,
            Self::Refused { code: "model_not_found", .. } => Some(Rejection::ModelNotFound),
            Self::Refused { code: "body_too_large", .. } => Some(Rejection::BodyTooLarge),
            Self::Refused { .. } => Some(Rejection::InvalidRequest),
            Self::Unavailable { code: "draining", .. } => Some(Rejection::Draining),
            Self::Unavailable { code: "no_provider", .. } => Some(Rejection::NoProvider),
            Self::Unavailable { .. } => Some(Rejection::Concurrency),
        }
    }

    pub(crate) fn outcome(&self) -> CallOutcome {
        match self {
            Self::Refused { .. } | Self::Unauthorized { .. } | Self::Forbidden { .. } => {
                CallOutcome::CallerError
            }
            Self::ClientDisconnected => CallOutcome::Cancelled,
            Self::Unavailable { .. } | Self::Internal => CallOutcome::GatewayError,
            Self::Upstream { .. } => CallOutcome::UpstreamError,
        }
    }

    /// The `type` of the envelope.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } | Self::ClientDisconnected => "invalid_request_error",
            Self::Unauthorized { .. } => "authentication_error",
            Self::Forbidden { .. } => "permission_error",
            Self::Unavailable { .. } | Self::Internal => "server_error",
            Self::Upstream { .. } => "upstream_error",
        }
    }

    /// The `code` of the envelope.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } | Self::Unavailable { code, .. } => code,
            Self::Unauthorized { .. } => "invalid_api_key",
            Self::Forbidden { .. } => "wrong_key",
            Self::ClientDisconnected => "incomplete_body",
            Self::Upstream { fault, .. } => fault.code(),
            Self::Internal => "internal_error",
        }
    }

    /// The envelope as JSON.
    pub(crate) fn envelope(&self) -> String {
        let param = match self {
            Self::Refused { param, .. } => *param,
            _ => None,
        };
        envelope(&self.to_string(), self.kind(), param, Some(self.code()))
    }

    /// 405 with the methods that the route has.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        Self::Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: format!("Method not allowed; allowed: {}.", allow.replace(',', ", ")).into(),
            param: None,
            code: "method_not_allowed",
        }
    }
}

/// OpenAI's error object.
fn envelope(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    let envelope = Envelope { error: Body { message, r#type: kind, param, code } };
    serde_json::to_string(&envelope).unwrap_or_default()
}
