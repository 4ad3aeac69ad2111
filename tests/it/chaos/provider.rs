//! Scripted provider of the chaos run: every way in which an upstream can respond, fail or fall silent.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::upstream::{
    LAST_CHUNK, STREAM_HEAD, Step, Upstream, chunk, json, opening, response, stream,
};

/// Input and output tokens that every usage declares.
pub(crate) const TOKENS: (u64, u64) = (7, 5);

const JSON: &str = "content-type: application/json\r\n";
const COMPLETION: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"}}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#;
const MESSAGE: &str = r#"{"type":"message","content":[],"usage":{"input_tokens":7,"output_tokens":5}}"#;
pub(crate) const ROLE: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
pub(crate) const HELLO: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const WHOLE: [&str; 5] = [ROLE, HELLO, STOP, USAGE, DONE];
const MESSAGE_EVENTS: [&str; 4] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];
/// Model whose requests name their script as their `user`.
pub(crate) const MODEL: &str = "m";
/// Models and routes that are requested by their own names.
pub(crate) const MODELS: [&str; 8] =
    ["unsteady", "busy", "hasty", "weak", "claude", "claude-streams", "spare-route", "closed-route"];
/// Models of the provider that is retried, of the one with a breaker, and of the one with Anthropic's API.
pub(crate) const RETRIED: [&str; 3] = ["unsteady", "busy", "hasty"];
pub(crate) const WEAK: [&str; 1] = ["weak"];
pub(crate) const MESSAGES: [&str; 2] = ["claude", "claude-streams"];

/// An error with a body of the usual shape.
fn refusal(status: &str, headers: &str) -> Vec<Step> {
    response(status, &format!("{JSON}{headers}"), r#"{"error":{"message":"no","type":"x","code":"y"}}"#)
}

/// A stream that ends in this way after its first words.
fn cut(last: &str, end: Step) -> Vec<Step> {
    [opening(&[ROLE, HELLO, last]), vec![end]].concat()
}

fn waiting(parts: &[&str]) -> Vec<Step> {
    cut_after(opening(parts), Step::Stall)
}

fn cut_after(steps: Vec<Step>, end: Step) -> Vec<Step> {
    [steps, vec![end]].concat()
}

/// Events with a pause between them.
fn slow(parts: &[&str]) -> Vec<Step> {
    let mut steps = vec![Step::Send(STREAM_HEAD.into())];
    for part in parts {
        steps.extend([Step::Pause(Duration::from_millis(30)), Step::Send(chunk(part))]);
    }
    cut_after(steps, Step::Send(LAST_CHUNK.into()))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// A completion over the size that is held before it is relayed.
fn large() -> String {
    COMPLETION.replace("Hello", &"large ".repeat(60_000))
}

/// One event over the tap's limit that holds content and finish reason.
fn oversize() -> String {
    let text = "x".repeat(100_000);
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
    )
}

/// The provider.
pub(crate) fn start() -> Upstream {
    failing(refusing(good(Upstream::start().counting())))
}

fn good(upstream: Upstream) -> Upstream {
    let with_cr = WHOLE.map(|part| part.replace('\n', "\r"));
    let with_cr = with_cr.each_ref().map(String::as_str);
    let oversize = oversize();
    let packed = gzip(COMPLETION);
    // So soon that the next request on the connection may already be on its way.
    let then_closed = [json(COMPLETION), vec![Step::Pause(Duration::from_millis(1)), Step::Close]].concat();
    upstream
        .on("ok", json(COMPLETION))
        .on("uncounted", json(r#"{"choices":[]}"#))
        .on("odd", json(r#"{"choices":"none","usage":{"prompt_tokens":"many"},"x":[1e400]}"#))
        .on("large", response("200 OK", JSON, large()))
        .on("packed", response("200 OK", &format!("{JSON}content-encoding: gzip\r\n"), packed))
        .on("unlabelled", response("200 OK", "", COMPLETION))
        .on("streamed", stream(&WHOLE))
        .on("slow", slow(&WHOLE))
        .on("cr", stream(&with_cr))
        .on("bom", stream(&["\u{feff}", ROLE, HELLO, STOP, USAGE, DONE]))
        .on("oversize", stream(&[ROLE, &oversize, USAGE, DONE]))
        .on("then-closed", then_closed)
        .on("spare", json(COMPLETION))
        .on("claude", json(MESSAGE))
        .on("claude-streams", stream(&MESSAGE_EVENTS))
        .on("role", waiting(&[ROLE]))
        .on("hello", waiting(&[ROLE, HELLO]))
        .on("flood", vec![Step::Send(STREAM_HEAD.into()), Step::Pour(chunk(HELLO.repeat(200)))])
}

fn refusing(upstream: Upstream) -> Upstream {
    let again = "retry-after: 1\r\n";
    let soon = "retry-after-ms: 5\r\n";
    let mut upstream = upstream
        .on("bad", refusal("400 Bad Request", ""))
        .on("locked", refusal("401 Unauthorized", ""))
        .on("forbidden", refusal("403 Forbidden", ""))
        .on("absent", refusal("404 Not Found", ""))
        .on("unprocessable", refusal("422 Unprocessable Entity", ""))
        .on("limited", refusal("429 Too Many Requests", again))
        .on("failing", refusal("500 Internal Server Error", ""))
        .on("overloaded", refusal("529 Overloaded", ""));
    for status in ["503 Service Unavailable", "500 Internal Server Error"] {
        upstream = upstream.on("unsteady", refusal(status, "")).on("unsteady", json(COMPLETION));
    }
    upstream = upstream.on("busy", refusal("429 Too Many Requests", soon)).on("busy", json(COMPLETION));
    upstream = upstream.on("hasty", vec![Step::Close]).on("hasty", json(COMPLETION));
    for turn in 0..20 {
        let response = if turn < 12 { json(COMPLETION) } else { refusal("500 Internal Server Error", "") };
        upstream = upstream.on("weak", response);
    }
    upstream
}

fn failing(upstream: Upstream) -> Upstream {
    let part_of = |length: usize, end: Step| {
        let head = format!("HTTP/1.1 200 OK\r\n{JSON}content-length: {length}\r\n\r\n{{\"choices\":[");
        vec![Step::Send(head.into()), end]
    };
    let late = vec![Step::Pause(Duration::from_millis(40)), Step::Close];
    let without_end = format!("HTTP/1.1 200 OK\r\n{JSON}connection: close\r\n\r\n{{\"choices\":[");
    let many = (0..40).map(|_| "HTTP/1.1 103 Early Hints\r\n\r\n").collect::<String>();
    let broken_chunks = format!("{STREAM_HEAD}zz\r\n{HELLO}\r\n");
    let apology = "data: {\"error\":{\"message\":\"sorry\"}}\n\n";
    upstream
        .on("page", response("200 OK", "content-type: text/html\r\n", "<html>"))
        .on("empty", response("200 OK", JSON, ""))
        .on("garbage", response("200 OK", JSON, r#"{"choices":[{"#))
        .on("binary", response("200 OK", JSON, [0xff, 0xfe, 0, 1]))
        .on("moved", response("302 Found", "location: http://127.0.0.1:1/\r\n", ""))
        .on("no-http", vec![Step::Send(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), Step::Close])
        .on("hints", vec![Step::Send(many.into_bytes()), Step::Close])
        .on("cut-json", part_of(500, Step::Close))
        .on("reset-json", part_of(500, Step::Reset))
        .on("open-json", vec![Step::Send(without_end.into_bytes()), Step::Close])
        .on("closed", vec![Step::Close])
        .on("reset", vec![Step::Reset])
        .on("late", late)
        .on("silent", vec![Step::Stall])
        .on("leave", vec![Step::Stall])
        .on("truncated", cut("", Step::Send(LAST_CHUNK.into())))
        .on("cut-stream", cut("data: {\"cho", Step::Close))
        .on("reset-stream", cut("data: {\"cho", Step::Reset))
        .on("stalled", cut("data: {\"cho", Step::Stall))
        .on("broken-chunks", vec![Step::Send(broken_chunks.into_bytes()), Step::Close])
        .on("apologetic", stream(&[ROLE, HELLO, apology]))
}
