//! Forms with files: what is read of them, what goes on, what is refused.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Response, key, post, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::refusal;
use crate::support::upstream::{Upstream, json, response, stream};

const PATH: &str = "/v1/audio/transcriptions";
const KIND: &str = "multipart/form-data; boundary=\"a b\"";

fn sound(size: u32) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at * 7 % 256).expect("a byte")).collect()
}

fn form(model: &str, sound: &[u8], rest: &str) -> Vec<u8> {
    let head = "--a b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model.wav\"\r\nContent-Type: audio/wav\r\n\r\n";
    let model = format!(
        "\r\n--a b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n{rest}--a b--\r\n"
    );
    [head.as_bytes(), sound, model.as_bytes()].concat()
}

fn field(name: &str, value: &str) -> String {
    format!("--a b\r\ncontent-disposition: form-data; name={name}\r\n\r\n{value}\r\n")
}

fn send(aurora: &Aurora, kind: &str, body: &[u8]) -> Response {
    aurora.send(request("POST", PATH, &format!("{}content-type: {kind}\r\n", key()), body))
}

#[test]
fn a_form_is_forwarded_unchanged_but_for_the_model_prefix() {
    let output_text = "1\r\n00:00:00,000 --> 00:00:01,000\r\nHé\r\n\r\n";
    let upstream =
        Upstream::start().on("whisper", response("200 OK", "content-type: text/plain\r\n", output_text));
    let aurora = gateway(&upstream, "", "");
    for size in [0, 1, 100_000, 1_000_000] {
        for model in ["whisper", "up/whisper"] {
            let sound = sound(size);
            let response = send(&aurora, KIND, &form(model, &sound, &field("response_format", "srt")));
            assert_eq!(
                (response.status_and_text(), response.header("content-type")),
                ((200, output_text), Some("text/plain"))
            );
            let call = upstream.calls().pop().expect("a call");
            assert!(call.body == form("whisper", &sound, &field("response_format", "srt")), "{size} {model}");
            assert!(call.headers().contains(&&*format!("content-type: {KIND}")), "{}", call.head);
            assert!(call.head.starts_with("POST /v1/audio/transcriptions HTTP/1.1\r\n"), "{}", call.head);
        }
    }
    aurora.settles("aurora_requests_total", &["up whisper /audio/transcriptions 200 success false 8"]);
    aurora.settles("aurora_answers_total", &["whisper ok 8"]);
}

#[test]
fn a_form_field_selects_streaming() {
    let events = "event: transcript.text.done\ndata: {\"type\":\"transcript.text.done\",\"text\":\"x\"}\n\n";
    let upstream = Upstream::start().on("gpt", stream(&[events]));
    let aurora = gateway(&upstream, "", "");
    for value in ["true", "True"] {
        assert_eq!(
            send(&aurora, KIND, &form("gpt", b"x", &field("stream", value))).status_and_text(),
            (200, events)
        );
    }
    aurora.settles("aurora_requests_total", &["up gpt /audio/transcriptions 200 success true 2"]);
}

#[test]
fn forms_of_images_and_translations_pass_and_their_tokens_count() {
    let usage = r#"{"data":[],"usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}}"#;
    let upstream = Upstream::start().on("m", json(usage));
    let aurora = gateway(&upstream, "", "");
    for (path, calls) in
        [("/v1/images/edits", 1), ("/v1/images/variations", 2), ("/v1/audio/translations", 3)]
    {
        let body = form("up/m", &sound(70_000), &field("prompt", "a tower"));
        let sent = request("POST", path, &format!("{}content-type: {KIND}\r\n", key()), body);
        assert_eq!(aurora.send(sent).status_and_text(), (200, usage), "{path}");
        let call = upstream.calls().pop().expect("a call");
        assert!(call.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", call.head);
        assert!(call.headers().contains(&&*format!("content-type: {KIND}")), "{}", call.head);
        assert!(call.body == form("m", &sound(70_000), &field("prompt", "a tower")), "{path}");
        let tokens =
            [format!("up m input uncached {}", 9 * calls), format!("up m output text {}", 4 * calls)];
        aurora.settles("aurora_tokens_total", &tokens.each_ref().map(String::as_str));
    }
    let endpoints = ["/audio/translations", "/images/edits", "/images/variations"]
        .map(|endpoint| format!("up m {endpoint} 200 success false 1"));
    aurora.settles("aurora_requests_total", &endpoints.each_ref().map(String::as_str));
    aurora.settles("aurora_answers_total", &["m ok 3"]);
}

#[test]
fn edits_of_images_may_be_json_and_may_be_streamed() {
    let done = "event: image_edit.completed\ndata: {\"type\":\"image_edit.completed\",\"usage\":\
                {\"input_tokens\":9,\"output_tokens\":4}}\n\n";
    let upstream = Upstream::start().on("m", stream(&[done]));
    let aurora = gateway(&upstream, "", "");
    let path = "/v1/images/edits";
    let edit = post(path, r#"{"model":"up/m","stream":true,"images":[]}"#);
    assert_eq!(aurora.send(edit).status_and_text(), (200, done));
    let call = upstream.calls().pop().expect("a call");
    assert_eq!(call.body, br#"{"model":"m","stream":true,"images":[]}"#);
    let body = form("m", b"x", &field("stream", "true"));
    let edit = request("POST", path, &format!("{}content-type: {KIND}\r\n", key()), body);
    assert_eq!(aurora.send(edit).status_and_text(), (200, done));
    aurora.settles("aurora_requests_total", &["up m /images/edits 200 success true 2"]);
    aurora.settles("aurora_tokens_total", &["up m input uncached 18", "up m output text 8"]);
    aurora.settles("aurora_streams_total", &["up m completed 2"]);
}

#[test]
fn compaction_declares_tokens_and_counting_them_does_not() {
    let compacted = r#"{"id":"c","object":"response.compaction","output":[],"usage":{"input_tokens":9,"output_tokens":4}}"#;
    let counted = r#"{"object":"response.input_tokens","input_tokens":11}"#;
    let upstream = Upstream::start().on("compacted", json(compacted)).on("counted", json(counted));
    let aurora = gateway(&upstream, "", "");
    let compact = post("/v1/responses/compact", r#"{"model":"up/compacted","input":"x"}"#);
    assert_eq!(aurora.send(compact).status_and_text(), (200, compacted));
    let count = post("/v1/responses/input_tokens", r#"{"model":"counted","input":"x"}"#);
    assert_eq!(aurora.send(count).status_and_text(), (200, counted));
    let heads =
        upstream.calls().iter().map(|call| call.head.lines().next().map(str::to_owned)).collect::<Vec<_>>();
    let expected = ["POST /v1/responses/compact HTTP/1.1", "POST /v1/responses/input_tokens HTTP/1.1"];
    assert_eq!(heads, expected.map(|line| Some(line.to_owned())));
    aurora.settles(
        "aurora_requests_total",
        &[
            "up compacted /responses/compact 200 success false 1",
            "up counted /responses/input_tokens 200 success false 1",
        ],
    );
    aurora.settles("aurora_tokens_total", &["up compacted input uncached 9", "up compacted output text 4"]);
    aurora.settles("aurora_usage_reports_total", &["up native 1"]);
}

#[test]
fn forms_without_a_usable_model_are_refused() {
    let upstream = Upstream::start().on("m", json("{}"));
    let aurora = gateway(&upstream, "body_size_limit: 10K", "");
    let no_form = "The body must be a form: send Content-Type multipart/form-data with its boundary.";
    let whole = form("m", b"x", "");
    let unknown = "The model `n` does not exist: no provider lists it. GET /v1/models shows what is served.";
    let too_large = "The body is over the limit of 10240 bytes (server.body_size_limit, BODY_SIZE_LIMIT).";
    let refuses = |kind: &str, body: Vec<u8>, status, message: &str, [param, code]: [&str; 2]| {
        let response = send(&aurora, kind, &body);
        assert_eq!(
            response.status_and_text(),
            (status, &*refusal(message, param, code)),
            "{}",
            String::from_utf8_lossy(&body)
        );
    };
    let malformed = ["", "invalid_form"];
    refuses("application/json", br#"{"model":"m"}"#.to_vec(), 400, no_form, malformed);
    refuses("multipart/form-data", whole.clone(), 400, no_form, malformed);
    refuses(KIND, Vec::new(), 400, "The form is malformed: its boundary does not stand in it.", malformed);
    let boundaries = "Duplicate boundary in the form's Content-Type; name it once.";
    refuses(&format!("{KIND}; boundary=b"), whole.clone(), 400, boundaries, malformed);
    let names = "The form is malformed: a part has two names.";
    refuses(KIND, form("m", b"", &field("x; name=model", "n")), 400, names, malformed);
    let cut = whole[..whole.len() - 9].to_vec();
    refuses(KIND, cut, 400, "The form is malformed: its last part has no end.", malformed);
    let missing = "`model` is missing: name the model to use.";
    refuses(KIND, (field("x", "m") + "--a b--").into(), 400, missing, ["model", "missing_model"]);
    let twice = "Duplicate field `model` in the form; send it once.";
    refuses(KIND, form("m", b"", &field("model", "n")), 400, twice, ["model", "duplicate_member"]);
    let stream = "`stream` must be true or false.";
    refuses(KIND, form("m", b"", &field("stream", "yes")), 400, stream, ["stream", "invalid_stream"]);
    refuses(KIND, form("n", b"", ""), 404, unknown, ["model", "model_not_found"]);
    refuses(KIND, form("m", &sound(10_240), ""), 413, too_large, ["", "body_too_large"]);
    assert_eq!(upstream.calls().len(), 0);
    aurora.settles(
        "aurora_rejected_requests_total",
        &["body_too_large 1", "invalid_request 9", "model_not_found 1"],
    );
}

const QUICK: &str = "resilience: {retry: {max_retries: 2, initial_backoff: 1ms}}";

#[test]
fn a_form_is_retried_unchanged() {
    let busy = response("503 Service Unavailable", "content-type: application/json\r\n", "{}");
    let upstream = Upstream::start().on("m", busy);
    let aurora = gateway(&upstream, "", QUICK);
    let sound = sound(500_000);
    assert_eq!(send(&aurora, KIND, &form("up/m", &sound, "")).status_and_text(), (503, "{}"));
    let calls = upstream.calls();
    assert_eq!(calls.len(), 3);
    let sent = form("m", &sound, "");
    for call in calls {
        assert!(
            call.body == sent && call.headers().contains(&&*format!("content-type: {KIND}")),
            "{}",
            call.head
        );
    }
    aurora.settles("aurora_upstream_attempts_total", &["up m server_error 3"]);
}

#[test]
fn a_fallback_gets_the_form_with_its_own_model() {
    let busy = response("500 Internal Server Error", "content-type: application/json\r\n", "{}");
    let one = Upstream::start().on("m", busy);
    let two = Upstream::start().on("another", json("{}"));
    let text = yaml(&one, "", "routes: {ears: [up/m, two/another]}")
        + &format!(
            "  two: {{type: groq, base_url: \"http://{}/v1\", api_key: k, models: [another]}}\n",
            two.address
        );
    let aurora = Setup::new().yaml(&text).start();
    let sound = sound(300_000);
    assert_eq!(send(&aurora, KIND, &form("ears", &sound, "")).status_and_text(), (200, "{}"));
    assert!(one.call("m").body == form("m", &sound, ""));
    assert!(two.call("another").body == form("another", &sound, ""));
}

#[test]
fn html_is_an_invalid_response_for_audio() {
    let upstream =
        Upstream::start().on("m", response("200 OK", "content-type: text/html; charset=utf-8\r\n", "<p>"));
    let aurora = gateway(&upstream, "", "");
    let responses = [
        send(&aurora, KIND, &form("m", &sound(10), "")),
        aurora.send(post("/v1/audio/speech", r#"{"model":"m"}"#)),
    ];
    let expected = r#"{"error":{"message":"provider `up`: its response is text/html","type":"upstream_error","param":null,"code":"upstream_invalid_answer"}}"#;
    for response in &responses {
        assert_eq!(response.status_and_text(), (502, expected));
    }
    aurora.settles("aurora_upstream_attempts_total", &["up m server_error 2"]);
}
