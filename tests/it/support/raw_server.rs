//! A server on loopback that responds each connection with raw bytes and remembers what it was sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Responses connection after connection with the next script; the last one again and again.
pub(crate) struct RawServer {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

/// What a connection gets.
#[derive(Clone)]
pub(crate) enum Script {
    /// These bytes, then the end.
    Response(Vec<u8>),
    /// These bytes, then nothing while the client waits.
    Stall(Vec<u8>),
}

impl RawServer {
    pub(crate) fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let scripts = scripts.into_iter().collect::<Vec<_>>();
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            for (index, connection) in listener.incoming().enumerate() {
                let script = scripts[index.min(scripts.len() - 1)].clone();
                let seen = Arc::clone(&seen);
                thread::spawn(move || converse(connection.expect("accepted"), &script, &seen));
            }
        });
        Self { address, heads }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The request heads so far, as received.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no test panicked in it").clone()
    }
}

fn converse(mut connection: TcpStream, script: &Script, seen: &Mutex<Vec<String>>) {
    connection.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    seen.lock().expect("no test panicked in it").push(String::from_utf8_lossy(&head).into_owned());
    let (Script::Response(bytes) | Script::Stall(bytes)) = script;
    // A client that refuses the response half-way closes first.
    drop(connection.write_all(bytes));
    if matches!(script, Script::Stall(_)) {
        drop(connection.read(&mut byte));
    }
}

/// A whole response with a length.
pub(crate) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Script {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    Script::Response([head.as_bytes(), body].concat())
}

/// A page of the text format.
pub(crate) fn page(body: impl AsRef<[u8]>) -> Script {
    response("200 OK", "content-type: text/plain; version=0.0.4; charset=utf-8\r\n", body)
}
