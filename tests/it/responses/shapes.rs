//! Responses in the shapes of the providers, written from their public documentation and replayed in every chunking:
//! what the client gets is what the upstream sent, and the tokens are those that it declared.

use aurora::api::{Endpoint, TokenKind, Tokens};
use aurora::gateway::response::tap::Tap;
use bytes::Bytes;
use serde_json::Value;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::post;
use crate::support::exposition::yaml;
use crate::support::upstream::{LAST_CHUNK, STREAM_HEAD, Step, Upstream, chunk, json};

/// One response of a provider.
struct Shape {
    name: &'static str,
    endpoint: Endpoint,
    text: &'static str,
    /// Uncached, read from and written to the cache, audio; text, reasoning, audio.
    tokens: Option<Tokens>,
    /// Output tokens in the stream, where its events show them.
    paced: Option<u64>,
}

macro_rules! shapes {
    ($($name:literal $endpoint:ident $tokens:expr, $paced:expr;)+) => {
        &[$(Shape {
            name: $name,
            endpoint: Endpoint::$endpoint,
            text: include_str!(concat!("../testdata/shapes/", $name)),
            tokens: $tokens,
            paced: $paced,
        }),+]
    };
}

const SHAPES: &[Shape] = shapes! {
    "anthropic-chat.json" ChatCompletions Some([19, 0, 0, 0, 6, 0, 0]), None;
    "anthropic-chat.sse" ChatCompletions Some([19, 0, 0, 0, 6, 0, 0]), Some(6);
    "anthropic-messages-counts-at-end.sse" Messages Some([25, 10, 0, 0, 15, 0, 0]), Some(15);
    "anthropic-messages.json" Messages Some([12, 2051, 48, 0, 97, 0, 0]), None;
    "anthropic-messages.sse" Messages Some([12, 2051, 48, 0, 97, 0, 0]), Some(97);
    "azure-chat.sse" ChatCompletions Some([9, 0, 0, 0, 1, 0, 0]), Some(1);
    "chat-bom.sse" ChatCompletions Some([5, 0, 0, 0, 4, 0, 0]), Some(4);
    "chat-cr.sse" ChatCompletions Some([214, 1920, 0, 0, 22, 320, 0]), Some(22);
    "chat-mixed-line-ends.sse" ChatCompletions Some([214, 1920, 0, 0, 22, 320, 0]), Some(22);
    "chat-nan.json" ChatCompletions Some([5, 0, 0, 0, 1, 0, 0]), None;
    "chat-nan.sse" ChatCompletions Some([5, 0, 0, 0, 1, 0, 0]), Some(1);
    "deepseek-chat.json" ChatCompletions Some([6, 64, 0, 0, 15, 40, 0]), None;
    "deepseek-chat.sse" ChatCompletions Some([6, 64, 0, 0, 15, 40, 0]), Some(55);
    "gemini-chat-tools.sse" ChatCompletions Some([11, 0, 0, 0, 20, 39, 0]), Some(20);
    "gemini-chat.json" ChatCompletions Some([11, 0, 0, 0, 4, 116, 0]), None;
    "gemini-chat.sse" ChatCompletions Some([11, 0, 0, 0, 4, 116, 0]), Some(4);
    "groq-chat-asked.sse" ChatCompletions Some([73, 0, 0, 0, 13, 31, 0]), Some(44);
    "groq-chat-refused.sse" ChatCompletions None, None;
    "groq-chat.json" ChatCompletions Some([73, 0, 0, 0, 13, 31, 0]), None;
    "groq-chat.sse" ChatCompletions Some([73, 0, 0, 0, 13, 31, 0]), Some(44);
    "jina-embeddings.json" Embeddings Some([6, 0, 0, 0, 0, 0, 0]), None;
    "openai-chat-audio.json" ChatCompletions Some([12, 0, 0, 52, 14, 0, 44]), None;
    "openai-chat-audio.sse" ChatCompletions Some([14, 0, 0, 0, 9, 0, 24]), Some(33);
    "openai-chat-function-call.sse" ChatCompletions Some([79, 0, 0, 0, 17, 0, 0]), Some(17);
    "openai-chat-tools.json" ChatCompletions Some([81, 0, 0, 0, 17, 0, 0]), None;
    "openai-chat-tools.sse" ChatCompletions Some([81, 0, 0, 0, 17, 0, 0]), Some(17);
    "openai-chat-two-choices.sse" ChatCompletions Some([14, 0, 0, 0, 4, 0, 0]), None;
    "openai-chat-unasked.sse" ChatCompletions None, None;
    "openai-chat.json" ChatCompletions Some([214, 1920, 0, 0, 22, 320, 0]), None;
    "openai-chat.sse" ChatCompletions Some([214, 1920, 0, 0, 22, 320, 0]), Some(22);
    "openai-completions.json" Completions Some([6, 0, 0, 0, 4, 0, 0]), None;
    "openai-completions.sse" Completions Some([6, 0, 0, 0, 4, 0, 0]), Some(4);
    "openai-embeddings.json" Embeddings Some([8, 0, 0, 0, 0, 0, 0]), None;
    "openai-responses-audio.sse" Responses Some([11, 0, 0, 0, 20, 0, 0]), Some(20);
    "openai-responses-tools.sse" Responses Some([60, 0, 0, 0, 15, 0, 0]), Some(15);
    "openai-responses.json" Responses Some([72, 256, 0, 0, 24, 128, 0]), None;
    "openai-responses.sse" Responses Some([72, 256, 0, 0, 24, 128, 0]), Some(152);
    "openrouter-chat.sse" ChatCompletions Some([76, 1024, 400, 0, 3, 0, 0]), Some(3);
    "xai-chat.json" ChatCompletions Some([26, 6, 0, 0, 9, 94, 0]), None;
    "xai-chat.sse" ChatCompletions Some([26, 6, 0, 0, 9, 94, 0]), Some(103);
};

/// A provider that reports an error inside its stream.
const REFUSED: &str = "groq-chat-refused.sse";

impl Shape {
    fn is_stream(&self) -> bool {
        self.name.ends_with(".sse")
    }

    /// Response to a client that did not request the usage.
    fn unasked(&self) -> String {
        events(self.text).into_iter().filter(|event| !declares_only_usage(event)).collect()
    }

    /// The response as an upstream sends it, in parts of this size.
    fn steps(&self, size: usize) -> Vec<Step> {
        if !self.is_stream() && size >= self.text.len() {
            return json(self.text);
        }
        let head = STREAM_HEAD.replace("text/event-stream", "application/json");
        let head = if self.is_stream() { STREAM_HEAD } else { &head };
        let parts = self.text.as_bytes().chunks(size).map(|part| Step::Send(chunk(part)));
        let last = Step::Send(LAST_CHUNK.into());
        std::iter::once(Step::Send(head.into())).chain(parts).chain([last]).collect()
    }

    /// Samples of `aurora_tokens_total` of this model.
    fn samples(&self, model: &str) -> Vec<[String; 4]> {
        let kinds =
            TokenKind::ALL.iter().zip(self.tokens.into_iter().flatten()).filter(|(_, count)| *count > 0);
        let words = |kind: &TokenKind| [model.into(), kind.direction().into(), kind.as_str().into()];
        kinds
            .map(|(kind, count)| {
                let [model, direction, kind] = words(kind);
                [model, direction, kind, count.to_string()]
            })
            .collect()
    }
}

/// The events of a stream with the empty lines after them; a line ends with LF, CR or both.
fn events(text: &str) -> Vec<&str> {
    let (mut events, mut begun, mut at) = (Vec::new(), 0, 0);
    while let Some(length) = text[at..].find(['\r', '\n']) {
        let ends = if text[at + length..].starts_with("\r\n") { 2 } else { 1 };
        at += length + ends;
        if length == 0 {
            events.push(&text[std::mem::replace(&mut begun, at)..at]);
        }
    }
    events
}

/// As a reader who takes whole events apart would know it.
fn declares_only_usage(event: &str) -> bool {
    let data: String = event.split(['\r', '\n']).filter_map(|line| line.strip_prefix("data: ")).collect();
    serde_json::from_str::<Value>(&data)
        .is_ok_and(|data| data["choices"].as_array().is_some_and(Vec::is_empty) && data["usage"].is_object())
}

/// Reads a stream in these parts; what passes and what is seen must be what it always is.
fn read_in_parts(shape: &Shape, parts: &[&[u8]], withholds: bool, expected: &str) {
    let mut tap = Tap::new(shape.endpoint, withholds);
    let mut passed = Vec::new();
    for part in parts {
        passed.extend_from_slice(&tap.read(&Bytes::copy_from_slice(part)));
    }
    passed.extend_from_slice(&tap.end());
    let cut = format!("{} in {} parts, the first of {}", shape.name, parts.len(), parts[0].len());
    assert_eq!(String::from_utf8_lossy(&passed), expected, "{cut}");
    let declared = tap.declared();
    assert_eq!(declared.map(|declared| declared.tokens), shape.tokens, "{cut}");
    assert_eq!(declared.and_then(|declared| declared.paced), shape.paced, "{cut}");
    let (seen, refused) = (tap.seen(), shape.name == REFUSED);
    assert_eq!((seen.first_token, seen.ended, seen.reported_error), (true, !refused, refused), "{cut}");
}

#[test]
fn streams_are_read_alike_in_every_chunking() {
    for shape in SHAPES.iter().filter(|shape| shape.is_stream()) {
        let (bytes, unasked) = (shape.text.as_bytes(), shape.unasked());
        for at in 0..bytes.len() {
            read_in_parts(shape, &[&bytes[..at], &bytes[at..]], true, &unasked);
        }
        for size in [1, 2, 3, 5, 7, 13, 31, 64, 199, 500, bytes.len()] {
            let parts: Vec<&[u8]> = bytes.chunks(size).collect();
            read_in_parts(shape, &parts, true, &unasked);
            read_in_parts(shape, &parts, false, shape.text);
        }
    }
}

/// Sizes in which the upstream sends; of each a model. The last one is more than any shape has.
const SIZES: [usize; 4] = [1, 7, 100, 10_000];

fn model(shape: &Shape, size: usize) -> String {
    format!("{}@{size}", shape.name)
}

fn gateway(inject_usage: bool) -> (Upstream, Aurora) {
    let mut upstream = Upstream::start();
    for shape in SHAPES {
        for size in SIZES {
            upstream = upstream.on(&model(shape, size), shape.steps(size));
        }
    }
    let inject = format!("type: openai_compatible, inject_usage: {inject_usage}");
    let yaml = yaml(&upstream, "", "").replace("type: openai_compatible", &inject);
    let aurora = Setup::new().yaml(&yaml).start();
    (upstream, aurora)
}

/// Requests every shape in every size; `expected` says what must come back.
fn replay(aurora: &Aurora, expected: impl Fn(&Shape) -> String) {
    for shape in SHAPES {
        for size in SIZES {
            let body = format!(r#"{{"model":"{}","stream":{}}}"#, model(shape, size), shape.is_stream());
            let response = aurora.send(post(&format!("/v1{}", shape.endpoint.as_str()), body));
            assert_eq!(
                (response.status_and_text(), response.whole),
                ((200, &*expected(shape)), true),
                "{}",
                model(shape, size)
            );
        }
    }
}

/// Metrics after all of them.
fn counted(aurora: &Aurora, injected: impl Fn(&Shape) -> bool) {
    let calls = || SHAPES.iter().flat_map(|shape| SIZES.map(|size| (shape, model(shape, size))));
    let mut tokens: Vec<[String; 4]> = calls().flat_map(|(shape, model)| shape.samples(&model)).collect();
    tokens.sort_unstable();
    let tokens: Vec<String> = tokens.iter().map(|words| format!("up {}", words.join(" "))).collect();
    aurora.settles("aurora_tokens_total", &tokens.iter().map(String::as_str).collect::<Vec<_>>());

    let count = |wanted: &dyn Fn(&Shape) -> bool| calls().filter(|(shape, _)| wanted(shape)).count();
    let reports = [
        ("injected", count(&|shape| shape.tokens.is_some() && injected(shape))),
        ("missing", count(&|shape| shape.tokens.is_none())),
        ("native", count(&|shape| shape.tokens.is_some() && !injected(shape))),
    ];
    let reports: Vec<String> = reports
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(source, count)| format!("up {source} {count}"))
        .collect();
    aurora.settles("aurora_usage_reports_total", &reports.iter().map(String::as_str).collect::<Vec<_>>());

    let mut streams: Vec<String> = calls()
        .filter(|(shape, _)| shape.is_stream())
        .map(|(shape, model)| {
            let outcome = if shape.name == REFUSED { "upstream_error" } else { "completed" };
            format!("up {model} {outcome} 1")
        })
        .collect();
    streams.sort_unstable();
    aurora.settles("aurora_streams_total", &streams.iter().map(String::as_str).collect::<Vec<_>>());
    let first_tokens: u64 = aurora
        .counts("aurora_time_to_first_token_seconds_count")
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(first_tokens, streams.len() as u64);
}

#[test]
fn every_response_shape_is_relayed_unchanged_and_counted() {
    let (upstream, aurora) = gateway(false);
    replay(&aurora, |shape| shape.text.to_owned());
    counted(&aurora, |_| false);
    let sent = upstream
        .calls()
        .iter()
        .filter(|call| call.body.windows(14).any(|part| part == b"stream_options"))
        .count();
    assert_eq!(sent, 0);
}

#[test]
fn injected_usage_is_counted_and_withheld() {
    let (upstream, aurora) = gateway(true);
    let injected = |shape: &Shape| {
        shape.is_stream() && matches!(shape.endpoint, Endpoint::ChatCompletions | Endpoint::Completions)
    };
    replay(&aurora, |shape| if injected(shape) { shape.unasked() } else { shape.text.to_owned() });
    counted(&aurora, injected);
    for call in upstream.calls() {
        let shape = SHAPES.iter().find(|shape| call.name.starts_with(shape.name)).expect("a shape");
        let options = if injected(shape) { r#""stream_options":{"include_usage":true},"# } else { "" };
        let expected = format!(r#"{{{options}"model":"{}","stream":{}}}"#, call.name, shape.is_stream());
        assert_eq!(String::from_utf8(call.body).unwrap(), expected);
    }
}
