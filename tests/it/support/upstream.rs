//! A scripted provider on loopback: each model (or path, with or without its method, where a request names none) has its
//! script of exact bytes; what was received is kept byte for byte, and it sees when its client hangs up.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::support::aurora::WAIT_LIMIT;

/// How often a waiting script looks whether its client is still there.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Time in which the client of a connection that was closed notices it, on a busy machine.
const CROSSING_LIMIT: Duration = Duration::from_millis(500);

/// The server; its threads end with the test process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    scripts: Mutex<Vec<(String, Vec<Step>)>>,
    /// How often each name was requested.
    sent: Mutex<HashMap<String, usize>>,
    calls: Mutex<Vec<Call>>,
    changed: Condvar,
    counting: OnceLock<Counts>,
}

/// Requests by number and key, where the requests themselves are not kept.
#[derive(Default)]
pub(crate) struct Counts {
    hits: AtomicU64,
    /// Hits that crossed the end of their connection.
    crossed: AtomicU64,
    /// Values of `authorization` and `x-api-key`.
    keys: Mutex<HashMap<String, u64>>,
    /// Values of the body's `user`.
    users: Mutex<HashMap<String, u64>>,
    /// Open connections by their numbers.
    open: Mutex<HashMap<usize, TcpStream>>,
}

/// One part of a script.
#[derive(Clone)]
pub(crate) enum Step {
    /// These bytes, at once.
    Send(Vec<u8>),
    /// Nothing until the gate opens.
    Await(Gate),
    /// Nothing for this time.
    Pause(Duration),
    /// Nothing, ever.
    Stall,
    /// These bytes again and again, as fast as they are taken.
    Pour(Vec<u8>),
    /// The connection ends with a FIN.
    Close,
    /// The connection ends with a reset.
    Reset,
}

/// Lets a test say when a script goes on.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// One request as it was received.
#[derive(Clone)]
pub(crate) struct Call {
    /// Name of the script that answered it.
    pub(crate) name: String,
    /// Everything before the blank line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Number of the connection it came on.
    pub(crate) connection: usize,
    over: Option<Instant>,
}

impl Call {
    /// The header lines, sorted, but for `traceparent`, whose ids are random (`requests/trace_context.rs`).
    pub(crate) fn headers(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.head.lines().skip(1).collect();
        lines.retain(|line| !line.starts_with("traceparent: "));
        lines.sort_unstable();
        lines
    }

    /// The same without the length of the body.
    pub(crate) fn headers_without_length(&self) -> Vec<&str> {
        let mut lines = self.headers();
        lines.retain(|line| !line.starts_with("content-length: "));
        lines
    }
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let (state, connection) = (Arc::clone(&shared), connection.expect("accepted"));
                thread::spawn(move || state.serve(connection, number));
            }
        });
        Self { address, state }
    }

    /// Sets what a model (or path) gets a response with. Given again, it is what the next call of that name gets; the
    /// last one stays.
    pub(crate) fn on(self, name: &str, steps: Vec<Step>) -> Self {
        self.state.scripts.lock().expect("not poisoned").push((name.to_owned(), steps));
        self
    }

    /// Keeps numbers instead of the requests, and begins anew where a model has no further script: for a run of many
    /// minutes.
    pub(crate) fn counting(self) -> Self {
        self.state.counting.get_or_init(Counts::default);
        self
    }

    /// Requests so far, where only numbers are kept.
    pub(crate) fn hits(&self) -> u64 {
        self.counts().hits.load(Ordering::SeqCst)
    }

    /// Requests so far that crossed the end of their connection, where only numbers are kept.
    pub(crate) fn crossed(&self) -> u64 {
        self.counts().crossed.load(Ordering::SeqCst)
    }

    /// Every key so far and how often it came, where only numbers are kept.
    pub(crate) fn keys(&self) -> HashMap<String, u64> {
        self.counts().keys.lock().expect("not poisoned").clone()
    }

    /// Ends every connection, where only numbers are kept.
    pub(crate) fn hang_up(&self) {
        for connection in self.counts().open.lock().expect("not poisoned").values() {
            // The client may have closed first.
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    /// Waits until this many requests of a user have come, where only numbers are kept.
    pub(crate) fn received_of(&self, user: &str, times: u64) {
        let has_come = || {
            self.counts().users.lock().expect("not poisoned").get(user).is_some_and(|count| *count >= times)
        };
        let calls = self.state.calls.lock().expect("not poisoned");
        let waited = self.state.changed.wait_timeout_while(calls, WAIT_LIMIT, |_| !has_come());
        assert!(!waited.expect("not poisoned").1.timed_out(), "upstream: {user} was waited for in vain");
    }

    fn counts(&self) -> &Counts {
        self.state.counting.get().expect("it counts")
    }

    /// The scripted models, in their order.
    pub(crate) fn models(&self) -> Vec<String> {
        let scripts = self.state.scripts.lock().expect("not poisoned");
        let mut models: Vec<String> = scripts.iter().map(|(name, _)| name.clone()).collect();
        models.dedup();
        models.retain(|name| !name.starts_with('/') && !name.contains(' '));
        models
    }

    /// Every request so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().expect("not poisoned").clone()
    }

    /// The first call of a script, waited for.
    pub(crate) fn call(&self, name: &str) -> Call {
        self.wait(name, |call| Some(call.clone()))
    }

    /// Waits until so many requests have come.
    pub(crate) fn called(&self, times: usize) {
        let until = Instant::now() + WAIT_LIMIT;
        let mut calls = self.state.calls.lock().expect("not poisoned");
        while calls.len() < times {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "upstream: {} of {times} calls", calls.len());
            calls = self.state.changed.wait_timeout(calls, left).expect("not poisoned").0;
        }
    }

    /// When the connection of a call ended, from whichever side, waited for.
    pub(crate) fn over(&self, name: &str) -> Instant {
        self.wait(name, |call| call.over)
    }

    /// Waits until a script was requested this often.
    pub(crate) fn received(&self, name: &str, times: usize) {
        let sent = |calls: &[Call]| calls.iter().filter(|call| call.name == name).count() >= times;
        let calls = self.state.calls.lock().expect("not poisoned");
        let waited = self.state.changed.wait_timeout_while(calls, WAIT_LIMIT, |calls| !sent(calls));
        assert!(!waited.expect("not poisoned").1.timed_out(), "upstream: {name} was waited for in vain");
    }

    fn wait<T>(&self, name: &str, wanted: impl Fn(&Call) -> Option<T>) -> T {
        let until = Instant::now() + WAIT_LIMIT;
        let mut calls = self.state.calls.lock().expect("not poisoned");
        loop {
            if let Some(found) = calls.iter().filter(|call| call.name == name).find_map(&wanted) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "upstream: {name} was waited for in vain");
            calls = self.state.changed.wait_timeout(calls, left).expect("not poisoned").0;
        }
    }
}

#[derive(Deserialize)]
struct Named {
    model: String,
    user: Option<String>,
}

impl State {
    fn serve(&self, connection: TcpStream, number: usize) {
        let Some(counts) = self.counting.get() else { return self.converse(connection, number) };
        let open = || counts.open.lock().expect("not poisoned");
        open().insert(number, connection.try_clone().expect("a socket"));
        self.converse(connection, number);
        open().remove(&number);
    }

    fn converse(&self, mut connection: TcpStream, number: usize) {
        connection.set_nodelay(true).expect("a socket");
        let mut buffer = Vec::new();
        while let Some((head, body)) = read_request(&mut connection, &mut buffer) {
            let name = self.name(&head, &body);
            let steps = self.script(&name);
            let index = self.keep(Call { name, head, body, connection: number, over: None });
            let closes = matches!(steps.last(), Some(Step::Close));
            if !play(&mut connection, steps) {
                if let Some(index) = index {
                    self.note(|calls| calls[index].over = Some(Instant::now()));
                } else if closes {
                    self.count_crossing(&mut connection);
                }
                return;
            }
        }
    }

    /// A request that crossed the end of its connection has reached us, although it gets no response.
    fn count_crossing(&self, connection: &mut TcpStream) {
        connection.set_read_timeout(Some(CROSSING_LIMIT)).expect("a socket");
        if let Some(counts) = self.counting.get()
            && connection.read(&mut [0; 1024]).is_ok_and(|read| read > 0)
        {
            counts.hits.fetch_add(1, Ordering::SeqCst);
            counts.crossed.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Keeps a request, or counts it; gives the place of one that is kept.
    fn keep(&self, call: Call) -> Option<usize> {
        let Some(counts) = self.counting.get() else {
            return Some(self.note(|calls| {
                calls.push(call);
                calls.len() - 1
            }));
        };
        counts.hits.fetch_add(1, Ordering::SeqCst);
        let of = |name: &str| call.head.lines().find_map(|line| line.strip_prefix(name));
        let key = of("authorization: ").or_else(|| of("x-api-key: ")).unwrap_or("none").to_owned();
        *counts.keys.lock().expect("not poisoned").entry(key).or_default() += 1;
        if let Some(user) = serde_json::from_slice::<Named>(&call.body).ok().and_then(|named| named.user) {
            *counts.users.lock().expect("not poisoned").entry(user).or_default() += 1;
        }
        self.note(|_| None)
    }

    /// The model of a JSON body, or its user where that is scripted and requests are counted; else what of the request
    /// line, the path and a form's model is scripted; else the path.
    fn name(&self, head: &str, body: &[u8]) -> String {
        if let Ok(named) = serde_json::from_slice::<Named>(body) {
            let user = named.user.filter(|user| self.counting.get().is_some() && self.is_scripted(user));
            return user.unwrap_or(named.model);
        }
        let line = head.split(" HTTP").next().unwrap_or_default().to_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        [line, path.clone()]
            .into_iter()
            .chain(form_model(body))
            .find(|name| self.is_scripted(name))
            .unwrap_or(path)
    }

    fn is_scripted(&self, name: &str) -> bool {
        self.scripts.lock().expect("not poisoned").iter().any(|(scripted, _)| scripted == name)
    }

    /// The next script of a name; the last one again and again.
    fn script(&self, name: &str) -> Vec<Step> {
        let mut sent = self.sent.lock().expect("not poisoned");
        let times = sent.entry(name.to_owned()).or_default();
        let mut turn = std::mem::replace(times, *times + 1);
        let scripts = self.scripts.lock().expect("not poisoned");
        let of_name = || scripts.iter().filter(|(scripted, _)| scripted == name).map(|(_, steps)| steps);
        if self.counting.get().is_some() {
            turn %= of_name().count().max(1);
        }
        of_name().nth(turn).or_else(|| of_name().next_back()).cloned().unwrap_or_else(|| {
            response("404 Not Found", "content-type: application/json\r\n", r#"{"error":"no script"}"#)
        })
    }

    fn note<T>(&self, change: impl FnOnce(&mut Vec<Call>) -> T) -> T {
        let mut calls = self.calls.lock().expect("not poisoned");
        let result = change(&mut calls);
        self.changed.notify_all();
        result
    }
}

/// The field `model` of a multipart form.
fn form_model(body: &[u8]) -> Option<String> {
    let start = b"name=\"model\"\r\n\r\n";
    let value = &body[memchr::memmem::find(body, start)? + start.len()..];
    let end = memchr::memmem::find(value, b"\r\n")?;
    String::from_utf8(value[..end].to_vec()).ok()
}

/// Plays a script; false when the connection is over.
fn play(connection: &mut TcpStream, steps: Vec<Step>) -> bool {
    for step in steps {
        let there = match step {
            Step::Send(bytes) => connection.write_all(&bytes).is_ok(),
            Step::Await(gate) => wait(connection, || gate.is_open()),
            Step::Pause(time) => {
                let over = Instant::now() + time;
                wait(connection, || Instant::now() >= over)
            }
            Step::Stall => stall(connection),
            Step::Pour(bytes) => {
                while connection.write_all(&bytes).is_ok() {}
                false
            }
            Step::Close => {
                // The client may have closed first.
                drop(connection.shutdown(Shutdown::Write));
                return false;
            }
            Step::Reset => {
                socket2::SockRef::from(&*connection).set_linger(Some(Duration::ZERO)).expect("a socket");
                return false;
            }
        };
        if !there {
            return false;
        }
    }
    true
}

/// Waits for `done`; false when the client hung up before.
fn wait(connection: &mut TcpStream, done: impl Fn() -> bool) -> bool {
    connection.set_read_timeout(Some(POLL_INTERVAL)).expect("a socket");
    while !done() {
        match connection.peek(&mut [0]) {
            Ok(0) => return false,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return false;
            }
            _ => {}
        }
    }
    connection.set_read_timeout(None).expect("a socket");
    true
}

/// Waits until the client hangs up.
fn stall(connection: &mut TcpStream) -> bool {
    connection.set_read_timeout(None).expect("a socket");
    while connection.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    false
}

/// The next request; `None` when the connection ends.
fn read_request(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut part = [0; 16 << 10];
    let mut more = |buffer: &mut Vec<u8>| {
        let read = connection.read(&mut part).ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&part[..read]);
        Some(())
    };
    let end = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end;
        }
        more(buffer)?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    let length = length.unwrap_or(0);
    buffer.drain(..end + 4);
    while buffer.len() < length {
        more(buffer)?;
    }
    Some((head, buffer.drain(..length).collect()))
}

/// A whole response with a length; `headers` are lines with their ends.
pub(crate) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    vec![Step::Send([head.as_bytes(), body].concat())]
}

/// 200 with JSON.
pub(crate) fn json(body: &str) -> Vec<Step> {
    response("200 OK", "content-type: application/json\r\n", body)
}

/// The head of a stream of events.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// The end of a chunked body.
pub(crate) const LAST_CHUNK: &str = "0\r\n\r\n";

/// Bytes as one chunk.
pub(crate) fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A stream's head and these parts of its body, each in a chunk of its own.
pub(crate) fn opening(parts: &[&str]) -> Vec<Step> {
    let mut bytes = STREAM_HEAD.as_bytes().to_vec();
    for part in parts {
        bytes.extend(chunk(part));
    }
    vec![Step::Send(bytes)]
}

/// A whole stream.
pub(crate) fn stream(parts: &[&str]) -> Vec<Step> {
    let mut steps = opening(parts);
    steps.push(Step::Send(LAST_CHUNK.into()));
    steps
}

/// Steps and those that follow.
pub(crate) fn then(mut steps: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    steps.extend(more);
    steps
}
