//! The observer of one exchange with a caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::cells::{Counter, Histogram};
use super::dispatch::nanos_between;
use super::handles::{Handle, ModelMetrics};
use super::labels::{Answer, DisconnectStage, Endpoint, HttpOutcome, Label, Phase, Stream, UNKNOWN};
use super::{Shard, WorkerMetrics};

/// Status of an exchange that ended before we sent one: the caller left (nginx's number for it).
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A request method as a label value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpMethod {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// Whatever else a caller sends.
    Other,
}

impl HttpMethod {
    /// The method of a request line.
    #[must_use]
    pub fn of(method: &str) -> Self {
        match method {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "other",
        }
    }
}

/// Handles of one route.
#[derive(Debug, Default)]
pub(super) struct RouteHandles {
    /// POST, 200, ok.
    posted: Handle<Counter>,
    others: Mutex<HashMap<(HttpMethod, u16, HttpOutcome), Arc<Counter>>>,
}

/// Handles of the phase durations, by endpoint, phase, success and stream.
#[derive(Debug, Default)]
pub(super) struct PhaseHandles([[[[Handle<Histogram>; Stream::COUNT]; 2]; Phase::COUNT]; Endpoint::COUNT]);

/// Records once, when it is dropped: the exchange, and for a model call its answer and its phases. Unless it is told
/// that the response was complete or broke, the caller has left.
#[derive(Debug)]
pub struct HttpObserver {
    worker: WorkerMetrics,
    route: usize,
    method: HttpMethod,
    started: Instant,
    status: Option<u16>,
    outcome: HttpOutcome,
    call: Option<ModelCall>,
}

/// What is known of an authenticated model call.
#[derive(Debug)]
struct ModelCall {
    endpoint: Endpoint,
    stream: Stream,
    model: Option<ModelMetrics>,
    answer: Answer,
    decoded: Option<Instant>,
    prepared: Option<Instant>,
    dispatched: Option<Instant>,
    first_token: bool,
}

impl HttpObserver {
    /// A request's head arrived at `started` for the route of this index.
    #[must_use]
    pub fn start(worker: &WorkerMetrics, route: usize, method: HttpMethod, started: Instant) -> Self {
        Self {
            worker: worker.clone(),
            route,
            method,
            started,
            status: None,
            outcome: HttpOutcome::Cancelled,
            call: None,
        }
    }

    /// It is a model call, and its credential was accepted.
    pub fn model_call(&mut self, endpoint: Endpoint) {
        self.call = Some(ModelCall {
            endpoint,
            stream: Stream::Unknown,
            model: None,
            answer: Answer::GatewayError,
            decoded: None,
            prepared: None,
            dispatched: None,
            first_token: false,
        });
    }

    /// The body was read and understood.
    pub fn decoded(&mut self, stream: bool) {
        if let Some(call) = &mut self.call {
            call.stream = stream.into();
            call.decoded = Some(Instant::now());
        }
    }

    /// A target was found and the upstream body is ready.
    pub fn prepared(&mut self, model: &ModelMetrics, at: Instant) {
        if let Some(call) = &mut self.call {
            call.model = Some(model.clone());
            call.prepared = Some(at);
        }
    }

    /// The upstream's headers arrived.
    pub fn dispatched(&mut self) {
        if let Some(call) = &mut self.call {
            call.dispatched = Some(Instant::now());
        }
    }

    /// The first token of a stream is on its way to the caller.
    pub fn first_token(&mut self) {
        if let Some(call) = &mut self.call {
            call.first_token = true;
        }
    }

    /// Our status line is decided, and what it means for the caller.
    pub fn answered(&mut self, status: u16, answer: Answer) {
        self.status = Some(status);
        if let Some(call) = &mut self.call {
            call.answer = answer;
        }
    }

    /// How the exchange ended.
    pub fn ended(&mut self, outcome: HttpOutcome) {
        self.outcome = outcome;
    }

    fn record_call(&self, mut call: ModelCall) {
        let answer = match self.outcome {
            HttpOutcome::Ok => call.answer,
            HttpOutcome::Broken => Answer::BrokenStream,
            HttpOutcome::Cancelled => Answer::Cancelled,
        };
        let fine = matches!(answer, Answer::Ok | Answer::OkAfterRetry | Answer::OkAfterFallback);
        match &mut call.model {
            Some(model) => {
                model.settle(fine);
                model.handles.answer(answer);
            }
            None => self.worker.unknown_answer(answer),
        }
        if self.outcome == HttpOutcome::Cancelled {
            let stage = match (self.status, call.first_token, call.stream) {
                (None, ..) => DisconnectStage::BeforeHeaders,
                (Some(_), false, Stream::Yes) => DisconnectStage::BeforeFirstToken,
                _ => DisconnectStage::MidStream,
            };
            self.worker.disconnect(call.endpoint, stage);
        }
        self.record_phases(&call, fine);
    }

    /// Every phase that was entered, the last one as an error when the call ended inside it.
    fn record_phases(&self, call: &ModelCall, fine: bool) {
        let now = Instant::now();
        let record = |phase, fine, stream, from, to| {
            self.worker.phase(call.endpoint, phase, fine, stream).observe(nanos_between(from, to));
        };
        let mut from = self.started;
        let marks = [
            (Phase::Decode, call.decoded, Stream::Unknown),
            (Phase::Prepare, call.prepared, call.stream),
            (Phase::ProviderDispatch, call.dispatched, call.stream),
            (Phase::ResponseWrite, fine.then_some(now), call.stream),
        ];
        for (phase, mark, stream) in marks {
            record(phase, mark.is_some(), stream, from, mark.unwrap_or(now));
            let Some(mark) = mark else { break };
            from = mark;
        }
        record(Phase::Total, fine, call.stream, self.started, now);
    }
}

impl Drop for HttpObserver {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.outcome = HttpOutcome::Broken;
        }
        let status = self.status.unwrap_or(CLIENT_CLOSED_REQUEST);
        self.worker.exchange(self.route, self.method, status, self.outcome);
        if let Some(call) = self.call.take() {
            self.record_call(call);
        }
    }
}

impl WorkerMetrics {
    /// Counts an exchange that no handler saw, such as a head that could not be parsed.
    pub fn exchange(&self, route: usize, method: HttpMethod, status: u16, outcome: HttpOutcome) {
        let handles = &self.http[route];
        let key = (method, status, outcome);
        if key == (HttpMethod::Post, 200, HttpOutcome::Ok) {
            handles.posted.get_or_init(|| self.exchange_cell(route, key)).add(1);
            return;
        }
        let mut others = handles.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.entry(key).or_insert_with(|| self.exchange_cell(route, key)).add(1);
    }
}

impl Shard {
    fn exchange_cell(&self, route: usize, key: (HttpMethod, u16, HttpOutcome)) -> Arc<Counter> {
        let (method, status, outcome) = key;
        let labels = [
            self.metrics.routes[route].clone(),
            Label::Static(method.as_str()),
            Label::of_name(&status.to_string()),
            outcome.into(),
        ];
        self.metrics.http_requests.cell(self.worker, &labels)
    }

    fn unknown_answer(&self, answer: Answer) {
        self.unknown_answers[answer as usize].get_or_init(|| self.answers_cell(&UNKNOWN, answer)).add(1);
    }

    fn phase(&self, endpoint: Endpoint, phase: Phase, fine: bool, stream: Stream) -> &Histogram {
        let slot = &self.phases.0[endpoint as usize][phase as usize][usize::from(fine)][stream as usize];
        slot.get_or_init(|| {
            let status = if fine { "success" } else { "error" };
            let labels = [endpoint.into(), phase.into(), Label::Static(status), stream.into()];
            self.metrics.phase_duration.cell(self.worker, &labels)
        })
    }
}
