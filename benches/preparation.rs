//! Cost of finding the target of a call: reading its body, resolving its model among 500 models and 50 routes,
//! and making the upstream's request, spliced where the provider knows the model by another name; and how it grows with
//! the size of the body.

#![expect(clippy::expect_used, reason = "a benchmark ends where its ground gives way")]

use std::fmt::Write as _;
use std::hint::black_box;

use aurora::config::{self, Sources};
use aurora::gateway::preparation::Preparation;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Ten providers with fifty models each, and fifty routes of two targets.
fn configuration() -> String {
    let mut yaml = String::from("metrics: {enabled: true, max_models: 1000}\nproviders:\n");
    for provider in 0..10 {
        let models: Vec<String> = (0..50).map(|model| format!("vendor-{provider}-model-{model}")).collect();
        let models = models.join(", ");
        let base_url = "http://127.0.0.1:9/v1";
        writeln!(
            yaml,
            "  p{provider}: {{type: openai_compatible, base_url: \"{base_url}\", models: [{models}]}}"
        )
        .expect("memory");
    }
    yaml.push_str("routes:\n");
    for route in 0..50 {
        writeln!(yaml, "  route-{route}: [p3/vendor-3-model-{route}, p7/vendor-7-model-{route}]")
            .expect("memory");
    }
    yaml
}

fn preparation() -> Preparation {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("config.yaml"), configuration()).expect("a file in it");
    let sources = Sources { directory: folder.path().to_owned(), ..Sources::default() };
    let config = config::load(&sources).config.expect("a valid configuration");
    Preparation::new(config).expect("a usable configuration")
}

/// A chat of about a kilobyte.
fn body(model: &str) -> Bytes {
    let content = "All the words of a question that somebody might ask. ".repeat(16);
    let body = format!(
        r#"{{"model":"{model}","messages":[{{"role":"user","content":"{content}"}}],"stream":false}}"#
    );
    Bytes::from(body)
}

fn prepare(criterion: &mut Criterion) {
    let preparation = preparation();
    let mut group = criterion.benchmark_group("preparation");
    for (name, model) in [
        ("a model as it is", "vendor-9-model-49"),
        ("a model behind its provider", "p9/vendor-9-model-49"),
        ("a route", "route-49"),
    ] {
        let body = body(model);
        group.bench_function(name, |bencher| {
            bencher.iter(|| preparation.prepare(black_box(&body)).expect("a target"));
        });
    }
    group.finish();
}

const SENTENCE: &str =
    "It counts requests, tokens and errors for every model, so that a slow provider is seen. ";
/// As code and lists are sent.
const ESCAPED: &str =
    r#"let name = \"aurora\";\n    // Counts requests, tokens and errors.\n    serve(name).await;\n"#;
const UNICODE: &str = "Es zählt Anfragen – „auch“ Fehler – je Modell. 漢字かな交じり文を数えます。";

/// A chat of this size, in messages of one piece of text after the other up to `message` bytes.
fn chat(size: usize, piece: &str, message: usize) -> Bytes {
    let content = piece.repeat(message.div_ceil(piece.len()));
    let mut body = String::from(r#"{"model": "vendor-9-model-49", "messages": ["#);
    while body.len() < size {
        write!(body, r#"{{"role": "user", "content": "{content}"}}, "#).expect("memory");
    }
    body.push_str(r#"{"role": "user", "content": "Why?"}], "stream": false}"#);
    Bytes::from(body)
}

fn read_bodies(criterion: &mut Criterion) {
    const KIB: usize = 1 << 10;
    let preparation = preparation();
    let mut group = criterion.benchmark_group("body");
    for (name, size, piece, message) in [
        ("1 KiB", KIB, SENTENCE, 200),
        ("16 KiB", 16 * KIB, SENTENCE, 4 * KIB),
        ("128 KiB", 128 * KIB, SENTENCE, 32 * KIB),
        ("1 MiB", 1024 * KIB, SENTENCE, 32 * KIB),
        ("128 KiB of short messages", 128 * KIB, SENTENCE, 1),
        ("128 KiB of escapes", 128 * KIB, ESCAPED, 32 * KIB),
        ("128 KiB beyond ASCII", 128 * KIB, UNICODE, 32 * KIB),
    ] {
        let body = chat(size, piece, message);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| preparation.prepare(black_box(&body)).expect("a target"));
        });
    }
    group.finish();
}

criterion_group!(benches, prepare, read_bodies);
criterion_main!(benches);
