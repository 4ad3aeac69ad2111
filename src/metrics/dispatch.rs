//! The observer of one call to a provider.

use std::time::Instant;

use super::handles::ModelMetrics;
use super::labels::{Endpoint, StatusType, TokenKind, Tokens};
use super::presence::Presence;

/// In flight from its creation to its drop, when it records everything else, once, whatever happened. Unless it is
/// told how the call ended, the caller has left.
#[derive(Debug)]
pub struct DispatchObserver {
    model: ModelMetrics,
    endpoint: Endpoint,
    stream: bool,
    started: Instant,
    status: Option<u16>,
    ending: Ending,
    first_token_nanos: Option<u64>,
    tokens: Option<Tokens>,
    _presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    CallerLeft,
    Complete,
    Failed,
}

impl DispatchObserver {
    /// The call starts at `started`.
    #[must_use]
    pub fn start(model: &ModelMetrics, endpoint: Endpoint, stream: bool, started: Instant) -> Self {
        model.handles.call(endpoint, stream).in_flight.add(1);
        Self {
            model: model.clone(),
            endpoint,
            stream,
            started,
            status: None,
            ending: Ending::CallerLeft,
            first_token_nanos: None,
            tokens: None,
            _presence: model.handles.worker.presence,
        }
    }

    /// The upstream's status line arrived.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// The first event with content, reasoning or a tool call arrived.
    pub fn first_token(&mut self) {
        self.first_token_nanos.get_or_insert_with(|| nanos_since(self.started));
    }

    /// The provider declared what it counted.
    pub fn tokens(&mut self, tokens: Tokens) {
        self.tokens = Some(tokens);
    }

    /// The answer was received whole.
    pub fn completed(&mut self) {
        self.ending = Ending::Complete;
    }

    /// The call failed: before a status this is `network_error`, after it a broken or useless answer.
    pub fn failed(&mut self) {
        self.ending = Ending::Failed;
    }

    /// Our own patience ended before there was anything to relay: counted as 504, whatever status had come.
    pub fn timed_out(&mut self) {
        self.status = Some(504);
        self.ending = Ending::Failed;
    }
}

impl Drop for DispatchObserver {
    fn drop(&mut self) {
        let (status, kind) = match (self.ending, self.status) {
            (Ending::CallerLeft, _) if std::thread::panicking() => (Some(500), StatusType::Error),
            (Ending::CallerLeft, _) => (Some(499), StatusType::Cancelled),
            (Ending::Complete, Some(status)) if status < 400 => (Some(status), StatusType::Success),
            (Ending::Complete | Ending::Failed, status) => (status, StatusType::Error),
        };
        let at = (self.endpoint, self.stream);
        self.model.handles.call(self.endpoint, self.stream).in_flight.add(-1);
        self.model.settle(kind == StatusType::Success);
        let handles = &self.model.handles;
        handles.record(at, status, kind, nanos_since(self.started));
        if let Some(nanos) = self.first_token_nanos {
            handles.first_token(self.endpoint, nanos);
        }
        for (kind, count) in TokenKind::ALL.iter().zip(self.tokens.into_iter().flatten()) {
            if count > 0 {
                handles.tokens(*kind, count);
            }
        }
    }
}

/// Nanoseconds since `start`; they fit for 584 years.
pub(super) fn nanos_since(start: Instant) -> u64 {
    nanos_between(start, Instant::now())
}

/// Nanoseconds from `start` to `end`, 0 when the clock disagrees.
pub(super) fn nanos_between(start: Instant, end: Instant) -> u64 {
    let elapsed = end.saturating_duration_since(start);
    elapsed.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(elapsed.subsec_nanos()))
}
