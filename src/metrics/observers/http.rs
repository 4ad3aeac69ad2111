//! Metrics of one HTTP request, recorded from the facts that were kept of it.

use std::collections::HashMap;
use std::num::NonZeroU64;

use parking_lot::Mutex;

use crate::metrics::catalog::labels::{
    CallOutcome, DisconnectStage, Endpoint, HttpMethod, HttpOutcome, Label, Phase, StatusClass, Stream,
    Tokens, UNKNOWN,
};
use crate::metrics::series::cells::{Counter, Histogram};
use crate::metrics::series::handles::{CallerMetrics, ModelMetrics, ModelRouteMetrics};
use crate::metrics::series::outcomes::Handle;
use crate::metrics::series::table::Series;
use crate::metrics::{Shard, Time, WorkerMetrics};

/// Status of a request whose client disconnected before we sent one (nginx's number for it).
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

/// Facts of one HTTP request that is over.
#[derive(Debug)]
pub struct RequestFacts<'a> {
    /// Index of its route.
    pub route: usize,
    /// Its method.
    pub method: HttpMethod,
    /// Status of our response; `None` where the client disconnected before there was one.
    pub status: Option<u16>,
    /// End of the response's transfer.
    pub transfer: HttpOutcome,
    /// Bytes of the response's body that were sent.
    pub sent: usize,
    /// Nanoseconds from its head to its end.
    pub took: u64,
    /// `None` where it was no model call, or its credential was refused.
    pub call: Option<CallFacts<'a>>,
}

/// Facts of an authenticated model call.
#[derive(Debug)]
pub struct CallFacts<'a> {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// True when the client requests a stream.
    pub stream: Stream,
    /// Target of the last dispatch.
    pub model: Option<&'a ModelMetrics>,
    /// Model route that the client named.
    pub model_route: Option<&'a ModelRouteMetrics>,
    /// Owner of the key.
    pub caller: Option<&'a CallerMetrics>,
    /// Tokens that the provider declared.
    pub tokens: Option<&'a Tokens>,
    /// Meaning of the response, if it is received whole.
    pub outcome: CallOutcome,
    /// Times at which its phases ended.
    pub marks: &'a Marks,
    /// The first token of a stream was sent.
    pub has_first_token: bool,
}

/// Nanoseconds since the head of the request arrived, plus one: an absent mark takes no room.
pub type Mark = NonZeroU64;

/// The mark of a request that `started` then, at this time.
#[must_use]
pub fn mark(started: Time, at: Time) -> Mark {
    Mark::MIN.saturating_add(started.nanos_to(at))
}

/// Times at which a model call passed from one phase to the next.
#[derive(Debug, Default)]
pub struct Marks {
    /// The wait for the client's body began; `None` where it came with its head.
    pub body_awaited: Option<Mark>,
    /// The client's body was read, after a wait.
    pub body_read: Option<Mark>,
    /// The client's body was parsed.
    pub decoded: Option<Mark>,
    /// A target was found; its first dispatch began.
    pub prepared: Option<Mark>,
    /// The headers of the upstream's response arrived.
    pub dispatched: Option<Mark>,
    /// As much of the response arrived as is held before its headers are relayed; `None` where it came with its head.
    pub received: Option<Mark>,
    /// Our status line was decided.
    pub responded: Option<Mark>,
}

impl Marks {
    /// Time that the gateway itself took until its headers, in nanoseconds; `None` without a provider's response.
    fn overhead(&self) -> Option<u64> {
        let dispatched = self.dispatched?.get();
        let waited = match (self.body_awaited, self.body_read) {
            (Some(awaited), Some(read)) => between(awaited, read),
            _ => 0,
        };
        let decoded = self.decoded?.get().saturating_sub(waited);
        let prepared = between(self.decoded?, self.prepared?);
        let received = self.received.map_or(dispatched, Mark::get);
        Some(decoded + prepared + self.responded?.get().saturating_sub(received))
    }
}

fn between(start: Mark, end: Mark) -> u64 {
    end.get().saturating_sub(start.get())
}

impl WorkerMetrics {
    /// Records a request that is over: the metrics sink of its record.
    pub fn record_request(&self, facts: &RequestFacts) {
        let status = facts.status.unwrap_or(CLIENT_CLOSED_REQUEST);
        self.count_request(facts.route, facts.method, status, facts.transfer);
        self.request_took(facts.route, status, facts.took);
        if facts.status.is_some() {
            self.response_sent(facts.route, facts.sent);
        }
        if let Some(call) = &facts.call {
            self.record_call(facts, call);
        }
    }

    fn record_call(&self, request: &RequestFacts, call: &CallFacts) {
        let outcome = call.outcome.after(request.transfer);
        let fine = outcome.is_fine();
        match (call.model_route, call.model) {
            (Some(model_route), _) => model_route.ended(outcome),
            (None, Some(model)) => model.settled(fine).handles().ended(outcome),
            (None, None) => self.unknown_call(outcome),
        }
        if request.transfer == HttpOutcome::Cancelled {
            self.metrics.disconnected(call.endpoint, disconnect_stage(request, call));
        }
        if let Some(caller) = call.caller {
            caller.record(call.tokens);
        }
        if let Some(nanos) = call.marks.overhead() {
            self.overhead(call.endpoint, call.stream).observe(nanos);
        }
        self.record_phases(call, fine, request.took);
    }

    /// Records every phase that was entered; the last one as an error where the call ended inside it.
    fn record_phases(&self, call: &CallFacts, fine: bool, took: u64) {
        let mut from = 0;
        let phases = [
            (Phase::Decode, call.marks.decoded.map(Mark::get), Stream::Unknown),
            (Phase::Prepare, call.marks.prepared.map(Mark::get), call.stream),
            (Phase::ProviderDispatch, call.marks.dispatched.map(Mark::get), call.stream),
            (Phase::ResponseWrite, fine.then_some(took), call.stream),
        ];
        for (phase, mark, stream) in phases {
            let nanos = mark.unwrap_or(took).saturating_sub(from);
            self.phase(call.endpoint, phase, mark.is_some(), stream).observe(nanos);
            let Some(mark) = mark else { break };
            from = mark;
        }
        self.phase(call.endpoint, Phase::Total, fine, call.stream).observe(took);
    }
}

fn disconnect_stage(request: &RequestFacts, call: &CallFacts) -> DisconnectStage {
    if request.status.is_none() {
        DisconnectStage::BeforeHeaders
    } else if call.stream == Stream::Yes && !call.has_first_token {
        DisconnectStage::BeforeFirstToken
    } else {
        DisconnectStage::MidStream
    }
}

impl WorkerMetrics {
    /// Counts a request that no handler saw, such as a head that could not be parsed.
    pub fn count_request(&self, route: usize, method: HttpMethod, status: u16, outcome: HttpOutcome) {
        let handles = &self.http[route];
        let key = (method, status, outcome);
        if key == (HttpMethod::Post, 200, HttpOutcome::Ok) {
            handles.posted.get_or_init(|| self.request_series(route, key)).add(1);
            return;
        }
        let mut others = handles.others.lock();
        others.entry(key).or_insert_with(|| self.request_series(route, key)).add(1);
    }
}

impl Shard {
    fn request_series(&self, route: usize, key: (HttpMethod, u16, HttpOutcome)) -> Series<Counter> {
        let (method, status, outcome) = key;
        let labels = [
            self.metrics.routes[route].clone(),
            method.into(),
            Label::of_name(&status.to_string()),
            outcome.into(),
        ];
        self.metrics.hot.http_requests.series(self.worker, &labels)
    }

    fn request_took(&self, route: usize, status: u16, nanos: u64) {
        let class = StatusClass::of(status);
        let series = self.http[route].duration[class as usize].get_or_init(|| {
            let labels = [self.metrics.routes[route].clone(), class.into()];
            self.metrics.hot.http_duration.series(self.worker, &labels)
        });
        series.observe(nanos);
    }

    fn response_sent(&self, route: usize, bytes: usize) {
        let route_label = &self.metrics.routes[route..=route];
        let series = || self.metrics.hot.response_size.series(self.worker, route_label);
        self.http[route].size.get_or_init(series).observe(bytes as u64);
    }

    fn overhead(&self, endpoint: Endpoint, stream: Stream) -> &Series<Histogram> {
        let slot = &self.overheads.0[endpoint as usize][stream as usize];
        slot.get_or_init(|| self.metrics.hot.overhead.series(self.worker, &[endpoint.into(), stream.into()]))
    }

    fn unknown_call(&self, outcome: CallOutcome) {
        self.call_outcome(self.unknown_calls.handle(outcome as usize), &UNKNOWN, outcome).add(1);
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
