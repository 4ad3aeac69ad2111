//! The observer of one dispatch: the attempts at one target for one request.

use std::time::Instant;

use crate::metrics::catalog::labels::{
    Attempt, Endpoint, RetryReason, StatusType, StreamOutcome, Tokens, UsageSource,
};
use crate::metrics::presence::Presence;
use crate::metrics::series::handles::ModelMetrics;

/// In flight from its creation to its drop, when it records everything else, once, whatever happened. Unless it is
/// told how the dispatch ended, the caller has left.
#[derive(Debug)]
pub struct DispatchObserver {
    model: ModelMetrics,
    endpoint: Endpoint,
    stream: bool,
    started: Instant,
    status: Option<u16>,
    ending: Ending,
    /// Attempts before the last, by [`Attempt`].
    ended: Option<Box<[u16; Attempt::COUNT]>>,
    /// An attempt has not ended.
    attempting: bool,
    events: Option<Box<Events>>,
    used: Option<(Tokens, UsageSource)>,
    /// Provider of the target that failed before this one.
    instead_of: Option<Box<str>>,
    _presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    ClientDisconnected,
    Complete,
    Failed,
    Unreachable,
    TimedOut,
    Cut,
    Withdrawn,
}

/// What is noted of a stream of events.
#[derive(Debug)]
struct Events {
    outcome: StreamOutcome,
    last: Option<Instant>,
    longest_gap: u64,
    first_token: Option<Instant>,
    tokens: u64,
}

impl Events {
    fn progress(&mut self, at: Instant) {
        if let Some(last) = self.last.replace(at) {
            self.longest_gap = self.longest_gap.max(nanos_between(last, at));
        }
    }
}

impl DispatchObserver {
    /// The dispatch starts at `started`.
    #[must_use]
    pub fn start(model: &ModelMetrics, endpoint: Endpoint, stream: bool, started: Instant) -> Self {
        let handles = model.handles();
        handles.call(endpoint, stream).in_flight.add(1);
        Self {
            model: model.clone(),
            endpoint,
            stream,
            started,
            status: None,
            ending: Ending::ClientDisconnected,
            ended: None,
            attempting: false,
            events: None,
            used: None,
            instead_of: None,
            _presence: handles.worker.presence,
        }
    }

    /// An attempt starts.
    pub fn attempt(&mut self) {
        self.attempting = true;
        self.status = None;
    }

    /// The attempt ended like this: another follows, or its status alone does not tell.
    pub fn attempt_ended(&mut self, outcome: Attempt) {
        if std::mem::take(&mut self.attempting) {
            self.count(outcome);
        }
    }

    fn count(&mut self, outcome: Attempt) {
        self.ended.get_or_insert_default()[outcome as usize] += 1;
    }

    /// The same target will be asked again.
    pub fn retried(&mut self, reason: RetryReason) {
        let handles = self.model.handles();
        handles.worker.metrics.retried(handles.provider.as_str(), reason);
    }

    /// A target of this provider failed before.
    pub fn fell_back(&mut self, from: &str) {
        self.instead_of = Some(from.into());
    }

    /// The upstream's status line arrived.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// The body is a stream of events, and it is relayed as it comes.
    pub fn streaming(&mut self) {
        self.events = Some(Box::new(Events {
            outcome: StreamOutcome::ClientDisconnect,
            last: None,
            longest_gap: 0,
            first_token: None,
            tokens: 0,
        }));
    }

    /// An event of the stream arrived.
    pub fn progress(&mut self, at: Instant) {
        if let Some(events) = &mut self.events {
            events.progress(at);
        }
    }

    /// The first event with content, reasoning or a tool call arrived.
    pub fn first_token(&mut self) {
        if let Some(events) = &mut self.events {
            events.first_token.get_or_insert_with(Instant::now);
        }
    }

    /// This many output tokens came by the stream.
    pub fn paced(&mut self, tokens: u64) {
        if let Some(events) = &mut self.events {
            events.tokens = tokens;
        }
    }

    /// How the stream ended; anything but its end is a failure.
    pub fn stream_ended(&mut self, outcome: StreamOutcome) {
        if let Some(events) = &mut self.events {
            events.outcome = outcome;
            if outcome == StreamOutcome::Timeout {
                events.progress(Instant::now());
            }
        }
        self.ending = match outcome {
            StreamOutcome::Completed => Ending::Complete,
            StreamOutcome::ClientDisconnect => Ending::ClientDisconnected,
            StreamOutcome::UpstreamError | StreamOutcome::UpstreamTruncated => Ending::Failed,
            StreamOutcome::Timeout => Ending::TimedOut,
            StreamOutcome::Shutdown => Ending::Cut,
        };
    }

    /// The provider declared what it counted.
    pub fn used(&mut self, tokens: Tokens, source: UsageSource) {
        self.used = Some((tokens, source));
    }

    /// The answer was received whole.
    pub fn completed(&mut self) {
        self.stream_ended(StreamOutcome::Completed);
    }

    /// The upstream failed: before a status this is `network_error`, after it a broken or useless answer.
    pub fn failed(&mut self) {
        self.ending = Ending::Failed;
    }

    /// There was no connection.
    pub fn unreachable(&mut self) {
        self.status = None;
        self.ending = Ending::Unreachable;
    }

    /// Our own patience ended before there was anything to relay: counted as 504, whatever status had come.
    pub fn timed_out(&mut self) {
        self.status = Some(504);
        self.ending = Ending::TimedOut;
    }

    /// The provider's breaker lets nothing through.
    pub fn breaker_open(&mut self) {
        self.count(Attempt::BreakerOpen);
        self.status = Some(503);
        self.ending = Ending::Failed;
    }

    /// The gateway stops.
    pub fn cut(&mut self) {
        self.ending = Ending::Cut;
    }

    /// The provider was not asked, for a reason of our own: the dispatch does not count.
    pub fn withdrawn(&mut self) {
        self.ending = Ending::Withdrawn;
    }

    /// How the attempt ended that is still open.
    fn last_attempt(&self) -> Attempt {
        match (self.ending, self.status) {
            (Ending::ClientDisconnected | Ending::Cut | Ending::Withdrawn, _) => Attempt::Cancelled,
            (Ending::Unreachable, _) => Attempt::ConnectError,
            (Ending::TimedOut, _) => Attempt::Timeout,
            (Ending::Complete, Some(status)) => Attempt::of_status(status),
            (Ending::Failed, Some(status)) if status >= 400 => Attempt::of_status(status),
            (Ending::Failed | Ending::Complete, _) => Attempt::ServerError,
        }
    }

    fn record_attempts(&self) {
        let handles = self.model.handles();
        if self.attempting {
            handles.attempts(self.last_attempt(), 1);
        }
        let Some(ended) = &self.ended else { return };
        for (outcome, count) in Attempt::ALL.iter().zip(**ended) {
            if count > 0 {
                handles.attempts(*outcome, u64::from(count));
            }
        }
    }

    fn record_events(&self, events: &Events) {
        let handles = self.model.handles();
        handles.stream(events.outcome, events.longest_gap);
        let Some(first) = events.first_token else { return };
        handles.first_token(self.endpoint, nanos_between(self.started, first));
        if let Some(last) = events.last
            && events.tokens >= 2
        {
            handles.time_per_token(nanos_between(first, last) / (events.tokens - 1));
        }
    }
}

impl Drop for DispatchObserver {
    fn drop(&mut self) {
        if self.ending == Ending::Withdrawn && self.ended.is_none() {
            self.model.handles().call(self.endpoint, self.stream).in_flight.add(-1);
            return;
        }
        if self.ending == Ending::ClientDisconnected && std::thread::panicking() {
            // A defect of ours ends it, and no caller has left.
            self.stream_ended(StreamOutcome::Shutdown);
            self.status = Some(500);
        }
        let (status, kind) = match (self.ending, self.status) {
            (Ending::ClientDisconnected, _) => (Some(499), StatusType::Cancelled),
            (Ending::Complete, Some(status)) if status < 400 => (Some(status), StatusType::Success),
            (_, status) => (status, StatusType::Error),
        };
        self.model.settle(kind == StatusType::Success);
        self.model.handles().record((self.endpoint, self.stream), status, kind, nanos_since(self.started));
        self.record_attempts();
        if let Some(from) = &self.instead_of {
            let handles = self.model.handles();
            handles.worker.metrics.fell_back(from, handles.provider.as_str(), kind);
        }
        if let Some(events) = &self.events {
            self.record_events(events);
        }
        let tells_tokens = self.endpoint.bears_tokens() || self.used.is_some();
        if tells_tokens && self.status.is_some_and(|status| (200..300).contains(&status)) {
            self.model.used(self.used);
        }
    }
}

/// Nanoseconds since `start`; they fit for 584 years.
pub(crate) fn nanos_since(start: Instant) -> u64 {
    nanos_between(start, Instant::now())
}

/// Nanoseconds from `start` to `end`, 0 when the clock disagrees.
pub(crate) fn nanos_between(start: Instant, end: Instant) -> u64 {
    let elapsed = end.saturating_duration_since(start);
    elapsed.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(elapsed.subsec_nanos()))
}
