//! A raw HTTP/1.1 client: what is sent and what comes back, byte for byte.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::aurora::{Aurora, WAIT_LIMIT};
use crate::support::fixtures::MASTER_KEY;

/// One connection.
pub(crate) struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// A response as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In their order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// Status and body, for comparisons.
    pub(crate) fn status_and_text(&self) -> (u16, &str) {
        (self.status, self.text())
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("it listens")
    }

    /// `None` where nothing listens.
    pub(crate) fn try_connect(address: SocketAddr) -> Option<Self> {
        let socket = TcpStream::connect(address).ok()?;
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(WAIT_LIMIT)).expect("a socket");
        Some(Self { socket, buffer: Vec::new() })
    }

    /// A connection for which both kernels hold few bytes: small segments, and as small a receive buffer as there is.
    pub(crate) fn connect_narrow(address: SocketAddr) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(1).expect("a socket");
        socket.set_tcp_mss(536).expect("a socket");
        socket.connect(&address.into()).expect("it listens");
        socket.set_read_timeout(Some(WAIT_LIMIT)).expect("a socket");
        Self { socket: socket.into(), buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("the connection takes it");
    }

    /// Sends as far as the other side takes it.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    /// The next response's status and headers, its body unread; `None` when the connection ended before.
    pub(crate) fn try_head(&mut self) -> Option<Response> {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.fill() {
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("a head of text");
        let mut lines = head.trim_end().split("\r\n");
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers = lines.map(|line| line.split_once(':').expect("a header line"));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim_start().to_owned())).collect();
        Some(Response { status, headers, body: Vec::new(), whole: false })
    }

    pub(crate) fn head(&mut self) -> Response {
        self.try_head().expect("a response")
    }

    /// The next whole response, or as much of it as came.
    pub(crate) fn response(&mut self) -> Response {
        self.try_response().expect("a response")
    }

    pub(crate) fn try_response(&mut self) -> Option<Response> {
        let mut response = self.try_head()?;
        if let Some(length) =
            response.header("content-length").map(|length| length.parse().expect("a length"))
        {
            response.body = self.take(length);
            response.whole = response.body.len() == length;
        } else if response.header("transfer-encoding") == Some("chunked") {
            while !response.whole
                && let Some(part) = self.chunk()
            {
                response.whole = part.is_empty();
                response.body.extend(part);
            }
        } else {
            while self.fill() {}
            response.body = std::mem::take(&mut self.buffer);
            response.whole = true;
        }
        Some(response)
    }

    /// The next chunk of a chunked body; the last one is empty, `None` is a connection that broke.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                break end;
            }
            if !self.fill() {
                return None;
            }
        };
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        let size =
            std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim_end(), 16).ok());
        let size = size.expect("the size of a chunk");
        let mut part = self.take(size + 2);
        let whole = part.len() == size + 2;
        part.truncate(size);
        whole.then_some(part)
    }

    /// Chunks until `text` has come; panics when the body ends before.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while memchr::memmem::find(&read, text.as_bytes()).is_none() {
            let part = self.chunk().filter(|part| !part.is_empty());
            let part = part.unwrap_or_else(|| panic!("only {:?} came", String::from_utf8_lossy(&read)));
            read.extend(part);
        }
        String::from_utf8(read).expect("UTF-8")
    }

    /// Waits until the other side closes; what came before is returned.
    pub(crate) fn closed(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether the other side closes within this time; anything that comes is kept.
    pub(crate) fn closes_within(&mut self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).expect("a socket");
        let mut part = [0; 16 << 10];
        let closed = loop {
            match self.socket.read(&mut part) {
                Ok(0) => break true,
                Ok(read) => self.buffer.extend_from_slice(&part[..read]),
                Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        };
        self.socket.set_read_timeout(Some(WAIT_LIMIT)).expect("a socket");
        closed
    }

    /// No more from us, though we still read.
    pub(crate) fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).expect("a socket");
    }

    /// Leaves with a reset instead of a FIN.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).expect("a socket");
    }

    /// As small a receive buffer as the kernel allows.
    pub(crate) fn narrow(self) -> Self {
        socket2::SockRef::from(&self.socket).set_recv_buffer_size(1).expect("a socket");
        self
    }

    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.fill() {}
        self.buffer.drain(..length.min(self.buffer.len())).collect()
    }

    fn fill(&mut self) -> bool {
        let mut part = [0; 16 << 10];
        match self.socket.read(&mut part) {
            Ok(0) => false,
            Ok(read) => {
                self.buffer.extend_from_slice(&part[..read]);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
                false
            }
        }
    }
}

/// A request with its length; `headers` are lines with their ends.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}{length}\r\n");
    [head.as_bytes(), body].concat()
}

/// The header line that opens an instance.
pub(crate) fn key() -> String {
    format!("authorization: Bearer {MASTER_KEY}\r\n")
}

/// A chat call with the key.
pub(crate) fn chat(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("/v1/chat/completions", body)
}

/// A call with the key.
pub(crate) fn post(path: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST", path, &format!("{}content-type: application/json\r\n", key()), body)
}

/// A chat of a model, streamed or not.
pub(crate) fn chat_of(model: &str, stream: bool) -> Vec<u8> {
    chat(format!(r#"{{"model":"{model}","stream":{stream},"messages":[]}}"#))
}

/// Requests a stream and reads its head.
pub(crate) fn begin(aurora: &Aurora, model: &str) -> Client {
    let mut client = aurora.client();
    client.send(chat_of(model, true));
    assert_eq!(client.head().status, 200);
    client
}

impl Aurora {
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends a request on a connection of its own and reads the response.
    pub(crate) fn send(&self, request: impl AsRef<[u8]>) -> Response {
        let mut client = self.client();
        client.send(request);
        client.response()
    }

    /// GET with the key.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(request("GET", path, &key(), ""))
    }
}
