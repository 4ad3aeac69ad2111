//! An upstream's body on its way through: the bytes as they are, read along on the side, with a last word of our own
//! where a stream breaks.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::decode::{BodyError, ResponseBody};
use super::read_timeout::ReadTimeout;
use super::tap::Tap;
use crate::api::Finder;
use crate::api::usage::{Declaration, Usage};
use crate::gateway::observe::record::{Dispatch, RequestRecord};
use crate::gateway::observe::stream_error::Break;
use crate::gateway::request::targets::ModelTarget;
use crate::metrics::{DispatchObserver, Endpoint, HttpOutcome, StreamOutcome, Tokens, UsageSource};
use crate::panics;

/// Form of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    /// Server-sent events.
    Events,
    Other,
}

/// A body that was read in part.
#[derive(Debug)]
pub(crate) struct Begun {
    /// What was read.
    pub(crate) head: VecDeque<Bytes>,
    pub(crate) rest: ResponseBody,
    pub(crate) form: Form,
    /// A length or chunks say where it ends; without them it ends with the connection, whole or not.
    pub(crate) is_framed: bool,
}

/// See the module.
pub(crate) struct RelayBody {
    /// What was read before the relay began.
    head: VecDeque<Bytes>,
    upstream: ResponseBody,
    is_framed: bool,
    /// The body is JSON that has to come to its end.
    must_be_whole: bool,
    dispatch: Dispatch,
    target: Arc<ModelTarget>,
    /// Bytes that may be the beginning of the provider's key.
    held: BytesMut,
    along: Along,
    endpoint: Endpoint,
    declaration: Declaration,
    /// Where a declaration of use comes from, if one comes.
    source: UsageSource,
    timeout: ReadTimeout,
    /// Resolves when the grace period of a shutdown is over.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    outcome: Option<HttpOutcome>,
}

/// What reads along.
enum Along {
    /// Of a stream of events.
    Tap(Box<Tap>),
    /// Of JSON, or anything else that may declare its use: what stands at the top of an object.
    Finder(Finder),
    Nothing,
}

/// What a relay needs besides the upstream's body.
pub(crate) struct RelaySetup {
    /// Who answers.
    pub(crate) target: Arc<ModelTarget>,
    pub(crate) endpoint: Endpoint,
    pub(crate) declaration: Declaration,
    /// Whether JSON that comes to its end too early is broken.
    pub(crate) must_be_whole: bool,
    /// Whether Aurora asked for the stream's usage where the caller did not.
    pub(crate) injected: bool,
    /// When a body that is no stream must be complete.
    pub(crate) whole_by: Instant,
    /// Longest silence inside a stream.
    pub(crate) idle: Duration,
    pub(crate) cut: WaitForCancellationFutureOwned,
}

impl RelayBody {
    pub(crate) fn new(begun: Begun, mut dispatch: Dispatch, setup: RelaySetup) -> Self {
        let is_json = begun.form == Form::Json;
        let (timeout, along) = if begun.form == Form::Events {
            dispatch.note(DispatchObserver::streaming);
            let tap = Tap::new(setup.endpoint, setup.injected);
            (ReadTimeout::new(Some(setup.idle), Instant::now() + setup.idle), Along::Tap(Box::new(tap)))
        } else {
            let finder = || Along::Finder(setup.declaration.finder());
            let is_read = is_json || setup.declaration != Declaration::Nothing;
            let timeout = ReadTimeout::new(None, setup.whole_by);
            (timeout, if is_read { finder() } else { Along::Nothing })
        };
        Self {
            head: begun.head,
            upstream: begun.rest,
            is_framed: begun.is_framed,
            must_be_whole: is_json && setup.must_be_whole,
            dispatch,
            target: setup.target,
            held: BytesMut::new(),
            along,
            endpoint: setup.endpoint,
            declaration: setup.declaration,
            source: if setup.injected { UsageSource::Injected } else { UsageSource::Native },
            timeout,
            cut: Box::pin(setup.cut),
            outcome: None,
        }
    }

    /// The caller has left. SDKs close the connection at the event that ends a stream, or at an error inside it, so
    /// that one was over even if bytes or the upstream's end would have followed.
    pub(crate) fn left(&mut self) {
        let Along::Tap(tap) = &self.along else { return };
        if self.outcome.is_some() {
            return;
        }
        if tap.seen().reported_error {
            self.end(StreamOutcome::UpstreamError);
        } else if is_whole(tap) {
            self.end(StreamOutcome::Completed);
        }
    }

    /// How the body ended, once it has.
    pub(crate) fn outcome(&self) -> Option<HttpOutcome> {
        self.outcome
    }

    /// The exact size where the upstream declared it.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let head: usize = self.head.iter().map(Bytes::len).sum();
        match (&self.along, self.upstream.size_hint().exact()) {
            // A stream may get an event of ours at its end.
            (Along::Tap(_), _) | (_, None) => SizeHint::default(),
            (_, Some(rest)) => SizeHint::with_exact(rest + head as u64),
        }
    }

    /// The next bytes for the caller; an error closes its connection.
    pub(crate) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        record: Option<&mut RequestRecord>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        self.timeout.client_reads();
        let polled = self.poll_relay(cx, record);
        if polled.is_ready() {
            self.timeout.handed_over();
        }
        polled
    }

    fn poll_relay(
        &mut self,
        cx: &mut Context<'_>,
        mut record: Option<&mut RequestRecord>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        while self.outcome.is_none() {
            let next = match self.head.pop_front() {
                Some(bytes) => Ok(Some(bytes)),
                None => ready!(self.poll_upstream(cx)),
            };
            match next {
                Ok(Some(bytes)) => {
                    let passed = self.passed(bytes, record.as_deref_mut());
                    let passed = self.scrubbed(passed);
                    if !passed.is_empty() {
                        return Poll::Ready(Some(Ok(passed)));
                    }
                }
                Ok(None) => return Poll::Ready(self.over_scrubbed(None, record)),
                Err(why) => return Poll::Ready(self.over_scrubbed(Some(why), record)),
            }
        }
        Poll::Ready(None)
    }

    /// Bytes on their way to the client, without the provider's key.
    fn scrubbed(&mut self, bytes: Bytes) -> Bytes {
        match &self.target.upstream.scrubber {
            Some(scrubber) if scrubber.is_for_content() => {
                scrubber.part(&mut self.held, bytes, self.outcome.is_some())
            }
            _ => bytes,
        }
    }

    /// See [`Self::over`]; with what was held.
    fn over_scrubbed(
        &mut self,
        why: Option<Break>,
        record: Option<&mut RequestRecord>,
    ) -> Option<io::Result<Bytes>> {
        let last = match self.over(why, record) {
            Some(Err(error)) => return Some(Err(error)),
            Some(Ok(last)) => last,
            None => Bytes::new(),
        };
        let last = self.scrubbed(last);
        (!last.is_empty()).then_some(Ok(last))
    }

    /// The next bytes of the upstream, `None` at its end.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Break>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.upstream).poll_frame(cx) else {
                return self.poll_wait(cx).map(Err);
            };
            self.timeout.waited();
            match frame {
                Some(Ok(frame)) => {
                    // Trailers are hop-by-hop here: HTTP/1.1 callers did not ask for them.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        return Poll::Ready(Ok(Some(bytes)));
                    }
                }
                Some(Err(BodyError::Broken)) => return Poll::Ready(Err(Break::Upstream)),
                Some(Err(_)) => return Poll::Ready(Err(Break::Undecodable)),
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Waits for the upstream, within its limit.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Break> {
        if self.timeout.poll(cx).is_ready() {
            return Poll::Ready(Break::Silent);
        }
        self.cut.as_mut().poll(cx).map(|()| Break::Shutdown)
    }

    /// Reads along with the next bytes; of them, those that go on to the caller.
    fn passed(&mut self, bytes: Bytes, mut record: Option<&mut RequestRecord>) -> Bytes {
        panics::point("relay", &bytes);
        let is_last = self.head.is_empty() && self.upstream.is_end_stream();
        if let Along::Finder(finder) = &mut self.along {
            finder.read(&bytes);
        }
        let Along::Tap(tap) = &mut self.along else {
            if is_last && self.is_cut() {
                // Without its last bytes the caller sees that it is not whole.
                return Bytes::new();
            }
            if is_last {
                self.complete(record);
            }
            return bytes;
        };
        let (events, had_token, had_error) =
            (tap.seen().events, tap.seen().first_token, tap.seen().reported_error);
        let passed = tap.read(&bytes);
        if tap.seen().reported_error
            && !had_error
            && let Some(record) = record.as_deref_mut()
        {
            record.upstream_failed(&bytes);
        }
        let is_whole = is_whole(tap);
        if tap.seen().events > events {
            self.dispatch.note(|observer| observer.progress(Instant::now().into_std()));
        }
        self.note(had_token, record);
        if is_last && is_whole {
            self.end(StreamOutcome::Completed);
        }
        passed
    }

    /// Notes what the tap has seen anew.
    fn note(&mut self, had_token: bool, mut record: Option<&mut RequestRecord>) {
        let Along::Tap(tap) = &mut self.along else { return };
        if tap.seen().first_token && !had_token {
            self.dispatch.note(DispatchObserver::first_token);
            if let Some(record) = record.as_deref_mut() {
                record.first_token();
            }
        }
        if self.declaration != Declaration::Nothing
            && let Some(declared) = tap.declared()
        {
            if let Some(paced) = declared.paced {
                self.dispatch.note(|observer| observer.paced(paced));
            }
            self.used(declared.tokens, record);
        }
    }

    fn used(&mut self, tokens: Tokens, record: Option<&mut RequestRecord>) {
        if let Some(record) = record {
            record.used(&tokens);
        }
        let source = self.source;
        self.dispatch.note(|observer| observer.used(tokens, source));
    }

    /// Notes how the body ended. Whole or broken, it counts for the model's circuit breaker, which [`Self::broke`] tells
    /// of a break: an error that the upstream reports inside a stream may be about the client's own input.
    fn end(&mut self, outcome: StreamOutcome) {
        self.dispatch.note(|observer| observer.stream_ended(outcome));
        let completed = outcome == StreamOutcome::Completed;
        if completed {
            self.target.ended(Ok(()));
        }
        self.outcome = Some(if completed { HttpOutcome::Ok } else { HttpOutcome::Broken });
    }

    /// Whether the body is JSON that ended too early, if it ends here.
    fn is_cut(&self) -> bool {
        self.must_be_whole && matches!(&self.along, Along::Finder(finder) if finder.is_cut())
    }

    /// Counts a break against the model's circuit breaker, where it is one of the connection: a stream that was
    /// framed and ended between two events may be all that the provider had to say.
    fn broke(&self, why: Break, inside_event: bool) {
        let is_connections = match why {
            Break::Upstream | Break::Silent => true,
            Break::Truncated => inside_event || !self.is_framed,
            Break::Undecodable | Break::Shutdown => false,
        };
        if is_connections {
            self.target.ended(Err(why.message()));
        }
    }

    /// A body that is no stream of events has come whole.
    fn complete(&mut self, record: Option<&mut RequestRecord>) {
        if self.declaration != Declaration::Nothing
            && let Along::Finder(finder) = &self.along
            && let Some(tokens) = finder.found().and_then(Usage::read).as_ref().and_then(Usage::tokens)
        {
            self.used(tokens, record);
        }
        self.end(StreamOutcome::Completed);
    }

    /// No more comes from upstream, as it should be or for a reason.
    fn over(&mut self, why: Option<Break>, record: Option<&mut RequestRecord>) -> Option<io::Result<Bytes>> {
        let why = if why.is_none() && self.is_cut() { Some(Break::Truncated) } else { why };
        match (&self.along, why) {
            (Along::Tap(_), why) => self.events_over(why, record).map(Ok),
            (_, None) => {
                self.complete(record);
                None
            }
            (_, Some(why)) => {
                self.broke(why, false);
                if let Some(record) = record {
                    record.broke(why);
                }
                self.end(why.outcome());
                Some(Err(io::Error::other(why.message())))
            }
        }
    }

    /// The last bytes of a stream of events. What comes after its last event, be it a reset, is no failure of its
    /// answer; a stream that broke before ends with an event that says why.
    fn events_over(&mut self, why: Option<Break>, mut record: Option<&mut RequestRecord>) -> Option<Bytes> {
        let Along::Tap(tap) = &mut self.along else { return None };
        let (inside_event, had_token) = (tap.is_inside_event(), tap.seen().first_token);
        let mut last = tap.end();
        let outcome = match (tap.seen(), why) {
            // The upstream has told the caller itself.
            (seen, _) if seen.reported_error => Some(StreamOutcome::UpstreamError),
            (seen, _) if seen.ended => Some(StreamOutcome::Completed),
            (_, None) if tap.may_end(self.is_framed) => Some(StreamOutcome::Completed),
            _ => None,
        };
        self.note(had_token, record.as_deref_mut());
        self.end(outcome.unwrap_or_else(|| {
            let why = why.unwrap_or(Break::Truncated);
            self.broke(why, inside_event);
            if let Some(record) = record {
                record.broke(why);
            }
            let apart = if inside_event { "\n\n" } else { "" };
            last = Bytes::from([&*last, apart.as_bytes(), why.event(self.endpoint).as_bytes()].concat());
            why.outcome()
        }));
        (!last.is_empty()).then_some(last)
    }
}

/// Whether the event that ends the stream has gone on to the caller.
fn is_whole(tap: &Tap) -> bool {
    tap.seen().ended && !tap.seen().reported_error && !tap.holds()
}

impl fmt::Debug for RelayBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayBody").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
