//! An upstream's body on its way to the client: the bytes as they are, with an event of ours at the end of a stream that
//! breaks.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::body_reader::{BodyReader, End, Form};
use super::decode::{BodyError, DecodedBody};
use super::read_timeout::ReadTimeout;
use crate::api::Endpoint;
use crate::api::usage::Declaration;
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::observe::stream_error::Break;
use crate::gateway::request::targets::ModelTarget;
use crate::metrics::{HttpOutcome, StreamOutcome};
use crate::panics;

/// Most bytes that are relayed without a pause, about 0.1 ms of work.
const MOST_AT_ONCE: usize = 256 << 10;

/// A body that was read in part.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The part that was read.
    pub(crate) head: VecDeque<Bytes>,
    pub(crate) rest: DecodedBody,
    pub(crate) form: Form,
    /// A length or chunks say where it ends; without them it ends with the connection, whole or not.
    pub(crate) is_framed: bool,
}

/// See the module.
pub(crate) struct RelayBody {
    /// The part that was read before the relay began.
    head: VecDeque<Bytes>,
    upstream: DecodedBody,
    reader: BodyReader,
    target: Arc<ModelTarget>,
    endpoint: Endpoint,
    /// Bytes that may be the beginning of the provider's key.
    held: BytesMut,
    timeout: ReadTimeout,
    /// Resolves when the grace period of a shutdown is over.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Bytes that were relayed since the last pause.
    at_once: usize,
    outcome: Option<HttpOutcome>,
}

/// All that a relay needs besides the upstream's body.
pub(crate) struct RelaySetup {
    pub(crate) target: Arc<ModelTarget>,
    pub(crate) endpoint: Endpoint,
    pub(crate) declaration: Declaration,
    /// True if JSON that comes to its end too early is broken.
    pub(crate) must_be_whole: bool,
    /// True if Aurora requested the stream's usage where the client did not.
    pub(crate) injected: bool,
    /// Time at which a body that is no stream must be complete.
    pub(crate) whole_by: Instant,
    /// Longest silence inside a stream.
    pub(crate) idle: Duration,
    pub(crate) cut: WaitForCancellationFutureOwned,
}

impl RelayBody {
    pub(crate) fn new(begun: Begun, setup: RelaySetup, record: &mut RequestRecord) -> Self {
        let timeout = if begun.form == Form::Events {
            record.streaming();
            ReadTimeout::new(Some(setup.idle), Instant::now() + setup.idle)
        } else {
            ReadTimeout::new(None, setup.whole_by)
        };
        let reader = BodyReader::new(
            begun.form,
            setup.endpoint,
            setup.declaration,
            setup.injected,
            begun.is_framed,
            setup.must_be_whole,
        );
        Self {
            head: begun.head,
            upstream: begun.rest,
            reader,
            target: setup.target,
            endpoint: setup.endpoint,
            held: BytesMut::new(),
            timeout,
            cut: Box::pin(setup.cut),
            at_once: 0,
            outcome: None,
        }
    }

    /// The client has disconnected, which may have been after the end of the stream.
    pub(crate) fn client_disconnected(&mut self, record: &mut RequestRecord) {
        if self.outcome.is_none()
            && let Some(outcome) = self.reader.outcome_at_disconnect()
        {
            self.end(outcome, record);
        }
    }

    /// End of the body, once it has come.
    pub(crate) fn outcome(&self) -> Option<HttpOutcome> {
        self.outcome
    }

    /// The exact size where the upstream declared it. A stream may get an event of ours at its end.
    pub(crate) fn size(&self) -> Option<u64> {
        if self.reader.is_stream() {
            return None;
        }
        let head: usize = self.head.iter().map(Bytes::len).sum();
        self.upstream.size_hint().exact().map(|rest| rest + head as u64)
    }

    /// The next bytes for the client; an error closes its connection.
    pub(crate) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        record: &mut RequestRecord,
    ) -> Poll<Option<io::Result<Bytes>>> {
        self.timeout.client_reads();
        let polled = self.poll_relay(cx, record);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => self.at_once += bytes.len(),
            Poll::Ready(_) => {}
            Poll::Pending => self.at_once = 0,
        }
        if polled.is_ready() {
            self.timeout.handed_over();
        }
        polled
    }

    fn poll_relay(
        &mut self,
        cx: &mut Context<'_>,
        record: &mut RequestRecord,
    ) -> Poll<Option<io::Result<Bytes>>> {
        while self.outcome.is_none() {
            let next = if let Some(bytes) = self.head.pop_front() {
                Ok(Some(bytes))
            } else {
                ready!(self.poll_upstream(cx))
            };
            let why = match next {
                Ok(Some(bytes)) => {
                    let passed = self.pass(bytes, record);
                    if !passed.is_empty() {
                        return Poll::Ready(Some(Ok(passed)));
                    }
                    continue;
                }
                Ok(None) => None,
                Err(why) => Some(why),
            };
            return Poll::Ready(self.finish(why, record));
        }
        Poll::Ready(None)
    }

    /// The next bytes of the upstream, `None` at its end.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Break>> {
        // An upstream that always has more would never let the timer run, nor other requests.
        if self.timeout.is_over() {
            return Poll::Ready(Err(Break::Silent));
        }
        if self.at_once >= MOST_AT_ONCE {
            // Other requests run before the body is polled again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.upstream).poll_frame(cx) else {
                return self.poll_wait(cx).map(Err);
            };
            self.timeout.waited();
            match frame {
                Some(Ok(frame)) => {
                    // Trailers are hop-by-hop here: HTTP/1.1 clients did not request them.
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

    /// Reads the next bytes; of them, those that go on to the client now.
    fn pass(&mut self, bytes: Bytes, record: &mut RequestRecord) -> Bytes {
        panics::point("relay", &bytes);
        let mut passed = self.reader.read(bytes, record);
        if self.head.is_empty() && self.upstream.is_end_stream() {
            if self.reader.is_whole() {
                self.reader.note_use(record);
                self.end(StreamOutcome::Completed, record);
            } else if self.reader.is_cut() {
                // Without its last bytes the client sees that the body is not whole.
                passed = Bytes::new();
            }
        }
        self.scrubbed(passed)
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

    /// No more comes from upstream. The last bytes of a stream that broke are an event that says why; any other body
    /// ends with an error, which closes the connection.
    fn finish(&mut self, why: Option<Break>, record: &mut RequestRecord) -> Option<io::Result<Bytes>> {
        let End { result, held: mut last, is_inside_event } = self.reader.end(why, record);
        match result {
            Ok(outcome) => self.end(outcome, record),
            Err(why) => {
                if self.reader.is_connections(why, is_inside_event) {
                    self.target.ended(Err(why.message()));
                }
                record.broken(why);
                self.end(why.outcome(), record);
                if !self.reader.is_stream() {
                    return Some(Err(io::Error::other(why.message())));
                }
                let blank_line = if is_inside_event { "\n\n" } else { "" };
                last = Bytes::from(
                    [&*last, blank_line.as_bytes(), why.event(self.endpoint).as_bytes()].concat(),
                );
            }
        }
        let last = self.scrubbed(last);
        (!last.is_empty()).then_some(Ok(last))
    }

    /// Notes the end of the body. A whole one counts for the model's circuit breaker; an error that the upstream reports
    /// inside a stream does not, since it may be about the client's own input.
    fn end(&mut self, outcome: StreamOutcome, record: &mut RequestRecord) {
        record.body_ended(outcome);
        let completed = outcome == StreamOutcome::Completed;
        if completed {
            self.target.ended(Ok(()));
        }
        self.outcome = Some(if completed { HttpOutcome::Ok } else { HttpOutcome::Broken });
    }
}

impl fmt::Debug for RelayBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayBody").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
