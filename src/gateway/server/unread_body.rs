//! A client's body on its way to the handler that reads it, and the rest of one that no handler reads: its connection
//! can serve another request only when the body is out of the way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::gateway::state::connection_state::{ConnectionState, RequestBody};

/// Most bytes that are read for the sake of the next request.
const MOST: usize = 64 << 10;

/// Longest wait for them: most clients send head and body together.
const WAIT: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(crate) struct ClientBody {
    body: Option<Incoming>,
    connection: Arc<ConnectionState>,
}

impl ClientBody {
    /// The body of the connection's next request.
    pub(crate) fn new(body: Incoming, connection: Arc<ConnectionState>) -> Self {
        connection.begin_request(!body.is_end_stream());
        Self { body: Some(body), connection }
    }
}

/// Returns true if no unread body is left before the next request; the rest of a small one is read and dropped.
/// `awaited` is a client that sends its body only after a 100 response.
pub(crate) async fn is_cleared(connection: &ConnectionState, awaited: bool) -> bool {
    let Some(body) = connection.take_unread() else { return true };
    if awaited || body.size_hint().lower() > MOST as u64 {
        return false;
    }
    connection.set_body(RequestBody::Awaited);
    let rest = tokio::time::timeout(WAIT, Limited::new(body, MOST).collect()).await;
    let cleared = matches!(rest, Ok(Ok(_)));
    connection.set_body(if cleared { RequestBody::Read } else { RequestBody::Dropped });
    cleared
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        self.connection.set_body(if unread.is_some() { RequestBody::Dropped } else { RequestBody::Read });
        if let Some(body) = unread {
            self.connection.keep_unread(body);
        }
    }
}

impl Body for ClientBody {
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
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
