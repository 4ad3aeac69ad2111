//! Cost of the metric hooks of one request.
//!
//! `request` holds the hooks of the three request families (in flight, duration, count) as a dispatch calls them, and
//! the same three families of the `prometheus` crate, by label values and by handles resolved beforehand; each reads
//! the clock once. `every family` is all that a successful call counts, with ten reads. `clock` is one read, to be
//! subtracted as often. `two threads` does the same work on two threads at once, each with the handles of a worker of
//! its own (the `prometheus` crate has one set of handles for all); a figure is the time per request of one thread.

#![expect(clippy::expect_used, reason = "a benchmark ends where its ground gives way")]

mod request;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use aurora::api::Endpoint;
use aurora::metrics::Time;
use aurora::metrics::catalog::families::FAMILIES;
use criterion::{Criterion, criterion_group, criterion_main};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};
use request::workers;

/// The three families in the `prometheus` crate.
struct Theirs {
    in_flight: IntGaugeVec,
    duration: HistogramVec,
    requests: IntCounterVec,
}

/// Their handles for one model.
struct Resolved {
    in_flight: IntGauge,
    duration: Histogram,
    requests: IntCounter,
}

const CHAT: Endpoint = Endpoint::ChatCompletions;
const IN_FLIGHT: [&str; 3] = ["openai", "/chat/completions", "false"];
const DURATION: [&str; 5] = ["openai", "gpt-4o-mini", "/chat/completions", "false", "success"];
const REQUESTS: [&str; 6] = ["openai", "gpt-4o-mini", "/chat/completions", "200", "success", "false"];

impl Theirs {
    fn new() -> Self {
        let family =
            |name| FAMILIES.iter().find(|family| family.name == name).expect("a family of the table");
        let opts = |name| Opts::new(name, family(name).help);
        let (in_flight, duration, requests) =
            ("aurora_requests_in_flight", "aurora_request_duration_seconds", "aurora_requests_total");
        let edges = family(duration).buckets.expect("a histogram").upper.to_vec();
        let histogram = HistogramOpts::from(opts(duration)).buckets(edges);
        Self {
            in_flight: IntGaugeVec::new(opts(in_flight), family(in_flight).labels).expect("a gauge"),
            duration: HistogramVec::new(histogram, family(duration).labels).expect("a histogram"),
            requests: IntCounterVec::new(opts(requests), family(requests).labels).expect("a counter"),
        }
    }

    fn resolved(&self) -> Resolved {
        Resolved {
            in_flight: self.in_flight.with_label_values(&IN_FLIGHT),
            duration: self.duration.with_label_values(&DURATION),
            requests: self.requests.with_label_values(&REQUESTS),
        }
    }

    fn request(&self, started: Instant) {
        self.in_flight.with_label_values(black_box(&IN_FLIGHT)).inc();
        self.in_flight.with_label_values(black_box(&IN_FLIGHT)).dec();
        self.duration.with_label_values(black_box(&DURATION)).observe(started.elapsed().as_secs_f64());
        self.requests.with_label_values(black_box(&REQUESTS)).inc();
    }
}

impl Resolved {
    fn request(&self, started: Instant) {
        black_box(self).in_flight.inc();
        self.in_flight.dec();
        self.duration.observe(started.elapsed().as_secs_f64());
        self.requests.inc();
    }
}

/// The time that the slower of two threads takes for `times` requests, both at once.
fn at_once<T: Sync>(each: [&T; 2], times: u64, request: impl Fn(&T) + Sync) -> Duration {
    let ready = Barrier::new(each.len());
    let run = |mine: &T| {
        ready.wait();
        let start = Instant::now();
        for _ in 0..times {
            request(mine);
        }
        start.elapsed()
    };
    thread::scope(|scope| {
        let threads = each.map(|mine| scope.spawn(|| run(mine)));
        threads.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    })
}

fn one_core(criterion: &mut Criterion) {
    let (_metrics, workers) = workers(200);
    let (ours, theirs) = (&workers[0], Theirs::new());
    let resolved = theirs.resolved();
    let (started, began) = (Instant::now(), Time::now());
    criterion.bench_function("clock, one read", |bench| bench.iter(|| black_box(Time::now())));
    let mut group = criterion.benchmark_group("one core");
    group.bench_function("request, aurora", |bench| bench.iter(|| ours.three_families(began)));
    group.bench_function("request, prometheus handles", |bench| bench.iter(|| resolved.request(started)));
    group.bench_function("request, prometheus label values", |bench| bench.iter(|| theirs.request(started)));
    group.bench_function("every family, aurora", |bench| bench.iter(|| ours.every_family(CHAT)));
    group.finish();
}

fn two_threads(criterion: &mut Criterion) {
    let (_metrics, workers) = workers(200);
    let each = [&workers[0], &workers[1]];
    let theirs = Theirs::new();
    let resolved = theirs.resolved();
    let (started, began) = (Instant::now(), Time::now());
    let mut group = criterion.benchmark_group("two threads");
    group.bench_function("clock, one read", |bench| {
        bench.iter_custom(|times| {
            at_once([&(), &()], times, |()| {
                black_box(Time::now());
            })
        });
    });
    group.bench_function("request, aurora", |bench| {
        bench.iter_custom(|times| at_once(each, times, |ours| ours.three_families(began)));
    });
    group.bench_function("request, prometheus handles", |bench| {
        bench.iter_custom(|times| at_once([&resolved, &resolved], times, |it| it.request(started)));
    });
    group.bench_function("request, prometheus label values", |bench| {
        bench.iter_custom(|times| at_once([&theirs, &theirs], times, |it| it.request(started)));
    });
    group.bench_function("every family, aurora", |bench| {
        bench.iter_custom(|times| at_once(each, times, |ours| ours.every_family(CHAT)));
    });
    group.finish();
}

criterion_group!(hooks, one_core, two_threads);
criterion_main!(hooks);
