//! What counts against a provider's circuit breaker, and for whom it opens.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::aurora::{Aurora, Setup, WAIT_LIMIT};
use crate::support::client::{chat, chat_of, key, request};
use crate::support::exposition::{gateway, gateways, yaml};
use crate::support::fixtures::{DONE, HELLO, OK, ROLE};
use crate::support::upstream::{Gate, Step, Upstream, chunk, json, opening, response, stream};

/// No retries, and a breaker that the first failure opens for an hour.
const SENSITIVE: &str = "resilience: {retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 1, success_threshold: 1, timeout: 1h}}";

fn failure(status: &str) -> Vec<Step> {
    response(status, "", "{}")
}

/// The envelope of an open breaker.
fn open(of: &str, last: &str) -> String {
    format!(
        r#"{{"error":{{"message":"provider `up`: circuit breaker open after repeated failures{of}; the last one: {last}","type":"upstream_error","param":null,"code":"upstream_circuit_open"}}}}"#
    )
}

fn status(aurora: &Aurora, method: &str, path: &str, headers: &str) -> u16 {
    let mut client = aurora.client();
    client.send(request(method, path, &format!("{}{headers}", key()), ""));
    client.head().status
}

#[test]
fn client_errors_and_invalid_responses_leave_the_breaker_closed() {
    let invalid = "data: {\"error\":{\"type\":\"invalid_request_error\",\"code\":\"context_length_exceeded\",\"message\":\"too long\"}}\n\n";
    let upstream = Upstream::start()
        .on("307", response("307 There", "location: /v1/other\r\n", ""))
        .on("304", response("304 Not Modified", "", ""))
        .on("429", failure("429 Slow Down"))
        .on("400", failure("400 No"))
        .on("html", response("200 OK", "content-type: text/html\r\n", "<p>"))
        .on("in-stream", stream(&[ROLE, invalid]));
    let aurora = gateway(&upstream, "", SENSITIVE);
    for (model, expected) in
        [("307", 502), ("304", 502), ("429", 429), ("400", 400), ("html", 502), ("in-stream", 200)]
    {
        for _ in 0..2 {
            assert_eq!(aurora.send(chat_of(model, true)).status, expected, "{model}");
            aurora.settles("aurora_requests_in_flight", &[]);
        }
    }
    assert_eq!(upstream.calls().len(), 12);
    aurora.settles("aurora_circuit_breaker_transitions_total", &[]);
}

#[test]
fn statuses_of_passthrough_files_and_batches_do_not_open_the_breaker() {
    let upstream = Upstream::start()
        .on("m", json(OK))
        .on("odd", failure("501 Not Implemented"))
        .on("/v1/odd", failure("501 Not Implemented"))
        .on("/v1/moved", response("302 Found", "location: /v1/odd\r\n", ""))
        .on("/v1/kept", response("304 Not Modified", "", ""))
        .on("/v1/gone", vec![Step::Close])
        .on("/v1/files/f", failure("500 Oops"))
        .on("/v1/batches/b", failure("503 Busy"));
    let aurora = gateway(&upstream, "", SENSITIVE);
    for (method, path, expected) in [
        ("GET", "/p/up/odd", 501),
        ("POST", "/p/up/odd", 501),
        ("GET", "/p/up/moved", 302),
        ("GET", "/p/up/kept", 304),
        ("GET", "/p/up/gone", 502),
        ("GET", "/v1/files/f", 500),
        ("GET", "/v1/batches/b", 503),
    ] {
        for _ in 0..2 {
            assert_eq!(status(&aurora, method, path, ""), expected, "{method} {path}");
        }
    }
    // A body that names a model is sent to a path of the client's choice all the same.
    let json = format!("{}content-type: application/json\r\n", key());
    for _ in 0..2 {
        let response = aurora.send(request("POST", "/p/up/chat/completions", &json, r#"{"model":"odd"}"#));
        assert_eq!(response.status, 501);
    }
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    assert_eq!(aurora.send(chat_of("odd", false)).status, 501);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up open 1"]);
}

/// Reads a response only after a pause that is longer than any limit of the provider's.
fn read_late(aurora: &Aurora, body: &str, read: impl FnOnce(&mut crate::support::client::Client)) {
    let mut client = aurora.client();
    client.send(chat(body));
    assert_eq!(client.head().status, 200);
    thread::sleep(Duration::from_millis(2500));
    read(&mut client);
}

#[test]
fn a_client_that_does_not_read_is_no_provider_timeout() {
    let large = format!(r#"{{"choices":["{}"]}}"#, "x".repeat(12 << 20));
    let event =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(60 << 10));
    let mut events = opening(&[ROLE]);
    events.extend((0..200).map(|_| Step::Send(chunk(&event))));
    events.push(Step::Send([&chunk(DONE)[..], b"0\r\n\r\n"].concat()));
    let upstream = Upstream::start().on("large", json(&large)).on("events", events);
    let limits = "http: {timeout: 2s, stream_first_event: 2s, stream_idle: 2s}";
    let aurora = gateway(&upstream, "", &format!("{SENSITIVE}\n{limits}"));
    read_late(&aurora, r#"{"model":"large"}"#, |client| {
        assert!(client.take(large.len()) == large.as_bytes(), "the whole body comes");
    });
    read_late(&aurora, r#"{"model":"events","stream":true}"#, |client| {
        let (mut size, mut last) = (0, Vec::new());
        while let Some(part) = client.chunk().filter(|part| !part.is_empty()) {
            size += part.len();
            last = part;
        }
        assert_eq!(
            (size, last.ends_with(DONE.as_bytes())),
            (ROLE.len() + 200 * event.len() + DONE.len(), true)
        );
    });
    aurora.settles("aurora_circuit_breaker_transitions_total", &[]);
    aurora.settles("aurora_streams_total", &["up events completed 1"]);
    aurora.settles(
        "aurora_requests_total",
        &["up events /chat/completions 200 success true 1", "up large /chat/completions 200 success false 1"],
    );
}

#[test]
fn broken_and_silent_connections_open_the_breaker_of_the_model() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{".to_vec();
    let upstream = Upstream::start()
        .on("broken", vec![Step::Close])
        .on("half", vec![Step::Send(half), Step::Close])
        .on("silent", vec![Step::Stall])
        .on("stalled", [opening(&[ROLE, HELLO]), vec![Step::Stall]].concat())
        .on("reset", [opening(&[ROLE, HELLO]), vec![Step::Reset]].concat())
        .on("500", failure("500 Oops"));
    let limits = "http: {timeout: 200ms, stream_first_event: 200ms, stream_idle: 200ms}";
    let aurora = gateway(&upstream, "", &format!("{SENSITIVE}\n{limits}"));
    for (model, streamed, expected, last) in [
        ("broken", false, 502, "the connection broke before a response"),
        ("half", false, 502, "its connection broke in the middle of the response"),
        ("silent", false, 504, "no response within 200ms"),
        ("stalled", true, 200, "the provider stopped sending in the middle of the response"),
        ("reset", true, 200, "the provider's connection broke in the middle of the response"),
        ("500", false, 500, "it responded with 500 Internal Server Error"),
    ] {
        assert_eq!(aurora.send(chat_of(model, streamed)).status, expected, "{model}");
        aurora.settles("aurora_requests_in_flight", &[]);
        let refused = aurora.send(chat_of(model, streamed));
        assert_eq!(refused.status_and_text(), (503, &*open(" of this model", last)), "{model}");
    }
    let models = ["500", "broken", "half", "reset", "silent", "stalled"];
    let mut states = vec!["up  closed 1".to_owned()];
    states.extend(models.map(|model| format!("up {model} open 1")));
    aurora.settles("aurora_circuit_breaker_state", &states.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_failing_model_does_not_affect_other_models() {
    let upstream = Upstream::start().on("bad", failure("529 Full")).on("good", json(OK));
    let aurora = gateway(&upstream, "workers: 2", &SENSITIVE.replace("threshold: 1,", "threshold: 2,"));
    for expected in [529, 529, 503] {
        assert_eq!(aurora.send(chat_of("bad", false)).status, expected);
        assert_eq!(aurora.send(chat_of("good", false)).status_and_text(), (200, OK));
    }
    let refused = aurora.send(chat_of("bad", false));
    assert_eq!(refused.status_and_text(), (503, &*open(" of this model", "it responded with 529")));
    assert_eq!(refused.header("retry-after"), Some("3600"));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up bad open 1", "up good closed 1"]);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up open 1"]);
}

#[test]
fn connect_errors_open_the_breaker_of_all_models() {
    let upstream = Upstream::start().on("m", json(OK)).on("n", json(OK));
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let text = yaml(&upstream, "", SENSITIVE).replace(&upstream.address.to_string(), &nobody.to_string());
    let aurora = Setup::new().yaml(&text).start();
    assert_eq!(aurora.send(chat_of("m", false)).status, 502);
    for model in ["m", "n"] {
        let refused = aurora.send(chat_of(model, false));
        assert_eq!(refused.status_and_text(), (503, &*open(" to connect", "connection refused")));
    }
    assert_eq!(status(&aurora, "GET", "/p/up/anything", ""), 503);
    aurora.settles("aurora_circuit_breaker_state", &["up  open 1", "up m closed 1", "up n closed 1"]);
}

#[test]
fn failures_of_unadmitted_models_add_no_series_and_affect_no_other_model() {
    let upstream = Upstream::start().on("m", json(OK)).on("x", failure("500 Oops"));
    let breaker = ", models: [], resilience: {retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 2, timeout: 1h}}";
    let aurora = gateways(&[("up", &upstream, breaker)], "routes: {named: [up/m]}");
    for expected in [500, 500, 503] {
        assert_eq!(aurora.send(chat_of("up/x", false)).status, expected);
    }
    for n in 0..200 {
        assert_eq!(aurora.send(chat_of(&format!("up/nonsense-{n}"), false)).status, 404);
    }
    assert_eq!(aurora.send(chat_of("up/x", false)).status, 503, "it stays open");
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
    aurora.settles("aurora_circuit_breaker_transitions_total", &["up open 1"]);
}

/// A breaker that opens at the first failure and lets a probe through at once.
const PROBING: &str = "resilience: {retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 1, success_threshold: 1, timeout: 1ms}}";

/// Opens the breaker of `m` and waits until the next request is its probe.
fn opened(aurora: &Aurora) {
    assert_eq!(aurora.send(chat_of("m", false)).status, 500);
    let opened = Instant::now();
    while opened.elapsed() <= Duration::from_millis(1) {}
}

#[test]
fn a_half_open_request_succeeds_with_its_first_byte() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n".to_vec();
    let cases =
        [(false, vec![Step::Send(head)], OK.to_owned()), (true, opening(&[ROLE]), format!("{ROLE}{DONE}"))];
    for (streamed, begin, whole) in cases {
        let gate = Gate::default();
        let mut slow = begin;
        slow.push(Step::Await(gate.clone()));
        slow.push(Step::Send(if streamed { [&chunk(DONE)[..], b"0\r\n\r\n"].concat() } else { OK.into() }));
        let upstream = Upstream::start().on("m", failure("500 Oops")).on("m", slow).on("m", json(OK));
        let aurora = gateway(&upstream, "", PROBING);
        opened(&aurora);
        let mut probe = aurora.client();
        probe.send(chat_of("m", streamed));
        aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
        assert_eq!(
            aurora.send(chat_of("m", false)).status_and_text(),
            (200, OK),
            "while the probe is under way"
        );
        gate.open();
        assert_eq!(probe.response().status_and_text(), (200, &*whole));
    }
}

#[test]
fn a_slow_half_open_request_admits_the_next_after_five_seconds() {
    let upstream =
        Upstream::start().on("m", failure("500 Oops")).on("m", vec![Step::Stall]).on("m", json(OK));
    let aurora = gateway(&upstream, "", PROBING);
    opened(&aurora);
    let begun = Instant::now();
    let mut probe = aurora.client();
    probe.send(chat_of("m", false));
    upstream.called(2);
    while aurora.send(chat_of("m", false)).status_and_text() != (200, OK) {
        assert!(begun.elapsed() < WAIT_LIMIT, "nobody is let through");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() >= Duration::from_secs(5), "after {:?}", begun.elapsed());
    aurora.settles("aurora_circuit_breaker_state", &["up  closed 1", "up m closed 1"]);
}
