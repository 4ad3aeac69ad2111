//! Providers that fail before there is anything to relay: responses to the client, and counts.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::aurora::{Aurora, MARGIN, Setup};
use crate::support::client::chat_of;
use crate::support::exposition::{BRITTLE, gateway};
use crate::support::fixtures::PROVIDER_KEY;
use crate::support::upstream::{LAST_CHUNK, STREAM_HEAD, Step, Upstream, response, stream};

const OK: &str = r#"{"id":"x","choices":[]}"#;

/// The envelope of a provider's failure.
fn envelope(message: &str, code: &str) -> String {
    format!(
        r#"{{"error":{{"message":"provider `up`: {message}","type":"upstream_error","param":null,"code":"{code}"}}}}"#
    )
}

#[test]
fn provider_errors_are_relayed_without_the_key() {
    let statuses = [
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "422 Unprocessable Entity",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "503 Service Unavailable",
        "529 Overloaded",
    ];
    let body = format!(r#"{{"error":{{"message":"wrong key {PROVIDER_KEY}, {PROVIDER_KEY}!"}}}}"#);
    let mut upstream = Upstream::start();
    for status in statuses {
        let headers = "content-type: application/problem+json\r\nretry-after: 7\r\n";
        upstream = upstream.on(&status[..3], response(status, headers, &body));
    }
    let upstream = upstream.on("empty", response("500 Oops", "", ""));
    let aurora = gateway(&upstream, "", "");
    let scrubbed = r#"{"error":{"message":"wrong key ******************************, ******************************!"}}"#;
    for status in statuses {
        for streamed in [false, true] {
            let response = aurora.send(chat_of(&status[..3], streamed));
            assert_eq!(response.status_and_text(), (status[..3].parse().expect("a status"), scrubbed));
            assert_eq!(response.header("retry-after"), Some("7"));
            assert_eq!(response.header("content-type"), Some("application/problem+json"));
        }
    }
    assert_eq!(aurora.send(chat_of("empty", false)).status_and_text(), (500, ""));
    let mut expected: Vec<String> = statuses
        .iter()
        .flat_map(|status| {
            let status = &status[..3];
            ["false", "true"].map(|stream| format!("up {status} /chat/completions {status} error {stream} 1"))
        })
        .collect();
    expected.push("up empty /chat/completions 500 error false 1".into());
    aurora.settles("aurora_requests_total", &expected.iter().map(String::as_str).collect::<Vec<_>>());
    aurora.settles(
        "aurora_answers_total",
        &[
            "400 caller_error 2",
            "403 caller_error 2",
            "404 caller_error 2",
            "422 caller_error 2",
            "429 rate_limited 2",
            "500 upstream_error 2",
            "503 upstream_error 2",
            "529 upstream_error 2",
            "empty upstream_error 1",
        ],
    );
}

#[test]
fn a_refused_provider_key_is_a_502_and_not_a_401() {
    let refusal = response("401 Unauthorized", "www-authenticate: Bearer\r\n", r#"{"error":"bad key"}"#);
    let upstream = Upstream::start().on("m", refusal);
    let aurora = gateway(&upstream, "", "");
    let response = aurora.send(chat_of("m", false));
    let message = "it refused the configured credential; the operator has to check its api_key";
    assert_eq!(response.status_and_text(), (502, &*envelope(message, "upstream_credentials")));
    assert_eq!(
        (response.header("www-authenticate"), response.header("content-type")),
        (None, Some("application/json"))
    );
    aurora.settles("aurora_requests_total", &["up m /chat/completions 401 error false 1"]);
    aurora.settles("aurora_answers_total", &["m upstream_error 1"]);
}

const NO_HEAD: &str = "the connection broke before a response";

/// Responses that are none, each with what is wrong with it.
#[rustfmt::skip]
fn invalid_responses() -> Vec<(&'static str, Vec<Step>, &'static str)> {
    let kind = "content-type: application/json\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    let raw = |text: String| vec![Step::Send(text.into_bytes()), Step::Close];
    let ok = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    let many: String = (0..10_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let (html, gzip) = ("content-type: text/html; charset=utf-8\r\n", format!("{kind}content-encoding: gzip\r\n"));
    let (not_json, no_body) = ("its response is not JSON", "its response has no body");
    let broke = "its connection broke in the middle of the response";
    vec![
        ("html", response("200 OK", html, "<p>"), "its response is text/html, not JSON or an event stream"),
        ("empty", response("200 OK", kind, ""), no_body),
        ("no-content", raw("HTTP/1.1 204 No Content\r\n\r\n".into()), no_body),
        ("empty-chunked", raw(ok(&format!("{kind}{chunked}")) + LAST_CHUNK), no_body),
        ("empty-stream", stream(&[]), no_body),
        ("garbage", response("200 OK", kind, "{]"), not_json),
        ("half", response("200 OK", kind, r#"{"choices":["#), not_json),
        ("two", response("200 OK", kind, "{}{}"), not_json),
        ("untyped", response("200 OK", "", "hello"), not_json),
        ("short", raw(ok(&format!("{kind}content-length: 30\r\n")) + OK), broke),
        ("short-chunked", raw(ok(&format!("{kind}{chunked}")) + "5\r\n{\"a\":\r\n"), broke),
        ("gzip", response("200 OK", &gzip, OK), "its compressed response cannot be decoded"),
        ("301", response("301 Moved Permanently", "location: http://127.0.0.1:1/\r\n", "{}"), "it responded with 301 Moved Permanently, which cannot be relayed"),
        ("307", response("307 Temporary Redirect", "location: /v1/other\r\n", ""), "it responded with 307 Temporary Redirect, which cannot be relayed"),
        ("304", response("304 Not Modified", "", ""), "it responded with 304 Not Modified, which cannot be relayed"),
        ("switching", raw(upgrade.into()), "it responded with 101 Switching Protocols, which cannot be relayed"),
        ("silent-close", vec![Step::Close], NO_HEAD),
        ("reset", vec![Step::Reset], NO_HEAD),
        ("garbage-head", raw("SSH-2.0-OpenSSH\r\n\r\n".into()), NO_HEAD),
        ("many-headers", raw(ok(&format!("{kind}{many}"))), NO_HEAD),
        ("long-header", raw(ok(&long)), NO_HEAD),
    ]
}

#[test]
fn invalid_responses_are_a_502_with_a_reason() {
    let cases = invalid_responses();
    let mut upstream = Upstream::start();
    for (name, steps, _) in &cases {
        upstream = upstream.on(name, steps.clone());
    }
    let aurora = gateway(&upstream, "", "");
    for (name, _, message) in &cases {
        let code = if *message == NO_HEAD { "upstream_unreachable" } else { "upstream_invalid_answer" };
        let response = aurora.send(chat_of(name, false));
        assert_eq!((*name, response.status_and_text()), (*name, (502, &*envelope(message, code))));
    }
    assert_eq!(aurora.counts("aurora_tokens_total"), [""; 0]);
    let failed = aurora
        .counts("aurora_answers_total")
        .iter()
        .filter(|line| line.ends_with(" upstream_error 1"))
        .count();
    assert_eq!((failed, aurora.counts("aurora_answers_total").len()), (cases.len(), cases.len()));
    let all = aurora.counts("aurora_requests_total");
    let status = |name: &str| {
        let line = all.iter().find(|line| line.split(' ').nth(1) == Some(name)).expect(name);
        line.split(' ').skip(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(status("html"), "200 error false 1");
    assert_eq!(status("short"), "200 error false 1");
    assert_eq!(status("307"), "307 error false 1");
    assert_eq!(status("reset"), "network_error error false 1");
}

#[test]
fn unreadable_error_bodies_are_replaced() {
    let kind = "content-type: text/plain\r\n";
    let long = |bytes: usize| response("400 Bad Request", kind, "x".repeat(bytes));
    let encoded = response("503 Busy", &format!("{kind}content-encoding: gzip\r\nretry-after: 7\r\n"), "x");
    let upstream =
        Upstream::start().on("fits", long(64 << 10)).on("long", long((64 << 10) + 1)).on("encoded", encoded);
    let aurora = gateway(&upstream, "", "");
    assert_eq!(aurora.send(chat_of("fits", false)).status_and_text(), (400, &*"x".repeat(64 << 10)));
    let long = "it responded with 400 Bad Request and an error text over 65536 bytes";
    let encoded = "it responded with 503 Service Unavailable and a compressed error text";
    for (model, status, message) in [("long", 400, long), ("encoded", 503, encoded)] {
        let response = aurora.send(chat_of(model, false));
        assert_eq!(response.status_and_text(), (status, &*envelope(message, "upstream_invalid_answer")));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("content-encoding"), None);
        assert_eq!(response.header("retry-after"), (status == 503).then_some("7"));
    }
}

/// An instance whose provider is at this base URL.
fn toward(base_url: &str) -> Aurora {
    let yaml = format!(
        "server: {{master_key: {}}}\nmetrics: {{enabled: true}}\nhttp: {{connect_timeout: 300ms}}\n{BRITTLE}\n\
         providers: {{up: {{type: openai_compatible, base_url: \"{base_url}\", api_key: k, models: [m]}}}}\n",
        crate::support::fixtures::MASTER_KEY
    );
    Setup::new().yaml(&yaml).start()
}

#[test]
fn an_unreachable_provider_is_a_502() {
    let refusing =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let begun = Instant::now();
    let aurora = toward(&format!("http://{refusing}/v1"));
    assert_eq!(
        aurora.send(chat_of("m", false)).status_and_text(),
        (502, &*envelope("connection refused", "upstream_unreachable"))
    );
    aurora.settles("aurora_requests_total", &["up m /chat/completions network_error error false 1"]);
    let aurora = toward("http://no-such-host.invalid/v1");
    let response = aurora.send(chat_of("m", true));
    let no_name = "no connection: failed to lookup address information: ";
    let expected = envelope(no_name, "upstream_unreachable");
    let (start, _) = expected.split_once(no_name).expect("the message");
    assert!(response.text().starts_with(&format!("{start}{no_name}")), "{}", response.text());
    assert_eq!(response.status, 502);
    assert!(begun.elapsed() < Duration::from_secs(1) + MARGIN, "took {:?}", begun.elapsed());
}

#[test]
fn a_connect_timeout_is_a_504() {
    // A full backlog drops the next SYN.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    full.listen(0).expect("listens");
    let address = full.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
    let _first = std::net::TcpStream::connect(address).expect("the one that fits");
    let aurora = toward(&format!("http://{address}/v1"));
    let begun = Instant::now();
    let response = aurora.send(chat_of("m", false));
    assert_eq!(
        response.status_and_text(),
        (504, &*envelope("no connection within 300ms", "upstream_timeout"))
    );
    assert!(begun.elapsed() < Duration::from_millis(300) + MARGIN, "took {:?}", begun.elapsed());
    aurora.settles("aurora_requests_total", &["up m /chat/completions 504 error false 1"]);
}

#[test]
fn a_silent_provider_is_a_504() {
    let head = |kind: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 9\r\n\r\n");
    let silent = |text: &str| vec![Step::Send(text.as_bytes().to_vec()), Step::Stall];
    let upstream = Upstream::start()
        .on("mute", vec![Step::Stall])
        .on("headers", silent(&head("application/json")))
        .on("half", silent(&(head("application/json") + "{")))
        .on("error", silent("HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\n"))
        .on("stream-headers", silent(STREAM_HEAD));
    let aurora = gateway(&upstream, "", "http: {timeout: 300ms, stream_first_event: 200ms}");
    for (model, streamed) in [
        ("mute", false),
        ("headers", false),
        ("half", false),
        ("error", false),
        ("mute", true),
        ("stream-headers", true),
    ] {
        let begun = Instant::now();
        let response = aurora.send(chat_of(model, streamed));
        let (message, limit) =
            if streamed { ("no first event within 200ms", 200) } else { ("no response within 300ms", 300) };
        assert_eq!(
            (model, response.status_and_text()),
            (model, (504, &*envelope(message, "upstream_timeout")))
        );
        let limit = Duration::from_millis(limit);
        assert!((limit..limit + MARGIN).contains(&begun.elapsed()), "{model}: took {:?}", begun.elapsed());
        upstream.over(model);
    }
    aurora.settles(
        "aurora_requests_total",
        &[
            "up error /chat/completions 504 error false 1",
            "up half /chat/completions 504 error false 1",
            "up headers /chat/completions 504 error false 1",
            "up mute /chat/completions 504 error false 1",
            "up mute /chat/completions 504 error true 1",
            "up stream-headers /chat/completions 504 error true 1",
        ],
    );
}
