//! A connection to an upstream that remembers what went over it: a request may be sent again without a word when its
//! connection had served before and turned out closed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Something was read, at any time.
const SERVED: u8 = 1;
/// Something was read since the last write.
const ANSWERED: u8 = 2;

/// What went over a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct History(Arc<AtomicU8>);

impl History {
    /// Whether it has answered an earlier request and nothing since it was last written to.
    pub(super) fn is_stale(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SERVED
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watched<C> {
    connection: TokioIo<C>,
    history: History,
}

impl<C> Watched<C> {
    pub(super) fn new(connection: C) -> TokioIo<Self> {
        TokioIo::new(Self { connection: TokioIo::new(connection), history: History::default() })
    }

    /// No answer has come to what is written now.
    fn writes(&mut self) -> Pin<&mut TokioIo<C>>
    where
        C: Unpin,
    {
        // Only the task of this connection changes it.
        let history = self.history.0.load(Ordering::Relaxed);
        self.history.0.store(history & SERVED, Ordering::Relaxed);
        Pin::new(&mut self.connection)
    }
}

impl<C: Connection> Connection for Watched<C> {
    fn connected(&self) -> Connected {
        let is_proxied = self.connection.inner().connected().is_proxied();
        Connected::new().proxy(is_proxied).extra(self.history.clone())
    }
}

impl<C: Read + Unpin> AsyncRead for Watched<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.connection).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.history.0.store(SERVED | ANSWERED, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}

impl<C: Write + Unpin> AsyncWrite for Watched<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
