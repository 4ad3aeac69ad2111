//! Responses that come compressed although identity was requested: decoded on their way, within bounds.

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use async_compression::{Level, zstd::CParameter};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::support::aurora::Aurora;
use crate::support::client::{begin, chat_of, key, post, request};
use crate::support::exposition::gateway;
use crate::support::fixtures::{DONE, HELLO, PROVIDER_KEY, ROLE, STOP, USAGE};
use crate::support::upstream::{Gate, LAST_CHUNK, Step, Upstream, chunk, response, then};

/// Codings by the name of a model, with the header that names them.
const CODINGS: [(&str, &str); 6] = [
    ("a-gzip", "gzip"),
    ("b-x-gzip", "X-Gzip"),
    ("c-zlib", "deflate"),
    ("d-deflate", "deflate"),
    ("e-brotli", "br"),
    ("f-zstd", "zstd"),
];
const OK: &str = r#"{"id":"x","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}"#;

/// Parts as the coding of a model makes them, each flushed.
fn compressed(model: &str, parts: &[&str]) -> Vec<Vec<u8>> {
    match model {
        "a-gzip" | "b-x-gzip" => flushed(GzipEncoder::new(Vec::new()), GzipEncoder::get_mut, parts),
        "c-zlib" => flushed(ZlibEncoder::new(Vec::new()), ZlibEncoder::get_mut, parts),
        "d-deflate" => flushed(DeflateEncoder::new(Vec::new()), DeflateEncoder::get_mut, parts),
        "e-brotli" => {
            let encoder = BrotliEncoder::with_quality(Vec::new(), Level::Precise(2));
            flushed(encoder, BrotliEncoder::get_mut, parts)
        }
        "f-zstd" => flushed(ZstdEncoder::new(Vec::new()), ZstdEncoder::get_mut, parts),
        other => panic!("no coding: {other}"),
    }
}

fn flushed<E: AsyncWrite + Unpin>(
    mut encoder: E,
    made: fn(&mut E) -> &mut Vec<u8>,
    parts: &[&str],
) -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut pieces = Vec::new();
        for part in parts {
            encoder.write_all(part.as_bytes()).await.expect("memory");
            encoder.flush().await.expect("memory");
            pieces.push(std::mem::take(made(&mut encoder)));
        }
        encoder.shutdown().await.expect("memory");
        pieces.push(std::mem::take(made(&mut encoder)));
        pieces
    })
}

fn whole(model: &str, text: &str) -> Vec<u8> {
    compressed(model, &[text]).concat()
}

fn headers(kind: &str, coding: &str) -> String {
    format!("content-type: {kind}\r\ncontent-encoding: {coding}\r\n")
}

/// A chunked response in these parts.
fn chunked(head: &str, parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n");
    let parts = parts.into_iter().filter(|part| !part.is_empty()).map(|part| Step::Send(chunk(part)));
    then(then(vec![Step::Send(head.into())], parts), [Step::Send(LAST_CHUNK.into())])
}

/// As [`gateway`], in front of one script for each coding.
fn coded(script: impl Fn(&str, &str) -> Vec<Step>) -> (Upstream, Aurora) {
    let scripts = CODINGS.iter().map(|(model, coding)| (model, script(model, coding)));
    let upstream = scripts.fold(Upstream::start(), |upstream, (model, steps)| upstream.on(model, steps));
    let aurora = gateway(&upstream, "", "");
    (upstream, aurora)
}

/// The same line for every coding.
fn each(line: &str) -> Vec<String> {
    CODINGS.iter().map(|(model, _)| line.replace("MODEL", model)).collect()
}

fn settles(aurora: &Aurora, family: &str, lines: &[String]) {
    aurora.settles(family, &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn compressed_responses_are_decoded_and_counted() {
    let (_upstream, aurora) =
        coded(|model, coding| response("200 OK", &headers("application/json", coding), whole(model, OK)));
    for path in ["/v1/chat/completions", "/p/up/v1/chat/completions"] {
        for (model, _) in CODINGS {
            let response = aurora.send(post(path, format!(r#"{{"model":"{model}"}}"#)));
            assert_eq!((response.status_and_text(), response.whole), ((200, OK), true), "{model}");
            assert_eq!(response.header("content-encoding"), None);
            assert_eq!(response.header("content-length"), Some(&*OK.len().to_string()));
        }
    }
    let lines: Vec<String> = CODINGS
        .iter()
        .flat_map(|(model, _)| [format!("up {model} input uncached 8"), format!("up {model} output text 4")])
        .collect();
    settles(&aurora, "aurora_tokens_total", &lines);
}

#[test]
fn a_large_compressed_response_is_relayed_as_it_arrives() {
    let numbers: String = (0..60_000).map(|number| format!("{},", number * 7919 % 100_003)).collect();
    let large = format!("{{\"data\":[{numbers}0],\"usage\":{{\"prompt_tokens\":7}}}}");
    let (_upstream, aurora) = coded(|model, coding| {
        let bytes = whole(model, &large);
        chunked(&headers("application/json", coding), bytes.chunks(1000).map(<[u8]>::to_vec))
    });
    for (model, _) in CODINGS {
        let response = aurora.send(post("/v1/embeddings", format!(r#"{{"model":"{model}"}}"#)));
        assert!(
            response.status_and_text() == (200, &large) && response.whole,
            "{model}: {} bytes",
            response.body.len()
        );
        assert_eq!(response.header("content-encoding"), None);
    }
    settles(&aurora, "aurora_tokens_total", &each("up MODEL input uncached 7"));
}

#[test]
fn a_compressed_stream_is_relayed_event_by_event() {
    let gate = Gate::default();
    let (_upstream, aurora) = coded(|model, coding| {
        let mut parts = compressed(model, &[ROLE, HELLO, &[STOP, USAGE].concat(), DONE]);
        let rest = parts.split_off(2);
        let mut steps = chunked(&headers("text/event-stream", coding), parts);
        let last = steps.pop();
        steps.push(Step::Await(gate.clone()));
        // Byte by byte.
        steps.extend(rest.concat().into_iter().map(|byte| Step::Send(chunk([byte]))));
        steps.extend(last);
        steps
    });
    let mut clients = CODINGS.map(|(model, _)| begin(&aurora, model));
    let firsts = clients.each_mut().map(|client| client.read_until(HELLO));
    gate.open();
    for (client, first) in clients.iter_mut().zip(firsts) {
        let text = first + &client.read_until(DONE);
        assert_eq!(text, [ROLE, HELLO, STOP, USAGE, DONE].concat());
        assert_eq!(client.chunk(), Some(Vec::new()));
    }
    settles(&aurora, "aurora_streams_total", &each("up MODEL completed 1"));
    settles(&aurora, "aurora_usage_reports_total", &["up native 6".into()]);
}

#[test]
fn a_compressed_error_text_is_decoded_and_scrubbed() {
    let text = format!(r#"{{"error":{{"message":"wrong key {PROVIDER_KEY}!"}}}}"#);
    let (_upstream, aurora) = coded(|model, coding| {
        response("400 Bad Request", &headers("application/json", coding), whole(model, &text))
    });
    let scrubbed = text.replace(PROVIDER_KEY, &"*".repeat(PROVIDER_KEY.len()));
    for (model, _) in CODINGS {
        let response = aurora.send(chat_of(model, false));
        assert_eq!(response.status_and_text(), (400, &*scrubbed), "{model}");
        assert_eq!(response.header("content-encoding"), None);
    }
}

#[test]
fn a_truncated_compressed_response_never_ends_cleanly() {
    let numbers: String = (0..60_000).map(|number| format!("{},", number * 7919 % 100_003)).collect();
    let large = format!("[{numbers}0]");
    let cut = |bytes: Vec<u8>, by: usize| bytes[..bytes.len() - by].to_vec();
    for (headers_of, path, text, status) in [
        ("application/json", "/v1/embeddings", OK, 502),
        ("application/json", "/v1/embeddings", &large, 200),
        ("audio/mpeg", "/v1/audio/speech", &large, 200),
    ] {
        for closed in [false, true] {
            let (_upstream, aurora) = coded(|model, coding| {
                let bytes = cut(whole(model, text), 2);
                let head = headers(headers_of, coding);
                if closed {
                    let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
                    vec![Step::Send([head.as_bytes(), &bytes].concat()), Step::Close]
                } else {
                    chunked(&head, [bytes])
                }
            });
            for (model, _) in CODINGS {
                let response = aurora.send(post(path, format!(r#"{{"model":"{model}"}}"#)));
                assert_eq!((response.status, response.whole), (status, status == 502), "{model} {path}");
            }
            let outcome = if status == 502 { "upstream_error" } else { "broken_stream" };
            settles(&aurora, "aurora_answers_total", &each(&format!("MODEL {outcome} 1")));
        }
    }
}

#[test]
fn a_compressed_stream_is_complete_after_its_last_event() {
    let (_upstream, aurora) = coded(|model, coding| {
        let mut parts = compressed(model, &[HELLO, &[STOP, DONE].concat()]);
        parts.pop();
        let mut steps = chunked(&headers("text/event-stream", coding), parts);
        steps.pop();
        then(steps, [Step::Close])
    });
    for (model, _) in CODINGS {
        let response = aurora.send(chat_of(model, true));
        assert_eq!(
            (response.status_and_text(), response.whole),
            ((200, &*[HELLO, STOP, DONE].concat()), true),
            "{model}"
        );
    }
    settles(&aurora, "aurora_streams_total", &each("up MODEL completed 1"));
}

#[test]
fn undecodable_responses_are_reported() {
    let garbage = b"\x28\xb5\x2f\xfd\xff no such thing";
    let gate = Gate::default();
    let first = compressed("a-gzip", &[HELLO]).remove(0);
    let mut event = chunked(&headers("text/event-stream", "gzip"), [first, garbage.to_vec()]);
    event.insert(2, Step::Await(gate.clone()));
    let window =
        ZstdEncoder::with_quality_and_params(Vec::new(), Level::Default, &[CParameter::window_log(27)]);
    let window = flushed(window, ZstdEncoder::get_mut, &[OK]).concat();
    let json = |coding: &str, bytes: &[u8]| response("200 OK", &headers("application/json", coding), bytes);
    let upstream = Upstream::start()
        .on("event", event)
        .on("garbage-br", json("br", garbage))
        .on("garbage-deflate", json("deflate", &garbage[1..]))
        .on("garbage-gzip", json("gzip", garbage))
        .on("garbage-zstd", json("zstd", garbage))
        .on("several", json("gzip, br", garbage))
        .on("unknown", json("compress", garbage))
        .on("window", json("zstd", &window));
    let aurora = gateway(&upstream, "", "");
    let envelope = |message: &str| {
        format!(
            r#"{{"error":{{"message":"provider `up`: {message}","type":"upstream_error","param":null,"code":"upstream_invalid_answer"}}}}"#
        )
    };
    let (invalid, unknown) =
        ("its compressed response cannot be decoded", "its response has an unknown content coding");
    for (model, message) in [
        ("garbage-br", invalid),
        ("garbage-deflate", invalid),
        ("garbage-gzip", invalid),
        ("garbage-zstd", invalid),
        ("several", unknown),
        ("unknown", unknown),
        ("window", invalid),
    ] {
        assert_eq!(
            aurora.send(chat_of(model, false)).status_and_text(),
            (502, &*envelope(message)),
            "{model}"
        );
    }
    let error = "data: {\"error\":{\"code\":\"upstream_error\",\"message\":\"the provider's compressed response cannot be decoded\",\
                 \"param\":null,\"type\":\"upstream_error\"}}\n\n";
    let mut client = begin(&aurora, "event");
    assert_eq!(client.read_until("\n\n"), HELLO);
    gate.open();
    assert_eq!(client.read_until("\n\n"), error);
    assert_eq!(client.chunk(), Some(Vec::new()));
    aurora.settles("aurora_streams_total", &["up event upstream_error 1"]);
}

#[test]
fn passthrough_relays_unknown_encodings_unchanged() {
    let part = "content-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-range: bytes 0-2/9\r\n";
    let empty = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-length: 99\r\n\r\n";
    let upstream = Upstream::start()
        .on("/v1/empty", vec![Step::Send(empty.into())])
        .on("/v1/head", vec![Step::Send(head.into())])
        .on("/v1/part", response("206 Partial Content", part, "abc"))
        .on("/v1/unknown", response("200 OK", "content-encoding: aws-chunked\r\n", "abc"));
    let aurora = gateway(&upstream, "", "");
    for (path, status, text, coding) in [
        ("empty", 200, "", None),
        ("part", 206, "abc", Some("gzip")),
        ("unknown", 200, "abc", Some("aws-chunked")),
    ] {
        let response = aurora.get(&format!("/p/up/{path}"));
        assert_eq!(
            (response.status_and_text(), response.header("content-encoding")),
            ((status, text), coding),
            "{path}"
        );
    }
    let mut client = aurora.client();
    client.send(request("HEAD", "/p/up/head", &key(), ""));
    let head = client.head();
    assert_eq!((head.header("content-encoding"), head.header("content-length")), (Some("gzip"), Some("99")));
}

#[test]
fn a_compression_bomb_takes_no_memory_and_is_refused() {
    let x = "x".repeat(2 << 20);
    let bomb = |model: &str, first: &str| -> Vec<Step> {
        let coding = CODINGS.iter().find(|(name, _)| *name == model).expect("a coding").1;
        let kind = if first.starts_with("data:") { "text/event-stream" } else { "application/json" };
        let mut steps = chunked(&headers(kind, coding), compressed(model, &[first, &x]));
        steps.pop();
        // Another member, again and again.
        let again = if matches!(model, "a-gzip" | "f-zstd") { whole(model, &x) } else { vec![0; 1000] };
        then(steps, [Step::Pour(chunk(again))])
    };
    for (model, _) in CODINGS {
        let upstream =
            Upstream::start().on("json", bomb(model, "{\"a\":\"")).on("events", bomb(model, HELLO));
        let aurora = gateway(&upstream, "", "");
        let before = aurora.resident();
        let response = aurora.send(chat_of("json", false));
        assert_eq!(response.status, 502, "{model}");
        assert!(
            response.text().contains("its compressed response expands more than 500-fold"),
            "{}",
            response.text()
        );
        let response = aurora.send(chat_of("events", true));
        let text = response.text();
        assert!(text.starts_with(HELLO) && text.len() < 1 << 20, "{model}: {} bytes", text.len());
        assert!(
            text.ends_with("\"type\":\"upstream_error\"}}\n\n") && response.whole,
            "{model}: {:?}",
            &text[text.len() - 300..]
        );
        let now = aurora.resident();
        assert!(now < before + f64::from(64 << 20), "{model}: {before} grew to {now}");
        aurora.settles("aurora_streams_total", &["up events upstream_error 1"]);
        aurora.settles("aurora_answers_total", &["events broken_stream 1", "json upstream_error 1"]);
    }
}
