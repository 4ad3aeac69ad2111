//! The log line of one request, written when its answer is complete or given up.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::error_names::ErrorNames;
use super::refusal_lines::REFUSAL_LINES;
use crate::api::usage;
use crate::config::{Log, LogRequests, Secret};
use crate::gateway::request::targets::ModelTarget;
use crate::metrics::catalog::labels::Label;
use crate::metrics::{Answer, CLIENT_CLOSED_REQUEST, Endpoint, HttpOutcome, Tokens};

/// What the line will say; written on drop.
#[derive(Debug)]
pub(crate) struct RequestLog {
    errors_only: bool,
    route: &'static str,
    request_id: HeaderValue,
    started: Instant,
    first_token: Option<Duration>,
    /// Whose key it was.
    pub(crate) caller: Option<Arc<str>>,
    pub(crate) endpoint: Option<Endpoint>,
    /// The last target that was asked.
    pub(crate) target: Option<Arc<ModelTarget>>,
    /// How often any target was asked.
    pub(crate) attempts: u32,
    pub(crate) status: Option<u16>,
    /// Status of the last attempt's answer.
    pub(crate) upstream_status: Option<u16>,
    /// What the answer means, if it is received.
    pub(crate) answer: Answer,
    /// How the transfer of the answer ended.
    pub(crate) transfer: HttpOutcome,
    pub(crate) tokens: Option<Tokens>,
    /// Why there was no answer to relay, or why it broke off.
    pub(crate) error: Option<Cow<'static, str>>,
    /// What the error is called by whoever made it.
    pub(crate) names: ErrorNames,
}

impl RequestLog {
    /// `None` where no request is logged.
    pub(crate) fn start(log: Log, route: &'static str, request_id: &HeaderValue) -> Option<Self> {
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
            upstream_status: None,
            answer: Answer::GatewayError,
            transfer: HttpOutcome::Cancelled,
            tokens: None,
            error: None,
            names: ErrorNames::default(),
        })
    }

    pub(crate) fn first_token(&mut self) {
        self.first_token.get_or_insert_with(|| self.started.elapsed());
    }

    /// From here on the line speaks of this target.
    pub(crate) fn dispatch(&mut self, target: &Arc<ModelTarget>) {
        self.target = Some(Arc::clone(target));
        self.forget_answer();
    }

    /// An attempt begins.
    pub(crate) fn attempt(&mut self) {
        self.attempts += 1;
        self.forget_answer();
    }

    /// What an earlier attempt was answered is not what the request was.
    fn forget_answer(&mut self) {
        self.upstream_status = None;
        self.names = ErrorNames::default();
    }

    /// The upstream reported an error, as the answer or inside a stream.
    pub(crate) fn upstream_failed(&mut self, bytes: &[u8]) {
        let key = self.target.as_ref().and_then(|target| target.upstream.provider.api_key.as_ref());
        self.names = ErrorNames::read(bytes, key.map(Secret::expose));
        if self.status.is_some() {
            self.error = Some("the provider reported an error inside the stream".into());
        }
    }

    /// Whether it was refused before a key was accepted, which anybody can have as often as they like.
    fn is_keyless_refusal(&self) -> bool {
        self.error.is_some() && self.caller.is_none() && self.endpoint.is_none()
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.transfer = HttpOutcome::Broken;
        }
        let outcome = self.answer.after(self.transfer);
        let fine = outcome.is_fine();
        if fine && self.errors_only || self.is_keyless_refusal() && !REFUSAL_LINES.admit() {
            return;
        }
        let target = self.target.as_deref();
        // A caller may write anything of any length into it.
        let model = target.and_then(|target| target.model.as_deref()).map(Label::of_name);
        let (input_tokens, output_tokens) = self.tokens.as_ref().map(usage::totals).unzip();
        let endpoint = self.endpoint.map_or(self.route, Endpoint::as_str);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.request_id.to_str().unwrap_or_default(),
                    caller = self.caller.as_deref(),
                    provider = target.map(|target| target.upstream.provider.name.as_str()),
                    model = model.as_ref().map(Label::as_str),
                    endpoint,
                    status = self.status.unwrap_or(CLIENT_CLOSED_REQUEST),
                    outcome = outcome.as_str(),
                    transfer = self.transfer.as_str(),
                    upstream_status = self.upstream_status,
                    error_type = self.names.kind.as_deref(),
                    error_code = self.names.code.as_deref(),
                    duration_ms = milliseconds(self.started.elapsed()),
                    ttft_ms = self.first_token.map(milliseconds),
                    input_tokens,
                    output_tokens,
                    attempts = target.map(|_| self.attempts),
                    error = self.error.as_deref(),
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
