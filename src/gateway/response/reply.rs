//! Answers on their way to the caller.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};

use super::relay_body::RelayBody;
use crate::gateway::http::error::{Fault, GatewayError};
use crate::gateway::observe::record::{Dispatch, RequestRecord};
use crate::metrics::{Answer, DispatchObserver, HttpOutcome};

/// When to try again after a refusal of ours that has nothing to do with the request.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
    /// What it means for the caller of a model.
    pub(crate) answer: Answer,
}

/// The bytes of an answer.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// All of them.
    Full(FullBody),
    /// As they come from upstream.
    Relay(Box<RelayBody>),
}

/// Bytes that are all here, with what has to last until they are handed over.
#[derive(Debug)]
pub(crate) struct FullBody {
    bytes: Bytes,
    /// The observer of the call that they answer.
    dispatch: Option<Dispatch>,
}

impl Reply {
    /// An answer that is all here.
    pub(crate) fn full(status: StatusCode, headers: HeaderMap, bytes: Bytes, answer: Answer) -> Self {
        Self { status, headers, body: ReplyBody::Full(FullBody { bytes, dispatch: None }), answer }
    }

    /// 200 with JSON of our own.
    pub(crate) fn json(json: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self::full(StatusCode::OK, headers, json.into(), Answer::Ok)
    }

    /// An upstream's answer that is all here; its call ends when the caller has the last byte.
    pub(crate) fn held(status: StatusCode, headers: HeaderMap, bytes: Bytes, dispatch: Dispatch) -> Self {
        let body = ReplyBody::Full(FullBody { bytes, dispatch: Some(dispatch) });
        Self { status, headers, body, answer: answer_of(status) }
    }

    /// An upstream's answer as it comes.
    pub(crate) fn relayed(status: StatusCode, headers: HeaderMap, body: RelayBody) -> Self {
        Self { status, headers, body: ReplyBody::Relay(Box::new(body)), answer: answer_of(status) }
    }

    /// What it means for the caller where it is a good answer.
    pub(crate) fn if_ok(mut self, meaning: Answer) -> Self {
        if self.answer == Answer::Ok {
            self.answer = meaning;
        }
        self
    }
}

/// What an upstream's status means for the caller.
fn answer_of(status: StatusCode) -> Answer {
    match status.as_u16() {
        0..400 => Answer::Ok,
        429 => Answer::RateLimited,
        400..500 => Answer::CallerError,
        _ => Answer::UpstreamError,
    }
}

impl GatewayError {
    /// The response that tells the client of this error.
    pub(crate) fn into_reply(self) -> Reply {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &self {
            Self::Unauthorized { .. } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Unavailable { .. } => {
                headers.insert(RETRY_AFTER, RETRY_SOON);
            }
            Self::Upstream { fault: Fault::BreakerOpen(left), .. } => {
                // In whole seconds, not before it is worth while.
                let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, seconds.into());
            }
            Self::Refused { .. }
            | Self::Forbidden { .. }
            | Self::Upstream { .. }
            | Self::ClientDisconnected
            | Self::Internal => {}
        }
        Reply::full(self.status(), headers, Bytes::from(self.envelope()), self.answer())
    }
}

/// A body that tells the exchange how it ended, at its last byte or when the caller has left.
#[derive(Debug)]
pub(crate) struct ObservedBody {
    body: ReplyBody,
    /// `None` for what is not noted at all: health checks and authorised scrapes.
    record: Option<RequestRecord>,
    /// How it ended, once it has.
    outcome: Option<HttpOutcome>,
}

impl ObservedBody {
    pub(crate) fn watch(body: ReplyBody, record: Option<RequestRecord>) -> Body {
        let ended = matches!(&body, ReplyBody::Full(full) if full.bytes.is_empty());
        let mut observed = Self { body, record, outcome: None };
        if ended {
            observed.end(HttpOutcome::Ok);
        }
        Body::new(observed)
    }

    fn end(&mut self, outcome: HttpOutcome) {
        self.outcome = Some(outcome);
        if let ReplyBody::Full(FullBody { dispatch: Some(dispatch), .. }) = &mut self.body {
            dispatch.note(DispatchObserver::completed);
        }
        if let Some(record) = &mut self.record {
            record.ended(outcome);
        }
    }
}

impl http_body::Body for ObservedBody {
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
        match &mut this.body {
            ReplyBody::Full(full) => {
                let bytes = std::mem::take(&mut full.bytes);
                if let Some(record) = &mut this.record {
                    record.note(|observer| observer.sent(bytes.len()));
                }
                this.end(HttpOutcome::Ok);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            ReplyBody::Relay(relay) => {
                let frame = std::task::ready!(relay.poll_bytes(cx, this.record.as_mut()));
                if let (Some(Ok(bytes)), Some(record)) = (&frame, &mut this.record) {
                    record.note(|observer| observer.sent(bytes.len()));
                }
                if let Some(outcome) = relay.outcome() {
                    this.end(outcome);
                }
                Poll::Ready(frame.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.outcome.is_some()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            ReplyBody::Full(full) => SizeHint::with_exact(full.bytes.len() as u64),
            ReplyBody::Relay(relay) => relay.size_hint(),
        }
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            // Broken it stays, whatever the client gets of it.
            if outcome != HttpOutcome::Broken
                && let Some(record) = self.record.take()
            {
                record.hand_over();
            }
            return;
        }
        let ReplyBody::Relay(relay) = &mut self.body else { return };
        relay.left();
        // The end of a stream that is still to be written has not reached a client that does not read.
        let unread = self.record.as_ref().is_some_and(RequestRecord::is_write_blocked);
        if let Some(outcome) = relay.outcome() {
            self.end(if unread { HttpOutcome::Cancelled } else { outcome });
        }
    }
}
