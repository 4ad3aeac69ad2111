//! The body of an upstream's response, read from its connection as it is polled.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::Connection;
use crate::http1::framing::Framing;

/// See the module. Read to its end, its connection can be used again; dropped before, it closes. A frame holds all that
/// has arrived; the one at the end knows that it is the last, so that both go on to the client in one write.
#[derive(Debug)]
pub struct UpstreamBody {
    /// `None` at the end of the body, and after an error.
    connection: Option<Box<Connection>>,
    framing: Framing,
    /// The connection is not used again.
    closes: bool,
}

impl UpstreamBody {
    pub(super) fn new(connection: Box<Connection>, framing: Framing, closes: bool) -> Self {
        let mut body = Self { connection: Some(connection), framing, closes };
        body.release_at_end();
        body
    }

    fn release_at_end(&mut self) {
        if self.framing.is_at_end()
            && let Some(connection) = self.connection.take()
            && !self.closes
        {
            connection.release();
        }
    }

    /// The next bytes; `None` at the end.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
            let taken = self.framing.take(&mut connection.buffer);
            let bytes = taken.map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?;
            self.release_at_end();
            if !bytes.is_empty() {
                return Poll::Ready(Ok(Some(bytes)));
            }
            let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
            // An upstream may respond before it has read all of the request. One that reads no more of it can still
            // respond to the end.
            if !connection.is_written() && connection.write(cx).is_err() {
                self.closes = true;
            }
            if ready!(connection.poll_read(cx))? > 0 {
                continue;
            }
            self.connection = None;
            let whole = mem::replace(&mut self.framing, Framing::EMPTY) == Framing::UntilClose;
            return if whole {
                Poll::Ready(Ok(None))
            } else {
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            };
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = ready!(self.poll_bytes(cx));
        if polled.is_err() {
            self.connection = None;
        }
        Poll::Ready(polled.map(|bytes| bytes.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.framing.is_at_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.framing.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
