//! Clients that disconnect or do not read, and upstreams that never end.

use std::time::{Duration, Instant};

use crate::support::aurora::{MARGIN, Setup};
use crate::support::client::{Client, begin, chat_of};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{DONE, HELLO, ROLE, STOP};
use crate::support::upstream::{STREAM_HEAD, Step, Upstream, chunk, json, opening, then};

/// How a client disconnects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disconnect {
    Closes,
    Resets,
    HalfCloses,
}

pub(crate) const DISCONNECTS: [Disconnect; 3] =
    [Disconnect::Closes, Disconnect::Resets, Disconnect::HalfCloses];

/// Disconnects, and expects the upstream's connection to end within a second.
pub(crate) fn disconnect(client: Client, how: Disconnect, upstream: &Upstream, model: &str) {
    let disconnected = Instant::now();
    let kept = match how {
        Disconnect::Closes => {
            drop(client);
            None
        }
        Disconnect::Resets => {
            client.reset();
            None
        }
        Disconnect::HalfCloses => {
            client.half_close();
            Some(client)
        }
    };
    let over = upstream.over(model);
    assert!(
        over - disconnected < Duration::from_secs(1) + MARGIN,
        "{model}, {how:?}: took {:?}",
        over - disconnected
    );
    drop(kept);
}

#[test]
fn a_client_disconnect_ends_the_upstream_request_at_every_stage() {
    let first = format!("[\"{}", "x".repeat(300 << 10));
    let body = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{first}", first.len() * 2);
    for how in DISCONNECTS {
        let upstream = Upstream::start()
            .on("before-headers", vec![Step::Stall])
            .on("before-answer", vec![Step::Stall])
            .on("before-token", then(opening(&[ROLE]), [Step::Stall]))
            .on("mid-stream", then(opening(&[ROLE, HELLO]), [Step::Stall]))
            .on("mid-body", vec![Step::Send(body.clone().into_bytes()), Step::Stall]);
        let aurora = gateway(&upstream, "", "");
        for model in ["before-headers", "before-answer"] {
            let mut client = aurora.client();
            client.send(chat_of(model, model == "before-headers"));
            upstream.call(model);
            disconnect(client, how, &upstream, model);
        }
        for (model, until) in [("before-token", "assistant"), ("mid-stream", "Hello")] {
            let mut client = begin(&aurora, model);
            client.read_until(until);
            disconnect(client, how, &upstream, model);
        }
        let mut client = aurora.client();
        client.send(chat_of("mid-body", false));
        client.head();
        client.take(1 << 10);
        disconnect(client, how, &upstream, "mid-body");
        aurora.settles(
            "aurora_requests_total",
            &[
                "up before-answer /chat/completions 499 cancelled false 1",
                "up before-headers /chat/completions 499 cancelled true 1",
                "up before-token /chat/completions 499 cancelled true 1",
                "up mid-body /chat/completions 499 cancelled false 1",
                "up mid-stream /chat/completions 499 cancelled true 1",
            ],
        );
        aurora.settles(
            "aurora_client_disconnects_total",
            &[
                "/chat/completions before_first_token 1",
                "/chat/completions before_headers 2",
                "/chat/completions mid_stream 2",
            ],
        );
        aurora.settles(
            "aurora_http_requests_total",
            &["/v1/chat/completions POST 200 cancelled 3", "/v1/chat/completions POST 499 cancelled 2"],
        );
        aurora.settles("aurora_requests_in_flight", &[]);
    }
}

#[test]
fn a_client_that_disconnects_inside_its_body_is_counted() {
    for how in DISCONNECTS {
        let upstream = Upstream::start().on("m", json("{}"));
        let aurora = gateway(&upstream, "", "");
        let mut client = aurora.client();
        let whole = chat_of("m", false);
        client.send(&whole[..whole.len() - 1]);
        match how {
            Disconnect::Closes => drop(client),
            Disconnect::Resets => client.reset(),
            Disconnect::HalfCloses => {
                client.half_close();
                client.closed();
            }
        }
        aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 499 cancelled 1"]);
        aurora.settles("aurora_client_disconnects_total", &["/chat/completions before_headers 1"]);
        aurora.settles("aurora_answers_total", &["unknown cancelled 1"]);
        assert_eq!(upstream.calls().len(), 0);
    }
}

#[test]
fn a_client_that_closes_at_the_end_of_a_stream_completed_it() {
    let upstream = Upstream::start().on("m", then(opening(&[ROLE, HELLO, STOP, DONE]), [Step::Stall]));
    let aurora = gateway(&upstream, "", "");
    let mut client = begin(&aurora, "m");
    client.read_until(DONE);
    disconnect(client, Disconnect::Closes, &upstream, "m");
    aurora.settles("aurora_requests_total", &["up m /chat/completions 200 success true 1"]);
    aurora.settles("aurora_streams_total", &["up m completed 1"]);
    aurora.settles("aurora_answers_total", &["m ok 1"]);
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 200 ok 1"]);
    aurora.settles("aurora_client_disconnects_total", &[]);
}

#[test]
fn a_client_that_does_not_read_pauses_the_upstream_and_is_closed() {
    let event = chunk(HELLO.repeat(100));
    let upstream = Upstream::start().on("m", then(opening(&[HELLO]), [Step::Pour(event)]));
    let yaml = yaml(&upstream, "timeouts: {write: 400ms}", "");
    let aurora = Setup::new().yaml(&yaml).start();
    let before = aurora.resident();
    let mut client = Client::connect_narrow(aurora.address);
    client.send(chat_of("m", true));
    upstream.call("m");
    let begun = Instant::now();
    let over = upstream.over("m") - begun;
    assert!((Duration::from_millis(350)..Duration::from_secs(1) + MARGIN).contains(&over), "after {over:?}");
    assert!(aurora.resident() < before + f64::from(16 << 20), "{before} grew to {}", aurora.resident());
    aurora.settles("aurora_requests_total", &["up m /chat/completions 499 cancelled true 1"]);
    aurora.settles("aurora_client_disconnects_total", &["/chat/completions mid_stream 1"]);
}

#[test]
fn an_endless_body_takes_no_memory_and_ends_at_a_timeout() {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let pour = |head: &str| {
        vec![Step::Send([head.as_bytes(), &chunk("[\"")].concat()), Step::Pour(chunk("x".repeat(64 << 10)))]
    };
    let upstream = Upstream::start().on("body", pour(json)).on("event", pour(STREAM_HEAD));
    let aurora = gateway(&upstream, "", "http: {timeout: 300ms}");
    let before = aurora.resident();
    let mut client = begin(&aurora, "event");
    for _ in 0..100 {
        assert!(client.chunk().is_some_and(|part| !part.is_empty()));
    }
    disconnect(client, Disconnect::Closes, &upstream, "event");
    let response = aurora.send(chat_of("body", false));
    assert_eq!((response.status, response.whole), (200, false));
    assert!(aurora.resident() < before + f64::from(64 << 20), "{before} grew to {}", aurora.resident());
    aurora.settles(
        "aurora_requests_total",
        &["up body /chat/completions 200 error false 1", "up event /chat/completions 499 cancelled true 1"],
    );
}

#[test]
fn a_client_that_closes_at_a_stream_error_counts_as_provider_failure() {
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    let upstream = Upstream::start().on("m", then(opening(&[ROLE, HELLO, error]), [Step::Stall]));
    let breaker = "resilience: {circuit_breaker: {failure_threshold: 1}}";
    let aurora = gateway(&upstream, "", breaker);
    let mut client = begin(&aurora, "m");
    client.read_until(error);
    disconnect(client, Disconnect::Closes, &upstream, "m");
    aurora.settles("aurora_requests_total", &["up m /chat/completions 200 error true 1"]);
    aurora.settles("aurora_streams_total", &["up m upstream_error 1"]);
    aurora.settles("aurora_answers_total", &["m broken_stream 1"]);
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 200 broken 1"]);
    aurora.settles("aurora_client_disconnects_total", &[]);
    aurora.settles("aurora_circuit_breaker_transitions_total", &[]);
}
