//! The memory that request bodies take, and the budget it stays within.

use std::thread;

use crate::support::aurora::Aurora;
use crate::support::client::{Client, post};
use crate::support::exposition::gateway;
use crate::support::fixtures::OK;
use crate::support::upstream::{Gate, Step, Upstream, json};

const MIB: usize = 1 << 20;

/// A line of `/proc/PID/status`, in bytes.
fn memory(aurora: &Aurora, name: &str) -> usize {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", aurora.pid())).expect("a running process");
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kibibytes.expect("a size") << 10
}

/// A chat body of about this size whose model name is replaced on the way.
fn large_chat(size: usize) -> Vec<u8> {
    format!(r#"{{"messages":[{{"role":"user","content":"{}"}}],"model":"up/m"}}"#, "x".repeat(size))
        .into_bytes()
}

#[test]
fn four_bodies_of_30_mb_take_little_more_than_their_size() {
    let gate = Gate::default();
    let mut held = vec![Step::Await(gate.clone())];
    held.extend(json(OK));
    let upstream = Upstream::start().on("m", held);
    let aurora = gateway(&upstream, "workers: 1", "");
    let base = memory(&aurora, "VmHWM");
    let body = large_chat(30_000_000);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(aurora.address);
                client.send(post("/v1/chat/completions", &body));
                assert_eq!(client.response().status_and_text(), (200, OK));
            });
        }
        upstream.received("m", 4);
        gate.open();
    });
    let taken = memory(&aurora, "VmHWM") - base;
    assert!(taken < 4 * 30_000_000 * 12 / 10, "{} MiB", taken / MIB);
}

const REFUSED: &str = r#"{"error":{"message":"The bodies of the requests in flight use all the memory allowed for them (server.body_memory, BODY_MEMORY); send the request again.","type":"server_error","param":null,"code":"body_memory"}}"#;

/// An instance that holds 1 MiB of bodies, none of them over 900 KiB.
fn narrow(upstream: &Upstream) -> Aurora {
    gateway(upstream, "body_memory: 1M, body_size_limit: 900K", "")
}

fn call(model: &str, size: usize) -> Vec<u8> {
    let body = large_chat(size);
    let body = String::from_utf8(body).expect("text").replace("up/m", model);
    post("/v1/chat/completions", body)
}

#[test]
fn bodies_above_the_memory_budget_get_503() {
    let gate = Gate::default();
    let held = [vec![Step::Await(gate.clone())], json(OK)].concat();
    let upstream = Upstream::start().on("held", held).on("m", json(OK));
    let aurora = narrow(&upstream);
    let mut first = aurora.client();
    first.send(call("held", 600_000));
    upstream.received("held", 1);
    let refused = aurora.send(call("m", 600_000));
    assert_eq!(refused.status_and_text(), (503, REFUSED));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let chunked = String::from_utf8(call("m", 600_000)).expect("text");
    let (head, body) = chunked.split_once("\r\n\r\n").expect("a head");
    let head = head.split("content-length").next().expect("a head");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(aurora.send(&chunked).status_and_text(), (503, REFUSED));
    assert_eq!(aurora.send(call("m", 10_000)).status_and_text(), (200, OK), "a small one has room");
    assert_eq!(aurora.send(call("m", 200_000)).status_and_text(), (200, OK), "one that fits has room");
    gate.open();
    assert_eq!(first.response().status_and_text(), (200, OK));
    assert_eq!(aurora.send(call("m", 600_000)).status_and_text(), (200, OK));
    assert_eq!(aurora.send(&chunked).status_and_text(), (200, OK));
    aurora.settles("aurora_rejected_requests_total", &["concurrency 2"]);
    aurora.settles("aurora_answers_total", &["held ok 1", "m ok 4", "unknown gateway_error 2"]);
    assert_eq!(upstream.calls().len(), 5);
}

#[test]
fn a_declared_length_takes_no_budget_before_its_bytes_arrive() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = narrow(&upstream);
    let slow: Vec<Client> = (0..5)
        .map(|_| {
            let mut client = aurora.client();
            client.send(&call("m", 600_000)[..1_000]);
            client
        })
        .collect();
    assert_eq!(aurora.send(call("m", 600_000)).status_and_text(), (200, OK));
    drop(slow);
    for left in 6..=10 {
        let mut client = aurora.client();
        client.send(&call("m", 600_000)[..500_000]);
        drop(client);
        let left = format!("/chat/completions before_headers {left}");
        aurora.settles("aurora_client_disconnects_total", &[&left]);
    }
    assert_eq!(
        aurora.send(call("m", 800_000)).status_and_text(),
        (200, OK),
        "an upload that was given up takes none"
    );
}

#[test]
fn body_memory_is_released_when_the_response_begins() {
    let opening = crate::support::upstream::then(
        crate::support::upstream::opening(&[crate::support::fixtures::HELLO]),
        [Step::Stall],
    );
    let upstream = Upstream::start().on("open", opening).on("m", json(OK));
    let aurora = narrow(&upstream);
    let mut streaming = aurora.client();
    streaming.send(call("open\",\"stream\":true,\"x\":\"", 600_000));
    assert_eq!(streaming.head().status, 200);
    streaming.read_until("Hello");
    assert_eq!(aurora.send(call("m", 600_000)).status_and_text(), (200, OK));
}
