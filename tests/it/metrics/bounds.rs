//! However many names there are, a family has as many label sets as it may have, and what was folded is counted.

use std::num::NonZeroU128;
use std::sync::Arc;

use aurora::api::{Endpoint, TokenKind, Tokens};
use aurora::metrics::catalog::families::FAMILIES;
use aurora::metrics::catalog::worst_case::{self, Bounds};
use aurora::metrics::parser::{Exposition, parse};
use aurora::metrics::{
    Attempts, Build, Configured, DispatchFacts, Ending, Format, Listing, Live, Metrics, Pace, Pricing, Setup,
    Time, TraceId, UsageSource, WorkerMetrics,
};

const WORKERS: usize = 2;

fn metrics(max_models: usize, max_series: usize, models: &[(&str, &str)]) -> Arc<Metrics> {
    let setup = Setup {
        workers: WORKERS,
        routes: &["unmatched"],
        max_models,
        max_unlisted_models: 20,
        max_series,
        exemplars: false,
        build: Build { version: "0", revision: "0", rustc: "0" },
        live: Box::new(Live::default),
        configured: Configured {
            providers: &[("p", "openai"), ("q", "openai")],
            models,
            ..Configured::default()
        },
    };
    Metrics::new(setup).expect("a sound family table")
}

fn tokens() -> Tokens {
    let mut tokens = Tokens::default();
    tokens[TokenKind::InputUncached as usize] = 3;
    tokens[TokenKind::OutputText as usize] = 2;
    tokens
}

/// One dispatch that responds with a status.
fn dispatch(worker: &WorkerMetrics, pair: (&str, &str), listing: Listing, status: u16) {
    let model = worker.model(pair.0, pair.1, listing, Pricing::Off);
    let in_flight = model.begin_dispatch(Endpoint::ChatCompletions, false);
    let mut attempts = Attempts::default();
    attempts.begin();
    let facts = DispatchFacts {
        endpoint: Endpoint::ChatCompletions,
        stream: false,
        started: Time::now(),
        status: Some(status),
        ending: Ending::COMPLETED,
        attempts: &attempts,
        events: None,
        first_token: None,
        used: Some((&tokens(), UsageSource::Native)),
        instead_of: None,
        trace_id: TraceId(NonZeroU128::MIN),
    };
    model.record_dispatch(in_flight, &facts);
}

fn page(metrics: &Metrics) -> Exposition {
    parse(metrics.render(Format::Text, &mut Pace::unbroken()).as_bytes()).expect("a sound exposition")
}

/// What a family about families says of one.
fn about(page: &Exposition, name: &str, family: &str, reason: &str) -> f64 {
    let shown = page.family(name).expect(name);
    let sample = shown.samples.iter().find(|s| s.label("family") == family && s.label("reason") == reason);
    sample.unwrap_or_else(|| panic!("{name} of {family}")).value
}

/// The sum of a family over a label value.
fn sum(page: &Exposition, family: &str, label: &str, value: &str) -> f64 {
    let family = page.family(family).expect("shown");
    family.samples.iter().filter(|sample| sample.label(label) == value).map(|sample| sample.value).sum()
}

#[test]
fn folded_observations_are_counted_and_sums_stay_exact() {
    // 20 attempts and zeros of four pairs by outcome: (p, a), (p, unknown), (q, unknown), and one place left.
    let metrics = metrics(100, 31, &[("p", "a")]);
    let workers = [metrics.worker(0), metrics.worker(1)];
    for (number, worker) in (0..10).zip(workers.iter().cycle()) {
        let name = format!("listed-{number}");
        for (provider, status) in [("p", 200), ("p", 500), ("q", 200)] {
            dispatch(worker, (provider, &name), Listing::Discovered, status);
        }
    }
    let page = page(&metrics);
    let attempts = "aurora_upstream_attempts_total";
    assert_eq!(sum(&page, attempts, "outcome", "success"), 20.0);
    assert_eq!(sum(&page, attempts, "outcome", "server_error"), 10.0);
    // 30 zeros, the first listed name, then other/other for success and for server_error.
    assert_eq!(about(&page, "aurora_metrics_label_sets", attempts, ""), 33.0);
    assert_eq!(about(&page, "aurora_metrics_label_sets_limit", attempts, ""), 31.0);
    assert_eq!(about(&page, "aurora_metrics_label_overflow_total", attempts, "max_series"), 29.0);
    assert_eq!(about(&page, "aurora_metrics_label_overflow_total", attempts, "max_models"), 0.0);
    assert_eq!(sum(&page, attempts, "model", "other"), 29.0);
    assert_eq!(sum(&page, attempts, "provider", "other"), 29.0);
    let durations = "aurora_request_duration_seconds";
    assert_eq!(about(&page, "aurora_metrics_label_sets", durations, ""), 30.0);
    assert_eq!(about(&page, "aurora_metrics_label_overflow_total", durations, "max_series"), 0.0);
}

#[test]
fn models_beyond_their_cap_are_overflow_and_a_model_called_other_is_not() {
    let metrics = metrics(2, 1_000, &[("p", "other"), ("p", "a")]);
    let worker = metrics.worker(0);
    dispatch(&worker, ("p", "other"), Listing::Configured, 200);
    for name in ["b", "c", "c"] {
        dispatch(&worker, ("p", name), Listing::Discovered, 200);
    }
    dispatch(&worker, ("p", "earned"), Listing::Unlisted, 200);
    dispatch(&worker, ("p", "refused"), Listing::Unlisted, 404);
    let page = page(&metrics);
    for (family, observations) in [
        ("aurora_requests_total", 4.0),
        ("aurora_request_duration_seconds", 4.0),
        ("aurora_upstream_attempts_total", 4.0),
        ("aurora_tokens_total", 8.0),
        ("aurora_answers_total", 0.0),
    ] {
        let overflow = |reason| about(&page, "aurora_metrics_label_overflow_total", family, reason);
        assert_eq!((overflow("max_models"), overflow("max_series")), (observations, 0.0), "{family}");
    }
    assert_eq!(sum(&page, "aurora_requests_total", "model", "other"), 5.0);
    assert_eq!(sum(&page, "aurora_requests_total", "model", "unknown"), 1.0);
    assert_eq!(sum(&page, "aurora_tokens_total", "model", "other"), 25.0);
}

#[test]
fn ten_thousand_model_names_add_no_series() {
    let bounds = Bounds { providers: 2, models: 30, routes: 1, max_series: 100, ..Bounds::default() };
    let metrics = metrics(30, 100, &[]);
    let workers = [metrics.worker(0), metrics.worker(1)];
    let send = |numbers: std::ops::Range<usize>| {
        for (number, worker) in numbers.zip(workers.iter().cycle()) {
            let name = format!("name-{number}");
            let listing = if number % 2 == 0 { Listing::Discovered } else { Listing::Unlisted };
            for (provider, status) in [("p", 200), ("q", 404), ("q", 200)] {
                dispatch(worker, (provider, &name), listing, status);
            }
        }
    };
    send(0..200);
    let before = page(&metrics);
    send(200..10_000);
    let after = page(&metrics);
    let names = |page: &Exposition| -> Vec<String> {
        let samples = page.families.iter().flat_map(|family| &family.samples);
        samples.filter(|sample| !sample.name.starts_with("process_")).map(ToString::to_string).collect()
    };
    assert_eq!(names(&before), names(&after));
    assert_eq!(sum(&after, "aurora_requests_total", "status_code", "200"), 20_000.0);
    assert_eq!(sum(&after, "aurora_requests_total", "status_code", "404"), 10_000.0);
    for family in FAMILIES {
        let series = after.family(family.name).map_or(0, |shown| shown.series() as u64);
        let most = worst_case::series(family, bounds).max(family.labels.is_empty().into());
        assert!(series <= most, "{}: {series} of {most}", family.name);
    }
}

#[test]
fn every_labelled_family_reports_its_series() {
    let metrics = metrics(10, 200, &[("p", "a")]);
    dispatch(&metrics.worker(0), ("p", "a"), Listing::Configured, 200);
    let page = page(&metrics);
    let with_labels: Vec<&str> =
        FAMILIES.iter().filter(|family| !family.labels.is_empty()).map(|family| family.name).collect();
    let sets = &page.family("aurora_metrics_label_sets").expect("shown").samples;
    assert_eq!(sets.iter().map(|sample| sample.label("family")).collect::<Vec<_>>(), with_labels);
    for sample in sets {
        let series = page.family(sample.label("family")).map_or(0, aurora::metrics::parser::Family::series);
        assert_eq!(sample.value, series as f64, "{}", sample.label("family"));
    }
    let folding: Vec<&str> =
        FAMILIES.iter().filter(|family| family.folds()).map(|family| family.name).collect();
    let limits = &page.family("aurora_metrics_label_sets_limit").expect("shown").samples;
    assert_eq!(limits.iter().map(|sample| sample.label("family")).collect::<Vec<_>>(), folding);
    assert!(limits.iter().all(|sample| sample.value == 200.0));
}
