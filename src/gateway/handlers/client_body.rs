//! A client's body, which is read whole, bounded in size and time. Of one that is dropped before its end, the connection
//! takes care.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::gateway::http::body_memory::Reservation;
use crate::gateway::http::client_socket::{BodyError, SharedSocket};
use crate::gateway::http::error::GatewayError;
use crate::gateway::state::connection_state::{ConnectionState, RequestBody};
use crate::http1::framing::Framing;

/// The room that is made for a body that does not come at once.
const LEAST_ROOM: usize = 64 << 10;

/// A body that comes at once and is no larger is not counted: it is part of its connection's read buffer.
const UNCOUNTED: usize = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct ClientBody {
    socket: SharedSocket,
    connection: Arc<ConnectionState>,
    /// The length that the head declares.
    declared: Option<u64>,
    is_at_end: bool,
}

impl ClientBody {
    /// The body of the connection's next request.
    pub(crate) fn new(socket: &SharedSocket, framing: Framing, connection: &Arc<ConnectionState>) -> Self {
        connection.begin_request(!framing.is_at_end());
        Self {
            socket: Arc::clone(socket),
            connection: Arc::clone(connection),
            declared: framing.remaining(),
            is_at_end: framing.is_at_end(),
        }
    }

    /// The connection that it comes from.
    pub(crate) fn connection(&self) -> &Arc<ConnectionState> {
        &self.connection
    }

    /// The whole body, or the refusal that names the limit. `arrived` gets all that has come of a body that comes in
    /// pieces, after each of them.
    pub(crate) async fn read(
        self,
        (size_limit, time_limit): (usize, Duration),
        memory: Reservation,
        arrived: impl FnMut(&[u8]),
    ) -> Result<Bytes, GatewayError> {
        let largest = match self.declared.map(usize::try_from) {
            None => size_limit,
            Some(Ok(length)) if length <= size_limit => length,
            Some(_) => return Err(too_large(size_limit)),
        };
        let mut collected = pin!(self.collect((largest, size_limit), memory, arrived));
        // Most bodies came with their head, and need no timer.
        if let Poll::Ready(body) = poll_fn(|cx| Poll::Ready(collected.as_mut().poll(cx))).await {
            return body;
        }
        match tokio::time::timeout(time_limit, collected).await {
            Ok(body) => body,
            Err(_) => {
                let message =
                    format!("The body was not complete within {time_limit:?} (server.timeouts.body).");
                Err(refused(StatusCode::REQUEST_TIMEOUT, message, "body_timeout"))
            }
        }
    }

    /// `largest` is the declared length, or the limit where none is declared.
    async fn collect(
        mut self,
        (largest, size_limit): (usize, usize),
        mut memory: Reservation,
        mut arrived: impl FnMut(&[u8]),
    ) -> Result<Bytes, GatewayError> {
        let first = poll_fn(|cx| self.poll_first(cx)).await?;
        if self.is_at_end && first.len() <= size_limit {
            if first.len() <= UNCOUNTED {
                return Ok(first);
            }
            memory.resize(first.len())?;
            return Ok(memory.hold(first));
        }
        arrived(&first);
        let mut whole = Vec::new();
        make_room(&mut whole, first.len(), largest, &mut memory)?;
        whole.extend_from_slice(&first);
        drop(first);
        while whole.len() <= size_limit && !self.is_at_end {
            make_room(&mut whole, 1, largest, &mut memory)?;
            let most = whole.capacity().min(memory.size()) - whole.len();
            poll_fn(|cx| self.poll_more(cx, &mut whole, most)).await?;
            // The processor's cache still has the piece. Other requests will have displaced it when the body is whole.
            arrived(&whole);
        }
        if whole.len() > size_limit {
            return Err(too_large(size_limit));
        }
        memory.resize(whole.len())?;
        Ok(memory.hold(whole))
    }

    /// What came with the head, or first after it.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        let mut socket = self.socket.lock();
        let bytes = ready!(socket.poll_body(cx))?;
        self.is_at_end = socket.framing().is_at_end();
        Poll::Ready(Ok(bytes.unwrap_or_default()))
    }

    /// Reads more to the end of `whole`, see [`ClientSocket::poll_body_into`].
    ///
    /// [`ClientSocket::poll_body_into`]: crate::gateway::http::client_socket::ClientSocket::poll_body_into
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        whole: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<(), BodyError>> {
        let mut socket = self.socket.lock();
        ready!(socket.poll_body_into(cx, whole, most))?;
        self.is_at_end = socket.framing().is_at_end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let body = if self.is_at_end { RequestBody::Read } else { RequestBody::Dropped };
        self.connection.set_body(body);
    }
}

/// Makes room for so many more bytes of a body.
fn make_room(
    whole: &mut Vec<u8>,
    more: usize,
    largest: usize,
    memory: &mut Reservation,
) -> Result<(), GatewayError> {
    let size = whole.len() + more;
    if size > memory.size() {
        memory.resize(step(size, largest, 2))?;
    }
    if size > whole.capacity() {
        let more = step(size, largest, 16) - whole.len();
        whole.try_reserve_exact(more).map_err(|_| GatewayError::NO_BODY_MEMORY)?;
    }
    Ok(())
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

impl From<BodyError> for GatewayError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Malformed => Self::invalid("The body's chunks are malformed.", None, "malformed_body"),
            BodyError::Disconnected => Self::ClientDisconnected,
        }
    }
}

/// The refusal of a body that is compressed or otherwise encoded.
pub(crate) fn encoded() -> GatewayError {
    let message = "The body is encoded; send it as it is, without Content-Encoding.";
    refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message.into(), "unsupported_encoding")
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
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use parking_lot::Mutex;

    use super::*;
    use crate::gateway::http::client_socket::ClientSocket;
    use crate::gateway::state::connection_state::Order;
    use crate::http1::chunks::Chunks;

    /// A client, and the socket of its connection.
    fn connected() -> (TcpStream, SharedSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        (client, ClientSocket::new(tokio::net::TcpStream::from_std(socket).unwrap()))
    }

    /// The body that comes in these pieces, or the refusal, and what was shown of it, piece by piece.
    async fn read(framing: Framing, pieces: &'static [&str], limit: usize) -> (String, Vec<String>) {
        let (mut client, socket) = connected();
        let state = Arc::new(ConnectionState::new(Arc::default(), Order::Serve));
        let shown = Mutex::new(Vec::new());
        let mut pieces = pieces.iter();
        let mut send = || pieces.next().map(|piece| client.write_all(piece.as_bytes()).unwrap());
        send();
        socket.lock().begin_body(framing, false);
        let body = ClientBody::new(&socket, framing, &state);
        let memory = Reservation::of(&Arc::default(), 100);
        let limits = (limit, Duration::from_secs(60));
        let read = body.read(limits, memory, |part| {
            shown.lock().push(String::from_utf8(part.to_vec()).unwrap());
            send();
        });
        let text = match read.await {
            Ok(body) => String::from_utf8(body.to_vec()).unwrap(),
            Err(refusal) => refusal.to_string(),
        };
        assert_eq!(state.body() == RequestBody::Read, socket.lock().framing().is_at_end());
        (text, shown.into_inner())
    }

    #[tokio::test]
    async fn what_has_come_of_a_body_in_pieces_is_shown_after_each() {
        let (body, shown) = read(Framing::Length(6), &["a", " bo", "dy"], 8).await;
        assert_eq!((body.as_str(), shown), ("a body", ["a", "a bo", "a body"].map(str::to_owned).to_vec()));
        let chunks = Framing::Chunked(Chunks::Size);
        let (body, shown) = read(chunks, &["1\r\na", "\r\n3\r\n bo", "\r\n2\r\ndy\r\n0\r\n\r\n"], 8).await;
        assert_eq!((body.as_str(), shown), ("a body", ["a", "a bo", "a body"].map(str::to_owned).to_vec()));
        for (framing, text) in [(Framing::Length(6), "a body"), (chunks, "6\r\na body\r\n0\r\n\r\n")] {
            let (body, shown) = read(framing, Box::leak(Box::new([text])), 8).await;
            assert_eq!((body.as_str(), shown), ("a body", Vec::new()), "it came at once");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_when_it_is() {
        let refusal = too_large(4).to_string();
        let chunks = Framing::Chunked(Chunks::Size);
        for (framing, pieces) in [
            (Framing::Length(5), &["abcde"][..]),
            (chunks, &["5\r\nabcde\r\n0\r\n\r\n"]),
            (chunks, &["3\r\nabc\r\n", "2\r\nde"]),
        ] {
            assert_eq!(read(framing, pieces, 4).await.0, refusal, "{pieces:?}");
        }
        assert_eq!(read(chunks, &["4\r\nabcd\r\n0\r\n\r\n"], 4).await.0, "abcd");
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
