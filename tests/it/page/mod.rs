//! What the documentation page about metrics promises, sentence by sentence, tried on the binary.

mod costs;
mod guarding;
mod scraping;
mod starting;
mod troubles;

use std::any::Any;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::thread;

use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::{Response, curl, free_port};

/// One promise of the page.
struct Row {
    /// Words of the page that make it.
    sentence: &'static str,
    /// Ends in a panic where it does not hold.
    check: fn(),
}

const fn row(sentence: &'static str, check: fn()) -> Row {
    Row { sentence, check }
}

/// Every promise, in the order of the page.
const ROWS: &[Row] = &[
    row("Metrics are disabled by default.", starting::disabled_by_default),
    row(
        "To enable metrics collection, set METRICS_ENABLED=true and start Aurora",
        starting::enabled_by_a_variable,
    ),
    row("Metrics available at http://your-aurora-host/metrics", starting::available_on_every_address),
    row("export METRICS_ENABLED=false", starting::disabled_by_a_variable),
    row(r#"echo "METRICS_ENABLED=false" >> .env"#, starting::disabled_by_a_line_in_dotenv),
    row("Option 3: config.yaml", starting::disabled_by_yaml),
    row("Change the default /metrics path", starting::custom_endpoint),
    row("Via Environment Variables", starting::options_by_variables),
    row("Via config.yaml", starting::options_by_yaml),
    row("Enable or disable Prometheus metrics collection", starting::yaml_switches_both_ways),
    row(
        "When disabled, no metrics are collected and the endpoint returns 404",
        starting::disabled_is_404_to_everyone,
    ),
    row("HTTP endpoint path where metrics are exposed", starting::the_endpoint_alone_exposes),
    row("Production Setup (Metrics Enabled)", starting::production_example),
    row("Development Setup (Metrics Disabled)", starting::development_example),
    row("Custom Endpoint for Internal Monitoring", starting::internal_example),
    row(r#""msg": "prometheus metrics enabled", "endpoint": "/metrics""#, starting::enabled_log_line),
    row(r#""msg": "prometheus metrics disabled""#, starting::disabled_log_line),
    row("Returns Prometheus metrics in text format", starting::curl_gets_the_text_format),
    row("Returns 404 Not Found", starting::curl_gets_not_found),
    row("~100ns per request for hook execution", costs::hooks_are_cheap),
    row("Memory: ~1MB for metric storage", costs::storage_is_small),
    row("CPU: Negligible impact", costs::hooks_use_no_cpu_to_speak_of),
    row("Zero overhead: no hooks registered, no collection", costs::disabled_leaves_no_trace),
    row("The metrics library is still linked but inactive", costs::linked_but_inactive),
    row("protected by master key authentication when a master key is configured", guarding::key_opens),
    row("just like other HTTP endpoints", guarding::like_other_endpoints),
    row("the endpoint is accessible without authentication", guarding::open_without_a_key),
    row("which allows Prometheus to scrape metrics without credentials", scraping::without_credentials),
    row("Use a custom internal path", guarding::internal_path),
    row("Use a private network for metrics collection", guarding::bound_to_one_address),
    row("Reverse proxy with authentication", guarding::nginx_without_a_key),
    row(r#"auth_basic "Metrics";"#, guarding::nginx_with_a_key),
    row("Scrape Config", scraping::default_config),
    row("With Custom Endpoint", scraping::custom_config),
    row("Metrics Endpoint Returns 404", troubles::the_switch_cures_the_404),
    row(r#""true" enables; empty or "false" disables"#, troubles::values_of_the_switch),
    row("Cause: no requests have been made yet.", troubles::nothing_counted_before_a_request),
    row("make some requests to generate metrics", troubles::a_request_is_counted),
    row(r#""Authorization: Bearer your-master-key""#, troubles::a_request_with_the_key_is_counted),
    row("Cause: the endpoint must start with /.", troubles::relative_endpoint_is_refused),
    row("export METRICS_ENDPOINT=/metrics", troubles::leading_slash_is_accepted),
    row("Disable metrics for faster startup and reduced noise", costs::disabled_starts_as_fast),
    row("Monitor metric cardinality to avoid explosion", costs::names_of_callers_do_not_multiply),
    row("full environment variable reference", starting::variables_are_documented),
    row("YAML configuration reference", starting::yaml_reference_loads),
];

/// Rows are mostly waiting, so some wait together.
const AT_ONCE: usize = 4;

#[test]
fn the_page_keeps_its_promises() {
    assert_eq!(ROWS.len(), 45);
    let (left, broken) = (Mutex::new(ROWS.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = next(&left) {
                    if let Err(panic) = catch_unwind(row.check) {
                        broken.lock().expect("not poisoned").push(format!(
                            "{}\n  {}",
                            row.sentence,
                            panic_text(&*panic)
                        ));
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().expect("not poisoned");
    assert!(broken.is_empty(), "{} of {} promises:\n{}", broken.len(), ROWS.len(), broken.join("\n"));
}

fn next(left: &Mutex<std::slice::Iter<'static, Row>>) -> Option<&'static Row> {
    left.lock().expect("not poisoned").next()
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// These shell lines, then `./bin/aurora`, as the page has it; only the port is the test's.
fn page(lines: &str) -> Setup {
    Setup::bare().shell(lines).variable("PORT", &free_port().to_string())
}

/// The page's example key.
const OPENAI_KEY: &str = "<your OpenAI API key>";

/// What gets a response on a path that does not exist.
const NO_SUCH_ROUTE: &str = r#"{"error":{"message":"There is no such route.","type":"invalid_request_error","param":null,"code":"unknown_route"}}"#;

fn get(aurora: &Aurora, path: &str) -> Response {
    curl(&aurora.url(path), &[])
}

fn get_with(aurora: &Aurora, path: &str, key: &str) -> Response {
    curl(&aurora.url(path), &["--header", &format!("Authorization: Bearer {key}")])
}

fn assert_exposition(response: &Response) {
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let first = "# HELP aurora_answers_total Authenticated model calls by requested model and outcome for the client.\n\
                 # TYPE aurora_answers_total counter\n";
    assert!(response.body.starts_with(first), "{}", response.body);
}

fn assert_absent(response: &Response) {
    assert_eq!((response.status, response.body.as_str()), (404, NO_SUCH_ROUTE));
}
