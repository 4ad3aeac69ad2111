//! One client connection from its accept to its close: HTTP/1.1, a request after the other.

mod deadlines;
mod lazy_timer;
pub(crate) mod request_head;
mod response_head;
mod sending;
mod unread_body;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use self::deadlines::Deadlines;
use self::lazy_timer::LazyTimer;
use self::request_head::{HeadError, HeadReader, RequestHead};
use self::response_head::{BodyEnd, Exchange};
use self::sending::{Progress, Sending};
use super::listener;
use crate::gateway::handlers::client_body::ClientBody;
use crate::gateway::handlers::routes::UNMATCHED;
use crate::gateway::handlers::serve;
use crate::gateway::http::client_socket::{ClientSocket, SharedSocket};
use crate::gateway::response::recorded_body::{RecordedBody, ResponseBody};
use crate::gateway::state::connection_state::{ConnectionState, Order, RequestBody, Stage};
use crate::gateway::state::connections::Registered;
use crate::gateway::state::lifecycle::Connected;
use crate::gateway::state::listener_state::{ActiveWorker, ListenerState};
use crate::metrics::{HttpMethod, HttpOutcome};
use crate::panics;

/// Longest time that a client may go on sending after a refusal before it has read it.
const LINGER: Duration = Duration::from_secs(5);
/// Most bytes that are read and dropped in that time.
const LINGER_BYTES: usize = 256 << 20;

/// Serves a connection to its end.
pub(crate) async fn serve(
    socket: TcpStream,
    listener_state: Arc<ListenerState>,
    within_cap: bool,
    (registered, _counted): (Registered, Connected),
) {
    let active = listener_state.active_worker();
    let timeouts = active.worker.app.config.server.timeouts;
    listener::accepted(&socket, timeouts.write);
    let connection = Connection {
        socket: ClientSocket::new(socket),
        state: Arc::clone(&registered.state),
        deadlines: Deadlines::new(timeouts),
        listener_state: &listener_state,
        active,
        within_cap,
    };
    until_end(pin!(connection.run()), &registered.state).await;
}

/// Runs a connection to its end, or until it is closed to make room for others.
async fn until_end(mut connection: Pin<&mut impl Future<Output = ()>>, state: &ConnectionState) {
    let mut order = state.order();
    let mut timer = LazyTimer::default();
    poll_fn(move |cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            state.register(cx.waker());
            // It was polled before: what had arrived is a request by now, and is served.
            if state.is_evicted() && state.stage() != Stage::Lingering {
                return Poll::Ready(());
            }
            // The deadlines follow the order when the connection is polled.
            let before = std::mem::replace(&mut order, state.order());
            if before == order && poll_wake(&mut timer, cx, state).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// Ready at the time at which the state wants the task woken.
fn poll_wake(timer: &mut LazyTimer, cx: &mut Context<'_>, state: &ConnectionState) -> Poll<()> {
    let Some(at) = state.next_wake() else { return Poll::Pending };
    ready!(timer.poll_at(at, cx));
    state.woken();
    Poll::Ready(())
}

/// Reason that a connection ends without a further word: the client disconnected, or missed a deadline.
struct Lost;

impl From<io::Error> for Lost {
    fn from(_: io::Error) -> Self {
        Self
    }
}

struct Connection<'a> {
    socket: SharedSocket,
    state: Arc<ConnectionState>,
    deadlines: Deadlines,
    listener_state: &'a ListenerState,
    active: Arc<ActiveWorker>,
    within_cap: bool,
}

impl Connection<'_> {
    async fn run(mut self) {
        if self.serve_requests().await.is_ok() {
            self.close().await;
        }
    }

    /// Serves requests until the last response is sent.
    async fn serve_requests(&mut self) -> Result<(), Lost> {
        let mut heads = HeadReader::default();
        loop {
            let (response, exchange) = match poll_fn(|cx| self.poll_head(&mut heads, cx)).await? {
                Ok(head) => self.respond(head).await?,
                Err(error) => self.refuse(error),
            };
            self.send(response, exchange).await?;
            if !exchange.is_kept || self.state.is_overrun() {
                return Ok(());
            }
            self.socket.lock().rest();
            self.state.set(Stage::Idle);
        }
    }

    /// Waits for the head of the next request.
    fn poll_head(
        &mut self,
        heads: &mut HeadReader,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<RequestHead, HeadError>, Lost>> {
        let mut socket = self.socket.lock();
        loop {
            if let Some(head) = heads.take(&mut socket.buffer).transpose() {
                if let Ok(head) = &head {
                    socket.begin_body(head.framing, head.awaits_continue);
                }
                self.deadlines.served();
                return Poll::Ready(Ok(head));
            }
            // A connection that waited for a request now waits for the rest of its head; empty lines are no part of one.
            if !socket.buffer.is_empty() {
                self.state.set(Stage::Head);
            }
            let Poll::Ready(read) = socket.poll_read(cx) else {
                return self.deadlines.poll_read(cx, &self.state).map(|()| Err(Lost));
            };
            if read? == 0 {
                return Poll::Ready(Err(Lost));
            }
        }
    }

    /// Serves one request.
    async fn respond(&mut self, head: RequestHead) -> Result<(Response<RecordedBody>, Exchange), Lost> {
        let RequestHead { parts, framing, is_plain, is_kept, awaits_continue } = head;
        panics::point("connection", parts.uri.path().as_bytes());
        self.listener_state.follow(&mut self.active);
        let lifecycle = &self.listener_state.lifecycle;
        let beyond_cap = !self.within_cap && lifecycle.connections() > self.listener_state.cap();
        let mut exchange = Exchange::new(parts.version, &parts.method);
        let body = ClientBody::new(&self.socket, framing, &self.state);
        let request = Request::from_parts(parts, body);
        let mut serving = pin!(serve::serve(&self.active, request, (is_plain, beyond_cap)));
        let response = poll_fn(|cx| self.poll_unless_lost(serving.as_mut(), cx)).await?;
        let is_cleared = unread_body::is_cleared(&self.socket, &self.state, awaits_continue).await;
        if self.socket.lock().is_lost() {
            return Err(Lost);
        }
        // Checked only now: the response may be the first to say that the gateway is draining. A client that is not
        // notified of the end of its connection sends its next request into the void.
        let ends_by_close = exchange.body_end(response.status(), response.body().size()) == BodyEnd::Close;
        let may_keep = is_kept && is_cleared && !ends_by_close;
        exchange.is_kept = may_keep && !beyond_cap && is_plain && !self.state.is_ending();
        Ok((response, exchange))
    }

    /// The response to a head that is none: a status, no body.
    fn refuse(&self, error: HeadError) -> (Response<RecordedBody>, Exchange) {
        let status = error.status();
        if let Some(metrics) = &self.listener_state.metrics {
            metrics.count_request(UNMATCHED, HttpMethod::Other, status.as_u16(), HttpOutcome::Ok);
        }
        self.state.begin_request(false);
        // The client may still be sending: the rest of the head, or a body behind it.
        self.state.set_body(RequestBody::Dropped);
        let mut response = Response::new(RecordedBody::new(ResponseBody::Full(Bytes::new()), None));
        *response.status_mut() = status;
        (response, Exchange { version: Version::HTTP_11, to_head: false, is_kept: false })
    }

    /// Carries out what a request is served with, unless its client disconnects before.
    fn poll_unless_lost<F: Future>(
        &self,
        serving: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Lost>> {
        if let Poll::Ready(served) = serving.poll(cx) {
            return Poll::Ready(Ok(served));
        }
        self.notice_disconnect(cx)?;
        Poll::Pending
    }

    /// Reads ahead while a request is served, to see its client disconnect whatever it has sent before. Of a client that
    /// sends more than is kept, the rest is dropped and the connection closes after the response.
    fn notice_disconnect(&self, cx: &mut Context<'_>) -> Result<(), Lost> {
        if self.state.body() != RequestBody::Awaited && self.socket.lock().read_ahead(cx)? {
            self.state.overrun();
        }
        Ok(())
    }

    /// Writes a response until the kernel has accepted its last byte.
    async fn send(&mut self, response: Response<RecordedBody>, exchange: Exchange) -> Result<(), Lost> {
        let mut sending = Sending::new(response, exchange);
        poll_fn(|cx| self.poll_send(&mut sending, cx)).await?;
        sending.sent();
        Ok(())
    }

    fn poll_send(&mut self, sending: &mut Sending, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        loop {
            let progress = sending.gather(cx);
            while !sending.is_written() {
                ready!(self.poll_write(sending, cx))?;
            }
            match progress {
                Progress::Some => {}
                Progress::Ended => return Poll::Ready(Ok(())),
                Progress::Broken => return Poll::Ready(Err(Lost)),
                Progress::Waits => {
                    self.notice_disconnect(cx)?;
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write(&mut self, sending: &mut Sending, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let progress = sending.write(|parts| self.socket.lock().poll_write(cx, parts));
        self.state.write_blocked(progress.is_pending());
        if progress.is_pending() {
            self.notice_disconnect(cx)?;
        }
        self.deadlines.bound_write(cx, progress).map_err(Lost::from)
    }

    /// Closes our side. Where the client has not sent all of its request, it may be in the middle of it and not have
    /// read our response yet, which a socket closed with unread bytes in it would take back by a reset: then what still
    /// comes is read and dropped, for a bounded time, until the client closes too.
    async fn close(&mut self) {
        if poll_fn(|cx| self.socket.lock().poll_shutdown(cx)).await.is_err() {
            return;
        }
        self.state.set(Stage::Lingering);
        let (mut timer, mut remaining) = (None, LINGER_BYTES);
        poll_fn(|cx| self.poll_linger(&mut timer, &mut remaining, cx)).await;
    }

    /// Reads and drops what the client still sends; ready when it has closed too or is given up.
    fn poll_linger(
        &self,
        timer: &mut Option<Pin<Box<Sleep>>>,
        remaining: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut socket = self.socket.lock();
        loop {
            if self.state.is_evicted() || self.state.order() == Order::Close {
                return Poll::Ready(());
            }
            socket.buffer.clear();
            let read = socket.poll_read(cx);
            let count = socket.buffer.len();
            if count > 0 || self.state.body() == RequestBody::Dropped || self.state.is_overrun() {
                timer.get_or_insert_with(|| Box::pin(sleep(LINGER)));
            }
            let Some(timer) = timer else { return Poll::Ready(()) };
            if timer.as_mut().poll(cx).is_ready() || count > *remaining {
                return Poll::Ready(());
            }
            *remaining -= count;
            match read {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
