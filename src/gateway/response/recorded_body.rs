//! The body of a response to a client: it keeps the record of its request until hyper drops it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::relay_body::RelayBody;
use crate::gateway::observe::record::RequestRecord;
use crate::metrics::{HttpOutcome, StreamOutcome};

/// Bytes of a response.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// Complete in memory.
    Full(Bytes),
    /// As they arrive from upstream.
    Relay(Box<RelayBody>),
}

/// A body that notes in the record how it ended: at its last byte, or when hyper drops it because the client
/// disconnected.
#[derive(Debug)]
pub(crate) struct RecordedBody {
    body: ResponseBody,
    /// `None` where nothing is recorded, and once it is handed to the connection.
    record: Option<Box<RequestRecord>>,
    /// Its end, once it has come.
    outcome: Option<HttpOutcome>,
}

impl RecordedBody {
    pub(crate) fn new(body: ResponseBody, record: Option<Box<RequestRecord>>) -> Self {
        let is_empty = matches!(&body, ResponseBody::Full(bytes) if bytes.is_empty());
        let mut recorded = Self { body, record, outcome: None };
        if is_empty {
            recorded.complete(0);
        }
        recorded
    }

    /// All bytes of a full body were given to hyper.
    fn complete(&mut self, size: usize) {
        self.outcome = Some(HttpOutcome::Ok);
        if let Some(record) = &mut self.record {
            record.sent(size);
            record.body_ended(StreamOutcome::Completed);
            record.ended(HttpOutcome::Ok);
        }
    }
}

impl http_body::Body for RecordedBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.outcome.is_some() {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let relay = match &mut this.body {
            ResponseBody::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.complete(bytes.len());
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            ResponseBody::Relay(relay) => relay,
        };
        let Some(record) = &mut this.record else { return Poll::Ready(None) };
        let frame = ready!(relay.poll_bytes(cx, record));
        if let Some(Ok(bytes)) = &frame {
            record.sent(bytes.len());
        }
        this.outcome = relay.outcome();
        if let Some(outcome) = this.outcome {
            record.ended(outcome);
        }
        Poll::Ready(frame).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.outcome.is_some()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            ResponseBody::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ResponseBody::Relay(relay) => relay.size_hint(),
        }
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        if let Some(outcome) = self.outcome {
            // A broken response stays broken, whatever the client receives of it.
            if outcome != HttpOutcome::Broken {
                RequestRecord::finish_when_sent(record);
            }
            return;
        }
        let ResponseBody::Relay(relay) = &mut self.body else { return };
        relay.client_disconnected(&mut record);
        // The end of a stream that is still to be written has not reached a client that does not read.
        let unread = record.is_write_blocked();
        if let Some(outcome) = relay.outcome() {
            record.ended(if unread { HttpOutcome::Cancelled } else { outcome });
        }
    }
}
