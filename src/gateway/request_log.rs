//! The log line of one request, written when its answer is complete or given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::routes::ROUTES;
use super::targets::ModelTarget;
use super::usage;
use crate::config::{Log, LogRequests};
use crate::metrics::labels::Label;
use crate::metrics::{CLIENT_CLOSED_REQUEST, Endpoint, HttpOutcome, Tokens};

/// What the line will say; written on drop.
#[derive(Debug)]
pub(super) struct RequestLog {
    errors_only: bool,
    route: usize,
    request_id: HeaderValue,
    started: Instant,
    first_token: Option<Duration>,
    /// Whose key it was.
    pub(super) caller: Option<Arc<str>>,
    pub(super) endpoint: Option<Endpoint>,
    /// The last target that was asked.
    pub(super) target: Option<Arc<ModelTarget>>,
    /// How often any target was asked.
    pub(super) attempts: u32,
    pub(super) status: Option<u16>,
    pub(super) outcome: HttpOutcome,
    pub(super) tokens: Option<Tokens>,
    /// Why there was no answer to relay.
    pub(super) error: Option<String>,
}

impl RequestLog {
    /// `None` where no request is logged.
    pub(super) fn start(log: Log, route: usize, request_id: &HeaderValue) -> Option<Self> {
        (log.requests != LogRequests::Off).then(|| Self {
            errors_only: log.requests == LogRequests::Errors,
            route,
            request_id: request_id.clone(),
            started: Instant::now(),
            first_token: None,
            caller: None,
            endpoint: None,
            target: None,
            attempts: 0,
            status: None,
            outcome: HttpOutcome::Cancelled,
            tokens: None,
            error: None,
        })
    }

    pub(super) fn first_token(&mut self) {
        self.first_token.get_or_insert_with(|| self.started.elapsed());
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let fine = self.outcome == HttpOutcome::Ok && self.status.is_some_and(|status| status < 400);
        if fine && self.errors_only {
            return;
        }
        let target = self.target.as_deref();
        // A caller may write anything of any length into it.
        let model = target.and_then(|target| target.model.as_deref()).map(Label::of_name);
        let (input_tokens, output_tokens) = self.tokens.as_ref().map(usage::totals).unzip();
        let endpoint = self.endpoint.map_or(ROUTES[self.route].template, Endpoint::as_str);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.request_id.to_str().unwrap_or_default(),
                    caller = self.caller.as_deref(),
                    provider = target.map(|target| target.upstream.provider.name.as_str()),
                    model = model.as_ref().map(Label::as_str),
                    endpoint,
                    status = self.status.unwrap_or(CLIENT_CLOSED_REQUEST),
                    outcome = self.outcome.as_str(),
                    duration_ms = milliseconds(self.started.elapsed()),
                    ttft_ms = self.first_token.map(milliseconds),
                    input_tokens,
                    output_tokens,
                    attempts = target.map(|_| self.attempts),
                    error = self.error,
                    "request"
                )
            };
        }
        if fine { line!(info) } else { line!(warn) }
    }
}

/// Milliseconds with three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
