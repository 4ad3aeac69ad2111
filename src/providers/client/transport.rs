//! The byte stream of a connection: TCP, with or without TLS.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// See the module.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Reads what has arrived into the room of a buffer; 0 is the end of the stream.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => pin!(socket.read_buf(buffer)).poll(cx),
            Self::Tls(stream) => pin!(stream.read_buf(buffer)).poll(cx),
        }
    }

    /// Writes as much of these parts as is taken now.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match (self, parts) {
            (Self::Plain(socket), [part]) => Pin::new(socket).poll_write(cx, part),
            (Self::Plain(socket), parts) => Pin::new(socket).poll_write_vectored(cx, parts),
            (Self::Tls(stream), parts) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    /// Writes what TLS has encrypted but not written.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Returns true if the stream is open and nothing is there to be read. The kernel is asked: what the event loop
    /// knows is as old as its last turn.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        };
        let peeked = SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]);
        match (peeked, self) {
            (Err(error), _) => error.kind() == io::ErrorKind::WouldBlock,
            (Ok(_), Self::Plain(_)) => false,
            // Records of TLS itself, such as session tickets, are no data.
            (Ok(_), Self::Tls(stream)) => {
                let mut bytes = [0; 1];
                let read = tokio::io::AsyncRead::poll_read(
                    Pin::new(stream),
                    &mut Context::from_waker(Waker::noop()),
                    &mut ReadBuf::new(&mut bytes),
                );
                read.is_pending()
            }
        }
    }
}
