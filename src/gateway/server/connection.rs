//! One client connection from its accept to its close.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::deadlines::DeadlineStream;
use super::deadlines::lazy_timer::LazyTimer;
use super::listener;
use super::unread_body;
use crate::gateway::handlers::client_body::ClientBody;
use crate::gateway::handlers::routes::UNMATCHED;
use crate::gateway::handlers::serve;
use crate::gateway::http::framing;
use crate::gateway::response::recorded_body::RecordedBody;
use crate::gateway::state::connection_state::{ConnectionState, Stage};
use crate::gateway::state::connections::Registered;
use crate::gateway::state::lifecycle::Connected;
use crate::gateway::state::listener_state::{ActiveWorker, ListenerState};
use crate::metrics::{HttpMethod, HttpOutcome};
use crate::panics;

/// Largest request head; hyper responds with 431 above it.
const MAX_HEAD: usize = 64 << 10;

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
    let state = &registered.state;
    let socket = DeadlineStream::new(socket, timeouts, Arc::clone(state));
    let (active, follows) = (RefCell::new(active), &*listener_state);
    let service = service_fn(move |request: Request<Incoming>| {
        panics::point("connection", request.uri().path().as_bytes());
        let mut active = active.borrow_mut();
        follows.follow(&mut active);
        let beyond_cap = !within_cap && follows.lifecycle.connections() > follows.cap();
        let request = request.map(|body| ClientBody::new(body, Arc::clone(state)));
        respond(Arc::clone(&active), request, beyond_cap)
    });
    let connection = std::pin::pin!(
        http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .half_close(false)
            .serve_connection(TokioIo::new(socket), service)
    );
    if let Some(Err(error)) = until_end(connection, state).await {
        note_refused_head(&listener_state, &error);
    }
}

/// Runs a connection to its end; `None` when it was closed to make room for others.
async fn until_end<C: Future>(mut connection: Pin<&mut C>, state: &ConnectionState) -> Option<C::Output> {
    let mut order = state.order();
    let mut timer = LazyTimer::default();
    poll_fn(move |cx| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            state.register(cx.waker());
            // It was polled before: what had arrived is a request by now, and is served.
            if state.is_evicted() && state.stage() != Stage::Lingering {
                return Poll::Ready(None);
            }
            // The deadlines follow the order when the connection is polled.
            let before = std::mem::replace(&mut order, state.order());
            if before == order && poll_wake(&mut timer, cx, state).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Ready at the time at which the state wants the task woken.
fn poll_wake(timer: &mut LazyTimer, cx: &mut Context<'_>, state: &ConnectionState) -> Poll<()> {
    let Some(at) = state.next_wake() else { return Poll::Pending };
    ready!(timer.poll_at(at, cx));
    state.woken();
    Poll::Ready(())
}

/// A head that hyper could not parse gets its response from hyper itself.
fn note_refused_head(listener_state: &ListenerState, error: &hyper::Error) {
    if error.is_parse()
        && let Some(metrics) = &listener_state.metrics
    {
        let status = if error.is_parse_too_large() { 431 } else { 400 };
        metrics.count_request(UNMATCHED, HttpMethod::Other, status, HttpOutcome::Ok);
    }
}

/// Serves one request.
async fn respond(
    active: Arc<ActiveWorker>,
    request: Request<ClientBody>,
    beyond_cap: bool,
) -> Result<Response<StagedBody>, Infallible> {
    let connection = Arc::clone(request.body().connection());
    let awaited = request.headers().contains_key(EXPECT);
    let is_plain = framing::has_plain_body(request.headers());
    let mut response = serve::serve(&active, request, (is_plain, beyond_cap)).await;
    // Checked only now: the response may be the first to say that the gateway is draining. A client that is not notified
    // of the end of its connection sends its next request into the void.
    let is_cleared = unread_body::is_cleared(&connection, awaited).await;
    if !is_cleared || beyond_cap || !is_plain || connection.is_ending() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| StagedBody { body, connection }))
}

/// A response body that notifies the connection when hyper has all of it.
struct StagedBody {
    body: RecordedBody,
    connection: Arc<ConnectionState>,
}

impl Drop for StagedBody {
    fn drop(&mut self) {
        self.connection.set(Stage::Sending);
    }
}

impl Body for StagedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
