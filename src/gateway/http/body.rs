//! Reads a request's body: bounded in size and time.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;

use super::body_memory::Reservation;
use super::error::GatewayError;

/// The room that is made for a body that does not come at once.
const LEAST_ROOM: usize = 64 << 10;

/// A body that comes at once and is no larger is not counted: it is part of its connection's read buffer.
const UNCOUNTED: usize = 16 << 10;

/// The whole body, or the refusal that names the limit. `arrived` gets all that has come of a body that comes in pieces,
/// after each of them.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: impl Body<Data = Bytes, Error = hyper::Error> + Unpin,
    (size_limit, time_limit): (usize, Duration),
    memory: Reservation,
    arrived: impl FnMut(&[u8]),
) -> Result<Bytes, GatewayError> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let largest = match declared.map(usize::try_from) {
        None => size_limit,
        Some(Ok(length)) if length <= size_limit => length,
        Some(_) => return Err(too_large(size_limit)),
    };
    let mut collected = pin!(collect(body, (largest, size_limit), memory, arrived));
    // Most bodies came with their head, and need no timer.
    if let Poll::Ready(body) = poll_fn(|cx| Poll::Ready(collected.as_mut().poll(cx))).await {
        return body;
    }
    match tokio::time::timeout(time_limit, collected).await {
        Ok(body) => body,
        Err(_) => {
            let message = format!("The body was not complete within {time_limit:?} (server.timeouts.body).");
            Err(refused(StatusCode::REQUEST_TIMEOUT, message, "body_timeout"))
        }
    }
}

/// `largest` is the declared length, or the limit where none is declared.
async fn collect(
    mut body: impl Body<Data = Bytes, Error = hyper::Error> + Unpin,
    (largest, size_limit): (usize, usize),
    mut memory: Reservation,
    mut arrived: impl FnMut(&[u8]),
) -> Result<Bytes, GatewayError> {
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(&error))?;
        let Ok(bytes) = frame.into_data() else { continue };
        let size = first.len() + whole.len() + bytes.len();
        if size > size_limit {
            return Err(too_large(size_limit));
        }
        if first.is_empty() && whole.is_empty() {
            first = bytes;
            if body.is_end_stream() {
                break;
            }
            arrived(&first);
            continue;
        }
        if size > memory.size() {
            memory.resize(step(size, largest, 2))?;
        }
        if size > whole.capacity() {
            let more = step(size, largest, 16) - whole.len();
            whole.try_reserve_exact(more).map_err(|_| GatewayError::NO_BODY_MEMORY)?;
        }
        whole.extend_from_slice(&mem::take(&mut first));
        whole.extend_from_slice(&bytes);
        // The processor's cache still has the piece. Other requests will have displaced it when the body is whole.
        arrived(&whole);
    }
    if whole.is_empty() && first.len() <= UNCOUNTED {
        return Ok(first);
    }
    memory.resize(first.len() + whole.len())?;
    Ok(if whole.is_empty() { memory.hold(first) } else { memory.hold(whole) })
}

/// The room for a body of which `size` bytes have come: what is expected, divided as often as it still holds them. So it
/// grows with what has come, and ends at what is expected. Few steps leave little memory behind that was moved out of;
/// what is not written to yet takes none.
fn step(size: usize, largest: usize, divisor: usize) -> usize {
    let mut room = largest.max(size);
    while room / divisor >= size.max(LEAST_ROOM) {
        room = room.div_ceil(divisor);
    }
    room
}

/// The refusal of a body that is compressed or otherwise encoded.
pub(crate) fn encoded() -> GatewayError {
    let message = "The body is encoded; send it as it is, without Content-Encoding.";
    refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message.into(), "unsupported_encoding")
}

/// Chunks that are none are the request's fault; without them the connection broke.
fn unreadable(error: &hyper::Error) -> GatewayError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(active) = cause {
        let kind = active.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) = kind {
            return GatewayError::invalid("The body's chunks are malformed.", None, "malformed_body");
        }
        cause = active.source();
    }
    GatewayError::ClientDisconnected
}

fn too_large(limit: usize) -> GatewayError {
    let message =
        format!("The body is over the limit of {limit} bytes (server.body_size_limit, BODY_SIZE_LIMIT).");
    refused(StatusCode::PAYLOAD_TOO_LARGE, message, "body_too_large")
}

fn refused(status: StatusCode, message: String, code: &'static str) -> GatewayError {
    GatewayError::Refused { status, message: message.into(), param: None, code }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::{FutureExt as _, stream};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[test]
    fn what_has_come_of_a_body_in_pieces_is_shown_after_each() {
        fn shown(body: impl Body<Data = Bytes, Error = hyper::Error> + Unpin) -> Vec<String> {
            let mut shown = Vec::new();
            let memory = Reservation::of(&Arc::default(), 100);
            let arrived = |body: &[u8]| shown.push(String::from_utf8(body.to_vec()).unwrap());
            let whole = collect(body, (8, 8), memory, arrived).now_or_never().unwrap();
            assert_eq!(whole.unwrap(), "a body");
            shown
        }
        let pieces = ["a", " bo", "dy"].map(|piece| Ok(Frame::data(Bytes::from(piece))));
        assert_eq!(shown(StreamBody::new(stream::iter(pieces))), ["a", "a bo", "a body"]);
        let none: [&str; 0] = [];
        assert_eq!(shown(Full::from("a body").map_err(|never| match never {})), none);
    }

    #[test]
    fn the_buffer_grows_with_the_received_bytes_up_to_the_declared_length() {
        const MIB: usize = 1 << 20;
        let cases = [(1, LEAST_ROOM), (LEAST_ROOM, LEAST_ROOM), (MIB + 1, 2 * MIB), (17 * MIB, 32 * MIB)];
        for (size, expected) in cases {
            assert_eq!(step(size, 32 * MIB, 2), expected);
        }
        assert_eq!([step(1, 100, 2), step(100, 100, 2), step(101, 100, 2)], [100, 100, 101]);
        assert_eq!([step(1, 30_000_001, 16), step(1_875_002, 30_000_001, 16)], [117_188, 30_000_001]);
    }
}
