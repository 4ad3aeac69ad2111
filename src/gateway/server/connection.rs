//! One client connection from its accept to its close.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service as _;

use super::deadlines::DeadlineStream;
use super::listener;
use super::unread_body::{self, ClientBody};
use crate::gateway::handlers::routes::UNMATCHED;
use crate::gateway::http::framing;
use crate::gateway::state::connection_state::{ConnectionState, Stage};
use crate::gateway::state::connections::Registered;
use crate::gateway::state::lifecycle::{BeyondCap, Connected};
use crate::gateway::state::listener_state::ListenerState;
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
    let worker = listener_state.active_worker();
    let timeouts = worker.worker.app.config.server.timeouts;
    listener::accepted(&socket, timeouts.write);
    let state = &registered.state;
    let socket = DeadlineStream::new(socket, timeouts, Arc::clone(state));
    let (worker, follows) = (RefCell::new(worker), &*listener_state);
    let service = service_fn(move |request: Request<Incoming>| {
        panics::point("connection", request.uri().path().as_bytes());
        follows.follow(&mut worker.borrow_mut());
        let (mut router, state) = (worker.borrow().router.clone(), Arc::clone(state));
        let mut request = request.map(|body| Body::new(ClientBody::new(body, Arc::clone(&state))));
        let awaited = request.headers().contains_key(EXPECT);
        let beyond_cap = !within_cap && follows.lifecycle.connections() > follows.cap();
        if beyond_cap {
            request.extensions_mut().insert(BeyondCap);
        }
        let is_plain = framing::has_plain_body(request.headers());
        request.extensions_mut().insert(Arc::clone(&state));
        async move {
            let Ok(response) = router.call(request).await;
            // Checked only now: the response may be the first to say that the gateway is draining. A client that is
            // not notified of the end of its connection sends its next request into the void.
            let is_cleared = unread_body::is_cleared(&state, awaited).await;
            let last = !is_cleared || beyond_cap || !is_plain || state.is_ending();
            Ok::<_, Infallible>(finished(response, state, last))
        }
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
            if before == order {
                return Poll::Pending;
            }
        }
    })
    .await
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

fn finished(
    mut response: Response<Body>,
    connection: Arc<ConnectionState>,
    last: bool,
) -> Response<StagedBody> {
    if last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| StagedBody { body, connection })
}

/// A response body that notifies the connection when hyper has all of it.
struct StagedBody {
    body: Body,
    connection: Arc<ConnectionState>,
}

impl Drop for StagedBody {
    fn drop(&mut self) {
        self.connection.set(Stage::Sending);
    }
}

impl http_body::Body for StagedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx).map_err(io::Error::other)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
