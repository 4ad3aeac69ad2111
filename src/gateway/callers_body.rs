//! A caller's body on its way to whoever reads it, and what becomes of one that nobody reads: its connection can serve
//! another request only when the body is out of the way.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

/// Most bytes that are read for the sake of the next request.
const MOST: usize = 64 << 10;

/// Longest wait for them: most callers send head and body together.
const WAIT: Duration = Duration::from_millis(100);

/// Where a body is left that was dropped before its end. A connection has one.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<Mutex<Option<Incoming>>>);

/// See the module.
#[derive(Debug)]
pub(super) struct CallersBody {
    body: Option<Incoming>,
    unread: Unread,
}

impl Unread {
    /// The body of the connection's next request.
    pub(super) fn watch(&self, body: Incoming) -> CallersBody {
        CallersBody { body: Some(body), unread: self.clone() }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing stands between this request and the next; the rest of a small body is read and forgotten.
    /// `awaited` is a caller that sends its body only when it is told to.
    pub(super) async fn is_cleared(&self, awaited: bool) -> bool {
        let Some(body) = self.slot().take() else { return true };
        if awaited || body.size_hint().lower() > MOST as u64 {
            return false;
        }
        let rest = tokio::time::timeout(WAIT, Limited::new(body, MOST).collect()).await;
        rest.is_ok_and(|rest| rest.is_ok())
    }
}

impl Drop for CallersBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.unread.slot() = Some(body);
        }
    }
}

impl Body for CallersBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
