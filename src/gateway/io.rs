//! A caller's socket with its own deadlines: first byte, header, idle, write. (hyper has one timer for header and idle,
//! and none for writes.)

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::lifecycle::Active;
use crate::config::ServerTimeouts;

/// Longest time that a caller may take to close after us.
const LINGER: Duration = Duration::from_secs(1);

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// The first byte after the accept.
    FirstByte,
    /// The rest of a head.
    Head,
    /// Us: a request is being served.
    Request,
    /// The next request.
    Idle,
}

/// The stage, as the socket and the service share it. A connection with a request is counted as active.
#[derive(Debug, Clone)]
pub(super) struct SharedStage(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    stage: AtomicU8,
    active: Arc<Active>,
}

impl SharedStage {
    pub(super) fn new(active: Arc<Active>) -> Self {
        Self(Arc::new(Counted { stage: AtomicU8::new(Stage::FirstByte as u8), active }))
    }

    pub(super) fn set(&self, stage: Stage) {
        const REQUEST: u8 = Stage::Request as u8;
        match (self.0.stage.swap(stage as u8, Ordering::Relaxed), stage as u8) {
            (REQUEST, REQUEST) => {}
            (_, REQUEST) => self.0.active.begin(),
            (REQUEST, _) => self.0.active.end(),
            _ => {}
        }
    }

    pub(super) fn get(&self) -> Stage {
        match self.0.stage.load(Ordering::Relaxed) {
            0 => Stage::FirstByte,
            1 => Stage::Head,
            2 => Stage::Request,
            _ => Stage::Idle,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if *self.stage.get_mut() == Stage::Request as u8 {
            self.active.end();
        }
    }
}

/// See the module. A missed deadline is an [`io::ErrorKind::TimedOut`], which closes the connection.
#[derive(Debug)]
pub(super) struct DeadlineStream {
    socket: TcpStream,
    timeouts: ServerTimeouts,
    stage: SharedStage,
    read_timer: Pin<Box<Sleep>>,
    /// The stage that `read_timer` is set for.
    reading_in: Option<Stage>,
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while our side is closed and the caller still sends.
    linger: Option<Pin<Box<Sleep>>>,
}

impl DeadlineStream {
    pub(super) fn new(socket: TcpStream, timeouts: ServerTimeouts, stage: SharedStage) -> Self {
        let read_timer = Box::pin(sleep(timeouts.first_byte));
        Self {
            socket,
            timeouts,
            stage,
            read_timer,
            reading_in: Some(Stage::FirstByte),
            write_timer: None,
            linger: None,
        }
    }

    /// Bytes arrived: a connection that waited for a request now waits for the rest of its head.
    fn received(&mut self) {
        if matches!(self.stage.get(), Stage::FirstByte | Stage::Idle) {
            self.stage.set(Stage::Head);
            self.reading_in = None;
        }
    }

    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let stage = self.stage.get();
        let limit = match stage {
            Stage::FirstByte => self.timeouts.first_byte,
            Stage::Head => self.timeouts.header,
            Stage::Idle => self.timeouts.idle,
            Stage::Request => {
                self.reading_in = None;
                return Poll::Pending;
            }
        };
        if self.reading_in != Some(stage) {
            self.reading_in = Some(stage);
            self.read_timer.as_mut().reset(Instant::now() + limit);
        }
        self.read_timer.as_mut().poll(cx).map(|()| timed_out(limit))
    }

    /// Bounds the time without progress of a write.
    fn bound_write(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if progress.is_ready() {
            self.write_timer = None;
            return progress;
        }
        let limit = self.timeouts.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).map(|()| Err(timed_out(limit)))
    }
}

fn timed_out(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nothing from the caller within {limit:?}"))
}

impl AsyncRead for DeadlineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                if buffer.filled().len() > before {
                    self.received();
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_read_deadline(cx).map(Err),
        }
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
        let progress = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.bound_write(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // With its response out, hyper does not read again before bytes arrive: the timer of the wait is set here.
        if self.stage.get() == Stage::Idle
            && let Poll::Ready(error) = self.poll_read_deadline(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Closes our side. Where the caller has sent more than was read, it may be in the middle of it and not have read
    /// our answer yet, which a socket closed with unread bytes in it would take back by a reset: then what still comes
    /// is read and dropped, until the caller closes too.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        std::task::ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
        let mut unread = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut unread);
            let read = Pin::new(&mut this.socket).poll_read(cx, &mut buffer);
            match (read, &mut this.linger) {
                (Poll::Ready(Ok(())), _) if !buffer.filled().is_empty() => {
                    let timer = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
                    if timer.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                }
                (Poll::Pending, Some(timer)) => return timer.as_mut().poll(cx).map(Ok),
                (Poll::Ready(_), _) | (Poll::Pending, None) => return Poll::Ready(Ok(())),
            }
        }
    }
}
