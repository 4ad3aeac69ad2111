//! Trace context: a client's is continued upstream and in the log, another is replaced, and none is a label.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Response, key, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{BUSY, OK};
use crate::support::upstream::{Call, Upstream, json, response};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn chat(aurora: &Aurora, model: &str, headers: &str) -> Response {
    let body = format!(r#"{{"model":"{model}"}}"#);
    aurora.send(request("POST", "/v1/chat/completions", &format!("{}{headers}", key()), body))
}

/// Values of a header of the trace context as the upstream received them.
fn sent(call: &Call, name: &str) -> Vec<String> {
    let values = call.head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.map(str::to_owned).collect()
}

/// The one `traceparent` that the upstream received, in its parts.
fn parent(call: &Call) -> [String; 4] {
    let sent = sent(call, "traceparent");
    assert_eq!(sent.len(), 1, "{sent:?}");
    let parts: Vec<String> = sent[0].split('-').map(str::to_owned).collect();
    parts.try_into().expect("four parts")
}

#[test]
fn a_clients_trace_is_continued_by_every_attempt_and_named_in_the_log() {
    let upstream = Upstream::start()
        .on("retried", response("503 Down", "", BUSY))
        .on("retried", json(OK))
        .on("down", response("500 Down", "", BUSY))
        .on("m", json(OK));
    let rest = "resilience: {retry: {max_retries: 1, initial_backoff: 1ms, max_backoff: 1ms}}\nlog: {requests: all}\n\
                routes:\n  second: {targets: [up/down, up/m]}\n";
    let aurora = Setup::new().yaml(&yaml(&upstream, "", rest)).start();
    let headers =
        format!("traceparent: 00-{TRACE}-{PARENT}-00\r\nTraceState: a=1, b@c=2\r\ntracestate: d=3\r\n");
    for model in ["retried", "second"] {
        assert_eq!(chat(&aurora, model, &headers).status, 200);
    }
    let calls = upstream.calls();
    assert_eq!(calls.len(), 4);
    let spans: Vec<String> = calls
        .iter()
        .map(|call| {
            let [version, trace_id, span_id, flags] = parent(call);
            assert_eq!((&*version, &*trace_id, &*flags), ("00", TRACE, "00"));
            assert_eq!(sent(call, "tracestate"), ["a=1, b@c=2", "d=3"]);
            span_id
        })
        .collect();
    assert_eq!((&spans[0], &spans[2]), (&spans[1], &spans[3]), "the attempts of a request are one span");
    assert!(spans[0] != spans[2] && !spans.contains(&PARENT.to_owned()), "{spans:?}");
    let lines = aurora.lines("request", 2);
    assert_eq!([&lines[0]["trace_id"], &lines[1]["trace_id"]], [TRACE, TRACE]);
}

#[test]
fn a_trace_begins_where_the_client_sends_no_valid_one() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "", "log: {requests: all}");
    let valid = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    let cases = [
        String::new(),
        "traceparent: \r\n".to_owned(),
        format!("traceparent: 00-{}-{PARENT}-01\r\n", TRACE.to_uppercase()),
        format!("traceparent: ff-{TRACE}-{PARENT}-01\r\n"),
        format!("traceparent: 00-{}-{PARENT}-01\r\n", "0".repeat(32)),
        format!("traceparent: 00-{TRACE}-{PARENT}-01;x-api-key: evil\r\n"),
        valid.repeat(50),
    ];
    for headers in &cases {
        assert_eq!(chat(&aurora, "m", &format!("{headers}tracestate: a=1\r\n")).status, 200);
        let call = upstream.calls().pop().expect("a call");
        let [version, trace_id, span_id, flags] = parent(&call);
        assert_eq!((&*version, trace_id.len(), span_id.len(), &*flags), ("00", 32, 16, "01"));
        assert!(trace_id != TRACE && !call.head.contains("evil"), "{}", call.head);
        assert_eq!(sent(&call, "tracestate"), [""; 0]);
    }
    // A line is written once its response is sent: two of different workers may change places.
    let mut logged: Vec<String> = aurora
        .lines("request", cases.len())
        .iter()
        .map(|line| line["trace_id"].as_str().expect("a text").to_owned())
        .collect();
    let mut expected: Vec<String> = upstream.calls().iter().map(|call| parent(call)[1].clone()).collect();
    logged.sort();
    expected.sort();
    assert_eq!(logged, expected);
}

/// A client may choose its trace id. It is no label, so it can neither add series nor write lines of its own.
#[test]
fn no_header_of_a_trace_reaches_the_metrics() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "", "");
    let valid = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    let passed = |state: &str| {
        assert_eq!(chat(&aurora, "m", &format!("{valid}{state}")).status, 200);
        let call = upstream.calls().pop().expect("a call");
        assert_eq!(parent(&call)[1], TRACE);
        sent(&call, "tracestate")
    };
    let longest = "x".repeat(512);
    assert_eq!(passed(&format!("tracestate: {longest}\r\n")), [&*longest]);
    assert_eq!(passed(&format!("tracestate: {longest}x\r\n")), [""; 0]);
    assert_eq!(passed(&"tracestate: 12345678=x\r\n".repeat(47)), [""; 0]);
    assert_eq!(passed("connection: tracestate\r\ntracestate: a=1\r\n"), [""; 0]);
    for (headers, status) in [
        (format!("{valid}tracestate: {}\r\n", "x".repeat(1 << 20)), 431),
        (valid.repeat(101), 431),
        (format!("traceparent: 00-{TRACE}-{PARENT}-01\0\r\n"), 400),
        (format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n folded\r\n"), 400),
    ] {
        let mut client = aurora.client();
        // It may be refused before it is all there.
        client.try_send(request("POST", "/v1/chat/completions", &format!("{}{headers}", key()), "{}"));
        assert_eq!(client.response().status, status);
    }
    assert_eq!(upstream.calls().len(), 4);
    aurora.settles(
        "aurora_http_requests_total",
        &["/v1/chat/completions POST 200 ok 4", "unmatched other 400 ok 2", "unmatched other 431 ok 2"],
    );
    let scrape = aurora.scrape();
    assert!(!scrape.contains(TRACE) && !scrape.contains("trace_id"), "{scrape}");
}
