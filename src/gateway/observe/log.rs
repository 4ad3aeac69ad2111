//! The log line of one request, written from its record when the request is over.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::HeaderValue;

use super::failure::Failure;
use super::line_limit::{REFUSAL_LINES, SUCCESS_LINES};
use super::record::RequestRecord;
use crate::api::{Endpoint, usage};
use crate::config::{Config, LogRequests};
use crate::metrics::catalog::labels::Label;
use crate::metrics::{CLIENT_CLOSED_REQUEST, Time};

/// Lines of refusals in a second.
const REFUSALS: u32 = 10;

/// The request log, as far as one request gets a line.
#[derive(Debug)]
pub(crate) struct RequestLog {
    errors_only: bool,
    /// Lines of successful requests in a second from which on they are sampled.
    sample_above: u32,
    /// Those that share the limits.
    workers: NonZeroUsize,
    request_id: HeaderValue,
}

impl RequestLog {
    /// `None` where no request is logged.
    pub(super) fn new(config: &Config, request_id: &HeaderValue) -> Option<Self> {
        let log = &config.log;
        if log.requests == LogRequests::Off {
            return None;
        }
        Some(Self {
            errors_only: log.requests == LogRequests::Errors,
            sample_above: log.sample_above,
            workers: config.server.workers,
            request_id: request_id.clone(),
        })
    }

    /// Writes the line of a request that ended now and took so many nanoseconds.
    pub(super) fn write(&self, record: &RequestRecord, now: Time, took: u64) {
        let outcome = record.outcome.after(record.transfer);
        let fine = outcome.is_fine();
        if fine && (self.errors_only || !tracing::enabled!(tracing::Level::INFO)) {
            return;
        }
        let stands_for = if fine {
            SUCCESS_LINES.admit(now, self.share(self.sample_above))
        } else if is_keyless_refusal(record) {
            REFUSAL_LINES.admit(now, self.share(REFUSALS))
        } else {
            Some(1)
        };
        let Some(stands_for) = stands_for else { return };
        let target = record.target.as_deref();
        // A client may write anything of any length into it.
        let model = target.and_then(|target| target.model.as_deref()).map(Label::of_name);
        let (input_tokens, output_tokens) = record.tokens.as_ref().map(usage::totals).unzip();
        let endpoint = record.endpoint.map_or(record.template, Endpoint::as_str);
        let failure = record.failure.as_deref().unwrap_or(Failure::NONE);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.request_id.to_str().unwrap_or_default(),
                    trace_id = %record.trace_id,
                    caller = record.caller.as_ref().map(|caller| &*caller.name),
                    provider = target.map(|target| target.upstream.provider.name.as_str()),
                    model = model.as_ref().map(Label::as_str),
                    endpoint,
                    status = record.status.unwrap_or(CLIENT_CLOSED_REQUEST),
                    outcome = outcome.as_str(),
                    transfer = record.transfer.as_str(),
                    upstream_status = record.upstream_status,
                    error_type = failure.kind.as_deref(),
                    error_code = failure.code.as_deref(),
                    duration_ms = milliseconds(Duration::from_nanos(took)),
                    ttft_ms = time_to_first_token(record).map(milliseconds),
                    input_tokens,
                    output_tokens,
                    attempts = target.map(|_| record.attempts),
                    stands_for = (stands_for > 1).then_some(stands_for),
                    error = failure.message.as_deref(),
                    "request"
                )
            };
        }
        if fine { line!(info) } else { line!(warn) }
    }

    /// One worker's share of the lines in a second.
    fn share(&self, lines: u32) -> u32 {
        u32::try_from(self.workers.get()).map_or(1, |workers| lines.div_ceil(workers))
    }
}

/// Returns true if it was refused before a key was accepted, which any client can cause as often as it likes.
fn is_keyless_refusal(record: &RequestRecord) -> bool {
    let is_refusal = record.failure.as_ref().is_some_and(|failure| failure.message.is_some());
    is_refusal && record.caller.is_none() && record.endpoint.is_none()
}

fn time_to_first_token(record: &RequestRecord) -> Option<Duration> {
    Some(Duration::from_nanos(record.started?.nanos_to(record.first_token?)))
}

/// Milliseconds with three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
