//! Ten thousand mixed requests, a scraper at 10 Hz, and every number of the exposition accounted for in the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, chat_of, request};
use crate::support::fixtures::{
    CHAT_RESPONSE, DONE, HELLO, JSON, LARGER_USAGE, MASTER_KEY, PROVIDER_KEY, ROLE, STOP,
};
use crate::support::totals::watch;
use crate::support::upstream::{LAST_CHUNK, Step, Upstream, json, opening, response, stream};

const CLIENTS: usize = 16;
const SENT: usize = 10_400;

const MESSAGE_RESPONSE: &str = r#"{"type":"message","content":[],"usage":{"input_tokens":4,
    "cache_read_input_tokens":6,"cache_creation_input_tokens":1,"output_tokens":9}}"#;
const MESSAGE_EVENTS: [&str; 4] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":4,\"output_tokens\":1}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":8}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];
const CHAT: &str = "/v1/chat/completions POST";

/// When a client disconnects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disconnect {
    /// With the whole response.
    Never,
    /// Once the provider has its request.
    BeforeHeaders,
    /// With this much of a stream.
    With(&'static str),
}

/// What one request adds to a series: family, labels, how much.
type Added = (&'static str, String, u64);

/// The same, known from the start.
type Adds = (&'static str, &'static str, u64);

/// One kind of request: how it is sent, how often, and what each one adds to which series.
struct Kind {
    /// Of a hundred; 0 is a rare one.
    share: usize,
    what: What,
    disconnect: Disconnect,
    status: u16,
}

enum What {
    /// A chat of a model that is dispatched once; `#` in its name is the number of the client.
    Chat { model: &'static str, streams: bool, ends: Ends },
    /// Anything else: method, path, header lines, body.
    Other { request: [&'static str; 4], adds: &'static [Adds] },
}

/// A chat whose client waits for the response.
const fn chat(share: usize, model: &'static str, streams: bool, ends: Ends) -> Kind {
    Kind {
        share,
        what: What::Chat { model, streams, ends },
        disconnect: Disconnect::Never,
        status: ends.status,
    }
}

/// A chat whose client disconnects.
const fn disconnecting(share: usize, model: &'static str, disconnect: Disconnect, ends: Ends) -> Kind {
    let streams = matches!(disconnect, Disconnect::With(_));
    Kind { share, what: What::Chat { model, streams, ends }, disconnect, status: ends.status }
}

const fn other(share: usize, status: u16, request: [&'static str; 4], adds: &'static [Adds]) -> Kind {
    Kind { share, what: What::Other { request, adds }, disconnect: Disconnect::Never, status }
}

impl Kind {
    fn request(&self, client: usize) -> Vec<u8> {
        match &self.what {
            What::Chat { model, streams, .. } => chat_of(&model.replace('#', &client.to_string()), *streams),
            What::Other { request: [method, path, headers, body], .. } => {
                request(method, path, &headers.replace("KEY", MASTER_KEY), body)
            }
        }
    }

    fn adds(&self, client: usize) -> Vec<Added> {
        match &self.what {
            What::Chat { model, streams, ends } => {
                ends.adds(&model.replace('#', &client.to_string()), *streams)
            }
            What::Other { adds, .. } => {
                adds.iter().map(|(family, labels, count)| (*family, (*labels).to_owned(), *count)).collect()
            }
        }
    }
}

/// How a dispatched chat ends, as the labels say it.
#[derive(Clone, Copy)]
struct Ends {
    /// Our status.
    status: u16,
    http: &'static str,
    response: &'static str,
    /// `status_code status_type` of the dispatch.
    request: &'static str,
    attempt: &'static str,
    stream: Option<&'static str>,
    usage: Option<&'static str>,
    /// Input and output.
    tokens: Option<(u64, u64)>,
    disconnect: Option<&'static str>,
}

const OK: Ends = Ends {
    status: 200,
    http: "200 ok",
    response: "ok",
    request: "200 success",
    attempt: "success",
    stream: None,
    usage: Some("native"),
    tokens: Some((3, 2)),
    disconnect: None,
};
const STREAMED: Ends = Ends { stream: Some("completed"), tokens: Some((7, 5)), ..OK };
const UNCOUNTED: Ends = Ends { usage: Some("missing"), tokens: None, ..OK };
const BROKEN: Ends = Ends {
    http: "200 broken",
    response: "broken_stream",
    request: "200 error",
    attempt: "server_error",
    stream: Some("upstream_truncated"),
    ..UNCOUNTED
};
const DISCONNECTED: Ends = Ends {
    http: "200 cancelled",
    response: "cancelled",
    request: "499 cancelled",
    attempt: "cancelled",
    stream: Some("client_disconnect"),
    ..UNCOUNTED
};

impl Ends {
    fn adds(&self, model: &str, streams: bool) -> Vec<Added> {
        let endpoint = "/chat/completions";
        let kind = self.request.split(' ').nth(1).expect("two words");
        let mut adds = vec![
            ("aurora_http_requests_total", format!("{CHAT} {}", self.http), 1),
            ("aurora_answers_total", format!("{model} {}", self.response), 1),
            ("aurora_requests_total", format!("up {model} {endpoint} {} {streams}", self.request), 1),
            ("aurora_request_duration_seconds_count", format!("up {model} {endpoint} {streams} {kind}"), 1),
            ("aurora_upstream_attempts_total", format!("up {model} {}", self.attempt), 1),
        ];
        if let Some(outcome) = self.stream {
            adds.push(("aurora_streams_total", format!("up {model} {outcome}"), 1));
            adds.push(("aurora_stream_max_gap_seconds_count", format!("up {model}"), 1));
            if self.disconnect != Some("before_first_token") {
                let labels = format!("up {model} {endpoint}");
                adds.push(("aurora_time_to_first_token_seconds_count", labels, 1));
            }
        }
        if let Some(source) = self.usage {
            adds.push(("aurora_usage_reports_total", format!("up {source}"), 1));
        }
        if let Some((input, output)) = self.tokens {
            adds.push(("aurora_tokens_total", format!("up {model} input uncached"), input));
            adds.push(("aurora_tokens_total", format!("up {model} output text"), output));
        }
        if let Some(stage) = self.disconnect {
            adds.push(("aurora_client_disconnects_total", format!("{endpoint} {stage}"), 1));
        }
        adds
    }
}

/// The families whose every sample is accounted for.
const EXACT: [&str; 15] = [
    "aurora_answers_total",
    "aurora_auth_failures_total",
    "aurora_client_disconnects_total",
    "aurora_fallbacks_total",
    "aurora_http_requests_total",
    "aurora_rejected_requests_total",
    "aurora_request_duration_seconds_count",
    "aurora_requests_total",
    "aurora_retries_total",
    "aurora_stream_max_gap_seconds_count",
    "aurora_streams_total",
    "aurora_time_to_first_token_seconds_count",
    "aurora_tokens_total",
    "aurora_upstream_attempts_total",
    "aurora_usage_reports_total",
];

/// A status that the provider gave and the client got.
const fn failed(status: u16, http: &'static str, request: &'static str, response: &'static str) -> Ends {
    Ends { status, http, response, request, usage: None, tokens: None, ..OK }
}

const REFUSED: Ends = failed(400, "400 ok", "400 error", "caller_error");
const LIMITED: Ends = failed(429, "429 ok", "429 error", "rate_limited");
const FAILING: Ends = failed(500, "500 ok", "500 error", "upstream_error");
const LOCKED: Ends = failed(502, "502 ok", "401 error", "upstream_error");
const INVALID_RESPONSE: Ends = failed(502, "502 ok", "200 error", "upstream_error");
const SILENT: Ends = failed(504, "504 ok", "504 error", "upstream_error");
const APOLOGETIC: Ends = Ends { stream: Some("upstream_error"), ..BROKEN };
const GONE: Ends = Ends {
    http: "499 cancelled",
    stream: None,
    usage: None,
    disconnect: Some("before_headers"),
    ..DISCONNECTED
};
const BEFORE_TOKEN: Ends = Ends { disconnect: Some("before_first_token"), ..DISCONNECTED };
const MID_STREAM: Ends = Ends { disconnect: Some("mid_stream"), ..DISCONNECTED };

const PATH: &str = "/v1/chat/completions";
const OPEN: &str = "authorization: Bearer KEY\r\n";
const LARGE: &str = "authorization: Bearer KEY\r\ncontent-length: 99999999\r\n";
const WRONG: &str = "authorization: Bearer wrong\r\n";
const ODD: &str = "authorization: wrong\r\n";

const HTTP: &str = "aurora_http_requests_total";
const RESPONSES: &str = "aurora_answers_total";
const REJECTED: &str = "aurora_rejected_requests_total";
const AUTH: &str = "aurora_auth_failures_total";
const REQUESTS: &str = "aurora_requests_total";
const DURATIONS: &str = "aurora_request_duration_seconds_count";
const ATTEMPTS: &str = "aurora_upstream_attempts_total";
const USAGE_REPORTS: &str = "aurora_usage_reports_total";
const TOKENS: &str = "aurora_tokens_total";
const FELL_BACK: &[Adds] = &[
    (HTTP, "/v1/chat/completions POST 200 ok", 1),
    (RESPONSES, "spare-route ok_after_fallback", 1),
    (REQUESTS, "up failing /chat/completions 500 error false", 1),
    (REQUESTS, "again spare /chat/completions 200 success false", 1),
    (DURATIONS, "up failing /chat/completions false error", 1),
    (DURATIONS, "again spare /chat/completions false success", 1),
    (ATTEMPTS, "up failing server_error", 1),
    (ATTEMPTS, "again spare success", 1),
    ("aurora_fallbacks_total", "up again success", 1),
    (USAGE_REPORTS, "again native", 1),
    (TOKENS, "again spare input uncached", 3),
    (TOKENS, "again spare output text", 2),
];
const RETRIED: &[Adds] = &[
    (HTTP, "/v1/chat/completions POST 503 ok", 1),
    (RESPONSES, "unsteady upstream_error", 1),
    (REQUESTS, "again unsteady /chat/completions 503 error false", 1),
    (DURATIONS, "again unsteady /chat/completions false error", 1),
    (ATTEMPTS, "again unsteady server_error", 3),
    ("aurora_retries_total", "again server_error", 2),
];
const MESSAGE: &[Adds] = &[
    (HTTP, "/v1/messages POST 200 ok", 1),
    (RESPONSES, "claude ok", 1),
    (REQUESTS, "claude claude /messages 200 success false", 1),
    (DURATIONS, "claude claude /messages false success", 1),
    (ATTEMPTS, "claude claude success", 1),
    (USAGE_REPORTS, "claude native", 1),
    (TOKENS, "claude claude input uncached", 4),
    (TOKENS, "claude claude input cache_read", 6),
    (TOKENS, "claude claude input cache_write", 1),
    (TOKENS, "claude claude output text", 9),
];
const MESSAGE_STREAM: &[Adds] = &[
    (HTTP, "/v1/messages POST 200 ok", 1),
    (RESPONSES, "claude-streams ok", 1),
    (REQUESTS, "claude claude-streams /messages 200 success true", 1),
    (DURATIONS, "claude claude-streams /messages true success", 1),
    (ATTEMPTS, "claude claude-streams success", 1),
    ("aurora_streams_total", "claude claude-streams completed", 1),
    ("aurora_stream_max_gap_seconds_count", "claude claude-streams", 1),
    ("aurora_time_to_first_token_seconds_count", "claude claude-streams /messages", 1),
    (USAGE_REPORTS, "claude native", 1),
    (TOKENS, "claude claude-streams input uncached", 4),
    (TOKENS, "claude claude-streams output text", 8),
];

const TURNED_AWAY: Adds = (RESPONSES, "unknown caller_error", 1);

#[rustfmt::skip]
const KINDS: [Kind; 29] = [
    chat(29, "ok", false, OK),
    chat(14, "streamed", true, STREAMED),
    chat(3, "uncounted", false, UNCOUNTED),
    chat(3, "refused", false, Ends { attempt: "client_error", ..REFUSED }),
    chat(3, "limited", true, Ends { attempt: "rate_limited", ..LIMITED }),
    chat(3, "failing", false, Ends { attempt: "server_error", ..FAILING }),
    chat(2, "locked", false, Ends { attempt: "unauthorized", ..LOCKED }),
    chat(2, "page", false, Ends { attempt: "server_error", usage: Some("missing"), ..INVALID_RESPONSE }),
    chat(0, "silent", false, Ends { attempt: "timeout", ..SILENT }),
    chat(3, "truncated", true, BROKEN),
    chat(2, "reset", true, BROKEN),
    chat(2, "apologetic", true, APOLOGETIC),
    disconnecting(2, "leave-#", Disconnect::BeforeHeaders, GONE),
    disconnecting(2, "role", Disconnect::With(ROLE), BEFORE_TOKEN),
    disconnecting(2, "hello", Disconnect::With(HELLO), MID_STREAM),
    other(2, 200, ["POST", PATH, OPEN, r#"{"model":"spare-route"}"#], FELL_BACK),
    other(0, 503, ["POST", PATH, OPEN, r#"{"model":"unsteady"}"#], RETRIED),
    other(2, 200, ["POST", "/v1/messages", OPEN, r#"{"model":"claude","max_tokens":9}"#], MESSAGE),
    other(2, 200, ["POST", "/v1/messages", OPEN, r#"{"model":"claude-streams","stream":true}"#], MESSAGE_STREAM),
    other(4, 404, ["POST", PATH, OPEN, r#"{"model":"nobody-has-this"}"#],
        &[(HTTP, "/v1/chat/completions POST 404 ok", 1), (REJECTED, "model_not_found", 1), TURNED_AWAY]),
    other(4, 400, ["POST", PATH, OPEN, "{\"model\":"],
        &[(HTTP, "/v1/chat/completions POST 400 ok", 1), (REJECTED, "invalid_request", 1), TURNED_AWAY]),
    other(1, 413, ["POST", PATH, LARGE, ""],
        &[(HTTP, "/v1/chat/completions POST 413 ok", 1), (REJECTED, "body_too_large", 1), TURNED_AWAY]),
    other(4, 401, ["POST", PATH, WRONG, "{}"], &[(HTTP, "/v1/chat/completions POST 401 ok", 1), (AUTH, "api invalid", 1)]),
    other(2, 401, ["POST", PATH, ODD, "{}"], &[(HTTP, "/v1/chat/completions POST 401 ok", 1), (AUTH, "api malformed", 1)]),
    other(2, 401, ["GET", "/metrics", "", ""], &[(HTTP, "/metrics GET 401 ok", 1), (AUTH, "metrics missing", 1)]),
    other(1, 404, ["GET", "/nowhere", OPEN, ""], &[(HTTP, "unmatched GET 404 ok", 1)]),
    other(1, 405, ["BREW", PATH, OPEN, ""], &[(HTTP, "/v1/chat/completions other 405 ok", 1)]),
    other(2, 200, ["GET", "/v1/models", OPEN, ""], &[(HTTP, "/v1/models GET 200 ok", 1)]),
    other(1, 200, ["GET", "/health", "", ""], &[]),
];

fn upstream() -> Upstream {
    let refuse = |status: &str| response(status, JSON, r#"{"error":{"message":"no"}}"#);
    let mut reset = opening(&[ROLE, HELLO, "data: {\"cho"]);
    reset.push(Step::Reset);
    let mut truncated = opening(&[ROLE, HELLO]);
    truncated.push(Step::Send(LAST_CHUNK.into()));
    let waiting = |parts: &[&str]| [opening(parts), vec![Step::Stall]].concat();
    let mut upstream = Upstream::start()
        .on("ok", json(CHAT_RESPONSE))
        .on("streamed", stream(&[ROLE, HELLO, STOP, LARGER_USAGE, DONE]))
        .on("uncounted", json(r#"{"choices":[]}"#))
        .on("refused", refuse("400 Bad Request"))
        .on("limited", refuse("429 Too Many Requests"))
        .on("failing", refuse("500 Internal Server Error"))
        .on("locked", refuse("401 Unauthorized"))
        .on("page", response("200 OK", "content-type: text/html\r\n", "<html>"))
        .on("silent", vec![Step::Stall])
        .on("truncated", truncated)
        .on("reset", reset)
        .on("apologetic", stream(&[ROLE, HELLO, "data: {\"error\":{\"message\":\"sorry\"}}\n\n"]))
        .on("spare", json(CHAT_RESPONSE))
        .on("unsteady", refuse("503 Service Unavailable"))
        .on("claude", json(MESSAGE_RESPONSE))
        .on("claude-streams", stream(&MESSAGE_EVENTS))
        .on("role", waiting(&[ROLE]))
        .on("hello", waiting(&[ROLE, HELLO]));
    for client in 0..CLIENTS {
        upstream = upstream.on(&format!("leave-{client}"), vec![Step::Stall]);
    }
    upstream
}

fn gateway(upstream: &Upstream) -> Aurora {
    let elsewhere = ["spare", "unsteady", "claude", "claude-streams"];
    let models = upstream.models().into_iter().filter(|model| !elsewhere.contains(&model.as_str()));
    let models = models.collect::<Vec<_>>().join(", ");
    let provider = |kind: &str, rest: &str| {
        let address = upstream.address;
        format!("{{type: {kind}, base_url: \"http://{address}/v1\", api_key: {PROVIDER_KEY}, {rest}}}")
    };
    let retries = "retry: {max_retries: 2, initial_backoff: 1ms, max_backoff: 2ms}";
    Setup::new()
        .yaml(&format!(
            "server: {{master_key: {MASTER_KEY}, workers: 2}}\n\
             metrics: {{enabled: true}}\n\
             http: {{timeout: 6s}}\n\
             log: {{requests: off}}\n\
             resilience: {{retry: {{max_retries: 0}}, circuit_breaker: {{failure_threshold: 0}}}}\n\
             routes: {{spare-route: [up/failing, again/spare]}}\n\
             providers:\n  up: {}\n  again: {}\n  claude: {}\n",
            provider("openai_compatible", &format!("models: [{models}]")),
            provider("openai_compatible", &format!("models: [spare, unsteady], resilience: {{{retries}}}")),
            provider("anthropic", "models: [claude, claude-streams]"),
        ))
        .start()
}

/// The order in which a client sends the kinds: every kind as often as its share says, well mixed.
fn order(client: usize) -> Vec<usize> {
    let shares: Vec<usize> =
        KINDS.iter().enumerate().flat_map(|(index, kind)| std::iter::repeat_n(index, kind.share)).collect();
    assert_eq!(shares.len(), 100);
    // 37 and 100 have no common factor, so each hundred visits every share once.
    let turns = (0..SENT / CLIENTS).map(|turn| shares[(turn * 37 + client * 11 + turn / 100) % 100]);
    let mut order: Vec<usize> = turns.collect();
    // A timeout takes seconds and the budget allows ten retries, so few clients send these, each at another time.
    let rare: Vec<usize> = (0..KINDS.len()).filter(|index| KINDS[*index].share == 0).collect();
    order.insert(40 + client * 37, rare[usize::from(client < 4)]);
    order
}

/// Sends all of one client's requests, one after another, on as few connections as the responses allow.
fn send_all(aurora: &Aurora, upstream: &Upstream, client: usize) {
    let mut connection: Option<Client> = None;
    let mut left = 0;
    for index in order(client) {
        let kind = &KINDS[index];
        let mut open = connection.take().unwrap_or_else(|| aurora.client());
        open.send(kind.request(client));
        match kind.disconnect {
            Disconnect::BeforeHeaders => {
                left += 1;
                upstream.received(&format!("leave-{client}"), left);
            }
            Disconnect::With(text) => {
                assert_eq!(open.head().status, kind.status);
                open.read_until(text);
            }
            Disconnect::Never => {
                let response = open.try_response().unwrap_or_else(|| panic!("no answer to kind {index}"));
                assert_eq!(response.status, kind.status, "{}", String::from_utf8_lossy(&response.body));
                if response.whole && response.header("connection") != Some("close") {
                    connection = Some(open);
                }
            }
        }
    }
}

#[test]
fn every_number_is_accounted_for() {
    let upstream = upstream();
    let aurora = gateway(&upstream);
    let stop = AtomicBool::new(false);
    let scrapes = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&aurora, &stop));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (aurora, upstream) = (&aurora, &upstream);
                scope.spawn(move || send_all(aurora, upstream, client))
            })
            .collect();
        let ended: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::SeqCst);
        assert!(ended.iter().all(Result::is_ok), "a client failed");
        watcher.join().expect("no scrape broke a rule")
    });
    assert!(scrapes > 10, "only {scrapes} scrapes");

    let mut expected: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for client in 0..CLIENTS {
        for index in order(client) {
            for (family, labels, count) in KINDS[index].adds(client) {
                *expected.entry(family).or_default().entry(labels).or_default() += count;
            }
        }
    }
    aurora.quiet();
    for family in EXACT {
        let expected: Vec<String> =
            expected[family].iter().map(|(labels, count)| format!("{labels} {count}")).collect();
        let mut counts = aurora.counts(family);
        counts.sort();
        assert_eq!(counts, sorted(expected), "{family}");
    }
    let attempts: u64 = expected[ATTEMPTS].values().sum();
    assert_eq!(upstream.calls().len() as u64, attempts, "hits of the upstream");
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
