//! Retries that obey the upstream and do not multiply those of the client.

use std::time::{Duration, Instant};

use crate::support::client::{chat_of, key, request};
use crate::support::exposition::{gateway, gateways};
use crate::support::fixtures::{BUSY, OK};
use crate::support::upstream::{Step, Upstream, json, response};

/// Three retries after next to no pause.
const QUICK: &str = "resilience: {retry: {initial_backoff: 1ms, max_backoff: 100ms}, circuit_breaker: {failure_threshold: 0}}";

fn busy(status: &str, headers: &str) -> Vec<Step> {
    response(status, &format!("content-type: application/json\r\n{headers}"), BUSY)
}

#[test]
fn a_rate_limit_is_retried_only_with_retry_after() {
    let upstream = Upstream::start()
        .on("never", busy("429 Slow Down", ""))
        .on("soon", busy("429 Slow Down", "retry-after: 0\r\n"))
        .on("soon", json(OK))
        .on("soon-ms", busy("429 Slow Down", "retry-after: 9\r\nretry-after-ms: 80\r\n"))
        .on("soon-ms", json(OK))
        .on("late-ms", busy("429 Slow Down", "retry-after: 0\r\nretry-after-ms: 101\r\n"))
        .on("busy-ms", busy("503 Busy", "retry-after-ms: 101\r\n"));
    let aurora = gateway(&upstream, "", QUICK);
    let never = aurora.send(chat_of("never", false));
    assert_eq!(never.status_and_text(), (429, BUSY));
    assert_eq!(aurora.send(chat_of("soon", false)).status_and_text(), (200, OK));
    let begun = Instant::now();
    assert_eq!(aurora.send(chat_of("soon-ms", false)).status_and_text(), (200, OK));
    assert!(begun.elapsed() >= Duration::from_millis(80), "took {:?}", begun.elapsed());
    let late = aurora.send(chat_of("late-ms", false));
    assert_eq!((late.status_and_text(), late.header("retry-after-ms")), ((429, BUSY), Some("101")));
    assert_eq!(aurora.send(chat_of("busy-ms", false)).status_and_text(), (503, BUSY));
    assert_eq!(upstream.calls().len(), 1 + 2 + 2 + 1 + 1);
    aurora.settles("aurora_retries_total", &["up rate_limited 2"]);
}

#[test]
fn a_rate_limit_without_retry_after_falls_back() {
    let a = Upstream::start().on("m", busy("429 Slow Down", ""));
    let b = Upstream::start().on("m", json(OK));
    let aurora =
        gateways(&[("a", &a, ""), ("b", &b, "")], &format!("{QUICK}\nroutes: {{smart: [a/m, b/m]}}"));
    assert_eq!(aurora.send(chat_of("smart", false)).status_and_text(), (200, OK));
    assert_eq!((a.calls().len(), b.calls().len()), (1, 1));
}

#[test]
fn x_should_retry_of_the_upstream_is_obeyed() {
    let upstream = Upstream::start()
        .on("no", busy("503 Busy", "x-should-retry: false\r\nretry-after: 0\r\n"))
        .on("no-429", busy("429 Slow Down", "x-should-retry: false\r\nretry-after: 0\r\n"))
        .on("yes", busy("500 Oops", "x-should-retry: true\r\n"))
        .on("yes", json(OK))
        .on("yes-409", busy("409 Conflict", "x-should-retry: true\r\n"))
        .on("yes-409", json(OK))
        .on("yes-429", busy("429 Slow Down", "x-should-retry: true\r\n"))
        .on("odd", busy("500 Oops", "x-should-retry: perhaps\r\n"));
    let aurora = gateway(&upstream, "", QUICK);
    for (model, expected) in
        [("no", 503), ("no-429", 429), ("yes", 200), ("yes-409", 200), ("yes-429", 429), ("odd", 500)]
    {
        assert_eq!(aurora.send(chat_of(model, false)).status, expected, "{model}");
    }
    assert_eq!(upstream.calls().len(), 1 + 1 + 2 + 2 + 1 + 1);
    aurora.settles("aurora_retries_total", &["up requested 2"]);
}

#[test]
fn an_exhausted_quota_is_never_retried() {
    let body = r#"{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let headers = "content-type: application/json\r\nretry-after: 0\r\nx-should-retry: true\r\n";
    let upstream = Upstream::start()
        .on("429", response("429 Pay", headers, body))
        .on("503", response("503 Pay", headers, body));
    let aurora = gateway(&upstream, "", QUICK);
    assert_eq!(aurora.send(chat_of("429", false)).status_and_text(), (429, body));
    assert_eq!(aurora.send(chat_of("503", false)).status_and_text(), (503, body));
    assert_eq!(upstream.calls().len(), 2);
    aurora.settles("aurora_upstream_attempts_total", &["up 429 quota 1", "up 503 server_error 1"]);
}

#[test]
fn a_retry_of_the_client_gets_a_fallback_and_no_retries() {
    let a = Upstream::start().on("m", busy("503 Busy", ""));
    let b = Upstream::start().on("m", json(OK));
    let aurora =
        gateways(&[("a", &a, ""), ("b", &b, "")], &format!("{QUICK}\nroutes: {{smart: [a/m, b/m]}}"));
    let send = |model: &str, count: &str| {
        let headers =
            format!("{}content-type: application/json\r\nx-stainless-retry-count: {count}\r\n", key());
        aurora
            .send(request("POST", "/v1/chat/completions", &headers, format!(r#"{{"model":"{model}"}}"#)))
            .status
    };
    let mut calls = 0;
    for (count, expected) in [("0", 4), ("1", 1), ("2", 1), ("x", 4)] {
        assert_eq!(send("a/m", count), 503);
        assert_eq!((count, a.calls().len() - calls), (count, expected));
        calls = a.calls().len();
    }
    assert_eq!(send("smart", "1"), 200);
    assert_eq!((a.calls().len(), b.calls().len()), (calls + 1, 1));
}

#[test]
fn writes_of_passthrough_files_and_batches_are_retried_on_connect_errors_only() {
    let upstream = Upstream::start()
        .on("/v1/files", busy("503 Busy", "retry-after: 0\r\n"))
        .on("/v1/files/f", busy("503 Busy", "retry-after: 0\r\n"))
        .on("/v1/batches", busy("429 Slow Down", "retry-after: 0\r\n"))
        .on("/v1/any", busy("502 Bad Gateway", "x-should-retry: true\r\n"));
    let quick = QUICK.replace("initial", "max_retries: 1, initial");
    let aurora = gateway(&upstream, "", &quick);
    let made = || upstream.calls().iter().filter(|call| call.name != "/v1/models").count();
    let mut calls = 0;
    for (method, path, expected) in [
        ("POST", "/v1/files", 1),
        ("GET", "/v1/files", 2),
        ("DELETE", "/v1/files/f", 1),
        ("GET", "/v1/files/f", 2),
        ("POST", "/v1/batches", 1),
        ("POST", "/p/up/any", 1),
        ("PUT", "/p/up/any", 1),
        ("PATCH", "/p/up/any", 1),
        ("DELETE", "/p/up/any", 1),
        ("GET", "/p/up/any", 2),
    ] {
        let body = if method == "GET" { "" } else { "{}" };
        let mut client = aurora.client();
        client.send(request(method, path, &key(), body));
        assert!(client.head().status >= 429);
        assert_eq!((method, path, made() - calls), (method, path, expected));
        calls = made();
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let text = crate::support::exposition::yaml(&upstream, "", &quick);
    let text = text.replace(&upstream.address.to_string(), &nobody.to_string());
    let aurora = crate::support::aurora::Setup::new().yaml(&text).start();
    for path in ["/v1/files", "/p/up/any"] {
        assert_eq!(aurora.send(request("POST", path, &key(), "{}")).status, 502);
    }
    aurora.settles("aurora_retries_total", &["up connect_error 2"]);
}

#[test]
fn the_first_backoff_is_250_ms() {
    let upstream = Upstream::start().on("m", busy("503 Busy", "")).on("m", json(OK));
    let aurora = gateway(&upstream, "", "resilience: {circuit_breaker: {failure_threshold: 0}}");
    let begun = Instant::now();
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(225), "took {took:?}");
}
