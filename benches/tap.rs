//! Cost of reading a response as it passes: an event of each shape, whole and in two parts, with and without a usage event to withhold,
//! and a large response whose usage is looked for as it passes.

use std::hint::black_box;

use aurora::api::{Endpoint, Finder};
use aurora::gateway::response::tap::Tap;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const CHAT: &str = "data: {\"id\":\"chatcmpl-CcPz4rWk0sVn2\",\"object\":\"chat.completion.chunk\",\"created\":1764581021,\
    \"model\":\"gpt-5-mini-2025-08-07\",\"service_tier\":\"default\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,\
    \"delta\":{\"content\":\" follow\"},\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"x8KdpQ2\"}\n\n";
const RESPONSE: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\
    \"item_id\":\"msg_0c9\",\"output_index\":1,\"content_index\":0,\"delta\":\"Mind the\",\"logprobs\":[],\
    \"obfuscation\":\"9aa\",\"sequence_number\":4}\n\n";
const MESSAGE: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
    \"delta\":{\"type\":\"text_delta\",\"text\":\"Brest, then\"}}\n\n";

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tap");
    let cases = [
        ("chat", Endpoint::ChatCompletions, CHAT, false),
        ("chat, withholding", Endpoint::ChatCompletions, CHAT, true),
        ("responses", Endpoint::Responses, RESPONSE, false),
        ("messages", Endpoint::Messages, MESSAGE, false),
    ];
    for (name, endpoint, event, withholds) in cases {
        let whole = Bytes::from_static(event.as_bytes());
        let parts = [whole.slice(..event.len() / 2), whole.slice(event.len() / 2..)];
        let mut tap = Tap::new(endpoint, withholds);
        group.bench_function(name, |bencher| bencher.iter(|| tap.read(black_box(&whole))));
        group.bench_function(format!("{name}, in two parts"), |bencher| {
            bencher.iter(|| parts.each_ref().map(|part| tap.read(black_box(part))));
        });
    }
    group.finish();
}

fn large_responses(criterion: &mut Criterion) {
    let vector = "-0.0123,".repeat(130_000);
    let response = format!(r#"{{"data":[{{"embedding":[{vector}1]}}],"usage":{{"prompt_tokens":1}}}}"#);
    let mut group = criterion.benchmark_group("finder");
    group.throughput(Throughput::Bytes(response.len() as u64));
    group.bench_function("embeddings", |bencher| {
        bencher.iter(|| {
            let mut finder = Finder::new(&["usage"]);
            response.as_bytes().chunks(16 << 10).for_each(|part| finder.read(part));
            assert_eq!(finder.found(), Some("{\"prompt_tokens\":1}"));
        });
    });
    group.finish();
}

criterion_group!(benches, events, large_responses);
criterion_main!(benches);
