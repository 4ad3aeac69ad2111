//! Costs of metrics that a test can show. The four that are times or sizes are measured, see "Documentation page" in
//! `bench/README.md`.

use std::process::Command;

use super::{assert_absent, assert_exposition, get, page};
use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::chat;

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

/// `Zero overhead: no hooks registered, no collection`
#[test]
fn disabled_endpoint_differs_in_nothing_from_an_unknown_path() {
    let aurora = demo(false);
    calls(&aurora);
    assert_absent(&get(&aurora, "/metrics"));
    let (known, unknown) = (get(&aurora, "/metrics"), get(&aurora, "/no-such-path"));
    let names = |head: &str| -> Vec<String> {
        head.lines().map(|line| line.split(": ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!((names(&known.head), known.body), (names(&unknown.head), unknown.body));
}

/// > The metrics library is still linked but inactive
#[test]
fn metrics_list_works_while_disabled() {
    let aurora = page("export METRICS_ENABLED=false").start();
    let mut list = Command::new(aurora.folder().join("bin/aurora"));
    let output = list.args(["metrics", "list"]).env_clear().output().expect("the binary starts");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\naurora_requests_total "));
    assert_absent(&get(&aurora, "/metrics"));
}

/// > Disable metrics for faster startup and reduced noise
#[test]
fn disabled_metrics_write_one_log_line() {
    let aurora = page("export METRICS_ENABLED=false").start();
    assert_eq!(aurora.log().iter().filter(|line| line.contains("metrics")).count(), 1, "{:?}", aurora.log());
}

/// > Monitor metric cardinality to avoid explosion
#[test]
fn unknown_model_names_add_no_series() {
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
