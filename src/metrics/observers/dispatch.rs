//! Metrics of one dispatch: the attempts at one target for one request.

use crate::metrics::Time;
use crate::metrics::catalog::labels::{
    Attempt, Endpoint, RetryReason, StatusType, StreamOutcome, Tokens, UsageSource,
};
use crate::metrics::presence::Presence;
use crate::metrics::series::exemplars::TraceId;
use crate::metrics::series::handles::ModelMetrics;

/// End of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The response was relayed, and its body ended so.
    Body(StreamOutcome),
    /// There was no connection.
    Unreachable,
    /// The deadline passed before there was a response to relay: counted as 504, whatever status had come.
    TimedOut,
    /// The connection broke, or the response was invalid, before it could be relayed.
    Failed,
    /// The circuit breaker was open: counted as 503.
    BreakerOpen,
    /// The provider was not reached, for a reason of our own: a dispatch without an earlier attempt does not count.
    Withdrawn,
    /// The gateway panicked: counted as 500.
    Panicked,
}

impl Ending {
    /// The response was received whole.
    pub const COMPLETED: Self = Self::Body(StreamOutcome::Completed);
    /// The client disconnected; also the ending of a dispatch of which nothing else is known.
    pub const DISCONNECTED: Self = Self::Body(StreamOutcome::ClientDisconnect);
    /// The gateway stopped.
    pub const SHUTDOWN: Self = Self::Body(StreamOutcome::Shutdown);

    /// Status that the dispatch counts with, where `received` is the upstream's.
    const fn status(self, received: Option<u16>) -> Option<u16> {
        match self {
            Self::Unreachable => None,
            Self::TimedOut => Some(504),
            Self::BreakerOpen => Some(503),
            Self::Panicked => Some(500),
            Self::Body(_) | Self::Failed | Self::Withdrawn => received,
        }
    }

    /// Outcome of an attempt that this ended, where `status` is the upstream's.
    const fn attempt(self, status: Option<u16>) -> Attempt {
        match self {
            Self::Body(StreamOutcome::Completed) => match status {
                Some(status) => Attempt::of_status(status),
                None => Attempt::ServerError,
            },
            Self::Failed | Self::Body(StreamOutcome::UpstreamError | StreamOutcome::UpstreamTruncated) => {
                match status {
                    Some(status) if status >= 400 => Attempt::of_status(status),
                    _ => Attempt::ServerError,
                }
            }
            Self::Body(StreamOutcome::ClientDisconnect | StreamOutcome::Shutdown)
            | Self::Withdrawn
            | Self::Panicked => Attempt::Cancelled,
            Self::Body(StreamOutcome::Timeout) | Self::TimedOut => Attempt::Timeout,
            Self::Unreachable => Attempt::ConnectError,
            Self::BreakerOpen => Attempt::BreakerOpen,
        }
    }

    const fn stream_outcome(self) -> StreamOutcome {
        match self {
            Self::Body(outcome) => outcome,
            Self::TimedOut => StreamOutcome::Timeout,
            Self::Panicked | Self::Withdrawn => StreamOutcome::Shutdown,
            Self::Unreachable | Self::Failed | Self::BreakerOpen => StreamOutcome::UpstreamError,
        }
    }
}

/// Attempts of one dispatch.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Those before the last, by [`Attempt`].
    ended: Option<Box<[u16; Attempt::COUNT]>>,
    /// One has not ended: the dispatch ends it.
    is_open: bool,
}

impl Attempts {
    /// An attempt begins.
    pub const fn begin(&mut self) {
        self.is_open = true;
    }

    /// Ends an attempt before its dispatch: another follows, or its status alone does not define the outcome.
    pub fn end(&mut self, outcome: Attempt) {
        if std::mem::take(&mut self.is_open) {
            self.ended.get_or_insert_default()[outcome as usize] += 1;
        }
    }
}

/// Facts of a stream of events.
#[derive(Debug, Default)]
pub struct StreamFacts {
    last: Option<Time>,
    longest_gap: u64,
    /// Output tokens that came by the stream.
    pub tokens: u64,
}

impl StreamFacts {
    /// Records the arrival of events, or the end of a wait without any.
    pub fn progress(&mut self, at: Time) {
        if let Some(last) = self.last.replace(at) {
            self.longest_gap = self.longest_gap.max(last.nanos_to(at));
        }
    }
}

/// Facts of a dispatch that is over.
#[derive(Debug)]
pub struct DispatchFacts<'a> {
    /// Endpoint of the call.
    pub endpoint: Endpoint,
    /// True when the client requests a stream.
    pub stream: bool,
    /// Time at which it began.
    pub started: Time,
    /// Status of the upstream's last response.
    pub status: Option<u16>,
    /// Its end.
    pub ending: Ending,
    /// Its attempts.
    pub attempts: &'a Attempts,
    /// The stream of events that was relayed.
    pub events: Option<&'a StreamFacts>,
    /// Time of the first event with content, reasoning or a tool call.
    pub first_token: Option<Time>,
    /// Tokens that the provider declared.
    pub used: Option<(&'a Tokens, UsageSource)>,
    /// Provider of the target that failed before this one.
    pub instead_of: Option<&'a str>,
    /// Trace of the request, for exemplars.
    pub trace_id: TraceId,
}

/// Proof that a dispatch is counted in flight, to be given back with its facts.
#[derive(Debug)]
#[must_use]
pub struct InFlightDispatch {
    _presence: Presence,
}

impl ModelMetrics {
    /// Counts a dispatch in flight, until [`Self::record_dispatch`].
    pub fn begin_dispatch(&self, endpoint: Endpoint, stream: bool) -> InFlightDispatch {
        let handles = self.handles();
        handles.call(endpoint, stream).in_flight.add(1);
        InFlightDispatch { _presence: handles.worker.presence }
    }

    /// Counts a retry of this target.
    pub fn retried(&self, reason: RetryReason) {
        let handles = self.handles();
        handles.worker.metrics.retried(handles.provider.as_str(), reason);
    }

    /// Records a dispatch that is over and no longer in flight: the metrics sink of its record.
    pub fn record_dispatch(&self, _in_flight: InFlightDispatch, facts: &DispatchFacts) {
        if facts.ending == Ending::Withdrawn && facts.attempts.ended.is_none() {
            self.handles().call(facts.endpoint, facts.stream).in_flight.add(-1);
            return;
        }
        let received = facts.ending.status(facts.status);
        let (status, kind) = match (facts.ending, received) {
            (Ending::DISCONNECTED, _) => (Some(499), StatusType::Cancelled),
            (Ending::COMPLETED, Some(status)) if status < 400 => (Some(status), StatusType::Success),
            (_, status) => (status, StatusType::Error),
        };
        let model = self.settled(kind == StatusType::Success);
        let handles = model.handles();
        let took = facts.started.nanos_to(Time::now());
        handles.record((facts.endpoint, facts.stream), status, kind, (took, facts.trace_id));
        model.record_attempts(facts);
        if let Some(from) = facts.instead_of {
            handles.worker.metrics.fell_back(from, handles.provider.as_str(), kind);
        }
        if let Some(events) = facts.events {
            model.record_events(facts, events);
        }
        let tells_tokens = facts.endpoint.bears_tokens() || facts.used.is_some();
        if tells_tokens && received.is_some_and(|status| (200..300).contains(&status)) {
            model.used(facts.used);
        }
    }

    fn record_attempts(&self, facts: &DispatchFacts) {
        let Attempts { ended, is_open } = facts.attempts;
        if *is_open || facts.ending == Ending::BreakerOpen {
            self.handles().attempts(facts.ending.attempt(facts.status), 1);
        }
        let Some(ended) = ended else { return };
        for (outcome, count) in Attempt::ALL.iter().zip(**ended) {
            if count > 0 {
                self.handles().attempts(*outcome, u64::from(count));
            }
        }
    }

    fn record_events(&self, facts: &DispatchFacts, events: &StreamFacts) {
        let handles = self.handles();
        handles.stream(facts.ending.stream_outcome(), events.longest_gap);
        let Some(first) = facts.first_token else { return };
        handles.first_token(facts.endpoint, facts.started.nanos_to(first), facts.trace_id);
        if let Some(last) = events.last
            && events.tokens >= 2
        {
            handles.time_per_token(first.nanos_to(last) / (events.tokens - 1));
        }
    }
}
