//! Metrics of streams, and of usage that Aurora requests itself.

use std::time::{Duration, Instant};

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{begin, chat, chat_of, post};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{DONE, HELLO, ROLE, STOP, USAGE};
use crate::support::upstream::{
    Gate, LAST_CHUNK, STREAM_HEAD, Step, Upstream, chunk, json, opening, response, stream, then,
};

/// A gateway that requests usage where the client does not.
fn asking(upstream: &Upstream) -> Aurora {
    let yaml = yaml(upstream, "", "http: {stream_idle: 300ms}");
    let yaml = yaml.replace("type: openai_compatible", "type: openai_compatible, inject_usage: true");
    Setup::new().yaml(&yaml).start()
}

fn usage_of(output: u64, reasoning: u64) -> String {
    format!(
        "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":4,\"completion_tokens\":{output},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning}}}}}}}\n\n"
    )
}

#[test]
fn every_stream_has_one_outcome() {
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    let upstream = Upstream::start()
        .on("done", stream(&[HELLO, DONE]))
        .on("error", stream(&[HELLO, error]))
        .on("error-after-end", stream(&[HELLO, STOP, error]))
        .on("fin", then(opening(&[HELLO]), [Step::Close]))
        .on("left", then(opening(&[HELLO]), [Step::Stall]))
        .on("no-end", stream(&[HELLO]))
        .on("refused", response("400 Bad Request", "content-type: application/json\r\n", "{}"))
        .on("stall", then(opening(&[ROLE]), [Step::Stall]))
        .on("whole", json("{}"));
    let aurora = gateway(&upstream, "", "http: {stream_idle: 300ms}");
    for model in upstream.models() {
        if model == "left" {
            let mut client = begin(&aurora, "left");
            assert_eq!(client.read_until("\n\n"), HELLO);
        } else {
            aurora.send(chat_of(&model, true));
        }
    }
    aurora.settles(
        "aurora_streams_total",
        &[
            "up done completed 1",
            "up error upstream_error 1",
            "up error-after-end upstream_error 1",
            "up fin upstream_truncated 1",
            "up left client_disconnect 1",
            "up no-end upstream_truncated 1",
            "up stall timeout 1",
        ],
    );
    aurora.settles(
        "aurora_requests_total",
        &[
            "up done /chat/completions 200 success true 1",
            "up error /chat/completions 200 error true 1",
            "up error-after-end /chat/completions 200 error true 1",
            "up fin /chat/completions 200 error true 1",
            "up left /chat/completions 499 cancelled true 1",
            "up no-end /chat/completions 200 error true 1",
            "up refused /chat/completions 400 error true 1",
            "up stall /chat/completions 200 error true 1",
            "up whole /chat/completions 200 success true 1",
        ],
    );
    let gaps = ["done", "error", "error-after-end", "fin", "left", "no-end", "stall"]
        .map(|model| format!("up {model} 1"));
    aurora.settles("aurora_stream_max_gap_seconds_count", &gaps.each_ref().map(String::as_str));
    let tokens = ["done", "error", "error-after-end", "fin", "left", "no-end"]
        .map(|model| format!("up {model} /chat/completions 1"));
    aurora.settles("aurora_time_to_first_token_seconds_count", &tokens.each_ref().map(String::as_str));
    aurora.settles("aurora_usage_reports_total", &["up missing 8"]);
}

/// The one sample of a family's sum, in seconds.
fn seconds(aurora: &Aurora, family: &str) -> Duration {
    let counts = aurora.counts(family);
    let [count] = counts.as_slice() else { panic!("{family}: {counts:?}") };
    Duration::from_secs_f64(count.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn time_per_token_and_gap_match_the_client() {
    let gate = Gate::default();
    let rest = [Step::Await(gate.clone()), Step::Send(chunk([HELLO, STOP, &usage_of(5, 0), DONE].concat()))];
    let upstream =
        Upstream::start().on("m", then(then(opening(&[ROLE, HELLO]), rest), [Step::Send(LAST_CHUNK.into())]));
    let aurora = gateway(&upstream, "", "");
    let begun = Instant::now();
    let mut client = begin(&aurora, "m");
    while !client.read_until("\n\n").contains("Hello") {}
    let seen = Instant::now();
    aurora.settles("aurora_requests_in_flight", &["up /chat/completions true 1"]);
    let at_least = seen.elapsed();
    gate.open();
    client.read_until(DONE);
    let at_most = begun.elapsed();
    aurora.settles("aurora_time_per_output_token_seconds_count", &["up m 1"]);
    let per_token = seconds(&aurora, "aurora_time_per_output_token_seconds_sum") * 4;
    assert!((at_least..at_most).contains(&per_token), "{per_token:?}, not {at_least:?} to {at_most:?}");
    let gap = seconds(&aurora, "aurora_stream_max_gap_seconds_sum");
    assert!((at_least..at_most).contains(&gap), "{gap:?}, not {at_least:?} to {at_most:?}");
}

#[test]
fn time_per_token_needs_two_streamed_tokens_of_one_choice() {
    let other = HELLO.replace("\"index\":0", "\"index\":1");
    let reasoning = HELLO.replace("content", "reasoning_content");
    let upstream = Upstream::start()
        .on("hidden-reasoning", stream(&[HELLO, STOP, &usage_of(9, 8), DONE]))
        .on("no-token", stream(&[ROLE, STOP, &usage_of(9, 0), DONE]))
        .on("no-usage", stream(&[HELLO, STOP, DONE]))
        .on("one", stream(&[HELLO, STOP, &usage_of(1, 0), DONE]))
        .on("seen-reasoning", stream(&[&reasoning, HELLO, STOP, &usage_of(9, 8), DONE]))
        .on("some-hidden", stream(&[HELLO, STOP, &usage_of(9, 7), DONE]))
        .on("two", stream(&[HELLO, STOP, &usage_of(2, 0), DONE]))
        .on("two-choices", stream(&[HELLO, &other, STOP, &usage_of(9, 0), DONE]));
    let aurora = gateway(&upstream, "", "");
    upstream.models().iter().for_each(|model| assert_eq!(aurora.send(chat_of(model, true)).status, 200));
    aurora.settles("aurora_usage_reports_total", &["up missing 1", "up native 7"]);
    aurora.settles(
        "aurora_time_per_output_token_seconds_count",
        &["up seen-reasoning 1", "up some-hidden 1", "up two 1"],
    );
}

#[test]
fn usage_before_the_end_of_a_stream_that_breaks_is_not_counted() {
    let counting = HELLO.replace("}]}", "}],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1}}");
    let upstream = Upstream::start()
        .on("broken", then(opening(&[&counting, &counting]), [Step::Close]))
        .on("whole", stream(&[&counting, &counting, STOP, DONE]));
    let aurora = gateway(&upstream, "", "");
    aurora.send(chat_of("broken", true));
    aurora.send(chat_of("whole", true));
    aurora.settles("aurora_tokens_total", &["up whole input uncached 4", "up whole output text 1"]);
    aurora.settles("aurora_usage_reports_total", &["up missing 1", "up native 1"]);
}

#[test]
fn requested_usage_is_relayed() {
    let upstream = Upstream::start().on("m", stream(&[HELLO, STOP, USAGE, DONE]));
    let aurora = asking(&upstream);
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    assert_eq!(aurora.send(chat(body)).status_and_text(), (200, &*[HELLO, STOP, USAGE, DONE].concat()));
    assert_eq!(upstream.call("m").body, body.as_bytes());
    aurora.settles("aurora_usage_reports_total", &["up native 1"]);
    assert_eq!(aurora.send(chat_of("m", true)).status_and_text(), (200, &*[HELLO, STOP, DONE].concat()));
    aurora.settles("aurora_usage_reports_total", &["up injected 1", "up native 1"]);
    aurora.settles("aurora_tokens_total", &["up m input uncached 8", "up m output text 4"]);
}

#[test]
fn a_400_about_injected_usage_is_relayed_without_a_retry() {
    let refusal = r#"{"error":{"message":"Unknown parameter: stream_options"}}"#;
    let upstream =
        Upstream::start().on("m", response("400 Bad Request", "content-type: application/json\r\n", refusal));
    let aurora = asking(&upstream);
    assert_eq!(aurora.send(chat_of("m", true)).status_and_text(), (400, refusal));
    assert_eq!(upstream.calls().len(), 1);
}

#[test]
fn only_a_possible_usage_event_is_delayed() {
    let gates = [Gate::default(), Gate::default()];
    let (content, more) = HELLO.split_at(HELLO.find("Hello").unwrap() + 2);
    let (usage, rest) = USAGE.split_at(USAGE.find("usage").unwrap());
    let upstream = Upstream::start().on(
        "m",
        then(
            opening(&[&[HELLO, content].concat()]),
            [
                Step::Await(gates[0].clone()),
                Step::Send(chunk([more, STOP, usage].concat())),
                Step::Await(gates[1].clone()),
                Step::Send(chunk([rest, DONE].concat())),
                Step::Send(LAST_CHUNK.into()),
            ],
        ),
    );
    let aurora = asking(&upstream);
    let mut client = begin(&aurora, "m");
    assert_eq!(client.chunk().unwrap(), [HELLO, content].concat().as_bytes());
    gates[0].open();
    assert_eq!(client.chunk().unwrap(), [more, STOP].concat().as_bytes());
    gates[1].open();
    assert_eq!(client.chunk().unwrap(), DONE.as_bytes());
    assert_eq!(client.chunk(), Some(Vec::new()));
    aurora.settles("aurora_tokens_total", &["up m input uncached 4", "up m output text 2"]);
}

#[test]
fn a_stream_may_end_at_or_inside_the_withheld_event() {
    let half = &USAGE[..30];
    let upstream = Upstream::start()
        .on("after-end", stream(&[HELLO, STOP, half]))
        .on("broken", then(opening(&[HELLO, half]), [Step::Close]))
        .on("last", stream(&[HELLO, STOP, USAGE]))
        .on("no-blank-line", stream(&[HELLO, STOP, USAGE.trim_end()]))
        .on("only", stream(&[USAGE]));
    let aurora = asking(&upstream);
    let send = |model: &str| {
        let response = aurora.send(chat_of(model, true));
        assert_eq!((response.status, response.whole), (200, true), "{model}");
        response.text().to_owned()
    };
    assert_eq!(send("after-end"), [HELLO, STOP, half].concat());
    assert_eq!(send("last"), [HELLO, STOP].concat());
    assert_eq!(send("no-blank-line"), [HELLO, STOP].concat());
    let broken = send("broken");
    assert!(broken.starts_with(&[HELLO, half, "\n\ndata: {\"error\":"].concat()), "{broken}");
    assert!(send("only").starts_with("data: {\"error\":"));
    aurora.settles(
        "aurora_tokens_total",
        &[
            "up last input uncached 4",
            "up last output text 2",
            "up no-blank-line input uncached 4",
            "up no-blank-line output text 2",
            "up only input uncached 4",
            "up only output text 2",
        ],
    );
    aurora.settles(
        "aurora_streams_total",
        &[
            "up after-end completed 1",
            "up broken upstream_truncated 1",
            "up last completed 1",
            "up no-blank-line completed 1",
            "up only upstream_truncated 1",
        ],
    );
}

#[test]
fn tokens_of_a_large_response_are_counted() {
    let vectors =
        format!("[{{\"usage\":{{\"prompt_tokens\":9}},\"embedding\":[{}0.5]}}]", "-0.0123,".repeat(60_000));
    let first = format!(r#"{{"usage":{{"prompt_tokens":7,"total_tokens":7}},"data":{vectors}}}"#);
    let last = format!("{{\"data\":{vectors},\n\"usage\" : {{\"prompt_tokens\":8,\"total_tokens\":8}}}}\n");
    let twice =
        format!(r#"{{"usage":{{"prompt_tokens":1}},"data":{vectors},"usage":{{"prompt_tokens":2}}}}"#);
    let none = format!(r#"{{"data":{vectors}}}"#);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        last.len()
    );
    let upstream = Upstream::start()
        .on("cut", vec![Step::Send([&head, &last[..last.len() - 1]].concat().into()), Step::Close])
        .on("first", json(&first))
        .on("last", json(&last))
        .on("none", json(&none))
        .on("small", json(r#"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":3}}"#))
        .on("twice", json(&twice));
    let aurora = gateway(&upstream, "", "");
    for (model, expected) in [("first", &first), ("last", &last), ("none", &none), ("twice", &twice)] {
        let response = aurora.send(post("/v1/embeddings", format!(r#"{{"model":"{model}"}}"#)));
        assert!(response.status_and_text() == (200, expected) && response.whole, "{model}");
    }
    assert_eq!(aurora.send(post("/v1/embeddings", r#"{"model":"small"}"#)).status, 200);
    assert!(!aurora.send(post("/v1/embeddings", r#"{"model":"cut"}"#)).whole);
    aurora.settles(
        "aurora_tokens_total",
        &[
            "up first input uncached 7",
            "up last input uncached 8",
            "up small input uncached 3",
            "up twice input uncached 2",
        ],
    );
    aurora.settles("aurora_usage_reports_total", &["up missing 2", "up native 4"]);
}

#[test]
fn messages_streams_have_their_own_events() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\
                 \"cache_read_input_tokens\":7,\"output_tokens\":1}}}\n\n";
    let text = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\
                \"text\":\"Hi\"}}\n\n";
    let last = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
                \"usage\":{\"output_tokens\":3}}\n\n";
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let upstream = Upstream::start()
        .on("cut", stream(&[start, text]))
        .on("cut-at-the-end", stream(&[start, text, last]))
        .on("error", stream(&[start, text, error]))
        .on("whole", stream(&[start, text, last, stop]));
    let aurora = asking(&upstream);
    let send = |model: &str| {
        let response = aurora.send(post("/v1/messages", format!(r#"{{"model":"{model}","stream":true}}"#)));
        assert_eq!((response.status, response.whole), (200, true), "{model}");
        response.text().to_owned()
    };
    let truncated = "event: error\ndata: {\"error\":{\"message\":\"the provider ended the stream before the response was \
                     complete\",\"type\":\"api_error\"},\"type\":\"error\"}\n\n";
    assert_eq!(send("cut"), [start, text, truncated].concat());
    assert_eq!(send("cut-at-the-end"), [start, text, last, truncated].concat());
    assert_eq!(send("error"), [start, text, error].concat());
    assert_eq!(send("whole"), [start, text, last, stop].concat());
    aurora.settles(
        "aurora_streams_total",
        &[
            "up cut upstream_truncated 1",
            "up cut-at-the-end upstream_truncated 1",
            "up error upstream_error 1",
            "up whole completed 1",
        ],
    );
    let tokens = |model: &str| ["cache_read 7", "uncached 5"].map(|kind| format!("up {model} input {kind}"));
    let output = |model: &str| format!("up {model} output text 3");
    let declared: Vec<String> = ["cut-at-the-end", "whole"]
        .into_iter()
        .flat_map(|model| tokens(model).into_iter().chain([output(model)]))
        .collect();
    aurora.settles("aurora_tokens_total", &declared.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn streams_without_an_end_event_end_with_their_body() {
    let part = "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"aGk=\"}\n\n";
    let last = "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"aGk=\",\
                \"usage\":{\"input_tokens\":5,\"output_tokens\":9,\"total_tokens\":14}}\n\n";
    let upstream = Upstream::start()
        .on("broken", then(opening(&[part]), [Step::Close]))
        .on("whole", stream(&[part, last]));
    let aurora = asking(&upstream);
    let send = |model: &str| {
        let response =
            aurora.send(post("/v1/images/generations", format!(r#"{{"model":"{model}","stream":true}}"#)));
        assert_eq!((response.status, response.whole), (200, true), "{model}");
        response.text().to_owned()
    };
    assert_eq!(send("whole"), [part, last].concat());
    let broken = send("broken");
    assert!(
        broken.starts_with(&format!("{part}data: {{\"error\":{{\"code\":\"upstream_error\"")),
        "{broken}"
    );
    aurora.settles("aurora_streams_total", &["up broken upstream_truncated 1", "up whole completed 1"]);
    aurora.settles("aurora_tokens_total", &["up whole input uncached 5", "up whole output text 9"]);
    aurora.settles("aurora_usage_reports_total", &["up native 1"]);
}

#[test]
fn a_stream_of_several_choices_ends_with_the_last_one() {
    let (other, stop_other) =
        (HELLO.replace("\"index\":0", "\"index\":1"), STOP.replace("\"index\":0", "\"index\":1"));
    let upstream = Upstream::start()
        .on("both", stream(&[HELLO, &other, STOP, &stop_other]))
        .on("done", stream(&[HELLO, &other, STOP, DONE]))
        .on("in-turn", stream(&[HELLO, STOP, &other, &stop_other]))
        .on("one", stream(&[HELLO, &other, STOP]))
        .on("one-in-turn", stream(&[HELLO, STOP, &other]))
        .on("same-twice", stream(&[HELLO, &other, STOP, STOP]));
    let aurora = gateway(&upstream, "", "");
    upstream.models().iter().for_each(|model| assert_eq!(aurora.send(chat_of(model, true)).status, 200));
    aurora.settles(
        "aurora_streams_total",
        &[
            "up both completed 1",
            "up done completed 1",
            "up in-turn completed 1",
            "up one upstream_truncated 1",
            "up one-in-turn upstream_truncated 1",
            "up same-twice upstream_truncated 1",
        ],
    );
}

#[test]
fn overhead_excludes_the_time_of_the_provider() {
    let thought = Duration::from_millis(300);
    let (large, rest) = ("{\"a\":\"".to_owned() + &"x".repeat(300 << 10), "\"}");
    let head = |length| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    for (streamed, first, second) in [
        (true, STREAM_HEAD.to_owned(), [&*chunk(HELLO), &chunk(DONE), LAST_CHUNK.as_bytes()].concat()),
        (false, head(large.len() + rest.len()), [&*large, rest].concat().into_bytes()),
        (false, head(9), b"{}       ".to_vec()),
    ] {
        let gate = Gate::default();
        let steps = vec![Step::Send(first.into_bytes()), Step::Await(gate.clone()), Step::Send(second)];
        let upstream = Upstream::start().on("m", steps);
        let aurora = gateway(&upstream, "", "");
        let mut client = aurora.client();
        client.send(chat_of("m", streamed));
        upstream.call("m");
        let sent = Instant::now();
        while sent.elapsed() < thought {
            aurora.scrape();
        }
        gate.open();
        assert!(client.response().whole);
        aurora
            .settles("aurora_gateway_overhead_seconds_count", &[&format!("/chat/completions {streamed} 1")]);
        let overhead = seconds(&aurora, "aurora_gateway_overhead_seconds_sum");
        assert!(overhead < thought / 2, "{streamed}: {overhead:?}");
    }
}
