//! The byte stream of a connection. It tracks the progress of a request, so that a request is sent again only where that
//! is safe, and it counts informational responses, which hyper reads without end.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Number of informational heads (1xx) at which a response fails. Servers send one or two.
pub(crate) const MAX_INFORMATIONAL: u8 = 100;

/// Bytes of the request were written.
const WRITTEN: u8 = 1;
/// Bytes were read since the request began.
const READ: u8 = 2;
/// The connection is reused and was not checked since.
const UNCHECKED: u8 = 4;

/// Progress of the request that a connection carries. Only the connection's task and its owner, which are on the same
/// worker, change it.
#[derive(Debug, Default)]
pub(crate) struct History(AtomicU8);

/// Progress of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not a byte of it was written.
    Unsent,
    /// It was written at least in part, and not a byte came back.
    Written,
    /// Bytes came back.
    Read,
}

impl History {
    /// A request begins.
    pub(crate) fn begin(&self, is_reused: bool) {
        self.0.store(if is_reused { UNCHECKED } else { 0 }, Ordering::Relaxed);
    }

    /// Progress of the request. Bytes that came before it was written are no response to it.
    pub(crate) fn progress(&self) -> Progress {
        match (self.has(WRITTEN), self.has(READ)) {
            (false, _) => Progress::Unsent,
            (true, false) => Progress::Written,
            (true, true) => Progress::Read,
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.0.load(Ordering::Relaxed) & flag != 0
    }

    fn add(&self, flag: u8) {
        self.0.store(self.0.load(Ordering::Relaxed) | flag, Ordering::Relaxed);
    }

    /// Removes a flag; returns true if it was set.
    fn take(&self, flag: u8) -> bool {
        let state = self.0.load(Ordering::Relaxed);
        self.0.store(state & !flag, Ordering::Relaxed);
        state & flag != 0
    }
}

/// TCP, with or without TLS.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct UpstreamStream {
    transport: Transport,
    history: Arc<History>,
    heads: Heads,
}

impl UpstreamStream {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, history: Arc::default(), heads: Heads::default() }
    }

    pub(crate) fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// Looks at a reused connection just before a request is written to it. A close that is already here is none that
    /// crosses the request, and bytes that are already here are no response to it.
    fn check(&self) -> io::Result<()> {
        if !self.history.take(UNCHECKED) {
            return Ok(());
        }
        match SockRef::from(self.transport.socket()).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(1..)) = written {
            self.history.add(WRITTEN);
        }
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        })?;
        let read = &buffer.filled()[before..];
        if read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !self.history.has(READ) {
            self.history.add(READ);
            self.heads = Heads::default();
        }
        Poll::Ready(self.heads.read(read).map_err(io::Error::other))
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, parts),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        };
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(socket) => socket.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// [`MAX_INFORMATIONAL`] informational responses came.
#[derive(Debug, thiserror::Error)]
#[error("too many informational responses")]
pub(crate) struct Flood;

/// Counts the informational heads before a response. An ordinary response costs a look at one byte.
#[derive(Debug, Default)]
struct Heads {
    informational: u8,
    at: At,
}

/// Place inside the heads.
#[derive(Debug)]
enum At {
    /// So many bytes into a status line.
    StatusLine(u8),
    /// Inside an informational head; `blank` while the line is empty so far.
    Informational { blank: bool },
    /// In a response whose status is no informational one.
    Response,
}

impl Default for At {
    fn default() -> Self {
        Self::StatusLine(0)
    }
}

impl Heads {
    /// Index of the status in `HTTP/1.1 200`.
    const STATUS: u8 = 9;

    fn read(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        for byte in bytes {
            self.at = match (&self.at, byte) {
                (At::Response, _) => return Ok(()),
                // hyper skips empty lines before a status line.
                (At::StatusLine(0), b'\r' | b'\n') | (At::Informational { blank: true }, b'\n') => {
                    At::StatusLine(0)
                }
                (At::StatusLine(Self::STATUS), b'1') => {
                    self.informational += 1;
                    if self.informational == MAX_INFORMATIONAL {
                        return Err(Flood);
                    }
                    At::Informational { blank: false }
                }
                (At::StatusLine(Self::STATUS), _) => At::Response,
                (At::StatusLine(index), _) => At::StatusLine(index + 1),
                (At::Informational { .. }, b'\n') => At::Informational { blank: true },
                (At::Informational { blank }, b'\r') => At::Informational { blank: *blank },
                (At::Informational { .. }, _) => At::Informational { blank: false },
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(heads: &[&str]) -> (u8, bool) {
        let mut counted = Heads::default();
        let flooded = heads.iter().any(|head| counted.read(head.as_bytes()).is_err());
        (counted.informational, flooded)
    }

    #[test]
    fn bytes_before_a_request_are_no_response_to_it() {
        let history = History::default();
        history.begin(true);
        history.add(READ);
        assert_eq!(history.progress(), Progress::Unsent);
        history.add(WRITTEN);
        assert_eq!(history.progress(), Progress::Read);
        history.begin(true);
        history.add(WRITTEN);
        assert_eq!(history.progress(), Progress::Written);
    }

    #[test]
    fn informational_heads_are_counted_however_they_are_cut() {
        assert_eq!(after(&["HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"]), (0, false));
        assert_eq!(after(&["HTTP/1.1 103 Hints\r\nx: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"]), (1, false));
        assert_eq!(
            after(&["HTTP/1.1 100 A\n\nHTTP/1.1 100 B\n\r\n\r\n\nHTTP/1.0 102 C\r\n\r\n"]),
            (3, false)
        );
        // A status line inside a header is none.
        assert_eq!(after(&["HTTP/1.1 100 A\r\nx: HTTP/1.1 100\r\nHTTP/1.1 100: y\r\n\r\n"]), (1, false));
        let flood = "HTTP/1.1 103 Hints\r\nx: 1\r\n\r\n".repeat(100);
        assert_eq!(after(&[&flood]), (100, true));
        let letters: Vec<String> = flood.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(after(&letters), (100, true));
        assert_eq!(after(&letters[..99 * 28 + 9]), (99, false));
    }
}
