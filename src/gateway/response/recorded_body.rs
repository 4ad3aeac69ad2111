//! The body of a response to a client: it keeps the record of its request until the kernel has accepted its last byte.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

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

impl ResponseBody {
    /// Its exact size, where that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Relay(relay) => relay.size(),
        }
    }
}

/// A body that notes in the record how it ended: at its last byte, or when it is dropped because the client
/// disconnected.
#[derive(Debug)]
pub(crate) struct RecordedBody {
    body: ResponseBody,
    /// `None` where nothing is recorded, and at its end.
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

    /// All bytes of a full body are on their way.
    fn complete(&mut self, size: usize) {
        self.outcome = Some(HttpOutcome::Ok);
        if let Some(record) = &mut self.record {
            record.sent(size);
            record.body_ended(StreamOutcome::Completed);
            record.ended(HttpOutcome::Ok);
        }
    }

    /// The next bytes, `None` at the end.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.outcome.is_some() {
            return Poll::Ready(None);
        }
        let relay = match &mut self.body {
            ResponseBody::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.complete(bytes.len());
                return Poll::Ready(Some(Ok(bytes)));
            }
            ResponseBody::Relay(relay) => relay,
        };
        let Some(record) = &mut self.record else { return Poll::Ready(None) };
        let bytes = ready!(relay.poll_bytes(cx, record));
        if let Some(Ok(bytes)) = &bytes {
            record.sent(bytes.len());
        }
        self.outcome = relay.outcome();
        if let Some(outcome) = self.outcome {
            record.ended(outcome);
        }
        Poll::Ready(bytes)
    }

    /// Returns true if all of its bytes are on their way.
    pub(crate) fn is_at_end(&self) -> bool {
        self.outcome.is_some()
    }

    /// Its exact size, where that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.body.size()
    }

    /// The provider's part is over, while the client may take its time with the last bytes.
    pub(crate) fn end_dispatch(&mut self) {
        if let Some(record) = &mut self.record {
            record.record_dispatch();
        }
    }

    /// The kernel has accepted the last byte: the record ends as it is.
    pub(crate) fn sent(mut self) {
        drop(self.record.take());
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        match (self.outcome, &mut self.body) {
            // Its last bytes were not accepted. A broken response stays broken, whatever the client receives of it.
            (Some(outcome), _) => {
                if outcome != HttpOutcome::Broken {
                    record.ended(HttpOutcome::Cancelled);
                }
            }
            (None, ResponseBody::Full(_)) => {}
            (None, ResponseBody::Relay(relay)) => {
                relay.client_disconnected(&mut record);
                // The end of a stream that is still to be written has not reached a client that does not read.
                let unread = record.is_write_blocked();
                if let Some(outcome) = relay.outcome() {
                    record.ended(if unread { HttpOutcome::Cancelled } else { outcome });
                }
            }
        }
    }
}
