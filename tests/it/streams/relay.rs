//! Streams: how they pass, how they break, and what happens when the client disconnects.

use std::time::{Duration, Instant};

use crate::support::aurora::MARGIN;
use crate::support::client::{begin, chat_of, post};
use crate::support::exposition::gateway;
use crate::support::fixtures::{DONE, HELLO, ROLE, STOP, USAGE};
use crate::support::upstream::{Gate, LAST_CHUNK, Step, Upstream, chunk, json, opening, stream, then};

/// Error event of a stream that broke.
fn error_event(code: &str, message: &str) -> String {
    format!(
        "data: {{\"error\":{{\"code\":\"{code}\",\"message\":\"{message}\",\"param\":null,\"type\":\"upstream_error\"}}}}\n\n"
    )
}

fn truncated() -> String {
    error_event("upstream_truncated", "the provider ended the stream before the response was complete")
}

fn broke() -> String {
    error_event("upstream_error", "the provider's connection broke in the middle of the response")
}

#[test]
fn an_event_reaches_the_client_before_the_next_is_sent() {
    let gates = [Gate::default(), Gate::default()];
    let upstream = Upstream::start().on(
        "m",
        then(
            opening(&[ROLE]),
            [
                Step::Await(gates[0].clone()),
                Step::Send(chunk(HELLO)),
                Step::Await(gates[1].clone()),
                Step::Send(chunk(DONE)),
                Step::Send(LAST_CHUNK.into()),
            ],
        ),
    );
    let aurora = gateway(&upstream, "", "");
    let mut client = begin(&aurora, "m");
    assert_eq!(client.read_until("\n\n"), ROLE);
    aurora.settles("aurora_requests_in_flight", &["up /chat/completions true 1"]);
    assert_eq!(aurora.counts("aurora_time_to_first_token_seconds_count"), [""; 0]);
    gates[0].open();
    assert_eq!(client.read_until("\n\n"), HELLO);
    gates[1].open();
    assert_eq!(client.read_until("\n\n"), DONE);
    assert_eq!(client.chunk(), Some(Vec::new()));
    aurora.settles("aurora_requests_in_flight", &[]);
    aurora.settles("aurora_time_to_first_token_seconds_count", &["up m /chat/completions 1"]);
    aurora.settles("aurora_requests_total", &["up m /chat/completions 200 success true 1"]);
}

#[test]
fn a_stream_is_relayed_unchanged() {
    let odd = ": a comment\r\n\r\nevent: x\ndata:{\"choices\":[{\"delta\":{\"reasoning\":\"h\\u00e9é\"}}]}\r\nid: 1\r\n\r\n";
    let whole = [odd, ROLE, HELLO, STOP, USAGE, DONE].concat();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n";
    let sized = format!("{head}content-length: {}\r\n\r\n{whole}", whole.len());
    let unsized_ = format!("{head}\r\n{whole}");
    let upstream = Upstream::start()
        .on("parts", stream(&[odd, ROLE, HELLO, STOP, USAGE, DONE]))
        .on("sized", vec![Step::Send(sized.into_bytes())])
        .on("until-close", vec![Step::Send(unsized_.into_bytes()), Step::Close]);
    let aurora = gateway(&upstream, "", "");
    for model in upstream.models() {
        let response = aurora.send(chat_of(&model, true));
        assert_eq!(
            (&model, response.status_and_text(), response.whole),
            (&model, (200, whole.as_str()), true)
        );
        assert_eq!(response.header("x-accel-buffering"), Some("no"));
        if model != "parts" {
            assert_eq!(response.header("content-type"), Some("text/event-stream; charset=utf-8"));
            assert_eq!(response.header("cache-control"), Some("no-cache"));
        }
    }
    aurora.settles(
        "aurora_tokens_total",
        &[
            "up parts input uncached 4",
            "up parts output text 2",
            "up sized input uncached 4",
            "up sized output text 2",
            "up until-close input uncached 4",
            "up until-close output text 2",
        ],
    );
}

#[test]
fn a_stream_that_breaks_ends_with_one_error_event() {
    let half = &HELLO[..30];
    let [unchunked, reset] = [[Step::Close], [Step::Reset]];
    let whole = |parts: &[&str]| stream(parts);
    let cases = [
        ("no-end", whole(&[ROLE, HELLO]), truncated()),
        ("comment", whole(&[": hi\n\n"]), truncated()),
        ("half-event", whole(&[half]), format!("\n\n{}", truncated())),
        ("half-done", whole(&["data: [DO"]), format!("\n\n{}", truncated())),
        ("fin", then(opening(&[ROLE, HELLO]), unchunked.clone()), broke()),
        ("fin-in-event", then(opening(&[half]), unchunked), format!("\n\n{}", broke())),
        (
            "stall",
            then(opening(&[HELLO]), [Step::Stall]),
            error_event("upstream_timeout", "the provider stopped sending in the middle of the response"),
        ),
    ];
    let sent =
        ["no-end", "comment", "half-event", "half-done", "fin", "fin-in-event", "stall"].map(
            |name| match name {
                "no-end" | "fin" => [ROLE, HELLO].concat(),
                "comment" => ": hi\n\n".into(),
                "half-event" | "fin-in-event" => half.to_owned(),
                "half-done" => "data: [DO".to_owned(),
                _ => HELLO.to_owned(),
            },
        );
    let gate = Gate::default();
    let mut upstream = Upstream::start()
        .on("reset", then(opening(&[HELLO]), [Step::Await(gate.clone())].into_iter().chain(reset)));
    for (name, steps, _) in &cases {
        upstream = upstream.on(name, steps.clone());
    }
    let aurora = gateway(&upstream, "", "http: {stream_idle: 300ms}");
    for ((name, _, ending), sent) in cases.iter().zip(&sent) {
        let begun = Instant::now();
        let response = aurora.send(chat_of(name, true));
        assert_eq!(
            (*name, response.status_and_text(), response.whole),
            (*name, (200, &*format!("{sent}{ending}")), true)
        );
        let limit = Duration::from_millis(if *name == "stall" { 800 } else { 100 }) + MARGIN;
        assert!(begun.elapsed() < limit, "{name}: took {:?}", begun.elapsed());
    }
    let mut client = begin(&aurora, "reset");
    assert_eq!(client.read_until("\n\n"), HELLO);
    gate.open();
    assert_eq!(client.read_until("\n\n"), broke());
    assert_eq!(client.chunk(), Some(Vec::new()));
    let mut names: Vec<&str> = cases.iter().map(|(name, ..)| *name).chain(["reset"]).collect();
    names.sort_unstable();
    let expected = |shape: &dyn Fn(&str) -> String| names.iter().map(|name| shape(name)).collect::<Vec<_>>();
    let requests = expected(&|name| format!("up {name} /chat/completions 200 error true 1"));
    aurora.settles("aurora_requests_total", &requests.iter().map(String::as_str).collect::<Vec<_>>());
    let responses = expected(&|name| format!("{name} broken_stream 1"));
    aurora.settles("aurora_answers_total", &responses.iter().map(String::as_str).collect::<Vec<_>>());
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 200 broken 8"]);
    assert_eq!(aurora.counts("aurora_tokens_total"), [""; 0]);
}

#[test]
fn a_stream_is_complete_after_its_last_event() {
    let done = [HELLO, STOP, USAGE, DONE];
    let upstream = Upstream::start()
        .on("finish-only", stream(&[HELLO, STOP]))
        .on("done-only", stream(&[HELLO, DONE]))
        .on("no-blank-line", stream(&[HELLO, "data: [DONE]"]))
        .on("one-line-feed", stream(&[HELLO, "data: [DONE]\n"]))
        .on("no-last-chunk", then(opening(&done), [Step::Close]))
        .on("reset", then(opening(&done), [Step::Reset]))
        .on("stays-open", then(opening(&done), [Step::Stall]))
        .on("own-error", stream(&[HELLO, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"]))
        .on("own-error-fin", then(opening(&["data: {\"error\":\"x\"}\n\n"]), [Step::Close]));
    let aurora = gateway(&upstream, "", "http: {stream_idle: 300ms}");
    let send = |model: &str| {
        let response = aurora.send(chat_of(model, true));
        assert!(response.whole, "{model}");
        response.text().to_owned()
    };
    assert_eq!(send("finish-only"), [HELLO, STOP].concat());
    assert_eq!(send("done-only"), [HELLO, DONE].concat());
    assert_eq!(send("no-blank-line"), [HELLO, "data: [DONE]"].concat());
    assert_eq!(send("one-line-feed"), [HELLO, "data: [DONE]\n"].concat());
    assert_eq!(send("no-last-chunk"), done.concat());
    assert_eq!(send("stays-open"), done.concat());
    let success = |name: &str| format!("up {name} /chat/completions 200 success true 1");
    let names = ["done-only", "finish-only", "no-blank-line", "no-last-chunk", "one-line-feed", "stays-open"];
    let names = names.map(success);
    aurora.settles("aurora_requests_total", &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(send("own-error"), [HELLO, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"].concat());
    assert_eq!(send("own-error-fin"), "data: {\"error\":\"x\"}\n\n");
    aurora.settles(
        "aurora_http_requests_total",
        &["/v1/chat/completions POST 200 broken 2", "/v1/chat/completions POST 200 ok 6"],
    );
}

#[test]
fn a_stream_of_single_bytes_is_read_like_any_other() {
    let whole = [ROLE, HELLO, STOP, USAGE, DONE].concat();
    let bytes: Vec<Step> = whole.bytes().map(|byte| Step::Send(chunk([byte]))).collect();
    let steps = then(then(opening(&[]), bytes), [Step::Send(LAST_CHUNK.into())]);
    let upstream = Upstream::start().on("m", steps);
    let aurora = gateway(&upstream, "", "");
    let response = aurora.send(chat_of("m", true));
    assert_eq!((response.status_and_text(), response.whole), ((200, &*whole), true));
    aurora.settles("aurora_tokens_total", &["up m input uncached 4", "up m output text 2"]);
    aurora.settles("aurora_time_to_first_token_seconds_count", &["up m /chat/completions 1"]);
}

#[test]
fn an_event_above_the_buffer_limit_is_relayed_and_read() {
    let long =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(200 << 10));
    let upstream = Upstream::start()
        .on("long", stream(&[&long, USAGE, DONE]))
        .on("cut", then(opening(&[&long[..long.len() - 1]]), [Step::Close]));
    let aurora = gateway(&upstream, "", "");
    let response = aurora.send(chat_of("long", true));
    assert!(
        response.status_and_text() == (200, &*[&long, USAGE, DONE].concat()),
        "{} bytes",
        response.body.len()
    );
    assert!(response.whole);
    aurora.settles("aurora_tokens_total", &["up long input uncached 4", "up long output text 2"]);
    aurora.settles("aurora_time_to_first_token_seconds_count", &["up long /chat/completions 1"]);
    let response = aurora.send(chat_of("cut", true));
    assert!(
        response.text().ends_with(&format!("\"}}}}]}}\n\n\n{}", broke())),
        "{}",
        &response.text()[response.body.len() - 300..]
    );
}

#[test]
fn a_tool_call_above_the_buffer_limit_is_relayed_and_counted() {
    let tool_call = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"tool_calls\":[{{\"id\":\"c\",\"function\":\
         {{\"name\":\"f\",\"arguments\":\"{}\"}}}}]}},\"finish_reason\":\"tool_calls\"}}],\"usage\":{{\"prompt_tokens\":4,\
         \"completion_tokens\":2}}}}\n\n",
        "\\\"é{".repeat(20 << 10)
    );
    let unread = format!("data: {{\"choices\":[{}{{}}]}}\n\n", "{\"index\":0},".repeat(20 << 10));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let upstream = Upstream::start()
        .on("tool-call", stream(&[&tool_call]))
        .on("unread", stream(&[&unread]))
        .on("unread-unframed", vec![Step::Send([head, &unread].concat().into()), Step::Close]);
    let aurora = gateway(&upstream, "", "");
    for (model, event) in [("tool-call", &tool_call), ("unread", &unread)] {
        let response = aurora.send(chat_of(model, true));
        assert!(
            response.status_and_text() == (200, event) && response.whole,
            "{model}: {} bytes",
            response.body.len()
        );
    }
    let response = aurora.send(chat_of("unread-unframed", true));
    assert!(response.text() == [&*unread, &truncated()].concat(), "{} bytes", response.body.len());
    aurora.settles(
        "aurora_streams_total",
        &["up tool-call completed 1", "up unread completed 1", "up unread-unframed upstream_truncated 1"],
    );
    aurora.settles("aurora_time_to_first_token_seconds_count", &["up tool-call /chat/completions 1"]);
    aurora.settles("aurora_tokens_total", &["up tool-call input uncached 4", "up tool-call output text 2"]);
}

#[test]
fn audio_counts_as_first_token() {
    let event = |kind: &str, rest: &str| format!("data: {{\"type\":\"{kind}\",{rest}}}\n\n");
    let speech = [
        event("speech.audio.delta", "\"audio\":\"AAD/\""),
        event("speech.audio.done", "\"usage\":{\"input_tokens\":4,\"output_tokens\":2}"),
    ];
    let transcription = [
        event("transcript.text.delta", "\"delta\":\"High\""),
        event("transcript.text.done", "\"text\":\"High\",\"usage\":{\"input_tokens\":4,\"output_tokens\":2}"),
    ];
    let response = [
        event("response.audio.delta", "\"delta\":\"AAD/\""),
        event("response.completed", "\"response\":{\"usage\":{\"input_tokens\":4,\"output_tokens\":2}}"),
    ];
    let upstream = Upstream::start()
        .on("heard", stream(&transcription.each_ref().map(String::as_str)))
        .on("response", stream(&response.each_ref().map(String::as_str)))
        .on("spoken", stream(&speech.each_ref().map(String::as_str)));
    let aurora = gateway(&upstream, "", "");
    let send =
        |path: &str, model: &str| aurora.send(post(path, format!(r#"{{"model":"{model}","stream":true}}"#)));
    assert_eq!(send("/v1/responses", "response").status_and_text(), (200, &*response.concat()));
    assert_eq!(send("/v1/audio/speech", "spoken").status_and_text(), (200, &*speech.concat()));
    assert_eq!(send("/p/up/v1/other", "heard").status_and_text(), (200, &*transcription.concat()));
    aurora.settles(
        "aurora_time_to_first_token_seconds_count",
        &["up heard other 1", "up response /responses 1", "up spoken /audio/speech 1"],
    );
}

#[test]
fn responses_streams_have_their_own_events() {
    let delta = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n";
    let end = |kind: &str| {
        format!(
            "event: response.{kind}\ndata: {{\"type\":\"response.{kind}\",\"response\":{{\"usage\":{{\"input_tokens\":5,\
             \"input_tokens_details\":{{\"cached_tokens\":2}},\"output_tokens\":7,\"output_tokens_details\":\
             {{\"reasoning_tokens\":3}},\"total_tokens\":12}}}}}}\n\n"
        )
    };
    let (completed, incomplete) = (end("completed"), end("incomplete"));
    let upstream = Upstream::start()
        .on("completed", stream(&[delta, &completed]))
        .on("incomplete", stream(&[delta, &incomplete]))
        .on("cut", stream(&[delta]))
        .on(
            "whole",
            json(r#"{"object":"response","usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}"#),
        );
    let aurora = gateway(&upstream, "", "");
    let send = |model: &str| {
        let body = format!(r#"{{"model":"{model}","stream":{},"input":"x"}}"#, model != "whole");
        let response = aurora.send(post("/v1/responses", body));
        assert_eq!((response.status, response.whole), (200, true));
        response.text().to_owned()
    };
    assert_eq!(send("completed"), format!("{delta}{completed}"));
    assert_eq!(send("incomplete"), format!("{delta}{incomplete}"));
    assert_eq!(
        send("cut"),
        format!(
            "{delta}event: error\ndata: {{\"code\":\"upstream_truncated\",\"message\":\"the provider ended the stream \
             before the response was complete\",\"param\":null,\"type\":\"error\"}}\n\n"
        )
    );
    send("whole");
    let tokens = |name: &str| {
        format!(
            "up {name} input cache_read 2/up {name} input uncached 3/up {name} output reasoning 3/up {name} output text 4"
        )
    };
    let expected = [
        tokens("completed"),
        tokens("incomplete"),
        "up whole input uncached 5/up whole output text 7".into(),
    ];
    aurora.settles(
        "aurora_tokens_total",
        &expected.iter().flat_map(|lines| lines.split('/')).collect::<Vec<_>>(),
    );
    aurora.settles(
        "aurora_time_to_first_token_seconds_count",
        &["up completed /responses 1", "up cut /responses 1", "up incomplete /responses 1"],
    );
}
