//! Caps and deadlines of a client's connection.

use std::time::{Duration, Instant};

use crate::support::aurora::MARGIN;
use crate::support::client::{Client, chat_of, key, request};
use crate::support::exposition::gateway;
use crate::support::fixtures::OK;
use crate::support::upstream::{Gate, Step, Upstream, json};

fn unavailable(message: &str, code: &str) -> String {
    format!(r#"{{"error":{{"message":"{message}","type":"server_error","param":null,"code":"{code}"}}}}"#)
}

fn health() -> Vec<u8> {
    request("GET", "/health", "", "")
}

#[test]
fn only_health_and_metrics_are_served_above_max_connections() {
    let gate = Gate::default();
    let mut held = vec![Step::Await(gate.clone())];
    held.extend(json(OK));
    let upstream = Upstream::start().on("held", held).on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 1, max_connections: 2", "");
    let mut within = [aurora.client(), aurora.client()];
    for client in &mut within {
        client.send(chat_of("held", false));
    }
    upstream.received("held", 2);
    let too_many = "Too many connections are open (server.max_connections); send the request again.";
    let refusal = unavailable(too_many, "too_many_connections");
    for (sent, expected) in [
        (chat_of("m", false), (503, refusal.as_str())),
        (request("GET", "/v1/models", &key(), ""), (503, &refusal)),
        (health(), (200, r#"{"status":"ok"}"#)),
        (request("GET", "/health/ready", "", ""), (200, r#"{"status":"ok"}"#)),
    ] {
        let response = aurora.send(sent);
        assert_eq!((response.status_and_text(), response.header("connection")), (expected, Some("close")));
    }
    assert_eq!(aurora.send(request("GET", "/metrics", &key(), "")).header("connection"), Some("close"));
    // Of silent connections in the reserve, the oldest makes room.
    let reserve: Vec<Client> = (0..16).map(|_| aurora.client()).collect();
    assert_eq!(aurora.send(health()).status, 200);
    drop(reserve);
    gate.open();
    for client in &mut within {
        let response = client.response();
        assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), None));
    }
    // Idle ones make room too, before a new connection is refused.
    let response = aurora.send(chat_of("m", false));
    assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), None));
}

#[test]
fn requests_above_max_in_flight_are_refused() {
    let gate = Gate::default();
    let mut held = vec![Step::Await(gate.clone())];
    held.extend(json(OK));
    let upstream = Upstream::start().on("held", held).on("m", json(OK));
    let aurora = gateway(&upstream, "max_in_flight: 1", "");
    let mut first = aurora.client();
    first.send(chat_of("held", false));
    upstream.call("held");
    let message = "Too many requests are in flight (server.max_in_flight); send the request again.";
    let refusal = unavailable(message, "too_many_in_flight");
    let mut second = aurora.client();
    for _ in 0..2 {
        second.send(chat_of("m", false));
        let response = second.response();
        assert_eq!(
            (response.status_and_text(), response.header("retry-after")),
            ((503, refusal.as_str()), Some("1"))
        );
        assert_eq!(response.header("connection"), None);
    }
    assert_eq!(aurora.send(request("POST", "/v1/chat/completions", "", "{}")).status, 401);
    assert_eq!(aurora.send(health()).status, 200);
    aurora.settles("aurora_requests_in_flight", &["up /chat/completions false 1"]);
    gate.open();
    assert_eq!(first.response().status_and_text(), (200, OK));
    second.send(chat_of("m", false));
    assert_eq!(second.response().status_and_text(), (200, OK));
    aurora.settles("aurora_answers_total", &["held ok 1", "m ok 1", "unknown gateway_error 2"]);
    assert_eq!(upstream.calls().len(), 2);
}

/// Waits for the close and checks when it came.
fn closes_after(client: &mut Client, since: Instant, limit: u64) {
    assert_eq!(client.closed(), b"");
    let limit = Duration::from_millis(limit);
    let waited = since.elapsed();
    assert!(
        (limit - Duration::from_millis(20)..limit + MARGIN).contains(&waited),
        "{waited:?} instead of {limit:?}"
    );
}

#[test]
fn connection_timeouts_do_not_apply_to_a_request_in_flight() {
    let gate = Gate::default();
    let mut held = vec![Step::Await(gate.clone())];
    held.extend(json(OK));
    let upstream = Upstream::start().on("held", held);
    let timeouts = "timeouts: {first_byte: 400ms, header: 200ms, body: 300ms, idle: 900ms, write: 100ms}";
    let aurora = gateway(&upstream, timeouts, "");
    let mut served = aurora.client();
    served.send(chat_of("held", false));
    upstream.call("held");

    let begun = Instant::now();
    closes_after(&mut aurora.client(), begun, 400);

    let mut client = aurora.client();
    let begun = Instant::now();
    client.send("GET /health HTT");
    closes_after(&mut client, begun, 200);

    let mut dripping = aurora.client();
    let begun = Instant::now();
    dripping.send("GET /health HTTP/1.1\r\nx: ");
    while !dripping.closes_within(Duration::from_millis(20)) && dripping.try_send("y") {}
    assert!(begun.elapsed() < Duration::from_millis(200) + MARGIN, "took {:?}", begun.elapsed());

    let mut kept = aurora.client();
    let begun = Instant::now();
    kept.send(health());
    kept.response();
    closes_after(&mut kept, begun, 900);

    let mut kept = aurora.client();
    kept.send(health());
    kept.response();
    let begun = Instant::now();
    kept.send("GET");
    closes_after(&mut kept, begun, 200);

    gate.open();
    assert_eq!(served.response().status_and_text(), (200, OK));
}

#[test]
fn a_body_over_the_body_timeout_is_refused() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "timeouts: {body: 300ms}", "");
    let whole = chat_of("m", false);
    let refusal = r#"{"error":{"message":"The body was not complete within 300ms (server.timeouts.body).","type":"invalid_request_error","param":null,"code":"body_timeout"}}"#;
    for dripped in [false, true] {
        let mut client = aurora.client();
        let begun = Instant::now();
        let mut missing = 20;
        client.send(&whole[..whole.len() - missing]);
        while dripped && missing > 1 && begun.elapsed() < Duration::from_millis(290) {
            client.closes_within(Duration::from_millis(30));
            client.send(&whole[whole.len() - missing..][..1]);
            missing -= 1;
        }
        assert_eq!(client.response().status_and_text(), (408, refusal));
        closes_after(&mut client, begun, 300);
    }
    assert_eq!(upstream.calls().len(), 0);
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 408 ok 2"]);
}
