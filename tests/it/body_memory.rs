//! The memory that request bodies take, and the budget it stays within.

use std::thread;

use crate::aurora::Aurora;
use crate::caller::{Caller, post};
use crate::exposition::gateway;
use crate::upstream::{Gate, Step, Upstream, json};

const OK: &str = r#"{"choices":[]}"#;
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
fn four_bodies_of_30_mb_take_little_more_memory_than_their_bytes() {
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
                let mut client = Caller::connect(aurora.address);
                client.send(post("/v1/chat/completions", &body));
                assert_eq!(client.answer().said(), (200, OK));
            });
        }
        upstream.received("m", 4);
        gate.open();
    });
    let taken = memory(&aurora, "VmHWM") - base;
    println!("taken: {} MiB above {} MiB", taken / MIB, base / MIB);
    assert!(taken < 4 * 30_000_000 * 13 / 10, "{} MiB", taken / MIB);
}
