//! An accept loop and its connections.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use super::callers_body::Unread;
use super::io::{DeadlineStream, SharedStage, Stage};
use super::lifecycle::{Connected, Lifecycle};
use super::routes::UNMATCHED;
use super::station::Station;
use crate::metrics::{HttpMethod, HttpOutcome};
use crate::panics;

/// Largest request head; hyper answers 431 above it.
const MAX_HEAD: usize = 64 << 10;
/// Time for what a closing connection has sent already to be read and refused.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// Pause after an accept failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Accepts until its lifecycle closes, then takes in what still waits in the queue, then lets connections finish.
pub(super) async fn accept(listener: TcpListener, station: Arc<Station>) {
    let connections = TaskTracker::new();
    let lifecycle = &station.lifecycle;
    let mut failing = false;
    loop {
        if lifecycle.connections() >= station.most_connections() {
            // The backlog holds the rest.
            tokio::select! {
                () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                () = lifecycle.closing.cancelled() => break,
            }
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    failing = false;
                    spawn(&connections, socket, &station);
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = error.to_string(), "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = lifecycle.closing.cancelled() => break,
        }
    }
    while let Some(Ok((socket, _))) = listener.accept().now_or_never() {
        spawn(&connections, socket, &station);
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn spawn(connections: &TaskTracker, socket: TcpStream, station: &Arc<Station>) {
    let within_cap = station.lifecycle.connections() < station.cap();
    if let Some(connected) = station.lifecycle.connect(station.most_connections()) {
        connections.spawn(serve(socket, Arc::clone(station), within_cap, connected));
    }
}

/// One connection from its accept to its close.
async fn serve(socket: TcpStream, station: Arc<Station>, within_cap: bool, connected: Connected) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(error = error.to_string(), "TCP_NODELAY could not be set");
    }
    let lifecycle = &*station.lifecycle;
    let stage = SharedStage::new(Arc::clone(&station.active));
    let waiting = stage.clone();
    let serving = station.serving();
    let timeouts = serving.worker.shared.config.server.timeouts;
    let socket = DeadlineStream::new(socket, timeouts, stage.clone());
    let (serving, follows) = (RefCell::new(serving), &*station);
    let unread = Unread::default();
    let service = service_fn(move |request: Request<Incoming>| {
        stage.set(Stage::Request);
        panics::point("connection", request.uri().path().as_bytes());
        follows.follow(&mut serving.borrow_mut());
        let (mut router, stage) = (serving.borrow().router.clone(), stage.clone());
        let unread = unread.clone();
        let mut request = request.map(|body| Body::new(unread.watch(body)));
        let awaited = request.headers().contains_key(EXPECT);
        if !within_cap {
            request.extensions_mut().insert(BeyondCap);
        }
        async move {
            let response = router.call(request).await.unwrap_or_else(|never: Infallible| match never {});
            // Asked only now: the answer may be the first to say that the gateway is draining. A caller that is not told
            // of the end of its connection sends its next request into the void.
            let last = !within_cap || lifecycle.draining.is_cancelled() || !unread.is_cleared(awaited).await;
            Ok::<_, Infallible>(finished(response, stage, last))
        }
    });
    let connection = std::pin::pin!(
        http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .half_close(false)
            .serve_connection(TokioIo::new(socket), service)
    );
    if let Some(Err(error)) = until_end(connection, lifecycle, &waiting).await {
        note_refused_head(&station, &error);
    }
    drop(connected);
}

/// Runs a connection to its end, through the end of the gateway; `None` when it was left in the middle of a head.
async fn until_end<C: GracefulConnection>(
    mut connection: Pin<&mut C>,
    lifecycle: &Lifecycle,
    waiting: &SharedStage,
) -> Option<Result<(), C::Error>> {
    if let Some(ended) = before(&lifecycle.draining, connection.as_mut()).await {
        return Some(ended);
    }
    // One that has sent nothing yet may be about to: it gets its refusal.
    if waiting.get() != Stage::FirstByte {
        connection.as_mut().graceful_shutdown();
    }
    if let Some(ended) = before(&lifecycle.closing, connection.as_mut()).await {
        return Some(ended);
    }
    match waiting.get() {
        Stage::FirstByte => tokio::time::timeout(LAST_LOOK, connection).await.ok(),
        Stage::Head => None,
        Stage::Request | Stage::Idle => Some(connection.await),
    }
}

/// The outcome of `work`, unless the token is cancelled before.
async fn before<F: Future>(token: &CancellationToken, work: Pin<&mut F>) -> Option<F::Output> {
    tokio::select! {
        biased;
        outcome = work => Some(outcome),
        () = token.cancelled() => None,
    }
}

/// A head that hyper could not parse got its answer from hyper itself.
fn note_refused_head(station: &Station, error: &hyper::Error) {
    let Some(metrics) = station.metrics.as_ref().filter(|_| error.is_parse()) else { return };
    let status = if error.is_parse_too_large() { 431 } else { 400 };
    metrics.exchange(UNMATCHED, HttpMethod::Other, status, HttpOutcome::Ok);
}

/// Marks a request on a connection beyond the cap.
#[derive(Debug, Clone, Copy)]
pub(super) struct BeyondCap;

fn finished(mut response: Response<Body>, stage: SharedStage, last: bool) -> Response<StagedBody> {
    if last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| StagedBody { body, stage })
}

/// A response body that tells the socket when the connection waits for its next request.
struct StagedBody {
    body: Body,
    stage: SharedStage,
}

impl Drop for StagedBody {
    fn drop(&mut self) {
        self.stage.set(Stage::Idle);
    }
}

impl http_body::Body for StagedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body)
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
