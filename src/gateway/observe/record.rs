//! The record of one request: its facts, kept once while it is served and read at its end by the sinks that are on,
//! metrics and request log. While both are off, no time is read and nothing is recorded.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use super::clock;
use super::dispatch_record::DispatchRecord;
use super::failure::Failure;
use super::log::RequestLog;
use super::stream_error::Break;
use crate::api::{Endpoint, Tokens};
use crate::gateway::http::auth::CallerIndex;
use crate::gateway::http::error::GatewayError;
use crate::gateway::http::headers::RequestIds;
use crate::gateway::request::targets::ModelTarget;
use crate::gateway::state::connection_state::ConnectionState;
use crate::gateway::state::lifecycle::InFlight;
use crate::gateway::state::worker::{Caller, WorkerState};
use crate::metrics::{
    self, CallFacts, CallOutcome, HttpMethod, HttpOutcome, Mark, Marks, ModelMetrics, ModelRouteMetrics,
    RequestFacts, Time, TraceId, WorkerMetrics,
};

/// One HTTP request, from its head to the last byte of its response. A record that is dropped before its end belongs to
/// a client that disconnected.
#[derive(Debug)]
pub(crate) struct RequestRecord {
    pub(super) metrics: Option<WorkerMetrics>,
    pub(super) log: Option<RequestLog>,
    /// `None` while both sinks are off.
    pub(super) started: Option<Time>,
    pub(super) trace_id: TraceId,
    /// Index in the route table.
    route: usize,
    /// Path in the route table.
    pub(super) template: &'static str,
    method: HttpMethod,
    pub(super) caller: Option<Arc<Caller>>,
    /// Set where it is a model call whose credential was accepted.
    pub(super) endpoint: Option<Endpoint>,
    /// The client requested a stream.
    pub(super) stream: bool,
    /// Ends of the phases of a model call; only with metrics.
    pub(super) marks: Marks,
    /// Target of the last dispatch.
    pub(super) target: Option<Arc<ModelTarget>>,
    pub(super) model_route: Option<ModelRouteMetrics>,
    /// The dispatch under way; only with metrics.
    pub(super) dispatch: Option<DispatchRecord>,
    /// Attempts at all targets.
    pub(super) attempts: u32,
    /// Status of the last attempt's response.
    pub(super) upstream_status: Option<u16>,
    /// Status of our response.
    pub(super) status: Option<u16>,
    /// Meaning of our response, if it is received whole.
    pub(super) outcome: CallOutcome,
    /// End of our response's transfer.
    pub(super) transfer: HttpOutcome,
    pub(super) tokens: Option<Tokens>,
    pub(super) first_token: Option<Time>,
    /// Bytes of our response's body that were sent.
    sent: usize,
    /// Boxed, since it is rare. Only for the log.
    pub(super) failure: Option<Box<Failure>>,
    in_flight: Option<InFlight>,
    connection: Arc<ConnectionState>,
}

impl RequestRecord {
    /// A request whose head arrived on a connection. `route` is its index in the route table, and its path there. Boxed,
    /// since it goes from the handler to the response.
    pub(crate) fn start(
        worker: &WorkerState,
        connection: &Arc<ConnectionState>,
        (route, template): (usize, &'static str),
        method: &Method,
        ids: &RequestIds,
    ) -> Box<Self> {
        let log = RequestLog::new(&worker.app.config, &ids.request_id);
        let metrics = worker.metrics.clone();
        Box::new(Self {
            started: (metrics.is_some() || log.is_some()).then(clock::now),
            trace_id: ids.trace.trace_id,
            metrics,
            log,
            route,
            template,
            method: HttpMethod::of(method.as_str()),
            caller: None,
            endpoint: None,
            stream: false,
            marks: Marks::default(),
            target: None,
            model_route: None,
            dispatch: None,
            attempts: 0,
            upstream_status: None,
            status: None,
            outcome: CallOutcome::GatewayError,
            transfer: HttpOutcome::Cancelled,
            tokens: None,
            first_token: None,
            sent: 0,
            failure: None,
            in_flight: None,
            connection: Arc::clone(connection),
        })
    }

    /// The connection that sends the response.
    pub(crate) fn connection(&self) -> &Arc<ConnectionState> {
        &self.connection
    }

    /// Time since the head, where phases are measured.
    fn mark(&self) -> Option<Mark> {
        if self.metrics.is_none() || self.endpoint.is_none() {
            return None;
        }
        Some(metrics::mark(self.started?, clock::now()))
    }

    /// Metrics of the target that the request is at.
    pub(super) fn model_metrics(&self) -> Option<&ModelMetrics> {
        self.target.as_ref()?.metrics.as_ref()
    }

    /// Counts the request in flight from here to its end.
    pub(crate) fn hold(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }

    /// It is a model call, and its credential was accepted.
    pub(crate) fn model_call(&mut self, endpoint: Endpoint) {
        self.endpoint = Some(endpoint);
    }

    /// The key belongs to this client.
    pub(crate) fn caller(&mut self, worker: &WorkerState, caller: CallerIndex) {
        if self.started.is_some() {
            self.caller = caller.of(&worker.callers).cloned();
        }
    }

    /// The client's body did not come with its head: from here on it is waited for.
    pub(crate) fn body_awaited(&mut self) {
        self.marks.body_awaited = self.mark();
    }

    /// The client's body was waited for, and read.
    pub(crate) fn body_read(&mut self) {
        self.marks.body_read = self.mark();
    }

    /// The client's body was parsed.
    pub(crate) fn decoded(&mut self, stream: bool) {
        self.marks.decoded = self.mark();
        self.stream = stream;
    }

    /// As much of the upstream's response arrived as is held before its headers are relayed, after it was waited for.
    pub(crate) fn received(&mut self) {
        self.marks.received = self.mark();
    }

    /// The upstream's status line and headers arrived.
    pub(crate) fn upstream_responded(&mut self, status: u16) {
        self.marks.dispatched = self.mark();
        self.upstream_status = Some(status);
    }

    /// The upstream responded with an error of this body, or sent one in this part of a stream.
    pub(crate) fn upstream_failed(&mut self, bytes: &Bytes) {
        if self.log.is_none() {
            return;
        }
        let scrubber = self.target.as_ref().and_then(|target| target.upstream.scrubber.as_ref());
        let mut failure = Failure::read(bytes, scrubber);
        if self.status.is_some() {
            failure.message = Some("the provider reported an error inside the stream".into());
        }
        self.failure = Some(Box::new(failure));
    }

    /// The body of the response breaks off, for this reason.
    pub(crate) fn broken(&mut self, why: Break) {
        if self.log.is_some() {
            self.failure = Some(Box::new(why.into()));
        }
    }

    /// The response is an error of ours.
    pub(crate) fn refused(&mut self, error: &GatewayError) {
        if self.log.is_some() {
            self.failure = Some(Box::new(error.into()));
        }
    }

    /// Our status is decided, and what the response means.
    pub(crate) fn responded(&mut self, status: u16, outcome: CallOutcome) {
        self.status = Some(status);
        self.marks.responded = self.mark();
        self.outcome = outcome;
        // The response to HEAD has no body whose end could be seen.
        if self.method == HttpMethod::Head {
            self.ended(HttpOutcome::Ok);
        }
    }

    /// The first token of a stream is on its way to the client.
    pub(crate) fn first_token(&mut self) {
        if self.started.is_some() && self.first_token.is_none() {
            self.first_token = Some(clock::now());
        }
    }

    /// So many bytes of the body go to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    /// Gives the place in flight back before the response is sent: it is a refusal, or complete in memory.
    pub(crate) fn release(&mut self) {
        self.in_flight = None;
    }

    /// Returns true if the client does not read what is written.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.connection.is_write_blocked()
    }

    /// The last byte is on its way, or will never be.
    pub(crate) fn ended(&mut self, outcome: HttpOutcome) {
        self.transfer = outcome;
        self.in_flight = None;
    }

    fn facts(&self, took: u64) -> RequestFacts<'_> {
        let call = self.endpoint.map(|endpoint| CallFacts {
            endpoint,
            stream: self.stream.into(),
            model: self.model_metrics(),
            model_route: self.model_route.as_ref(),
            caller: self.caller.as_ref().and_then(|caller| caller.metrics.as_ref()),
            tokens: self.tokens.as_ref(),
            outcome: self.outcome,
            marks: &self.marks,
            has_first_token: self.first_token.is_some(),
        });
        RequestFacts {
            route: self.route,
            method: self.method,
            status: self.status,
            transfer: self.transfer,
            sent: self.sent,
            took,
            call,
        }
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let Some(started) = self.started else { return };
        if std::thread::panicking() {
            self.transfer = HttpOutcome::Broken;
        }
        self.record_dispatch();
        let now = clock::now();
        let took = started.nanos_to(now);
        if let Some(metrics) = &self.metrics {
            metrics.record_request(&self.facts(took));
        }
        if let Some(log) = &self.log {
            log.write(self, now, took);
        }
    }
}
