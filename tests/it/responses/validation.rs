//! What of an upstream is a response, however it is labelled, and what is half of one.

use crate::support::aurora::Aurora;
use crate::support::client::{chat_of, post};
use crate::support::exposition::gateway;
use crate::support::fixtures::{DONE, HELLO, STOP, USAGE};
use crate::support::upstream::then;
use crate::support::upstream::{Gate, LAST_CHUNK, Step, Upstream, chunk, response};

const JSON: &str = r#"{"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}"#;

/// Labels under which JSON and event streams come, each with the name of its model.
const LABELS: [(&str, Option<&str>); 5] = [
    ("a-none", None),
    ("b-plain", Some("text/plain; charset=utf-8")),
    ("c-text-json", Some("text/json")),
    ("d-octets", Some("application/octet-stream")),
    ("e-json", Some("application/json")),
];

fn label(kind: Option<&str>) -> String {
    kind.map_or(String::new(), |kind| format!("content-type: {kind}\r\n"))
}

/// A head without a length: the body is chunked, or ends with the connection.
fn head(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes()
}

#[test]
fn json_is_relayed_with_its_content_type() {
    let upstream = LABELS.iter().fold(Upstream::start(), |upstream, (model, kind)| {
        upstream.on(model, response("200 OK", &label(*kind), format!("\u{feff} \r\n{JSON}")))
    });
    let aurora = gateway(&upstream, "", "");
    for (model, kind) in LABELS {
        let response = aurora.send(chat_of(model, false));
        assert_eq!(response.status_and_text(), (200, &*format!("\u{feff} \r\n{JSON}")), "{model}");
        assert_eq!(response.header("content-type"), kind);
        assert_eq!(response.header("x-accel-buffering"), None);
    }
    aurora.settles("aurora_usage_reports_total", &["up native 5"]);
}

#[test]
fn an_event_stream_is_relayed_with_its_content_type() {
    for ([start, rest], path) in [
        (["", HELLO], "/v1/chat/completions"),
        (["da", &HELLO[2..]], "/v1/chat/completions"),
        (["\r\n", HELLO], "/v1/chat/completions"),
        (["\u{feff}:", HELLO], "/v1/chat/completions"),
        (["id: 1\r", HELLO], "/v1/chat/completions"),
        (["even", &format!("t: x\n{HELLO}")], "/p/up/v1/chat/completions"),
    ] {
        let gate = Gate::default();
        let upstream = LABELS.iter().fold(Upstream::start(), |upstream, (model, kind)| {
            let first = head(&format!("{}transfer-encoding: chunked\r\n", label(*kind)));
            let parts = [start, rest].into_iter().filter(|part| !part.is_empty());
            let parts = parts.map(|part| Step::Send(chunk(part)));
            let rest = [chunk(STOP), chunk(USAGE), chunk(DONE), LAST_CHUNK.into()].concat();
            let steps = then(vec![Step::Send(first)], parts);
            upstream.on(model, then(steps, [Step::Await(gate.clone()), Step::Send(rest)]))
        });
        let aurora = gateway(&upstream, "", "");
        let mut clients: Vec<_> = LABELS
            .iter()
            .map(|(model, kind)| {
                let mut client = aurora.client();
                client.send(post(path, format!(r#"{{"model":"{model}","stream":true}}"#)));
                let response = client.head();
                assert_eq!((response.status, response.header("content-type")), (200, *kind), "{model}");
                assert_eq!(response.header("x-accel-buffering"), Some("no"), "{model}");
                client
            })
            .collect();
        let firsts: Vec<String> = clients.iter_mut().map(|client| client.read_until(rest)).collect();
        gate.open();
        for (client, first) in clients.iter_mut().zip(firsts) {
            let text = first + &client.read_until(DONE);
            assert_eq!(text, [start, rest, STOP, USAGE, DONE].concat());
            assert_eq!(client.chunk(), Some(Vec::new()));
        }
        let completed = LABELS.map(|(model, _)| format!("up {model} completed 1"));
        aurora.settles("aurora_streams_total", &completed.each_ref().map(String::as_str));
        aurora.settles("aurora_usage_reports_total", &["up native 5"]);
    }
}

#[test]
fn responses_that_are_neither_json_nor_events_are_refused() {
    let stalled = |headers: &str, body: &str| {
        let headers = format!("{headers}content-length: 1000\r\n");
        vec![Step::Send([&head(&headers), body.as_bytes()].concat()), Step::Stall]
    };
    let upstream = Upstream::start()
        .on("html", stalled("content-type: text/html\r\n", JSON))
        .on("image", stalled("content-type: image/png\r\n", JSON))
        .on("page", stalled("", "<!doctype html>"))
        .on("prose", stalled("content-type: text/plain\r\n", "dat"))
        .on("word", stalled("content-type: text/plain\r\n", "upstream is busy"));
    let aurora = gateway(&upstream, "", "http: {timeout: 300ms}");
    let message = |reason: &str, code: &str| {
        format!(
            r#"{{"error":{{"message":"provider `up`: {reason}","type":"upstream_error","param":null,"code":"{code}"}}}}"#
        )
    };
    for (model, reason) in [
        ("html", "its response is text/html, not JSON or an event stream"),
        ("image", "its response is image/png, not JSON or an event stream"),
        ("page", "its response is not JSON"),
        ("word", "its response is not JSON"),
    ] {
        let response = aurora.send(chat_of(model, false));
        assert_eq!(
            response.status_and_text(),
            (502, &*message(reason, "upstream_invalid_answer")),
            "{model}"
        );
    }
    let response = aurora.send(chat_of("prose", false));
    assert_eq!(response.status_and_text(), (504, &*message("no response within 300ms", "upstream_timeout")));
}

/// JSON over the size that is held.
fn large() -> String {
    format!(
        "{{\"data\":[{{\"embedding\":[{}0.5]}}],\"usage\":{{\"prompt_tokens\":7}}}}",
        "-0.0123,".repeat(60_000)
    )
}

fn embeddings(aurora: &Aurora, path: &str, model: &str) -> crate::support::client::Response {
    aurora.send(post(path, format!(r#"{{"model":"{model}"}}"#)))
}

#[test]
fn a_large_json_response_cut_in_the_middle_never_ends_cleanly() {
    let whole = large();
    let cut = &whole[..whole.len() - 20];
    let json = "content-type: application/json\r\n";
    let chunked = format!("{json}transfer-encoding: chunked\r\n");
    let close =
        |headers: &str, body: &str| vec![Step::Send([&head(headers), body.as_bytes()].concat()), Step::Close];
    let upstream = Upstream::start()
        .on("chunked", vec![Step::Send([head(&chunked), chunk(cut), LAST_CHUNK.into()].concat())])
        .on("closed", close(json, cut))
        .on("closed-untyped", close("", cut))
        .on("closed-whole", close(json, &format!("{whole}\n")))
        .on("sized", response("200 OK", json, cut));
    let aurora = gateway(&upstream, "", "");
    for path in ["/v1/embeddings", "/p/up/v1/embeddings"] {
        let response = embeddings(&aurora, path, "closed-whole");
        assert!(response.whole && response.status_and_text() == (200, &*format!("{whole}\n")), "{path}");
        let response = embeddings(&aurora, path, "closed");
        assert!(!response.whole && response.body.len() <= cut.len(), "{path}");
    }
    for model in ["chunked", "closed-untyped", "sized"] {
        let response = embeddings(&aurora, "/v1/embeddings", model);
        assert!(!response.whole && response.status == 200 && response.body.len() <= cut.len(), "{model}");
    }
    aurora.settles(
        "aurora_answers_total",
        &[
            "chunked broken_stream 1",
            "closed broken_stream 2",
            "closed-untyped broken_stream 1",
            "closed-whole ok 2",
            "sized broken_stream 1",
        ],
    );
    aurora.settles(
        "aurora_requests_total",
        &[
            "up chunked /embeddings 200 error false 1",
            "up closed /embeddings 200 error false 2",
            "up closed-untyped /embeddings 200 error false 1",
            "up closed-whole /embeddings 200 success false 2",
            "up sized /embeddings 200 error false 1",
        ],
    );
    let http = aurora.counts("aurora_http_requests_total");
    assert_eq!(
        http,
        [
            "/p/{provider}/{rest} POST 200 broken 1",
            "/p/{provider}/{rest} POST 200 ok 1",
            "/v1/embeddings POST 200 broken 4",
            "/v1/embeddings POST 200 ok 1",
        ]
    );
    aurora.settles("aurora_tokens_total", &["up closed-whole input uncached 14"]);
}

#[test]
fn a_small_json_response_cut_in_the_middle_is_a_502() {
    let json = "content-type: application/json\r\n";
    let close = |body: &str| vec![Step::Send([&head(json), body.as_bytes()].concat()), Step::Close];
    let cut = &JSON[..JSON.len() - 1];
    let lines = format!("{JSON}\n{JSON}\n");
    let upstream = Upstream::start()
        .on("cut", close(cut))
        .on("lines", close(&lines))
        .on("sized", response("200 OK", json, cut))
        .on("word", close("\"word\""));
    let aurora = gateway(&upstream, "", "");
    let send = |path: &str, model: &str| embeddings(&aurora, path, model);
    for path in ["/v1/embeddings", "/p/up/v1/embeddings"] {
        assert_eq!(send(path, "cut").status, 502, "{path}");
    }
    assert_eq!(send("/v1/embeddings", "sized").status, 502);
    // What a passthrough gets whole is its own affair.
    for (model, expected) in [("lines", &*lines), ("sized", cut), ("word", "\"word\"")] {
        assert_eq!(send("/p/up/v1/embeddings", model).status_and_text(), (200, expected), "{model}");
    }
    aurora.settles(
        "aurora_answers_total",
        &["cut upstream_error 2", "lines ok 1", "sized ok 1", "sized upstream_error 1", "word ok 1"],
    );
}

#[test]
fn json_labelled_as_event_stream_is_json_for_unstreamed_requests() {
    let kind = "content-type: text/event-stream\r\n";
    let upstream = Upstream::start()
        .on("json", response("200 OK", kind, JSON))
        .on("stream", response("200 OK", kind, [HELLO, STOP, DONE].concat()));
    let aurora = gateway(&upstream, "", "");
    assert_eq!(aurora.send(chat_of("json", false)).status_and_text(), (200, JSON));
    assert_eq!(
        aurora.send(chat_of("stream", false)).status_and_text(),
        (200, &*[HELLO, STOP, DONE].concat())
    );
    aurora.settles("aurora_streams_total", &["up stream completed 1"]);
    aurora.settles("aurora_tokens_total", &["up json input uncached 4", "up json output text 2"]);
}

#[test]
fn transcriptions_may_be_json_or_text() {
    let json = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let text = "content-type: text/plain\r\n";
    let large = large();
    let cut = |text: &str| text[..text.len() - 2].to_owned();
    let chunks = |text: &str| vec![Step::Send([head(json), chunk(text), LAST_CHUNK.into()].concat())];
    let close = |body: &str| vec![Step::Send([&head(text), body.as_bytes()].concat()), Step::Close];
    let upstream = Upstream::start()
        .on("cut", chunks(&cut(JSON)))
        .on("large-cut", chunks(&cut(&large)))
        .on("music", close("[Music"))
        .on("none", close(" \n"));
    let aurora = gateway(&upstream, "", "");
    let send = |model: &str| {
        let part = |name: &str, value: &str| {
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let form = part("model", model) + &part("stream", "true") + "--b--\r\n";
        let headers =
            format!("{}content-type: multipart/form-data; boundary=b\r\n", crate::support::client::key());
        aurora.send(crate::support::client::request("POST", "/v1/audio/transcriptions", &headers, form))
    };
    assert_eq!(send("cut").status, 502);
    let response = send("large-cut");
    assert_eq!((response.status, response.whole), (200, false));
    assert_eq!(send("music").status_and_text(), (200, "[Music"));
    assert_eq!(send("none").status_and_text(), (200, " \n"));
}
