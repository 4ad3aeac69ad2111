//! Reading along with a relayed body: the first token, the end, and what it declares to have used.

use bytes::Bytes;

use super::tap::Tap;
use crate::api::usage::{Declaration, Usage};
use crate::api::{Endpoint, Finder};
use crate::gateway::observe::record::RequestRecord;
use crate::gateway::observe::stream_error::Break;
use crate::metrics::{StreamOutcome, UsageSource};

/// Form of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    /// Server-sent events.
    Events,
    Other,
}

/// Reader of a body that is relayed.
pub(super) struct BodyReader {
    along: Along,
    declaration: Declaration,
    /// Source of a declaration of use, if one comes.
    source: UsageSource,
    /// A length or chunks say where the body ends; without them it ends with the connection, whole or not.
    is_framed: bool,
    /// The body is JSON that has to come to its end.
    must_be_whole: bool,
}

enum Along {
    /// Of a stream of events.
    Tap(Box<Tap>),
    /// Of JSON, or of anything else that may declare its use at the top of an object.
    Finder(Finder),
    Nothing,
}

/// End of a body.
pub(super) struct End {
    pub(super) result: Result<StreamOutcome, Break>,
    /// Bytes that were held until now.
    pub(super) held: Bytes,
    /// The bytes so far end inside an event.
    pub(super) is_inside_event: bool,
}

impl BodyReader {
    /// A reader of a body of this form. `injected` says that Aurora requested the stream's usage where the client did
    /// not; `must_be_whole` that JSON without its end is broken.
    pub(super) fn new(
        form: Form,
        endpoint: Endpoint,
        declaration: Declaration,
        injected: bool,
        is_framed: bool,
        must_be_whole: bool,
    ) -> Self {
        let along = if form == Form::Events {
            Along::Tap(Box::new(Tap::new(endpoint, injected)))
        } else if form == Form::Json || declaration != Declaration::Nothing {
            Along::Finder(declaration.finder())
        } else {
            Along::Nothing
        };
        Self {
            along,
            declaration,
            source: if injected { UsageSource::Injected } else { UsageSource::Native },
            is_framed,
            must_be_whole: form == Form::Json && must_be_whole,
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.along, Along::Tap(_))
    }

    /// Returns true if a break is one of the connection, and counts for the circuit breaker: a stream that was framed
    /// and ended between two events may be all that the provider had to say.
    pub(super) fn is_connections(&self, why: Break, is_inside_event: bool) -> bool {
        match why {
            Break::Upstream | Break::Silent => true,
            Break::Truncated => is_inside_event || !self.is_framed,
            Break::Undecodable | Break::Shutdown => false,
        }
    }

    /// Reads the next bytes and returns those that go on to the client.
    pub(super) fn read(&mut self, bytes: Bytes, record: &mut RequestRecord) -> Bytes {
        let tap = match &mut self.along {
            Along::Tap(tap) => tap,
            Along::Finder(finder) => {
                finder.read(&bytes);
                return bytes;
            }
            Along::Nothing => return bytes,
        };
        let (events, had_error) = (tap.seen().events, tap.seen().reported_error);
        let passed = tap.read(&bytes);
        if tap.seen().reported_error && !had_error {
            record.upstream_failed(&bytes);
        }
        if tap.seen().events > events {
            record.progress();
        }
        self.note_stream(record);
        passed
    }

    /// Notes the first token of a stream and its declaration of use, each when it has been seen.
    fn note_stream(&mut self, record: &mut RequestRecord) {
        let Along::Tap(tap) = &mut self.along else { return };
        if tap.seen().first_token {
            record.first_token();
        }
        if self.declaration != Declaration::Nothing
            && let Some(declared) = tap.declared()
        {
            record.used(declared.tokens, self.source, declared.paced);
        }
    }

    /// Returns true if the body is JSON that has not come to its end.
    pub(super) fn is_cut(&self) -> bool {
        self.must_be_whole && matches!(&self.along, Along::Finder(finder) if finder.is_cut())
    }

    /// Returns true if all that belongs to the body has gone on to the client, if no more comes.
    pub(super) fn is_whole(&self) -> bool {
        match &self.along {
            Along::Tap(tap) => tap.seen().ended && !tap.seen().reported_error && !tap.holds(),
            Along::Finder(_) | Along::Nothing => !self.is_cut(),
        }
    }

    /// Outcome of a stream whose client disconnects now, where that was over: SDKs close the connection at the event
    /// that ends a stream, or at an error inside it, even if bytes or the upstream's end would have followed.
    pub(super) fn outcome_at_disconnect(&self) -> Option<StreamOutcome> {
        let Along::Tap(tap) = &self.along else { return None };
        if tap.seen().reported_error {
            return Some(StreamOutcome::UpstreamError);
        }
        self.is_whole().then_some(StreamOutcome::Completed)
    }

    /// Notes the use that a whole body declares, unless it is a stream.
    pub(super) fn note_use(&self, record: &mut RequestRecord) {
        if self.declaration != Declaration::Nothing
            && let Along::Finder(finder) = &self.along
            && let Some(usage) = finder.found().and_then(|usage| Usage::read(usage.as_bytes()))
            && let Some(tokens) = usage.tokens()
        {
            record.used(tokens, self.source, None);
        }
    }

    /// No more bytes come from upstream, as it should be or for a reason.
    pub(super) fn end(&mut self, why: Option<Break>, record: &mut RequestRecord) -> End {
        let is_cut = self.is_cut();
        let Along::Tap(tap) = &mut self.along else {
            let why = if is_cut { why.or(Some(Break::Truncated)) } else { why };
            if why.is_none() {
                self.note_use(record);
            }
            let result = why.map_or(Ok(StreamOutcome::Completed), Err);
            return End { result, held: Bytes::new(), is_inside_event: false };
        };
        let is_inside_event = tap.is_inside_event();
        let held = tap.end();
        let seen = tap.seen();
        // What comes after the last event of a stream, be it a reset, is no failure of its response.
        let result = if seen.reported_error {
            Ok(StreamOutcome::UpstreamError)
        } else if seen.ended || why.is_none() && tap.may_end(self.is_framed) {
            Ok(StreamOutcome::Completed)
        } else {
            Err(why.unwrap_or(Break::Truncated))
        };
        self.note_stream(record);
        End { result, held, is_inside_event }
    }
}
