//! Panics in every place that serves a request: counted once, logged with their place, and without effect on other
//! requests. (The points are in builds with the feature `panic-points` and debug assertions only.)

use std::time::{Duration, Instant};

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, chat, chat_of, key, request};
use crate::support::exposition::yaml;
use crate::support::fixtures::{HELLO, STOP};
use crate::support::upstream::{Gate, LAST_CHUNK, Step, Upstream, chunk, opening};

const INTERNAL: &str = "{\"error\":{\"message\":\"internal error; please report it\",\"type\":\"server_error\",\"param\":null,\
                        \"code\":\"internal_error\"}}";

/// A stream that goes on with this event once the gate is open.
fn gated(gate: &Gate, event: &str) -> Vec<Step> {
    let mut steps = opening(&[HELLO]);
    steps.push(Step::Await(gate.clone()));
    steps.push(Step::Send([chunk(event), LAST_CHUNK.into()].concat()));
    steps
}

fn gateway(upstream: &Upstream) -> Aurora {
    Setup::new().yaml(&yaml(upstream, "workers: 1", "log: {requests: all}")).start()
}

fn sample(aurora: &Aurora, name: &str) -> String {
    let text = aurora.scrape();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().to_owned()
}

/// Waits until so many panics are counted and nothing is in flight but `others`; the last one was in this file.
fn counted(aurora: &Aurora, panics: usize, others: usize, reason: &str, file: &str) {
    let until = Instant::now() + Duration::from_secs(3);
    let state = || {
        ["aurora_panics_total", "aurora_http_requests_in_flight", "aurora_http_connections{state=\"active\"}"]
            .map(|name| sample(aurora, name))
    };
    // The scrape itself is on an active connection.
    let expected = [panics, others, others + 1].map(|count| count.to_string());
    while state() != expected && Instant::now() < until {}
    assert_eq!(state(), expected, "{reason}");
    let lines = aurora.lines("panic: please report it", panics);
    assert_eq!(lines.len(), panics, "{lines:?}");
    let line = &lines[panics - 1];
    assert_eq!((&line["level"], &line["reason"]), (&"ERROR".into(), &reason.into()));
    assert!(line["place"].as_str().unwrap().starts_with(file), "{line}");
}

/// A chat that streams until its gate is opened.
fn streaming(aurora: &Aurora, model: &str) -> Client {
    let mut client = aurora.client();
    client.send(chat_of(model, true));
    assert_eq!(client.head().status, 200);
    client.read_until("Hello");
    client
}

#[test]
fn a_panic_fails_its_own_request_and_is_counted() {
    let [relay, tap, other] = [Gate::default(), Gate::default(), Gate::default()];
    let upstream = Upstream::start()
        .on("relay", gated(&relay, "data: panic-in-relay\n\n"))
        .on("tap", gated(&tap, "data: panic-in-tap\n\n"))
        .on("other", gated(&other, STOP));
    let aurora = gateway(&upstream);
    let mut bystander = streaming(&aurora, "other");

    let mut client = aurora.client();
    client.send(request("GET", "/p/up/panic-in-handler", &key(), ""));
    assert_eq!(client.response().status_and_text(), (500, INTERNAL));
    counted(&aurora, 1, 1, "panic-in-handler", "src/gateway/handlers/serve.rs");

    let large =
        format!(r#"{{"model":"other","messages":[],"user":"panic-in-parser{}"}}"#, "x".repeat(3 << 20));
    client.send(chat(large));
    assert_eq!(client.response().status_and_text(), (500, INTERNAL));
    counted(&aurora, 2, 1, "panic-in-parser", "src/gateway/request/operation.rs");

    client.send(request("GET", "/panic-in-connection", &key(), ""));
    assert_eq!(client.closed(), b"");
    counted(&aurora, 3, 1, "panic-in-connection", "src/gateway/server/connection/mod.rs");

    for (panics, model, gate, file) in [
        (4, "relay", &relay, "src/gateway/response/relay_body.rs"),
        (5, "tap", &tap, "src/gateway/response/tap/mod.rs"),
    ] {
        let mut client = streaming(&aurora, model);
        gate.open();
        assert_eq!(client.closed(), b"", "it breaks off without the end of its body");
        counted(&aurora, panics, 1, &format!("panic-in-{model}"), file);
    }

    other.open();
    assert!(bystander.read_until("stop").ends_with(STOP));
    aurora.settles("aurora_requests_in_flight", &[]);
    aurora.settles(
        "aurora_answers_total",
        &["other ok 1", "relay broken_stream 1", "tap broken_stream 1", "unknown gateway_error 2"],
    );
    aurora.settles(
        "aurora_streams_total",
        &["up other completed 1", "up relay shutdown 1", "up tap shutdown 1"],
    );
    aurora.settles(
        "aurora_http_requests_total",
        &[
            "/p/{provider}/{rest} GET 500 ok 1",
            "/v1/chat/completions POST 200 broken 2",
            "/v1/chat/completions POST 200 ok 1",
            "/v1/chat/completions POST 500 ok 1",
        ],
    );
    aurora.settles("aurora_client_disconnects_total", &[]);
}
