//! A client's body on its way to the handler that reads it. The connection keeps the rest of one that is dropped before
//! its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::gateway::state::connection_state::{ConnectionState, RequestBody};

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

    /// The connection that it comes from.
    pub(crate) fn connection(&self) -> &Arc<ConnectionState> {
        &self.connection
    }
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
