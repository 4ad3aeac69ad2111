//! What the exposition says against what was sent.

use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aurora::api::Endpoint;
use aurora::metrics::catalog::families::FAMILIES;
use aurora::metrics::parser;
use aurora::metrics::{
    Attempt, AuthFailure, CallOutcome, Rejection, RetryReason, StreamOutcome, UsageSource,
};
use aurora::version::{REVISION, RUSTC, VERSION};

use crate::support::aurora::{Aurora, Setup, WAIT_LIMIT};
use crate::support::client::{Client, chat, chat_of, key, post, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{CHAT_RESPONSE, DONE, HELLO, STOP_WITH_USAGE};
use crate::support::upstream::{Step, Upstream, json, response, stream};

/// Sample lines of families that this process does not change by itself.
fn samples(exposition: &str) -> Vec<&str> {
    exposition.lines().filter(|line| !line.starts_with('#') && !line.starts_with("process_")).collect()
}

/// `name{first,last="word"} 0` for each word.
fn zeros(name: &str, first: &str, last: &str, words: &[&str]) -> Vec<String> {
    let separator = if first.is_empty() { "" } else { "," };
    words.iter().map(|word| format!("{name}{{{first}{separator}{last}=\"{word}\"}} 0")).collect()
}

const STAGES: &[&str] = &["before_first_token", "before_headers", "mid_stream"];
const STATES: [&str; 3] = ["closed", "half_open", "open"];

/// Every endpoint, sorted.
fn endpoints() -> Vec<&'static str> {
    let mut endpoints: Vec<&str> = Endpoint::ALL.iter().map(|endpoint| endpoint.as_str()).collect();
    endpoints.sort_unstable();
    endpoints
}

/// What a fresh instance with the configured models shows of each (provider, model) pair.
fn zeros_of_models(models: &[&str]) -> Vec<String> {
    let mut expected = Vec::new();
    for model in models {
        let pair = format!(r#"provider="up",model="{model}""#);
        for stream in ["false", "true"] {
            expected.push(format!(
                r#"aurora_requests_total{{{pair},endpoint="/chat/completions",status_code="200",status_type="success",stream="{stream}"}} 0"#
            ));
        }
        let (answers, attempts, streams) = (CallOutcome::WORDS, Attempt::WORDS, StreamOutcome::WORDS);
        expected.extend(zeros("aurora_answers_total", &format!(r#"model="{model}""#), "outcome", answers));
        expected.extend(zeros("aurora_upstream_attempts_total", &pair, "outcome", attempts));
        expected.extend(zeros("aurora_streams_total", &pair, "outcome", streams));
    }
    expected
}

/// What a fresh instance shows of each surface, endpoint and provider.
fn zeros_of_the_rest() -> Vec<String> {
    let mut expected = Vec::new();
    for surface in ["api", "metrics"] {
        let surface = format!(r#"surface="{surface}""#);
        expected.extend(zeros("aurora_auth_failures_total", &surface, "reason", AuthFailure::WORDS));
    }
    for endpoint in endpoints() {
        let endpoint = format!(r#"endpoint="{endpoint}""#);
        expected.extend(zeros("aurora_client_disconnects_total", &endpoint, "stage", STAGES));
    }
    let provider = r#"provider="up""#;
    expected.extend(zeros("aurora_circuit_breaker_transitions_total", provider, "to", &STATES));
    expected.extend(zeros("aurora_retries_total", provider, "reason", RetryReason::WORDS));
    expected.extend(zeros("aurora_unpriced_requests_total", provider, "reason", &["no_price", "no_usage"]));
    expected.extend(zeros("aurora_usage_reports_total", provider, "source", UsageSource::WORDS));
    expected.extend(zeros("aurora_rejected_requests_total", "", "reason", Rejection::WORDS));
    expected.extend(zeros("aurora_http_connections", "", "state", &["idle"]));
    for model in ["", "a\\\\\\\"b", "m"] {
        let breaker = format!(r#"provider="up",model="{model}""#);
        expected.extend(zeros("aurora_circuit_breaker_state", &breaker, "state", &STATES[1..]));
        expected.push(format!(r#"aurora_circuit_breaker_state{{{breaker},state="closed"}} 1"#));
    }
    expected.push(r#"aurora_provider_info{provider="up",type="openai_compatible"} 1"#.to_owned());
    expected.push(r#"aurora_provider_discovery_last_success_timestamp_seconds{provider="up"} 0"#.to_owned());
    expected.push("aurora_config_last_reload_successful 1".to_owned());
    expected.push("aurora_http_connections{state=\"active\"} 0".to_owned());
    for name in [
        "aurora_http_requests_in_flight",
        "aurora_log_lines_dropped_total",
        "aurora_log_lines_suppressed_total",
        "aurora_panics_total",
    ] {
        expected.push(format!("{name} 0"));
    }
    expected
        .push(format!(r#"aurora_build_info{{version="{VERSION}",revision="{REVISION}",rustc="{RUSTC}"}} 1"#));
    expected
}

/// Facts of the moment that a fresh instance shows.
const FACTS: [&str; 5] = [
    "aurora_metrics_",
    "aurora_config_info{",
    "aurora_config_last_reload_success_timestamp_seconds ",
    "aurora_http_connections{",
    "aurora_http_requests_in_flight_limit ",
];

#[test]
fn a_new_instance_exposes_the_documented_zeros() {
    let upstream = Upstream::start().on("a\\\"b", json(CHAT_RESPONSE)).on("m", json(CHAT_RESPONSE));
    let aurora = gateway(&upstream, "", "");
    let exposition = aurora.scrape();
    let is_fact = |line: &str| FACTS.iter().any(|fact| line.starts_with(fact));
    let mut expected = zeros_of_models(&["a\\\\\\\"b", "m", "unknown"]);
    expected.extend(zeros_of_the_rest());
    expected.retain(|line| !is_fact(line));
    expected.sort();
    let mut shown = samples(&exposition);
    shown.retain(|line| !is_fact(line));
    shown.sort_unstable();
    assert_eq!(shown, expected);
    for fact in FACTS {
        assert!(samples(&exposition).iter().any(|line| line.starts_with(fact)), "{fact}");
    }
}

#[test]
fn families_have_help_and_type_and_are_sorted() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let aurora = gateway(&upstream, "", "");
    assert_eq!(aurora.send(chat_of("m", true)).status, 200);
    aurora.settles("aurora_answers_total", &["m ok 1"]);
    let exposition = aurora.scrape();
    let page = parser::parse(exposition.as_bytes()).expect("a sound exposition");
    let names: Vec<&str> = page.families.iter().map(|family| family.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let heads: Vec<&str> = exposition.lines().filter(|line| line.starts_with('#')).collect();
    let expected: Vec<String> = FAMILIES
        .iter()
        .filter(|family| names.contains(&family.name))
        .flat_map(|family| {
            let (name, kind) = (family.name, family.kind.name());
            [format!("# HELP {name} {}", family.help), format!("# TYPE {name} {kind}")]
        })
        .collect();
    assert_eq!(heads, expected);
    assert!(page.families.iter().all(|family| !family.samples.is_empty()), "no family without a series");
}

#[test]
fn every_family_of_the_table_is_exposed_once_it_has_a_series() {
    let upstream = Upstream::start()
        .on("bad", response("500 Oops", "", "{}"))
        .on("s", stream(&[HELLO, STOP_WITH_USAGE, DONE]));
    let yaml = format!(
        "server: {{master_key: {master}, keys: [{{name: team, key: team-key-0123456789}}]}}\n\
         metrics: {{enabled: true}}\n\
         resilience: {{retry: {{max_retries: 0}}}}\n\
         providers:\n  up: {{type: openai_compatible, base_url: \"http://{address}/v1\", models: [bad, s], \
         prices: {{s: {{input: 1, output: 1}}}}}}\n\
         routes: {{r: [up/bad, up/s]}}\n",
        master = crate::support::fixtures::MASTER_KEY,
        address = upstream.address,
    );
    let aurora = Setup::new().yaml(&yaml).start();
    assert_eq!(aurora.send(chat_of("r", true)).status, 200);
    aurora.settles("aurora_answers_total", &["r ok_after_fallback 1"]);
    // The first scrape observes itself, so the second shows what the first one cost.
    aurora.scrape();
    let exposition = aurora.scrape();
    let page = parser::parse(exposition.as_bytes()).expect("a sound exposition");
    let exposed: Vec<&str> = page.families.iter().map(|family| family.name.as_str()).collect();
    let table: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(exposed, table);
}

/// Samples after one request of every kind that are not zero, without buckets and sums.
const COUNTED: &str = include_str!("../testdata/one_of_everything.txt");

/// Families that are not about one request each, or have a test of their own.
const ELSEWHERE: [&str; 9] = [
    "aurora_build_info",
    "aurora_circuit_breaker_state",
    "aurora_config_",
    "aurora_gateway_overhead",
    "aurora_http_connections",
    "aurora_http_requests_in_flight_limit",
    "aurora_http_requests_total",
    "aurora_metrics_",
    "aurora_provider_info",
];

#[test]
fn every_request_is_counted_once_in_every_family_it_belongs_to() {
    let upstream = Upstream::start()
        .on("m", json(CHAT_RESPONSE))
        .on("s", stream(&[HELLO, STOP_WITH_USAGE, DONE]))
        .on("bad", response("500 Oops", "", "{}"));
    let aurora = gateway(&upstream, "", "");
    let statuses: Vec<u16> = [
        chat_of("m", false),
        chat_of("s", true),
        post("/v1/embeddings", r#"{"model":"m"}"#),
        post("/v1/completions", r#"{"model":"bad"}"#),
        chat_of("none", false),
        chat("{"),
        request("POST", "/v1/chat/completions", "authorization: Bearer no\r\n", r#"{"model":"m"}"#),
        request("GET", "/metrics", "", ""),
        request("GET", "/nowhere", "", ""),
        request("DELETE", "/v1/responses", "", ""),
        request("GET", "/v1/models", &key(), ""),
        request("GET", "/health", "", ""),
    ]
    .into_iter()
    .map(|request| aurora.send(request).status)
    .collect();
    assert_eq!(statuses, [200, 200, 200, 500, 404, 400, 401, 401, 404, 405, 200, 200]);
    aurora.settles(
        "aurora_http_requests_total",
        &[
            "/metrics GET 401 ok 1",
            "/v1/chat/completions POST 200 ok 2",
            "/v1/chat/completions POST 400 ok 1",
            "/v1/chat/completions POST 401 ok 1",
            "/v1/chat/completions POST 404 ok 1",
            "/v1/completions POST 500 ok 1",
            "/v1/embeddings POST 200 ok 1",
            "/v1/models GET 200 ok 1",
            "/v1/responses DELETE 405 ok 1",
            "unmatched GET 404 ok 1",
        ],
    );
    let exposition = aurora.scrape();
    let moved: Vec<&str> = samples(&exposition)
        .into_iter()
        .filter(|line| !line.ends_with(" 0") && !line.contains("_bucket{") && !line.contains("_sum{"))
        .filter(|line| !ELSEWHERE.iter().any(|family| line.starts_with(family)))
        .collect();
    assert_eq!(moved, COUNTED.lines().collect::<Vec<_>>());
    parser::parse(exposition.as_bytes()).expect("a sound exposition");
}

#[test]
fn counts_of_all_workers_add_up() {
    let upstream =
        Upstream::start().on("m", json(CHAT_RESPONSE)).on("s", stream(&[HELLO, STOP_WITH_USAGE, DONE]));
    let aurora = gateway(&upstream, "workers: 4", "");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..25 {
                    // A new connection may land on another worker.
                    let (model, streamed) = if round % 2 == 0 { ("m", false) } else { ("s", true) };
                    assert_eq!(aurora.send(chat_of(model, streamed)).status, 200);
                }
            });
        }
    });
    aurora.settles("aurora_answers_total", &["m ok 104", "s ok 96"]);
    aurora.settles(
        "aurora_requests_total",
        &["up m /chat/completions 200 success false 104", "up s /chat/completions 200 success true 96"],
    );
    aurora.settles(
        "aurora_request_duration_seconds_count",
        &["up m /chat/completions false success 104", "up s /chat/completions true success 96"],
    );
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 200 ok 200"]);
    aurora.settles("aurora_time_to_first_token_seconds_count", &["up s /chat/completions 96"]);
    aurora.settles(
        "aurora_tokens_total",
        &[
            "up m input uncached 312",
            "up m output text 208",
            "up s input uncached 288",
            "up s output text 192",
        ],
    );
    aurora.settles("aurora_requests_in_flight", &[]);
    assert_eq!(upstream.calls().len(), 200);
}

fn wait_for_threads(aurora: &Aurora, threads: usize) -> String {
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        let exposition = aurora.scrape();
        let count = exposition.lines().find_map(|line| line.strip_prefix("process_threads ")?.parse().ok());
        if count.is_some_and(|count: usize| count >= threads) || Instant::now() > until {
            return exposition;
        }
    }
}

#[test]
fn process_metrics_match_the_process() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let aurora = gateway(&upstream, "workers: 3", "");
    // Workers start one after the other, and the first may respond before the last is there.
    let exposition = wait_for_threads(&aurora, 5);
    let fact = |name: &str| -> f64 {
        let lines: Vec<&str> =
            exposition.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect();
        assert_eq!(lines.len(), 1, "{name}");
        lines[0].parse().expect("a number")
    };
    assert!(fact("process_cpu_seconds_total") < 10.0);
    assert!(fact("process_open_fds") >= 8.0);
    assert!(fact("process_max_fds") >= fact("process_open_fds"));
    assert!(fact("process_threads") >= 5.0, "three workers, the main thread, the log's");
    assert!((1e6..1e8).contains(&fact("process_resident_memory_bytes")));
    assert!(fact("process_virtual_memory_bytes") > fact("process_resident_memory_bytes"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64();
    assert!((0.0..60.0).contains(&(now - fact("process_start_time_seconds"))));
}

#[test]
fn disabled_metrics_are_absent() {
    let upstream =
        Upstream::start().on("m", json(CHAT_RESPONSE)).on("s", stream(&[HELLO, STOP_WITH_USAGE, DONE]));
    let text = yaml(&upstream, "", "").replace("{enabled: true}", "{enabled: false}");
    let aurora = Setup::new().yaml(&text).start();
    aurora.line("prometheus metrics disabled");
    let not_found = r#"{"error":{"message":"There is no such route.","type":"invalid_request_error","param":null,"code":"unknown_route"}}"#;
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(aurora.send(request("GET", path, "", "")).status_and_text(), (404, not_found));
        assert_eq!(aurora.get(path).status_and_text(), (404, not_found));
    }
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, CHAT_RESPONSE));
    assert_eq!(aurora.send(chat_of("s", true)).text(), [HELLO, STOP_WITH_USAGE, DONE].concat());
    let mut disconnecting = Client::connect(aurora.address);
    disconnecting.send(chat_of("none", false));
    drop(disconnecting);
    let (status, _) = aurora.stop();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn metrics_are_served_at_max_in_flight() {
    let upstream = Upstream::start().on("held", vec![Step::Stall]);
    let aurora = gateway(&upstream, "max_in_flight: 1", "");
    let mut held = aurora.client();
    held.send(chat_of("held", false));
    upstream.call("held");
    aurora.settles("aurora_requests_in_flight", &["up /chat/completions false 1"]);
    let begun = Instant::now();
    assert_eq!(aurora.send(chat_of("held", false)).status, 503);
    aurora.settles("aurora_answers_total", &["unknown gateway_error 1"]);
    drop(held);
    aurora.settles("aurora_requests_in_flight", &[]);
    assert!(begun.elapsed() < WAIT_LIMIT);
}

#[test]
fn a_request_refused_before_its_body_counts_as_no_stream() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let aurora = gateway(&upstream, "", "");
    assert_eq!(aurora.send(chat("{")).status, 400);
    aurora.settles(
        "aurora_gateway_phase_duration_seconds_count",
        &["/chat/completions decode error unknown 1", "/chat/completions total error false 1"],
    );
}
