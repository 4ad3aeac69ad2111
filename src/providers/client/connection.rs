//! One connection to an upstream: a request goes out, its response comes in, and then it is idle again. No task reads or
//! writes it: its owner does, a request or the body of a response.

use std::fmt;
use std::io::{self, Cursor, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::buf::Chain;
use bytes::{Buf as _, BufMut as _, BytesMut};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Response, Uri};

use super::UpstreamError;
use super::http1::request_head::Peer;
use super::http1::response_head::{HeadError, HeadReader, ResponseHead};
use super::pool::Pool;
use super::transport::Transport;
use super::upstream_body::UpstreamBody;
use crate::http1::Malformed;
use crate::providers::request_body::RequestBody;
use crate::providers::upstream_request::UpstreamRequest;

/// Limits of the time after a request in which a close must have crossed it: one round trip, as the TCP handshake
/// measured it, but at least what a close may be seen late on a busy machine (up to 30 ms were measured with all cores
/// taken), and at most what a handshake takes around the world rather than what one with a lost packet takes (1 s).
const CROSSED_WITHIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(300)];

/// Least and most room of a read. Reads that fill it double it, those that fill less than a quarter halve it.
const READ_ROOM: [usize; 2] = [16 << 10, 64 << 10];

/// Size up to which a body is written with the head, as one part: a write of two parts takes 200 ns more.
const JOINED: usize = 2 << 10;

/// Most parts of a request that are written at once: its head, and the parts of its body.
const MAX_SLICES: usize = 6;

/// See the module.
pub struct Connection {
    transport: Transport,
    /// The request, as far as it is not written.
    outgoing: Chain<Cursor<Vec<u8>>, RequestBody>,
    /// Bytes of it are to be written, or held by TLS.
    is_unsent: bool,
    /// Bytes that were read and not taken.
    pub(super) buffer: BytesMut,
    read_room: usize,
    crossed_within: Duration,
    is_reused: bool,
    upstream: (bool, Authority),
    peer: Peer,
    pool: Weak<Pool>,
}

/// Parts of a connection.
pub(crate) struct Opened {
    pub(crate) transport: Transport,
    /// Time that the TCP handshake took.
    pub(crate) handshake: Duration,
    pub(crate) proxy: Option<Option<HeaderValue>>,
}

impl Connection {
    /// HTTP on an open connection.
    pub(crate) fn new(upstream: &Uri, opened: Opened, pool: &Arc<Pool>) -> Result<Box<Self>, String> {
        let is_secure = upstream.scheme() == Some(&Scheme::HTTPS);
        let authority = upstream.authority().ok_or("its address has no host")?.clone();
        let host = host(is_secure, &authority).ok_or("its host is no header value")?;
        let [least, most] = CROSSED_WITHIN;
        Ok(Box::new(Self {
            transport: opened.transport,
            outgoing: Cursor::default().chain(RequestBody::default()),
            is_unsent: false,
            buffer: BytesMut::new(),
            read_room: READ_ROOM[0],
            crossed_within: opened.handshake.clamp(least, most),
            is_reused: false,
            upstream: (is_secure, authority),
            peer: Peer { host, proxy: opened.proxy },
            pool: Arc::downgrade(pool),
        }))
    }

    /// Returns true if an idle connection can take a request: it is open, and no byte came behind its last response.
    pub(crate) fn is_usable(&mut self) -> bool {
        self.transport.is_quiet()
    }

    /// True with TLS, and the authority of the upstream.
    pub(crate) fn upstream(&self) -> (bool, &Authority) {
        (self.upstream.0, &self.upstream.1)
    }

    /// Sends a request and waits for the response's headers. Dropping the future closes the connection.
    ///
    /// # Errors
    /// When no status line arrived.
    #[must_use]
    pub fn send(mut self: Box<Self>, mut request: UpstreamRequest) -> Sending {
        let mut head = mem::take(self.outgoing.first_mut()).into_inner();
        head.clear();
        self.peer.write_head(&request, &mut head);
        if request.body.remaining() <= JOINED {
            head.put(&mut request.body);
        }
        self.outgoing = Cursor::new(head).chain(request.body);
        self.is_unsent = true;
        Sending {
            begun: self.is_reused.then(Instant::now),
            to_head: request.method == Method::HEAD,
            head: HeadReader::default(),
            progress: Progress::Unsent,
            connection: Some(self),
        }
    }

    /// Returns true if all of the request was written.
    pub(super) fn is_written(&self) -> bool {
        !self.is_unsent
    }

    /// Writes what is left of the request; returns true if any of it was written.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut wrote = false;
        while self.outgoing.has_remaining() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.outgoing.chunks_vectored(&mut slices);
            let Poll::Ready(written) = self.transport.poll_write(cx, &slices[..count])? else {
                return Ok(wrote);
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.outgoing.advance(written);
            wrote = true;
        }
        self.is_unsent = self.transport.poll_flush(cx)?.is_pending();
        Ok(wrote)
    }

    /// Reads what has arrived into the buffer; 0 is the end of the connection.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let [least, most] = READ_ROOM;
        // An empty buffer is used again from its start: each response touches the same few cache lines (bench/RESULTS.md,
        // Caches).
        if self.buffer.is_empty() || self.buffer.capacity() - self.buffer.len() < self.read_room / 2 {
            self.buffer.reserve(self.read_room);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let count = ready!(self.transport.poll_read(cx, &mut self.buffer))?;
        if count == room {
            self.read_room = (self.read_room * 2).min(most);
        } else if count < self.read_room / 4 {
            self.read_room = (self.read_room / 2).max(least);
        }
        Poll::Ready(Ok(count))
    }

    /// Returns the connection to its pool after a response.
    pub(super) fn release(mut self: Box<Self>) {
        // Bytes behind a response belong to no request.
        if self.is_written()
            && self.buffer.is_empty()
            && let Some(pool) = self.pool.upgrade()
        {
            self.is_reused = true;
            pool.put(self);
        }
    }
}

/// Without the request, which holds a credential.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

/// The Host header of an upstream: without credentials, and without the port that its scheme implies.
fn host(is_secure: bool, authority: &Authority) -> Option<HeaderValue> {
    let implied = if is_secure { 443 } else { 80 };
    match authority.port_u16() {
        Some(port) if port != implied => HeaderValue::try_from(format!("{}:{port}", authority.host())).ok(),
        _ => HeaderValue::from_str(authority.host()).ok(),
    }
}

/// Progress of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Not a byte of it was written.
    Unsent,
    /// It was written at least in part, and not a byte came back.
    Written,
    /// Bytes came back.
    Read,
}

/// A request on its way, until the headers of its response have arrived.
#[derive(Debug)]
pub struct Sending {
    /// `None` once it has ended.
    connection: Option<Box<Connection>>,
    head: HeadReader,
    /// True for a request whose response has no body: HEAD.
    to_head: bool,
    progress: Progress,
    /// Time at which a reused connection got it.
    begun: Option<Instant>,
}

impl Future for Sending {
    type Output = Result<Response<UpstreamBody>, UpstreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(mut connection) = this.connection.take() else { return Poll::Pending };
        match this.poll_head(&mut connection, cx) {
            Poll::Pending => {
                this.connection = Some(connection);
                Poll::Pending
            }
            Poll::Ready(Ok(ResponseHead { status, headers, framing, closes })) => {
                let mut response = Response::new(UpstreamBody::new(connection, framing, closes));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Poll::Ready(Ok(response))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.explain(error, connection.crossed_within))),
        }
    }
}

/// Reason that a connection gave no head.
enum Failure {
    Io(io::Error),
    Head(HeadError),
}

impl Sending {
    fn poll_head(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, Failure>> {
        let mut write_error = None;
        if !connection.is_written() {
            match connection.write(cx) {
                Ok(true) => self.progress = self.progress.max(Progress::Written),
                Ok(false) => {}
                Err(error) => write_error = Some(error),
            }
        }
        loop {
            match connection.poll_read(cx) {
                Poll::Ready(Ok(0)) => {
                    let error = write_error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                    return Poll::Ready(Err(Failure::Io(error)));
                }
                Poll::Ready(Ok(_)) => self.progress = Progress::Read,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(Failure::Io(write_error.unwrap_or(error))));
                }
                // An upstream may respond, then close, before it has read all of a request.
                Poll::Pending => match write_error {
                    Some(error) => return Poll::Ready(Err(Failure::Io(error))),
                    None => return Poll::Pending,
                },
            }
            if let Some(head) = self.head.take(&mut connection.buffer, self.to_head).map_err(Failure::Head)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// Classifies the failure of a request by its progress.
    fn explain(&self, failure: Failure, crossed_within: Duration) -> UpstreamError {
        let error = match failure {
            Failure::Head(HeadError::Flood) => return UpstreamError::Informational,
            Failure::Head(HeadError::Malformed(malformed)) => return malformed.into(),
            Failure::Io(error) => error,
        };
        match (self.progress, self.begun) {
            (Progress::Unsent, Some(_)) => UpstreamError::Unsent(error),
            (Progress::Unsent, None) => {
                UpstreamError::Connect("the connection was closed before the request was sent".into())
            }
            (Progress::Written, Some(begun)) if begun.elapsed() <= crossed_within => {
                UpstreamError::Crossed(error)
            }
            _ => UpstreamError::Broken(error),
        }
    }
}

impl From<Malformed> for UpstreamError {
    fn from(malformed: Malformed) -> Self {
        Self::Broken(io::Error::new(io::ErrorKind::InvalidData, malformed))
    }
}
