//! Properties of what is read of upstreams; see [`crate::fuzzing`].

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::client::http1::response_head::HeadReader;
use crate::http1::framing::Framing;

/// A response as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    status: StatusCode,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// A response is read the same however its bytes are cut, and what is accepted of it is what hyper reads.
pub fn upstream_http(data: &[u8]) {
    let Some((size, response)) = data.split_first() else { return };
    let whole = read(response, response.len().max(1));
    let cut = read(response, usize::from(*size).max(1));
    assert_eq!(whole, cut, "pieces of {size}");
    if let Some(ours) = whole {
        assert_eq!(read_by_hyper(response), Some(ours));
    }
}

/// The response in these bytes, after which the connection ends; `None` where it is not whole, or malformed.
fn read(response: &[u8], size: usize) -> Option<Read> {
    let (mut reader, mut head, mut buffer, mut body) =
        (HeadReader::default(), None, BytesMut::new(), Vec::new());
    for piece in response.chunks(size) {
        buffer.extend_from_slice(piece);
        if head.is_none() {
            head = reader.take(&mut buffer, false).ok()?;
        }
        if let Some(head) = &mut head {
            body.extend_from_slice(&head.framing.take(&mut buffer).ok()?);
            if head.framing.is_at_end() {
                break;
            }
        }
    }
    let head = head?;
    if !head.framing.is_at_end() && head.framing != Framing::UntilClose {
        return None;
    }
    Some(Read { status: head.status, headers: listed(&head.headers), body })
}

fn listed(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

/// The response as the client of hyper reads it.
fn read_by_hyper(response: &[u8]) -> Option<Read> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    runtime.block_on(async {
        let (ours, theirs) = duplex(1 << 20);
        let (read, ()) = tokio::join!(fetch(ours), serve(theirs, response));
        read
    })
}

async fn fetch(stream: DuplexStream) -> Option<Read> {
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let exchange = async {
        let request = Request::get("/").header("host", "x").body(Empty::<Bytes>::new()).ok()?;
        let response = sender.send_request(request).await.ok()?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes().to_vec();
        Some(Read { status: head.status, headers: listed(&head.headers), body })
    };
    let mut driver = std::pin::pin!(driver.fuse());
    let mut exchange = std::pin::pin!(exchange);
    loop {
        tokio::select! {
            biased;
            read = &mut exchange => return read,
            _ = &mut driver => {}
        }
    }
}

/// Reads a request, writes the response and closes.
async fn serve(mut stream: DuplexStream, response: &[u8]) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    // Who has read enough may have disconnected.
    drop(stream.write_all(response).await);
    drop(stream.shutdown().await);
}
