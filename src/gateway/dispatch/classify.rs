//! Classification of an attempt's outcome: whether to retry, whether to fall back, and what it counts as.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::upstream_response::{ReceivedBody, UpstreamResponse};
use crate::gateway::http::error::{Fault, GatewayError};
use crate::metrics::{Attempt, Ending, RetryReason};
use crate::providers::{Health, retry_after, should_retry};

/// Result of an attempt, and with its last one of a dispatch: a response to relay, or the error that the client gets.
pub(super) type Outcome = Result<UpstreamResponse, GatewayError>;

/// All that follows from an outcome.
pub(super) struct Class {
    /// Retry of the same target that may help.
    pub(super) retry: Option<Retry>,
    /// True if another target may do better.
    pub(super) falls_back: bool,
    /// Health that the circuit breakers count.
    pub(super) health: Health,
    /// Outcome of the attempt; `None` where its response can be relayed, and how that ends is still to be seen.
    pub(super) attempt: Option<Attempt>,
    /// End of the dispatch, where its response is not relayed.
    pub(super) ending: Ending,
}

/// A retry that may help.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) reason: RetryReason,
    /// The pause that the upstream requests.
    pub(super) after: Option<Duration>,
}

impl Class {
    pub(super) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Ok(response) if response.status.as_u16() < 400 => Self::of_success(response),
            Ok(response) => Self::of_error_status(response),
            Err(GatewayError::Upstream { fault, message, .. }) => Self::of_fault(*fault, message),
            Err(GatewayError::Unavailable { code: "out_of_descriptors", .. }) => {
                Self::ours(Ending::Withdrawn)
            }
            Err(_) => Self::ours(Ending::SHUTDOWN),
        }
    }

    /// Our own shutdown, limits and defects say nothing about the provider.
    const fn ours(ending: Ending) -> Self {
        Self {
            retry: None,
            falls_back: false,
            health: Health::Neutral,
            attempt: Some(Attempt::Cancelled),
            ending,
        }
    }

    fn of_success(response: &UpstreamResponse) -> Self {
        let is_whole = matches!(response.body, ReceivedBody::Whole(_));
        Self {
            retry: None,
            falls_back: false,
            health: if is_whole { Health::Good } else { Health::Begun },
            attempt: None,
            ending: Ending::COMPLETED,
        }
    }

    /// An upstream's error. A 429 says nothing about the provider's health, any other 4xx that it is well.
    fn of_error_status(response: &UpstreamResponse) -> Self {
        let (falls_back, health, attempt) = match response.status.as_u16() {
            429 if is_out_of_quota(response) => (true, Health::Neutral, Attempt::Quota),
            429 => (true, Health::Neutral, Attempt::RateLimited),
            500..600 => (
                true,
                Health::Failed(format!("it responded with {}", name(response.status))),
                Attempt::ServerError,
            ),
            status => (false, Health::Good, Attempt::of_status(status)),
        };
        Self { retry: retry(response), falls_back, health, attempt: Some(attempt), ending: Ending::COMPLETED }
    }

    /// No response of the upstream that could be relayed. Only a failure to connect is retried: nothing was sent.
    fn of_fault(fault: Fault, message: &str) -> Self {
        let message = message.to_owned();
        let (health, attempt, ending) = match fault {
            Fault::Unreachable => (Health::Unreachable(message), Attempt::ConnectError, Ending::Unreachable),
            Fault::ConnectTimeout => (Health::Unreachable(message), Attempt::Timeout, Ending::TimedOut),
            Fault::TimedOut => (Health::Failed(message), Attempt::Timeout, Ending::TimedOut),
            Fault::Broken | Fault::CutShort => {
                (Health::Failed(message), Attempt::ServerError, Ending::Failed)
            }
            Fault::InvalidResponse => (Health::Neutral, Attempt::ServerError, Ending::Failed),
            Fault::Credentials => (Health::Good, Attempt::Unauthorized, Ending::COMPLETED),
            Fault::BreakerOpen(_) => (Health::Neutral, Attempt::BreakerOpen, Ending::BreakerOpen),
        };
        let is_retried = fault == Fault::Unreachable;
        let retry = is_retried.then_some(Retry { reason: RetryReason::ConnectError, after: None });
        Self { retry, falls_back: true, health, attempt: Some(attempt), ending }
    }
}

/// The retry that may help after an upstream's error. Where the upstream says whether to retry, that counts; a 429 is
/// retried only where it says when.
fn retry(response: &UpstreamResponse) -> Option<Retry> {
    let opinion = should_retry(&response.headers);
    if opinion == Some(false) {
        return None;
    }
    let after = retry_after(&response.headers, Timestamp::now());
    let reason = match response.status.as_u16() {
        429 if after.is_none() => return None,
        429 => RetryReason::RateLimited,
        502..=504 => RetryReason::ServerError,
        _ if opinion == Some(true) => RetryReason::Requested,
        _ => return None,
    };
    (!is_out_of_quota(response)).then_some(Retry { reason, after })
}

/// Returns true if the account is out of money, so that no wait helps.
fn is_out_of_quota(response: &UpstreamResponse) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: Option<serde_json::Value>,
        r#type: Option<serde_json::Value>,
    }
    let ReceivedBody::Whole(bytes) = &response.body else { return false };
    let Ok(Envelope { error }) = serde_json::from_slice(bytes) else { return false };
    [error.code, error.r#type].iter().flatten().any(|word| word == "insufficient_quota")
}

/// A status with its usual name, where it has one.
fn name(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
