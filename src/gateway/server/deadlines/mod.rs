//! A client's socket with its own deadlines (first byte, header, idle, write; hyper has one timer for header and idle,
//! and none for writes), which notices a client that disconnects whatever it has sent before.

pub(crate) mod lazy_timer;

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use self::lazy_timer::LazyTimer;
use crate::config::ServerTimeouts;
use crate::gateway::state::connection_state::{ConnectionState, Order, RequestBody, Stage};

/// Longest wait for a request on a connection of a gateway that drains: long enough for a load balancer to send one and
/// learn from its response that the connection closes, or to see that new connections are refused.
const DRAINING_WAIT: Duration = Duration::from_secs(5);
/// Time for what a closing connection has sent already to be read and refused.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// Longest time that a client may go on sending after a refusal before it has read it.
const LINGER: Duration = Duration::from_secs(5);
/// Most bytes that are read and dropped in that time.
const LINGER_BYTES: usize = 256 << 20;
/// Most bytes that are read ahead of hyper while a request is served, such as the next pipelined request.
const AHEAD: usize = 16 << 10;

/// Size up to which the parts of a write are joined: to copy 1 KB takes 20 ns, to write two parts of it instead of one
/// 200 ns more.
const JOINED: usize = 2 << 10;

thread_local! {
    /// Small parts of a write, one behind the other. One buffer for all connections of a worker stays in the processor's
    /// cache.
    static JOINED_PARTS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// See the module. A missed deadline is an [`io::ErrorKind::TimedOut`], which closes the connection.
#[derive(Debug)]
pub(crate) struct DeadlineStream {
    socket: TcpStream,
    timeouts: ServerTimeouts,
    state: Arc<ConnectionState>,
    read_timer: LazyTimer,
    /// Time by which bytes must come in a stage, by an order; `None` where they may take any time.
    read_by: Option<(Stage, Order, Instant)>,
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Bytes that hyper has not read yet.
    ahead: BytesMut,
    /// Hyper has an empty buffer and waits for bytes, so it sees the end of the connection.
    hyper_reads: bool,
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    timer: Pin<Box<Sleep>>,
    remaining: usize,
}

impl DeadlineStream {
    pub(crate) fn new(socket: TcpStream, timeouts: ServerTimeouts, state: Arc<ConnectionState>) -> Self {
        Self {
            socket,
            timeouts,
            read_by: None,
            state,
            read_timer: LazyTimer::default(),
            write_timer: None,
            ahead: BytesMut::new(),
            hyper_reads: false,
            linger: None,
        }
    }

    /// Bytes arrived: a connection that waited for a request now waits for the rest of its head.
    fn received(&mut self) {
        if matches!(self.state.stage(), Stage::FirstByte | Stage::Idle) {
            self.state.set(Stage::Head);
        }
    }

    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let (stage, order) = (self.state.stage(), self.state.order());
        let limit = match stage {
            Stage::FirstByte => self.timeouts.first_byte,
            Stage::Head => self.timeouts.header,
            Stage::Idle => self.timeouts.idle,
            Stage::Request | Stage::Sending | Stage::Lingering => {
                self.read_by = None;
                return Poll::Pending;
            }
        };
        let limit = match order {
            Order::Serve => limit,
            Order::Drain => limit.min(DRAINING_WAIT),
            Order::Close => limit.min(LAST_LOOK),
        };
        let at = match self.read_by {
            Some((same_stage, same_order, at)) if (same_stage, same_order) == (stage, order) => at,
            // An order never gives a connection more time.
            Some((same_stage, _, at)) if same_stage == stage => at.min(Instant::now() + limit),
            _ => Instant::now() + limit,
        };
        self.read_by = Some((stage, order, at));
        self.read_timer.poll_at(at, cx).map(|()| timed_out(limit))
    }

    /// Bounds the time without progress of a write.
    fn bound_write(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.state.write_blocked(progress.is_pending());
        if progress.is_ready() {
            self.write_timer = None;
            return progress;
        }
        self.notice_disconnect(cx)?;
        let limit = self.timeouts.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).map(|()| Err(timed_out(limit)))
    }

    /// Reads ahead where hyper does not read: while a request is served, it does not as long as its buffer holds bytes
    /// that follow the request, and would not see the client disconnect behind them. Of a client that sends more than
    /// is kept, the rest is dropped and the connection closes after the response.
    fn notice_disconnect(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let serves = matches!(self.state.stage(), Stage::Request | Stage::Sending);
        if self.hyper_reads || !serves || self.state.body() == RequestBody::Awaited {
            return Ok(());
        }
        let mut bytes = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            let Poll::Ready(read) = Pin::new(&mut self.socket).poll_read(cx, &mut buffer) else {
                return Ok(());
            };
            read?;
            if buffer.filled().is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client disconnected"));
            }
            if self.ahead.len() + buffer.filled().len() > AHEAD {
                self.state.overrun();
                self.ahead = BytesMut::new();
            }
            if !self.state.is_overrun() {
                self.ahead.extend_from_slice(buffer.filled());
            }
        }
    }

    /// The last byte of a response was accepted by the kernel: the connection waits for the next request, or for the
    /// rest of one of which hyper has the beginning.
    fn sent(&mut self) {
        self.state.sent();
        self.read_by = None;
        let waits = self.hyper_reads && self.ahead.is_empty();
        self.state.set(if waits { Stage::Idle } else { Stage::Head });
    }

    /// Reads and drops what the client still sends; ready when it has closed too or is given up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 16 << 10];
        loop {
            if self.state.is_evicted() || self.state.order() == Order::Close {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut self.socket).poll_read(cx, &mut buffer);
            let count = buffer.filled().len();
            let more = count > 0 || self.state.body() == RequestBody::Dropped;
            if self.linger.is_none() && more {
                self.linger = Some(Linger { timer: Box::pin(sleep(LINGER)), remaining: LINGER_BYTES });
            }
            let Some(linger) = &mut self.linger else { return Poll::Ready(()) };
            if linger.timer.as_mut().poll(cx).is_ready() || count > linger.remaining {
                return Poll::Ready(());
            }
            linger.remaining -= count;
            match read {
                Poll::Ready(Ok(())) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn timed_out(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nothing from the client within {limit:?}"))
}

impl AsyncRead for DeadlineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ahead.is_empty() && this.state.is_overrun() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = if this.ahead.is_empty() {
            Pin::new(&mut this.socket).poll_read(cx, buffer)
        } else {
            let count = this.ahead.len().min(buffer.remaining());
            buffer.put_slice(&this.ahead[..count]);
            this.ahead.advance(count);
            Poll::Ready(Ok(()))
        };
        this.hyper_reads = read.is_pending();
        if read.is_pending() {
            return this.poll_read_deadline(cx).map(Err);
        }
        if buffer.filled().len() > before {
            this.received();
        }
        read
    }
}

impl AsyncWrite for DeadlineStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.bound_write(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if size > JOINED {
            let progress = Pin::new(&mut this.socket).poll_write_vectored(cx, parts);
            return this.bound_write(cx, progress);
        }
        let mut joined = JOINED_PARTS.take();
        joined.clear();
        for part in parts {
            joined.extend_from_slice(part);
        }
        let progress = Pin::new(&mut this.socket).poll_write(cx, &joined);
        JOINED_PARTS.set(joined);
        this.bound_write(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// Called by hyper when it has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state.stage() == Stage::Sending {
            this.sent();
        }
        match this.state.stage() {
            Stage::Request => this.notice_disconnect(cx)?,
            // With its response out, hyper does not read again before bytes arrive: the timer of the wait is set here.
            Stage::Idle | Stage::Head => {
                if let Poll::Ready(error) = this.poll_read_deadline(cx) {
                    return Poll::Ready(Err(error));
                }
            }
            Stage::FirstByte | Stage::Sending | Stage::Lingering => {}
        }
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    /// Closes our side. Where the client has not sent all of its request, it may be in the middle of it and not have
    /// read our response yet, which a socket closed with unread bytes in it would take back by a reset: then what still
    /// comes is read and dropped, for a bounded time, until the client closes too.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state.stage() != Stage::Lingering {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            this.state.set(Stage::Lingering);
        }
        this.poll_linger(cx).map(Ok)
    }
}
