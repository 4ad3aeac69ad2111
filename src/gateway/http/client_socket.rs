//! A client's socket with what was read of it and not taken: shared by the connection's task and the body of its
//! request, which are polled in turn.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::TcpStream;

use crate::http1::Malformed;
use crate::http1::framing::Framing;

/// Least and most room of the buffer. A body that fits is taken out of it without a copy; a larger one is read into a place of
/// its own, but for its beginning.
const ROOM: [usize; 2] = [8 << 10, 32 << 10];
/// Room for a head beside the body.
const HEAD_ROOM: usize = 2 << 10;
/// Most bytes that are read ahead while a request is served, such as the next pipelined request.
const AHEAD: usize = 16 << 10;
/// Most bytes of a body that are read at once: what reads them finds them in the processor's cache.
const MOST_AT_ONCE: usize = 128 << 10;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// See the module.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    socket: TcpStream,
    /// Bytes that were read and not taken.
    pub(crate) buffer: BytesMut,
    /// Room for the next request, by the size of the last one: clients send the like again.
    room: usize,
    /// Place in the body of the current request.
    framing: Framing,
    /// What is left of a 100 response that is to be written before more of the body is read.
    to_continue: &'static [u8],
    /// The client disconnected inside its body.
    is_closed: bool,
}

/// Shared, see the module.
pub(crate) type SharedSocket = Arc<Mutex<ClientSocket>>;

/// Reason that a body comes to no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Its chunks are none.
    Malformed,
    /// The client disconnected before.
    Disconnected,
}

impl From<Malformed> for BodyError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The room for a request with a body like this.
fn room(framing: Framing) -> usize {
    let [least, most] = ROOM;
    match framing.remaining().map(usize::try_from) {
        Some(Ok(length)) if length <= most - HEAD_ROOM => least.max(length + HEAD_ROOM),
        Some(_) => least,
        None => most,
    }
}

impl ClientSocket {
    pub(crate) fn new(socket: TcpStream) -> SharedSocket {
        Arc::new(Mutex::new(Self {
            socket,
            buffer: BytesMut::new(),
            room: ROOM[0],
            framing: Framing::EMPTY,
            to_continue: &[],
            is_closed: false,
        }))
    }

    /// A request's head was taken; its body is next.
    pub(crate) fn begin_body(&mut self, framing: Framing, awaits_continue: bool) {
        self.framing = framing;
        self.room = room(framing);
        self.to_continue = if awaits_continue { CONTINUE } else { &[] };
    }

    /// The response is sent: a buffer that was large for its request is not kept.
    pub(crate) fn rest(&mut self) {
        // Its capacity is what is left of it behind the last head.
        if self.buffer.is_empty() && self.buffer.try_reclaim(2 * self.room + 1) {
            self.buffer = BytesMut::new();
        }
    }

    /// Place in the body of the current request.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns true if the client gets no response: it disconnected, or was sent a part of a 100 response.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_closed || (1..CONTINUE.len()).contains(&self.to_continue.len())
    }

    /// Reads what has arrived into the buffer; 0 is the end of the connection.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // An empty buffer is used again from its start: each request touches the same few cache lines.
        if self.buffer.is_empty() || self.buffer.capacity() - self.buffer.len() < self.room / 2 {
            self.buffer.reserve(self.room);
        }
        pin!(self.socket.read_buf(&mut self.buffer)).poll(cx)
    }

    /// Reads ahead until nothing more has arrived. Returns true if more came than is kept: it was dropped.
    ///
    /// # Errors
    /// When the client disconnected.
    pub(crate) fn read_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut overrun = false;
        // Asked first: the buffer may be shared with a request, and would be made anew for nothing.
        while let Poll::Ready(ready) = self.socket.poll_read_ready(cx) {
            ready?;
            let Poll::Ready(count) = self.poll_read(cx)? else { break };
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client disconnected"));
            }
            if overrun || self.buffer.len() > AHEAD {
                overrun = true;
                self.buffer.clear();
            }
        }
        Ok(overrun)
    }

    /// The next bytes of the body, `None` at its end.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            let bytes = self.framing.take(&mut self.buffer)?;
            if !bytes.is_empty() {
                return Poll::Ready(Ok(Some(bytes)));
            }
            if self.framing.is_at_end() {
                return Poll::Ready(Ok(None));
            }
            ready!(self.poll_continue(cx));
            let read = ready!(self.poll_read(cx));
            self.arrived(read.ok())?;
        }
    }

    /// Reads more of the body to the end of `into`; 0 at the end of the body. Bytes that the buffer does not have yet are
    /// read where they belong, at most `most` of them, which must be one or more.
    pub(crate) fn poll_body_into(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<usize, BodyError>> {
        let remaining = match self.framing {
            Framing::Length(remaining @ 1..) if self.buffer.is_empty() => remaining,
            _ => {
                let bytes = ready!(self.poll_body(cx))?.unwrap_or_default();
                into.extend_from_slice(&bytes);
                return Poll::Ready(Ok(bytes.len()));
            }
        };
        ready!(self.poll_continue(cx));
        let most = most.min(MOST_AT_ONCE).min(usize::try_from(remaining).unwrap_or(usize::MAX));
        let read = ready!(pin!(self.socket.read_buf(&mut into.limit(most))).poll(cx));
        let count = self.arrived(read.ok())?;
        self.framing.took(count);
        Poll::Ready(Ok(count))
    }

    /// The bytes that were read, unless it was the end of the connection.
    fn arrived(&mut self, count: Option<usize>) -> Result<usize, BodyError> {
        match count {
            Some(count @ 1..) => Ok(count),
            _ => {
                self.is_closed = true;
                Err(BodyError::Disconnected)
            }
        }
    }

    /// Writes what is left of a 100 response.
    fn poll_continue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.to_continue.is_empty() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, self.to_continue));
            // An error is met by the read that follows.
            let count = written.unwrap_or(self.to_continue.len());
            self.to_continue = &self.to_continue[count..];
        }
        Poll::Ready(())
    }

    /// Writes as much of these parts as is taken now.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match parts {
            [part] => Pin::new(&mut self.socket).poll_write(cx, part),
            parts => Pin::new(&mut self.socket).poll_write_vectored(cx, parts),
        }
    }

    /// Closes our side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
