//! The observer of one exchange with a caller.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;

use super::dispatch::{nanos_between, nanos_since};
use crate::metrics::catalog::labels::{
    Answer, DisconnectStage, Endpoint, HttpMethod, HttpOutcome, Label, Phase, StatusClass, Stream, Tokens,
    UNKNOWN,
};
use crate::metrics::series::cells::{Counter, Histogram};
use crate::metrics::series::handles::{CallerMetrics, Handle, ModelMetrics, ModelRouteMetrics};
use crate::metrics::series::table::Series;
use crate::metrics::{Shard, WorkerMetrics};

/// Status of an exchange that ended before we sent one: the caller left (nginx's number for it).
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Handles of one route.
#[derive(Debug, Default)]
pub(crate) struct RouteHandles {
    /// POST, 200, ok.
    posted: Handle<Counter>,
    others: Mutex<HashMap<(HttpMethod, u16, HttpOutcome), Series<Counter>>>,
    duration: [Handle<Histogram>; StatusClass::COUNT],
    size: Handle<Histogram>,
}

/// Handles of the phase durations, by endpoint, phase, success and stream.
#[derive(Debug, Default)]
pub(crate) struct PhaseHandles([[[[Handle<Histogram>; Stream::COUNT]; 2]; Phase::COUNT]; Endpoint::COUNT]);

/// Handles of the overhead, by endpoint and stream.
#[derive(Debug, Default)]
pub(crate) struct OverheadHandles([[Handle<Histogram>; Stream::COUNT]; Endpoint::COUNT]);

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
    sent: usize,
    call: Option<ModelCall>,
}

/// What is known of an authenticated model call.
#[derive(Debug)]
struct ModelCall {
    endpoint: Endpoint,
    stream: Stream,
    model: Option<ModelMetrics>,
    model_route: Option<ModelRouteMetrics>,
    caller: Option<CallerMetrics>,
    tokens: Option<Tokens>,
    answer: Answer,
    marks: Marks,
    first_token: bool,
}

/// When a model call passed from one hand to the next, in nanoseconds since its head arrived.
#[derive(Debug, Default)]
struct Marks {
    /// We began to wait for the body.
    body_awaited: Option<u64>,
    body_read: Option<u64>,
    decoded: Option<u64>,
    prepared: Option<u64>,
    dispatched: Option<u64>,
    /// What is held back of an answer was here.
    received: Option<u64>,
    answered: Option<u64>,
}

impl Marks {
    /// What the gateway itself took until its headers, in nanoseconds; `None` without an answer of a provider.
    fn overhead(&self) -> Option<u64> {
        let dispatched = self.dispatched?;
        let decoded = self.body_awaited? + self.decoded?.saturating_sub(self.body_read?);
        let prepared = self.prepared?.saturating_sub(self.decoded?);
        Some(decoded + prepared + self.answered?.saturating_sub(self.received.unwrap_or(dispatched)))
    }
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
            sent: 0,
            call: None,
        }
    }

    /// It is a model call, and its credential was accepted.
    pub fn model_call(&mut self, endpoint: Endpoint) {
        self.call = Some(ModelCall {
            endpoint,
            stream: Stream::No,
            model: None,
            model_route: None,
            caller: None,
            tokens: None,
            answer: Answer::GatewayError,
            marks: Marks::default(),
            first_token: false,
        });
    }

    /// The key was this caller's.
    pub fn caller(&mut self, caller: &CallerMetrics) {
        if let Some(call) = &mut self.call {
            call.caller = Some(caller.clone());
        }
    }

    fn mark(&mut self, mark: impl FnOnce(&mut Marks) -> &mut Option<u64>) {
        if let Some(call) = &mut self.call {
            *mark(&mut call.marks) = Some(nanos_since(self.started));
        }
    }

    /// From here on the caller's body is waited for.
    pub fn body_awaited(&mut self) {
        self.mark(|marks| &mut marks.body_awaited);
    }

    /// The caller's body is here.
    pub fn body_read(&mut self) {
        self.mark(|marks| &mut marks.body_read);
    }

    /// The body was understood.
    pub fn decoded(&mut self, stream: bool) {
        self.mark(|marks| &mut marks.decoded);
        if let Some(call) = &mut self.call {
            call.stream = stream.into();
        }
    }

    /// A target was found and the upstream body is ready. `alias` is the configured route that the caller asked for.
    pub fn prepared(&mut self, model: &ModelMetrics, model_route: Option<&ModelRouteMetrics>, at: Instant) {
        if let Some(call) = &mut self.call {
            call.model = Some(model.clone());
            call.model_route = model_route.cloned();
            call.marks.prepared.get_or_insert_with(|| nanos_between(self.started, at));
        }
    }

    /// The headers of the upstream's answer arrived.
    pub fn dispatched(&mut self) {
        self.mark(|marks| &mut marks.dispatched);
    }

    /// A provider is asked again: the answer so far is not the one that counts.
    pub fn asked_again(&mut self) {
        if let Some(call) = &mut self.call {
            (call.marks.dispatched, call.marks.received) = (None, None);
        }
    }

    /// As much of an answer is here as is held back before its headers go on.
    pub fn received(&mut self) {
        self.mark(|marks| &mut marks.received);
    }

    /// The provider declared its use.
    pub fn used(&mut self, tokens: &Tokens) {
        if let Some(call) = &mut self.call {
            call.tokens = Some(*tokens);
        }
    }

    /// So many bytes of the answer's body were handed over.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
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
        self.mark(|marks| &mut marks.answered);
        if let Some(call) = &mut self.call {
            call.answer = answer;
        }
    }

    /// How the exchange ended.
    pub fn ended(&mut self, outcome: HttpOutcome) {
        self.outcome = outcome;
    }

    fn record_call(&self, mut call: ModelCall, took: u64) {
        let answer = call.answer.after(self.outcome);
        let fine = answer.is_fine();
        match (&call.model_route, &mut call.model) {
            (Some(model_route), _) => model_route.answer(answer),
            (None, Some(model)) => {
                model.settle(fine);
                model.handles().answer(answer);
            }
            (None, None) => self.worker.unknown_answer(answer),
        }
        if self.outcome == HttpOutcome::Cancelled {
            let stage = match (self.status, call.first_token, call.stream) {
                (None, ..) => DisconnectStage::BeforeHeaders,
                (Some(_), false, Stream::Yes) => DisconnectStage::BeforeFirstToken,
                _ => DisconnectStage::MidStream,
            };
            self.worker.metrics.disconnected(call.endpoint, stage);
        }
        if let Some(caller) = &call.caller {
            caller.record(call.tokens.as_ref());
        }
        if let Some(nanos) = call.marks.overhead() {
            self.worker.overhead(call.endpoint, call.stream).observe(nanos);
        }
        self.record_phases(&call, fine, took);
    }

    /// Every phase that was entered, the last one as an error when the call ended inside it.
    fn record_phases(&self, call: &ModelCall, fine: bool, took: u64) {
        let record = |phase, fine, stream, nanos| {
            self.worker.phase(call.endpoint, phase, fine, stream).observe(nanos);
        };
        let mut from = 0;
        let phases = [
            (Phase::Decode, call.marks.decoded, Stream::Unknown),
            (Phase::Prepare, call.marks.prepared, call.stream),
            (Phase::ProviderDispatch, call.marks.dispatched, call.stream),
            (Phase::ResponseWrite, fine.then_some(took), call.stream),
        ];
        for (phase, mark, stream) in phases {
            record(phase, mark.is_some(), stream, mark.unwrap_or(took).saturating_sub(from));
            let Some(mark) = mark else { break };
            from = mark;
        }
        record(Phase::Total, fine, call.stream, took);
    }
}

impl Drop for HttpObserver {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.outcome = HttpOutcome::Broken;
        }
        let took = nanos_since(self.started);
        let status = self.status.unwrap_or(CLIENT_CLOSED_REQUEST);
        self.worker.exchange(self.route, self.method, status, self.outcome);
        self.worker.exchange_took(self.route, status, took);
        if self.status.is_some() {
            self.worker.exchange_sent(self.route, self.sent);
        }
        if let Some(call) = self.call.take() {
            self.record_call(call, took);
        }
    }
}

impl WorkerMetrics {
    /// Counts an exchange that no handler saw, such as a head that could not be parsed.
    pub fn exchange(&self, route: usize, method: HttpMethod, status: u16, outcome: HttpOutcome) {
        let handles = &self.http[route];
        let key = (method, status, outcome);
        if key == (HttpMethod::Post, 200, HttpOutcome::Ok) {
            handles.posted.get_or_init(|| self.exchange_series(route, key)).add(1);
            return;
        }
        let mut others = handles.others.lock();
        others.entry(key).or_insert_with(|| self.exchange_series(route, key)).add(1);
    }
}

impl Shard {
    fn exchange_series(&self, route: usize, key: (HttpMethod, u16, HttpOutcome)) -> Series<Counter> {
        let (method, status, outcome) = key;
        let labels = [
            self.metrics.routes[route].clone(),
            method.into(),
            Label::of_name(&status.to_string()),
            outcome.into(),
        ];
        self.metrics.hot.http_requests.series(self.worker, &labels)
    }

    fn exchange_took(&self, route: usize, status: u16, nanos: u64) {
        let class = StatusClass::of(status);
        let labels = || [self.metrics.routes[route].clone(), class.into()];
        let series = || self.metrics.hot.http_duration.series(self.worker, &labels());
        self.http[route].duration[class as usize].get_or_init(series).observe(nanos);
    }

    fn exchange_sent(&self, route: usize, bytes: usize) {
        let route_label = &self.metrics.routes[route..=route];
        let series = || self.metrics.hot.response_size.series(self.worker, route_label);
        self.http[route].size.get_or_init(series).observe(bytes as u64);
    }

    fn overhead(&self, endpoint: Endpoint, stream: Stream) -> &Series<Histogram> {
        let labels = || [endpoint.into(), stream.into()];
        let series = || self.metrics.hot.overhead.series(self.worker, &labels());
        self.overheads.0[endpoint as usize][stream as usize].get_or_init(series)
    }

    fn unknown_answer(&self, answer: Answer) {
        self.unknown_answers.of(answer as usize, || self.answers(&UNKNOWN, answer)).add(1);
    }

    fn phase(&self, endpoint: Endpoint, phase: Phase, fine: bool, stream: Stream) -> &Series<Histogram> {
        let slot = &self.phases.0[endpoint as usize][phase as usize][usize::from(fine)][stream as usize];
        slot.get_or_init(|| {
            let status = if fine { &"success" } else { &"error" };
            let labels = [endpoint.into(), phase.into(), Label::Static(status), stream.into()];
            self.metrics.hot.phase_duration.series(self.worker, &labels)
        })
    }
}
