//! What metrics cost, as far as a test can tell; `bench/` measures it.

use std::process::Command;
use std::time::{Duration, Instant};

use aurora::metrics::{
    Attempts, Build, Configured, DispatchFacts, Ending, Endpoint, Listing, Live, Metrics, Pricing,
    Setup as MetricsSetup,
};

use super::{assert_absent, assert_exposition, get, page};
use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::chat;

/// A debug build is several times slower than what the page speaks of.
const HOOKS: Duration = Duration::from_nanos(if cfg!(debug_assertions) { 1_000 } else { 150 });

/// The hooks of one dispatch, clock reads included: the best of many rounds, which other processes disturb least.
fn hooks() -> Duration {
    const ROUND: u32 = 1_000;
    let build = Build { version: "0", revision: "0", rustc: "0" };
    let setup = MetricsSetup {
        workers: 1,
        routes: &[],
        max_models: 10,
        max_unlisted_models: 20,
        max_series: 200,
        build,
        live: Box::new(Live::default),
        configured: Configured {
            providers: &[("demo", "openai_compatible")],
            models: &[("demo", "demo-fast")],
            ..Configured::default()
        },
    };
    let metrics = Metrics::new(setup).expect("a sound family table");
    let model = metrics.worker(0).model("demo", "demo-fast", Listing::Configured, Pricing::Off);
    let round = || {
        let start = Instant::now();
        for _ in 0..ROUND {
            let in_flight = model.begin_dispatch(Endpoint::ChatCompletions, false);
            let facts = DispatchFacts {
                endpoint: Endpoint::ChatCompletions,
                stream: false,
                started: start,
                status: Some(200),
                ending: Ending::COMPLETED,
                attempts: &Attempts::default(),
                events: None,
                first_token: None,
                used: None,
                instead_of: None,
            };
            model.record_dispatch(in_flight, &facts);
        }
        start.elapsed() / ROUND
    };
    (0..100).map(|_| round()).min().expect("rounds")
}

pub(super) fn hooks_are_cheap() {
    let hooks = hooks();
    assert!(hooks <= HOOKS, "{hooks:?} per request");
}

pub(super) fn hooks_use_no_cpu_to_speak_of() {
    let share_of_a_core = hooks().as_secs_f64() * 1_000.0;
    assert!(share_of_a_core <= 0.001, "{share_of_a_core} at 1,000 requests a second");
}

/// Resident memory in KiB.
fn resident(aurora: &Aurora) -> i64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", aurora.pid())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn demo(enabled: bool) -> Aurora {
    let setup = Setup::new().arguments(&["--demo"]).variable("AURORA_WORKERS", "2");
    setup.variable("METRICS_ENABLED", if enabled { "true" } else { "false" }).start()
}

fn calls(aurora: &Aurora) {
    for stream in [false, true] {
        for model in ["demo-fast", "demo-429", "demo-500", "demo-cut"] {
            assert_ne!(chat(&aurora.url(""), None, model, stream).status, 0, "{model}");
        }
    }
}

pub(super) fn storage_is_small() {
    let least = |enabled| {
        let resident = (0..3).map(|_| {
            let aurora = demo(enabled);
            calls(&aurora);
            resident(&aurora)
        });
        resident.min().expect("instances")
    };
    let (with, without) = (least(true), least(false));
    // One MiB for the metrics; the kernel may hand out memory in huge pages of two.
    assert!(with - without <= 3_072, "{with} KiB with metrics, {without} KiB without");
}

pub(super) fn disabled_leaves_no_trace() {
    let aurora = demo(false);
    calls(&aurora);
    assert_absent(&get(&aurora, "/metrics"));
    let (known, unknown) = (get(&aurora, "/metrics"), get(&aurora, "/no-such-path"));
    let names = |head: &str| -> Vec<String> {
        head.lines().map(|line| line.split(": ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!((names(&known.head), known.body), (names(&unknown.head), unknown.body));
}

pub(super) fn linked_but_inactive() {
    let aurora = page("export METRICS_ENABLED=false").start();
    let mut list = Command::new(aurora.folder().join("bin/aurora"));
    let output = list.args(["metrics", "list"]).env_clear().output().expect("the binary starts");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\naurora_requests_total "));
    assert_absent(&get(&aurora, "/metrics"));
}

/// A difference in start-up that somebody could care about.
const NOTICEABLE: Duration = Duration::from_millis(50);

pub(super) fn disabled_starts_as_fast() {
    let best = |lines: &str| {
        let start = || {
            let start = Instant::now();
            drop(page(lines).start());
            start.elapsed()
        };
        (0..5).map(|_| start()).min().expect("starts")
    };
    let (off, on) = (best("export METRICS_ENABLED=false"), best("export METRICS_ENABLED=true"));
    assert!(off <= on + NOTICEABLE, "{off:?} without metrics, {on:?} with");
    let noise = page("export METRICS_ENABLED=false").start();
    assert_eq!(noise.log().iter().filter(|line| line.contains("metrics")).count(), 1, "{:?}", noise.log());
}

pub(super) fn names_of_callers_do_not_multiply() {
    let aurora = demo(true);
    let series = || get(&aurora, "/metrics").body.lines().filter(|line| !line.starts_with('#')).count();
    let call = |number: u32| chat(&aurora.url(""), None, &format!("made-up-{number}"), false).status;
    assert_eq!(call(0), 404);
    let before = series();
    for number in 1..50 {
        assert_eq!(call(number), 404);
    }
    assert_eq!(series(), before);
    assert_exposition(&get(&aurora, "/metrics"));
}
