//! An upstream's body on its way through: the bytes as they are, read along on the side, with a last word of our own
//! where a stream breaks.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::exchange::{Dispatch, Exchange};
use super::tap::Tap;
use crate::metrics::{DispatchObserver, Endpoint, HttpOutcome, UsageSource};

/// See the module.
pub(super) struct RelayBody {
    /// What was read before the relay began.
    head: VecDeque<Bytes>,
    upstream: Incoming,
    dispatch: Dispatch,
    /// Reads along, where the body is a stream of events.
    tap: Option<Tap>,
    endpoint: Endpoint,
    /// Until when to wait for the next event, or for the whole of any other body.
    patience: Pin<Box<Sleep>>,
    /// Longest silence inside a stream.
    idle: Duration,
    /// Resolves when the grace period of a shutdown is over.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    outcome: Option<HttpOutcome>,
}

/// Why a body did not reach its end.
#[derive(Debug, Clone, Copy)]
enum Break {
    Upstream,
    Truncated,
    Silent,
    Shutdown,
}

impl Break {
    /// Type, code and message of the error that the caller is sent.
    const fn words(self) -> [&'static str; 3] {
        let (code, message) = match self {
            Self::Upstream => {
                ("upstream_error", "the provider's connection broke in the middle of the answer")
            }
            Self::Truncated => {
                ("upstream_truncated", "the provider ended the stream before the answer was complete")
            }
            Self::Silent => ("upstream_timeout", "the provider fell silent in the middle of the answer"),
            Self::Shutdown => {
                return [
                    "server_error",
                    "shutting_down",
                    "the gateway is shutting down; send the request again",
                ];
            }
        };
        ["upstream_error", code, message]
    }
}

/// What a relay needs besides the upstream's body.
pub(super) struct RelaySetup {
    pub(super) endpoint: Endpoint,
    /// Whether the body is a stream of events.
    pub(super) events: bool,
    /// When a body that is no stream must be complete.
    pub(super) whole_by: Instant,
    /// Longest silence inside a stream.
    pub(super) idle: Duration,
    pub(super) cut: WaitForCancellationFutureOwned,
}

impl RelayBody {
    pub(super) fn new(
        head: VecDeque<Bytes>,
        upstream: Incoming,
        mut dispatch: Dispatch,
        setup: RelaySetup,
    ) -> Self {
        if setup.events {
            dispatch.note(DispatchObserver::streaming);
        }
        let until = if setup.events { Instant::now() + setup.idle } else { setup.whole_by };
        Self {
            head,
            upstream,
            dispatch,
            tap: setup.events.then(|| Tap::new(setup.endpoint)),
            endpoint: setup.endpoint,
            patience: Box::pin(tokio::time::sleep_until(until)),
            idle: setup.idle,
            cut: Box::pin(setup.cut),
            outcome: None,
        }
    }

    /// How the body ended, once it has.
    pub(super) fn outcome(&self) -> Option<HttpOutcome> {
        self.outcome
    }

    /// The exact size where the upstream declared it.
    pub(super) fn size_hint(&self) -> SizeHint {
        let head: usize = self.head.iter().map(Bytes::len).sum();
        match (&self.tap, self.upstream.size_hint().exact()) {
            (None, Some(rest)) => SizeHint::with_exact(rest + head as u64),
            // A stream may get an event of ours at its end.
            _ => SizeHint::default(),
        }
    }

    /// The next bytes for the caller; an error closes its connection.
    pub(super) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        exchange: Option<&mut Exchange>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(bytes) = self.head.pop_front() {
            self.passed(&bytes, exchange);
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            match Pin::new(&mut self.upstream).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are hop-by-hop here: HTTP/1.1 callers did not ask for them.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        self.passed(&bytes, exchange);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(_))) => return self.over(Some(Break::Upstream), exchange),
                Poll::Ready(None) => return self.over(None, exchange),
                Poll::Pending => {
                    let why = ready!(self.poll_patience(cx));
                    return self.over(Some(why), exchange);
                }
            }
        }
    }

    fn passed(&mut self, bytes: &[u8], exchange: Option<&mut Exchange>) {
        if self.tap.is_some() {
            self.patience.as_mut().reset(Instant::now() + self.idle);
            self.read_along(bytes, exchange);
        }
        if self.head.is_empty() && self.upstream.is_end_stream() && self.is_whole() {
            self.complete();
        }
    }

    fn read_along(&mut self, bytes: &[u8], mut exchange: Option<&mut Exchange>) {
        let Some(tap) = &mut self.tap else { return };
        let had_token = tap.first_token;
        tap.read(bytes);
        if tap.first_token && !had_token {
            self.dispatch.note(DispatchObserver::first_token);
            if let Some(exchange) = exchange.as_deref_mut() {
                exchange.first_token();
            }
        }
        if tap.ended
            && let Some(tokens) = tap.tokens.take()
        {
            if let Some(exchange) = exchange {
                exchange.used(&tokens);
            }
            self.dispatch.note(|observer| observer.used(tokens, UsageSource::Native));
        }
    }

    fn is_whole(&self) -> bool {
        self.tap.as_ref().is_none_or(|tap| tap.ended && !tap.reported_error)
    }

    fn complete(&mut self) {
        self.dispatch.note(DispatchObserver::completed);
        self.outcome = Some(HttpOutcome::Ok);
    }

    /// No more comes from upstream, as it should be or for a reason. What comes after the last event of a stream, be
    /// it a reset, is no failure of its answer.
    fn over(
        &mut self,
        why: Option<Break>,
        exchange: Option<&mut Exchange>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let inside_event = self.tap.as_ref().is_some_and(Tap::is_inside_event);
        if inside_event {
            // Some providers leave out the blank line after their last event.
            self.read_along(b"\n\n", exchange);
        }
        match (&self.tap, why) {
            (None, None) => self.complete(),
            // The upstream has told the caller itself.
            (Some(tap), _) if tap.reported_error => self.fail(),
            (Some(tap), _) if tap.ended => self.complete(),
            (_, why) => return self.broken(why.unwrap_or(Break::Truncated), inside_event),
        }
        Poll::Ready(None)
    }

    fn fail(&mut self) {
        self.dispatch.note(DispatchObserver::failed);
        self.outcome = Some(HttpOutcome::Broken);
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Break> {
        if self.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Break::Silent);
        }
        self.cut.as_mut().poll(cx).map(|()| Break::Shutdown)
    }

    /// Ends a stream with an event that says why; any other body can only break off.
    fn broken(&mut self, why: Break, inside_event: bool) -> Poll<Option<io::Result<Bytes>>> {
        self.fail();
        let words = why.words();
        if self.tap.is_none() {
            return Poll::Ready(Some(Err(io::Error::other(words[2]))));
        }
        let apart = if inside_event { "\n\n" } else { "" };
        Poll::Ready(Some(Ok(Bytes::from(format!("{apart}{}", error_event(self.endpoint, words))))))
    }
}

/// An error as an event of the endpoint's own shape.
fn error_event(endpoint: Endpoint, [kind, code, message]: [&str; 3]) -> String {
    if endpoint == Endpoint::Responses {
        let error = serde_json::json!({"type": "error", "code": code, "message": message, "param": null});
        return format!("event: error\ndata: {error}\n\n");
    }
    let error = serde_json::json!({
        "error": {"message": message, "type": kind, "param": null, "code": code}
    });
    format!("data: {error}\n\n")
}

impl fmt::Debug for RelayBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayBody").field("tap", &self.tap).finish_non_exhaustive()
    }
}
