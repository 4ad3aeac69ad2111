//! Clients of the chaos run: what each kind of request expects, and the ledger of what was seen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::provider::{self, HELLO, ROLE, TOKENS};
use crate::support::aurora::Aurora;
use crate::support::client::{self, Response, request};
use crate::support::fixtures::MASTER_KEY;
use crate::support::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";

/// Kind of request.
struct Kind {
    /// Weight among the kinds.
    share: u64,
    content: Content,
    disconnect: Disconnect,
    /// Statuses that are right.
    statuses: &'static [u16],
}

enum Content {
    /// Chat that is dispatched, by its script, model or route.
    Chat(&'static str, bool),
    /// The same in Anthropic's format.
    Message(&'static str, bool),
    /// Authenticated model call that is refused before dispatch.
    Refused(&'static str),
    /// Method, path and key of a request that is no model call.
    Other(&'static str, &'static str, Key),
    /// Chat with one of the other keys.
    Keyed(Key),
}

#[derive(Clone, Copy, PartialEq)]
enum Key {
    Master,
    /// The one in force; it may be replaced at this moment.
    Rotating,
    /// The one that the last reload took away.
    Revoked,
    None,
}

/// When and how a client disconnects.
#[derive(Clone, Copy, PartialEq)]
enum Disconnect {
    Never,
    /// Inside its body; with a reset once the head is known to have arrived.
    MidBody {
        reset: bool,
    },
    /// Once the provider works on it, with these bytes behind the request.
    BeforeHeaders {
        trailing: &'static str,
        reset: bool,
    },
    /// With this much of a stream.
    With {
        text: &'static str,
        reset: bool,
    },
    /// With the status, of a stream that it never reads.
    Unread,
}

const fn chat(share: u64, model: &'static str, streams: bool, statuses: &'static [u16]) -> Kind {
    Kind { share, content: Content::Chat(model, streams), disconnect: Disconnect::Never, statuses }
}

const fn disconnecting(share: u64, model: &'static str, disconnect: Disconnect) -> Kind {
    let streams = matches!(disconnect, Disconnect::With { .. } | Disconnect::Unread);
    Kind { share, content: Content::Chat(model, streams), disconnect, statuses: &[200] }
}

const fn other(share: u64, content: Content, statuses: &'static [u16]) -> Kind {
    Kind { share, content, disconnect: Disconnect::Never, statuses }
}

const fn before(trailing: &'static str, reset: bool) -> Disconnect {
    Disconnect::BeforeHeaders { trailing, reset }
}

const KINDS: &[Kind] = &[
    chat(90, "ok", false, &[200]),
    chat(60, "streamed", true, &[200]),
    chat(10, "uncounted", false, &[200]),
    chat(10, "odd", false, &[200]),
    chat(6, "large", false, &[200]),
    chat(10, "packed", false, &[200]),
    chat(10, "unlabelled", false, &[200]),
    chat(10, "slow", true, &[200]),
    chat(10, "cr", true, &[200]),
    chat(6, "bom", true, &[200]),
    chat(6, "oversize", true, &[200]),
    chat(20, "then-closed", false, &[200]),
    chat(10, "spare-route", false, &[200]),
    chat(10, "closed-route", false, &[200]),
    chat(20, "unsteady", false, &[200, 500, 503]),
    chat(10, "busy", false, &[200, 429]),
    chat(10, "hasty", false, &[200, 502]),
    chat(30, "weak", false, &[200, 500, 503]),
    chat(6, "bad", false, &[400]),
    chat(6, "locked", false, &[502]),
    chat(6, "forbidden", false, &[502, 403]),
    chat(6, "absent", false, &[404]),
    chat(6, "unprocessable", false, &[422]),
    chat(10, "limited", true, &[429]),
    chat(10, "failing", false, &[500]),
    chat(6, "overloaded", true, &[529]),
    chat(6, "page", false, &[502]),
    chat(6, "empty", false, &[502]),
    chat(6, "garbage", false, &[502]),
    chat(6, "binary", false, &[502]),
    chat(6, "moved", false, &[502]),
    chat(6, "no-http", false, &[502]),
    chat(6, "hints", false, &[502]),
    chat(6, "cut-json", false, &[502]),
    chat(6, "reset-json", false, &[502]),
    chat(6, "open-json", false, &[502]),
    chat(10, "closed", false, &[502]),
    chat(10, "reset", true, &[502]),
    chat(10, "late", false, &[502]),
    chat(3, "silent", false, &[504]),
    chat(6, "truncated", true, &[200]),
    chat(6, "cut-stream", true, &[200]),
    chat(6, "reset-stream", true, &[200]),
    chat(6, "stalled", true, &[200]),
    chat(6, "broken-chunks", true, &[200, 502]),
    chat(6, "apologetic", true, &[200]),
    other(10, Content::Message("claude", false), &[200]),
    other(10, Content::Message("claude-streams", true), &[200]),
    disconnecting(8, "ok", Disconnect::MidBody { reset: false }),
    disconnecting(8, "ok", Disconnect::MidBody { reset: true }),
    disconnecting(8, "leave", before("", false)),
    disconnecting(8, "leave", before("", true)),
    disconnecting(8, "leave", before("\r\n", false)),
    disconnecting(8, "leave", before("G", true)),
    disconnecting(8, "role", Disconnect::With { text: ROLE, reset: false }),
    disconnecting(8, "hello", Disconnect::With { text: HELLO, reset: false }),
    disconnecting(8, "hello", Disconnect::With { text: HELLO, reset: true }),
    disconnecting(6, "flood", Disconnect::Unread),
    other(6, Content::Refused("{\"model\":"), &[400]),
    other(6, Content::Refused(r#"{"model":"no-such-model"}"#), &[404]),
    other(6, Content::Other("GET", "/v1/models", Key::Master), &[200]),
    other(6, Content::Other("GET", "/v1/models", Key::None), &[401]),
    other(6, Content::Other("GET", "/nowhere", Key::Master), &[404]),
    other(6, Content::Other("GET", "/health", Key::None), &[200]),
    other(20, Content::Keyed(Key::Rotating), &[200, 401]),
    other(10, Content::Keyed(Key::Revoked), &[401]),
];

/// Turns of the rotating key: the one that is in force for sure, and the last one that was written.
#[derive(Default)]
pub(crate) struct Turns {
    pub(crate) in_force: AtomicU64,
    pub(crate) written: AtomicU64,
}

/// The client's key of a turn.
pub(crate) fn rotating_key(turn: u64) -> String {
    format!("rotating-client-key-{turn:08}")
}

/// Requests and responses as the clients saw them.
#[derive(Default)]
pub(crate) struct Ledger {
    /// By status and how the transfer ended; health checks are in none.
    pub(crate) http: BTreeMap<String, u64>,
    /// Disconnects by stage.
    pub(crate) disconnects: BTreeMap<String, u64>,
    /// Authenticated model calls.
    pub(crate) calls: u64,
    /// Those that went to a provider.
    pub(crate) dispatched: u64,
    pub(crate) unauthorized: u64,
    /// Input and output.
    pub(crate) tokens: (u64, u64),
    /// Requests that crossed the end of their connection, where the gateway noticed that too late to tell them from
    /// requests that were worked on: they are not sent again.
    pub(crate) crossed_late: u64,
    /// Responses that are none of the right ones.
    pub(crate) failures: Vec<String>,
}

impl Ledger {
    pub(crate) fn add(&mut self, other: Self) {
        other.http.into_iter().for_each(|(key, count)| *self.http.entry(key).or_default() += count);
        let disconnects = other.disconnects.into_iter();
        disconnects.for_each(|(key, count)| *self.disconnects.entry(key).or_default() += count);
        self.calls += other.calls;
        self.dispatched += other.dispatched;
        self.unauthorized += other.unauthorized;
        self.tokens.0 += other.tokens.0;
        self.tokens.1 += other.tokens.1;
        self.crossed_late += other.crossed_late;
        self.failures.extend(other.failures);
    }

    /// Requests, health checks aside.
    pub(crate) fn sent(&self) -> u64 {
        self.http.values().sum()
    }

    /// Counts a request and how it ended.
    pub(crate) fn ended(&mut self, end: impl Into<String>) {
        *self.http.entry(end.into()).or_default() += 1;
    }

    fn left(&mut self, stage: &str, end: &str) {
        *self.disconnects.entry(stage.to_owned()).or_default() += 1;
        self.ended(end);
    }
}

/// One client.
pub(crate) struct ChaosClient<'a> {
    pub(crate) aurora: &'a Aurora,
    pub(crate) upstream: &'a Upstream,
    pub(crate) turns: &'a Turns,
    pub(crate) number: usize,
    /// Mean time between two requests.
    pub(crate) pause: Duration,
    pub(crate) ledger: Ledger,
    connection: Option<client::Client>,
    random: u64,
    /// Requests to the model that never responds.
    unanswered: u64,
}

impl<'a> ChaosClient<'a> {
    pub(crate) fn new(
        aurora: &'a Aurora,
        upstream: &'a Upstream,
        turns: &'a Turns,
        number: usize,
        pause: Duration,
    ) -> Self {
        let random = 0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1);
        let (ledger, connection) = (Ledger::default(), None);
        Self { aurora, upstream, turns, number, pause, ledger, connection, random, unanswered: 0 }
    }

    /// Sends requests until told to stop.
    pub(crate) fn run(&mut self, stop: &AtomicBool) {
        let total: u64 = KINDS.iter().map(|kind| kind.share).sum();
        while !stop.load(Ordering::SeqCst) {
            let mut pick = self.next() % total;
            let kind = KINDS.iter().find(|kind| {
                let is_it = pick < kind.share;
                pick = pick.wrapping_sub(kind.share);
                is_it
            });
            self.exchange(kind.expect("a kind"));
            let share = self.next() % 2_000;
            thread::sleep(self.pause * u32::try_from(share).expect("small") / 1_000);
        }
        self.connection = None;
    }

    /// Xorshift: the same order for a client in every run.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    fn exchange(&mut self, kind: &Kind) {
        let turn = self.turns.in_force.load(Ordering::SeqCst);
        let bytes = self.bytes(&kind.content, turn);
        let mut client = self.connection.take().unwrap_or_else(|| self.aurora.client());
        let is_call = matches!(kind.content, Content::Chat(..) | Content::Message(..) | Content::Refused(_));
        self.ledger.calls += u64::from(is_call);
        let goes_on = !matches!(kind.disconnect, Disconnect::MidBody { .. });
        let dispatched = goes_on && kind.is_dispatched();
        self.ledger.dispatched += u64::from(dispatched);
        match kind.disconnect {
            Disconnect::Never => {
                client.send(bytes);
                self.read(kind, turn, client);
            }
            Disconnect::MidBody { reset } => self.disconnect_mid_body(&bytes, reset, client),
            Disconnect::BeforeHeaders { trailing, reset } => {
                client.send([&bytes, trailing.as_bytes()].concat());
                self.unanswered += 1;
                self.upstream.received_of(&self.number.to_string(), self.unanswered);
                disconnect(client, reset);
                self.ledger.left("before_headers", "499 cancelled");
            }
            Disconnect::With { text, reset } => {
                client.send(bytes);
                if !self.begins(kind, &mut client) {
                    return;
                }
                client.read_until(text);
                disconnect(client, reset);
                let stage = if text == ROLE { "before_first_token" } else { "mid_stream" };
                self.ledger.left(stage, "200 cancelled");
            }
            Disconnect::Unread => {
                client.send(bytes);
                if !self.begins(kind, &mut client) {
                    return;
                }
                client.read_until(HELLO);
                disconnect(client, true);
                self.ledger.left("mid_stream", "200 cancelled");
            }
        }
    }

    fn bytes(&self, content: &Content, turn: u64) -> Vec<u8> {
        let post = |path: &str, model: &str, streams: bool, key: Key| {
            // One model for most scripts keeps the exposition small, so that each scrape can be checked.
            let (model, user) = match model {
                "leave" => (model, self.number.to_string()),
                _ if provider::MODELS.contains(&model) => (model, String::new()),
                script => (provider::MODEL, script.to_owned()),
            };
            let body = format!(
                r#"{{"user":"{user}","model":"{model}","stream":{streams},"max_tokens":9,"messages":[]}}"#
            );
            let headers = format!("{}content-type: application/json\r\n", header(key, turn));
            request("POST", path, &headers, body)
        };
        match content {
            Content::Chat(model, streams) => post(CHAT, model, *streams, Key::Master),
            Content::Message(model, streams) => post("/v1/messages", model, *streams, Key::Master),
            Content::Keyed(key) => post(CHAT, "ok", false, *key),
            Content::Refused(body) => request("POST", CHAT, &header(Key::Master, turn), body),
            Content::Other(method, path, key) => request(method, path, &header(*key, turn), ""),
        }
    }

    fn disconnect_mid_body(&mut self, bytes: &[u8], reset: bool, mut client: client::Client) {
        if reset {
            let text = String::from_utf8_lossy(bytes);
            let (head, _) = text.split_once("\r\n\r\n").expect("a head");
            client.send(format!("{head}\r\nexpect: 100-continue\r\n\r\n{{"));
            let status = client.head().status;
            if status != 100 {
                self.ledger.failures.push(format!("{status} instead of 100 Continue"));
            }
        } else {
            client.send(&bytes[..bytes.len() - 5]);
        }
        disconnect(client, reset);
        self.ledger.left("before_headers", "499 cancelled");
    }

    /// Reads a whole response and keeps the connection where it stays open.
    fn read(&mut self, kind: &Kind, turn: u64, mut client: client::Client) {
        let begun = Instant::now();
        let Some(response) = client.try_response() else {
            let failure = format!("no response to {} after {:?}", kind.name(), begun.elapsed());
            return self.ledger.failures.push(failure);
        };
        let is_health = matches!(kind.content, Content::Other(_, "/health", _));
        self.check_status(kind, &response);
        self.check_key(kind, turn, response.status);
        let is_whole = response.whole && !is_broken(&response);
        if !is_health {
            self.ledger.ended(format!("{} {}", response.status, if is_whole { "ok" } else { "broken" }));
        }
        if response.status == 200 && is_whole && kind.declares_usage() {
            self.ledger.tokens.0 += TOKENS.0;
            self.ledger.tokens.1 += TOKENS.1;
        }
        if is_whole != kind.is_whole() && response.status == 200 {
            let body = String::from_utf8_lossy(&response.body[response.body.len().saturating_sub(200)..])
                .into_owned();
            self.ledger.failures.push(format!("{}: whole is {is_whole}: …{body:?}", kind.name()));
        }
        if response.whole && response.header("connection") != Some("close") {
            self.connection = Some(client);
        }
    }

    /// Reads the head of a stream; false where there is none, because the request crossed a close.
    fn begins(&mut self, kind: &Kind, client: &mut client::Client) -> bool {
        let mut response = client.head();
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        response.body = length.map(|length| client.take(length)).unwrap_or_default();
        let begins = response.status == 200;
        if !begins {
            self.ledger.ended(format!("{} ok", response.status));
        }
        self.check_status(kind, &response);
        begins
    }

    fn check_status(&mut self, kind: &Kind, response: &Response) {
        let status = response.status;
        if kind.statuses.contains(&status) {
            return;
        }
        if is_connection_broken(response) {
            self.ledger.crossed_late += 1;
        } else {
            self.ledger.failures.push(format!("{}: {status} instead of {:?}", kind.name(), kind.statuses));
        }
    }

    /// Counts a refused key; a call with a key that was let in is a model call like any other.
    fn check_key(&mut self, kind: &Kind, turn: u64, status: u16) {
        if status == 401 {
            self.ledger.unauthorized += 1;
            let written = self.turns.written.load(Ordering::SeqCst);
            if matches!(kind.content, Content::Keyed(Key::Rotating)) && written == turn {
                self.ledger.failures.push("the key in force was refused".to_owned());
            }
        } else if matches!(kind.content, Content::Keyed(_)) {
            self.ledger.calls += 1;
            self.ledger.dispatched += 1;
        }
    }
}

impl Kind {
    fn name(&self) -> String {
        match &self.content {
            Content::Chat(model, _) | Content::Message(model, _) => (*model).to_owned(),
            Content::Refused(body) => (*body).to_owned(),
            Content::Other(method, path, _) => format!("{method} {path}"),
            Content::Keyed(key) => {
                if *key == Key::Revoked { "revoked key" } else { "rotating key" }.to_owned()
            }
        }
    }

    fn is_dispatched(&self) -> bool {
        matches!(self.content, Content::Chat(..) | Content::Message(..))
    }

    /// Whether a 200 of this kind comes to its end.
    fn is_whole(&self) -> bool {
        let broken =
            ["truncated", "cut-stream", "reset-stream", "stalled", "broken-chunks", "apologetic"].as_slice();
        !broken.contains(&self.name().as_str())
    }

    /// Whether a whole 200 of this kind declares [`TOKENS`].
    fn declares_usage(&self) -> bool {
        let is_call = !matches!(self.content, Content::Other(..) | Content::Refused(_));
        is_call && !["uncounted", "odd"].contains(&self.name().as_str())
    }
}

/// Whether the provider's connection broke before a response.
fn is_connection_broken(response: &Response) -> bool {
    response.status == 502
        && memchr::memmem::find(&response.body, b"the connection broke before a response").is_some()
}

/// Whether a stream ends in an error event.
fn is_broken(response: &Response) -> bool {
    let is_stream = response.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    is_stream && memchr::memmem::find(&response.body, b"\"error\":").is_some()
}

fn disconnect(client: client::Client, reset: bool) {
    if reset {
        client.reset();
    }
}

fn header(key: Key, turn: u64) -> String {
    let key = match key {
        Key::Master => MASTER_KEY.to_owned(),
        Key::Rotating => rotating_key(turn),
        // Before the first turn that is a key which never was.
        Key::Revoked => rotating_key(turn.wrapping_sub(1)),
        Key::None => return String::new(),
    };
    format!("authorization: Bearer {key}\r\n")
}
