//! Classification of an attempt's outcome: whether to retry, whether to fall back, and what it counts as.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::upstream_response::{ReceivedBody, UpstreamResponse};
use crate::gateway::http::error::{Fault, GatewayError};
use crate::metrics::{Attempt, DispatchObserver, RetryReason};
use crate::providers::{Health, retry_after, should_retry};

/// Result of an attempt, and with its last one of a dispatch.
pub(crate) type Outcome = Result<UpstreamResponse, GatewayError>;

/// Meaning of an outcome.
pub(crate) struct Class {
    /// Why the same target may be asked again.
    pub(crate) retry: Option<Retry>,
    /// Whether another target may do better.
    pub(crate) falls_back: bool,
    /// For the circuit breakers.
    pub(crate) health: Health,
    /// How the attempt failed; `None` where its response can be relayed, and how that ends is still to be seen.
    pub(crate) attempt: Option<Attempt>,
    /// Tells the observer how the dispatch ended, where its response is not relayed.
    pub(crate) end: fn(&mut DispatchObserver),
}

/// A retry that may help.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    pub(crate) reason: RetryReason,
    /// The pause that the upstream asks for.
    pub(crate) after: Option<Duration>,
}

impl Class {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Ok(answer) => Self::of_answer(answer),
            Err(GatewayError::Upstream { fault, message, .. }) => Self::of_fault(*fault, message),
            // Our own shutdown, limits and defects say nothing about the provider.
            Err(error) => Self {
                retry: None,
                falls_back: false,
                health: Health::Neutral,
                attempt: Some(Attempt::Cancelled),
                end: match error {
                    GatewayError::Unavailable { code: "out_of_descriptors", .. } => {
                        DispatchObserver::withdrawn
                    }
                    _ => DispatchObserver::cut,
                },
            },
        }
    }

    fn of_answer(answer: &UpstreamResponse) -> Self {
        let status = answer.status;
        if status.as_u16() < 400 {
            let is_whole = matches!(answer.body, ReceivedBody::Whole(_));
            return Self {
                retry: None,
                falls_back: false,
                health: if is_whole { Health::Good } else { Health::Begun },
                attempt: None,
                end: DispatchObserver::completed,
            };
        }
        let is_limited = status == StatusCode::TOO_MANY_REQUESTS;
        let attempt = if is_limited && is_out_of_quota(answer) {
            Attempt::Quota
        } else {
            Attempt::of_status(status.as_u16())
        };
        Self {
            retry: retry(answer),
            falls_back: is_limited || status.is_server_error(),
            health: match status {
                _ if is_limited => Health::Neutral,
                _ if status.is_server_error() => Health::Failed(format!("it answered {}", name(status))),
                // The request was wrong; the provider is well.
                _ => Health::Good,
            },
            attempt: Some(attempt),
            end: DispatchObserver::completed,
        }
    }

    fn of_fault(fault: Fault, message: &str) -> Self {
        let (attempt, end): (_, fn(&mut DispatchObserver)) = match fault {
            Fault::Unreachable => (Attempt::ConnectError, DispatchObserver::unreachable),
            Fault::ConnectTimeout | Fault::TimedOut => (Attempt::Timeout, DispatchObserver::timed_out),
            Fault::Broken | Fault::CutShort | Fault::InvalidResponse => {
                (Attempt::ServerError, DispatchObserver::failed)
            }
            Fault::Credentials => (Attempt::Unauthorized, DispatchObserver::completed),
            Fault::BreakerOpen(_) => (Attempt::BreakerOpen, DispatchObserver::breaker_open),
        };
        let is_unreachable = fault == Fault::Unreachable;
        Self {
            retry: is_unreachable.then_some(Retry { reason: RetryReason::ConnectError, after: None }),
            falls_back: true,
            health: match fault {
                Fault::Unreachable | Fault::ConnectTimeout => Health::Unreachable(message.to_owned()),
                Fault::Broken | Fault::CutShort | Fault::TimedOut => Health::Failed(message.to_owned()),
                Fault::Credentials => Health::Good,
                Fault::InvalidResponse | Fault::BreakerOpen(_) => Health::Neutral,
            },
            attempt: Some(attempt),
            end,
        }
    }
}

/// Why an error of the upstream may pass. It has the last word itself, where it says one; a rate limit passes only when
/// it says, and a quota that is used up does not.
fn retry(answer: &UpstreamResponse) -> Option<Retry> {
    let opinion = should_retry(&answer.headers);
    let after = retry_after(&answer.headers, Timestamp::now());
    let reason = match answer.status.as_u16() {
        _ if opinion == Some(false) => return None,
        429 if after.is_none() => return None,
        429 => RetryReason::RateLimited,
        502..=504 => RetryReason::ServerError,
        _ if opinion == Some(true) => RetryReason::Requested,
        _ => return None,
    };
    (!is_out_of_quota(answer)).then_some(Retry { reason, after })
}

/// Whether no waiting helps: the account is out of money.
fn is_out_of_quota(answer: &UpstreamResponse) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: Option<serde_json::Value>,
        r#type: Option<serde_json::Value>,
    }
    let ReceivedBody::Whole(bytes) = &answer.body else { return false };
    let is_quota = |word: Option<serde_json::Value>| {
        word.is_some_and(|word| word.as_str() == Some("insufficient_quota"))
    };
    serde_json::from_slice::<Envelope>(bytes)
        .is_ok_and(|envelope| is_quota(envelope.error.code) || is_quota(envelope.error.r#type))
}

/// A status with its usual name, where it has one.
fn name(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
