//! The property of what is read of clients' connections.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt as _, duplex};

use crate::gateway::server::connection::request_head::{HeadError, HeadReader, RequestHead};

/// Largest stream: that of hyper with its responses fits into memory, and its limit on all extensions of a body's chunks,
/// where ours is one on each, is not met.
const LARGEST: usize = 16 << 10;
/// hyper's limit on a body's trailers, of which ours limits the size, is that on headers. Ours refuses 101 of those.
const HYPER_MAX_HEADERS: usize = 4096;

/// A request as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    method: Method,
    uri: Uri,
    version: Version,
    headers: BTreeMap<String, Vec<Vec<u8>>>,
    body: Vec<u8>,
}

impl Read {
    fn new(head: Parts, body: Vec<u8>) -> Self {
        Self {
            method: head.method,
            uri: head.uri,
            version: head.version,
            headers: listed(&head.headers),
            body,
        }
    }
}

fn listed(headers: &HeaderMap) -> BTreeMap<String, Vec<Vec<u8>>> {
    let values = |name| headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect();
    headers.keys().map(|name| (name.to_string(), values(name))).collect()
}

/// The requests of a connection are read the same however its bytes are cut, and hyper reads each of them the same.
pub fn client_http(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else { return };
    let stream = &stream[..stream.len().min(LARGEST)];
    let whole = read(stream, LARGEST);
    let cut = read(stream, usize::from(*size).max(1));
    assert_eq!(whole, cut, "pieces of {size}");
    let (ours, _) = whole;
    if !ours.is_empty() {
        let theirs = read_by_hyper(stream);
        assert_eq!(theirs.get(..ours.len()), Some(&ours[..]), "of {theirs:?}");
    }
}

/// The requests in these bytes, up to one that is refused, incomplete, or the last of its connection, and the reason why
/// there is no further head.
fn read(stream: &[u8], size: usize) -> (Vec<Read>, Option<HeadError>) {
    let (mut reader, mut buffer, mut requests) = (HeadReader::default(), BytesMut::new(), Vec::new());
    let mut current = None;
    for piece in stream.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            let (head, body) = match &mut current {
                Some(current) => current,
                None => match reader.take(&mut buffer) {
                    Ok(Some(head)) if is_served(&head) => current.insert((head, Vec::new())),
                    Ok(Some(_)) => return (requests, None),
                    Ok(None) => break,
                    Err(error) => return (requests, Some(error)),
                },
            };
            let Ok(bytes) = head.framing.take(&mut buffer) else { return (requests, None) };
            body.extend_from_slice(&bytes);
            if !head.framing.is_at_end() {
                break;
            }
            let Some((head, body)) = current.take() else { break };
            requests.push(Read::new(head.parts, body));
            if !head.is_kept {
                return (requests, None);
            }
        }
    }
    (requests, None)
}

/// Returns false for a head that is refused later, and for one whose `Connection` is no text: hyper skips that.
fn is_served(head: &RequestHead) -> bool {
    let mut connection = head.parts.headers.get_all(CONNECTION).iter();
    head.is_plain && connection.all(|value| value.to_str().is_ok())
}

/// The requests as the server of hyper reads them.
fn read_by_hyper(stream: &[u8]) -> Vec<Read> {
    let (mut client, server) = duplex(1 << 20);
    let is_written = client.write_all(stream).now_or_never();
    assert!(matches!(is_written, Some(Ok(()))), "the stream fits");
    let requests = Mutex::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| async {
        let (head, body) = request.into_parts();
        if let Ok(body) = body.collect().await {
            requests.lock().push(Read::new(head, body.to_bytes().to_vec()));
        }
        let mut response = Response::new(Empty::<Bytes>::new());
        // Not that of a request to CONNECT that is met.
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok::<_, Infallible>(response)
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(64 << 10).max_headers(HYPER_MAX_HEADERS).half_close(false);
    run(builder.serve_connection(TokioIo::new(server), service));
    requests.into_inner()
}

/// Polls a future until it ends, or waits for what does not come: its client stays connected.
fn run<T>(future: impl Future<Output = T>) {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Arc::clone(&woken).into();
    let mut future = pin!(future);
    while woken.0.swap(false, Ordering::Relaxed) {
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            break;
        }
    }
}

/// Notes that it woke.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
