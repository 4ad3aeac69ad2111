//! A scrape of 120,000 samples: our writer, the `prometheus` crate's encoder over the same numbers, and gzip.

#![expect(clippy::expect_used, reason = "a benchmark ends where its ground gives way")]

use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroU128;
use std::sync::Arc;
use std::time::Duration;

use aurora::api::Endpoint;
use aurora::metrics::parser::{Exposition, parse};
use aurora::metrics::{
    Attempts, Build, Configured, DispatchFacts, Ending, Format, Listing, Live, Metrics, Pace, Pricing, Setup,
    StreamFacts, Time, TraceId,
    catalog::families::{FAMILIES, Family, Kind},
    gzip,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder};

const SAMPLES: usize = 120_000;
/// Models that together make about as many samples: whole responses and streams at four endpoints, a tenth of them
/// failed.
const MODELS: usize = 427;

const ENDPOINTS: [Endpoint; 4] =
    [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Embeddings, Endpoint::Responses];

/// A process that has seen every model at these endpoints, from two workers.
fn filled() -> Arc<Metrics> {
    let setup = Setup {
        workers: 2,
        routes: &["unmatched"],
        max_models: MODELS,
        max_unlisted_models: 20,
        max_series: SAMPLES,
        exemplars: false,
        build: Build { version: "0", revision: "0", rustc: "0" },
        live: Box::new(Live::default),
        configured: Configured { providers: &[("openai", "openai")], ..Configured::default() },
    };
    let metrics = Metrics::new(setup).expect("a sound family table");
    let workers = [metrics.worker(0), metrics.worker(1)];
    for number in 0..MODELS {
        let name = format!("provider-a/model-{number:04}-instruct");
        for (which, worker) in workers.iter().enumerate() {
            let model = worker.model("openai", &name, Listing::Discovered, Pricing::Off);
            for endpoint in ENDPOINTS {
                for stream in [false, true] {
                    let started =
                        Time::now() - Duration::from_millis(37 * (number as u64 % 97) + which as u64);
                    let in_flight = model.begin_dispatch(endpoint, stream);
                    let failed = number % 10 == 0 && which == 1;
                    let events = StreamFacts::default();
                    let facts = DispatchFacts {
                        endpoint,
                        stream,
                        started,
                        status: Some(200),
                        ending: if failed { Ending::Failed } else { Ending::COMPLETED },
                        attempts: &Attempts::default(),
                        events: stream.then_some(&events),
                        first_token: stream.then(Time::now),
                        used: None,
                        instead_of: None,
                        trace_id: TraceId(NonZeroU128::MIN),
                    };
                    model.record_dispatch(in_flight, &facts);
                }
            }
        }
    }
    metrics
}

/// The same numbers in the crate's own registry.
fn theirs(exposition: &Exposition) -> Registry {
    let registry = Registry::new();
    for family in FAMILIES {
        let Some(shown) = exposition.family(family.name) else { continue };
        let opts = Opts::new(family.name, family.help);
        let rows = shown.samples.iter().map(|sample| {
            let labels = family.labels.iter().map(|name| sample.label(name)).collect::<Vec<_>>();
            (sample, labels)
        });
        match family.kind {
            Kind::Counter => {
                let vec = CounterVec::new(opts, family.labels).expect("a counter");
                rows.for_each(|(sample, labels)| vec.with_label_values(&labels).inc_by(sample.value));
                registry.register(Box::new(vec)).expect("a name of its own");
            }
            Kind::Gauge => {
                let vec = GaugeVec::new(opts, family.labels).expect("a gauge");
                rows.for_each(|(sample, labels)| vec.with_label_values(&labels).set(sample.value));
                registry.register(Box::new(vec)).expect("a name of its own");
            }
            Kind::Histogram => {
                registry.register(Box::new(histograms(opts, family, rows))).expect("a name of its own");
            }
        }
    }
    registry
}

fn histograms<'a>(
    opts: Opts,
    family: &Family,
    rows: impl Iterator<Item = (&'a aurora::metrics::parser::Sample, Vec<&'a str>)>,
) -> HistogramVec {
    let edges = family.buckets.expect("a histogram").upper;
    let vec = HistogramVec::new(HistogramOpts::from(opts).buckets(edges.to_vec()), family.labels);
    let vec = vec.expect("a histogram");
    let mut below: HashMap<Vec<&str>, f64> = HashMap::new();
    for (sample, labels) in rows.filter(|(sample, _)| sample.name.ends_with("_bucket")) {
        let edge: f64 = sample.label("le").parse().unwrap_or(f64::INFINITY);
        let seen = below.entry(labels.clone()).or_default();
        let histogram = vec.with_label_values(&labels);
        while *seen < sample.value {
            histogram.observe(edge.min(1e6));
            *seen += 1.0;
        }
    }
    vec
}

fn scrape(criterion: &mut Criterion) {
    let metrics = filled();
    let text = metrics.render(Format::Text, &mut Pace::unbroken());
    let exposition = parse(text.as_bytes()).expect("our own exposition");
    let samples = exposition.samples();
    assert!((SAMPLES..SAMPLES * 101 / 100).contains(&samples), "{samples} samples");
    let registry = theirs(&exposition);
    let encoder = TextEncoder::new();
    let encoded = encoder.encode_to_string(&registry.gather()).expect("their own exposition");
    let theirs = parse(encoded.as_bytes()).expect("an exposition");
    assert_eq!(theirs.samples(), samples, "both show as many samples");

    let mut group = criterion.benchmark_group("120,000 samples");
    group.sample_size(20).throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("aurora", |bench| {
        bench.iter(|| black_box(metrics.render(Format::Text, &mut Pace::unbroken())));
    });
    group.bench_function("prometheus TextEncoder", |bench| {
        bench.iter(|| black_box(encoder.encode_to_string(&registry.gather()).expect("text")));
    });
    group.bench_function("gzip level 1", |bench| {
        bench.iter(|| black_box(gzip(&text, &mut Pace::unbroken()).expect("memory")));
    });
    group.finish();
}

criterion_group!(exposition, scrape);
criterion_main!(exposition);
