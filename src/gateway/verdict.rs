//! What the outcome of an attempt means: for the next attempt, for the next target, for the provider's record.

use std::time::{Duration, Instant};

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::answer::{AnswerBody, UpstreamAnswer};
use super::error::{Fault, GatewayError};
use super::exchange::Dispatch;
use crate::metrics::{Attempt, DispatchObserver, RetryReason};
use crate::providers::{Passage, retry_after};

/// What an attempt came to, and with its last one a dispatch.
pub(super) type Outcome = Result<UpstreamAnswer, GatewayError>;

/// Why asking the same target again may help, and the pause that it asked for.
pub(super) fn retry_reason(outcome: &Outcome) -> Option<(RetryReason, Option<Duration>)> {
    match outcome {
        Ok(answer) => {
            let reason = match answer.status.as_u16() {
                429 => RetryReason::RateLimited,
                502..=504 => RetryReason::ServerError,
                _ => return None,
            };
            Some((reason, retry_after(&answer.headers, Timestamp::now())))
        }
        Err(GatewayError::Upstream { fault: Fault::Unreachable | Fault::ConnectTimeout, .. }) => {
            Some((RetryReason::ConnectError, None))
        }
        Err(_) => None,
    }
}

/// Whether another target may do better.
pub(super) fn may_fall_back(outcome: &Outcome) -> bool {
    match outcome {
        Ok(answer) => answer.status == StatusCode::TOO_MANY_REQUESTS || answer.status.is_server_error(),
        Err(error) => matches!(error, GatewayError::Upstream { .. }),
    }
}

/// Puts a dispatch on the record of its provider. That it asks to slow down says nothing about its health, nor does the
/// end of our own process.
pub(super) fn record(outcome: &Outcome, passage: Passage<'_>) {
    match outcome {
        Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => drop(passage),
        Ok(answer) if answer.status.is_server_error() => passage.failed(Instant::now()),
        Ok(UpstreamAnswer { body: AnswerBody::Begun(..), .. }) => passage.begun(),
        Ok(_) | Err(GatewayError::Upstream { fault: Fault::Credentials, .. }) => passage.succeeded(),
        Err(GatewayError::Upstream { .. }) => passage.failed(Instant::now()),
        Err(_) => drop(passage),
    }
}

/// How an attempt failed; `None` where its answer can be relayed, and how that ends is still to be seen.
pub(super) fn failed_attempt(outcome: &Outcome) -> Option<Attempt> {
    Some(match outcome {
        Ok(answer) if answer.status.is_success() => return None,
        Ok(answer) if is_out_of_quota(answer) => Attempt::Quota,
        Ok(answer) => Attempt::of_status(answer.status.as_u16()),
        Err(GatewayError::Upstream { fault: Fault::Unreachable, .. }) => Attempt::ConnectError,
        Err(GatewayError::Upstream { fault: Fault::Credentials, .. }) => Attempt::Unauthorized,
        Err(GatewayError::Upstream { fault: Fault::TimedOut | Fault::ConnectTimeout, .. }) => {
            Attempt::Timeout
        }
        Err(GatewayError::Upstream { .. }) => Attempt::ServerError,
        Err(_) => Attempt::Cancelled,
    })
}

/// A 429 that no waiting helps against: the account is out of money.
fn is_out_of_quota(answer: &UpstreamAnswer) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: Option<serde_json::Value>,
        r#type: Option<serde_json::Value>,
    }
    let AnswerBody::Whole(bytes) = &answer.body else { return false };
    let is_quota = |word: Option<serde_json::Value>| {
        word.is_some_and(|word| word.as_str() == Some("insufficient_quota"))
    };
    answer.status == StatusCode::TOO_MANY_REQUESTS
        && serde_json::from_slice::<Envelope>(bytes)
            .is_ok_and(|envelope| is_quota(envelope.error.code) || is_quota(envelope.error.r#type))
}

/// Tells a dispatch how it ended, where its answer is not relayed.
pub(super) fn note_end(outcome: &Outcome, dispatch: &mut Dispatch) {
    dispatch.note(match outcome {
        Ok(_) => DispatchObserver::completed,
        Err(GatewayError::Upstream { fault, .. }) => match fault {
            Fault::Unreachable => DispatchObserver::unreachable,
            Fault::Broken | Fault::Useless => DispatchObserver::failed,
            Fault::TimedOut | Fault::ConnectTimeout => DispatchObserver::timed_out,
            Fault::Credentials => DispatchObserver::completed,
            Fault::BreakerOpen(_) => DispatchObserver::breaker_open,
        },
        Err(GatewayError::Unavailable { code: "out_of_descriptors", .. }) => DispatchObserver::withdrawn,
        Err(_) => DispatchObserver::cut,
    });
}
