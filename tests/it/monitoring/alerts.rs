//! The monitoring that ships, in a real Prometheus that scrapes a real Aurora under every kind of traffic.

use std::collections::BTreeSet;

use serde_json::Value;
use tempfile::TempDir;

use crate::monitoring::files;
use crate::monitoring::promql;
use crate::real_software::prometheus::Prometheus;
use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{begin, chat, chat_of, post, request};
use crate::support::fixtures::{DONE, HELLO, JSON, LARGER_USAGE, MASTER_KEY, PROVIDER_KEY, ROLE};
use crate::support::servers::{free_port, wait_for};
use crate::support::upstream::{Step, Upstream, json, opening, response, stream, then};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const WHOLE: &str = r#"{"choices":[],"usage":{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50,"prompt_tokens_details":{"cached_tokens":10}}}"#;
const VECTOR: &str = r#"{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#;
const NAMED_KEY: &str = "canary-key-of-a-batch-job-0123456789";

fn upstream() -> Upstream {
    let refusal = |status: &str| response(status, JSON, r#"{"error":{"message":"no"}}"#);
    Upstream::start()
        .on("talk", json(WHOLE))
        .on("words", stream(&[ROLE, HELLO, HELLO, LARGER_USAGE, DONE]))
        .on("vector", json(VECTOR))
        .on("limited", refusal("429 Too Many Requests"))
        .on("failing", refusal("503 Service Unavailable"))
        .on("refused", refusal("401 Unauthorized"))
        .on("cut", then(opening(&[ROLE, HELLO]), [Step::Close]))
        .on("endless", then(opening(&[ROLE, HELLO]), [Step::Stall]))
        .on("/v1/models", json(r#"{"data":[{"id":"listed"},{"id":"one-too-many"}]}"#))
        .on("listed", json(WHOLE))
        .on("one-too-many", json(WHOLE))
}

/// One provider with prices, one with the models it lists, one whose model fails, one that is not there; a route that
/// goes on from the first to the second; room for the names of the configured models and one more.
fn aurora(upstream: &Upstream) -> Aurora {
    Setup::new()
        .yaml(&format!(
            "\
server: {{master_key: {MASTER_KEY}, keys: [{{name: batch, key: {NAMED_KEY}}}]}}
metrics: {{enabled: true, max_models: 11, max_series: 1000}}
resilience:
  retry: {{max_retries: 1, initial_backoff: 1ms, max_backoff: 1ms}}
  circuit_breaker: {{failure_threshold: 3, timeout: 60s}}
routes: {{steady: [priced/failing, listing/listed]}}
providers:
  priced:
    type: openai_compatible
    base_url: http://{address}/v1
    api_key: {PROVIDER_KEY}
    models: [talk, words, vector, limited, failing, refused, cut, endless]
    prices: {{talk: {{input: 1, output: 2}}}}
    resilience: {{circuit_breaker: {{failure_threshold: 0}}}}
  listing: {{type: openai_compatible, base_url: \"http://{address}/v1\", api_key: {PROVIDER_KEY}}}
  weak: {{type: openai_compatible, base_url: \"http://{address}/v1\", api_key: {PROVIDER_KEY}, models: [failing]}}
  gone: {{type: openai_compatible, base_url: \"http://127.0.0.1:{nowhere}/v1\", api_key: {PROVIDER_KEY}, models: [none]}}
",
            address = upstream.address,
            nowhere = free_port(),
        ))
        .start()
}

/// Scrapes four times a second, and sets the labels that the Prometheus Operator sets.
fn prometheus(aurora: &Aurora, folder: &TempDir) -> Prometheus {
    let key = folder.path().join("key");
    std::fs::write(&key, MASTER_KEY).expect("a file in the temporary folder");
    Prometheus::start(&format!(
        "\
global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}}
rule_files: [{ROOT}/monitoring/rules/*.yml]
scrape_configs:
  - job_name: aurora
    honor_labels: true
    authorization: {{credentials_file: {key}}}
    static_configs:
      - targets: [\"{address}\"]
        labels: {{endpoint: http-metrics, namespace: llm, pod: aurora-0, service: aurora, container: aurora}}
",
        key = key.display(),
        address = aurora.address,
    ))
}

fn expect_status(aurora: &Aurora, status: u16, request: impl AsRef<[u8]>) {
    let response = aurora.send(request);
    assert_eq!(response.status, status, "{}", response.text());
}

fn with_key(key: &str, model: &str) -> Vec<u8> {
    let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
    request("POST", "/v1/chat/completions", &format!("authorization: Bearer {key}\r\n{JSON}"), body)
}

fn healthy_traffic(aurora: &Aurora) {
    expect_status(aurora, 200, chat_of("talk", false));
    expect_status(aurora, 200, chat_of("words", true));
    expect_status(aurora, 200, chat_of("listed", false));
    expect_status(aurora, 200, post("/v1/embeddings", r#"{"model":"vector","input":"Hi"}"#));
    expect_status(aurora, 200, with_key(NAMED_KEY, "talk"));
}

/// As much of it fails as succeeds.
fn every_traffic(aurora: &Aurora) {
    healthy_traffic(aurora);
    for _ in 0..3 {
        expect_status(aurora, 429, chat_of("limited", false));
    }
    expect_status(aurora, 503, chat_of("failing", false));
    expect_status(aurora, 503, chat_of("weak/failing", false));
    expect_status(aurora, 502, chat_of("refused", false));
    expect_status(aurora, 200, chat_of("cut", true));
    expect_status(aurora, 200, chat_of("steady", false));
    expect_status(aurora, 200, chat_of("one-too-many", false));
    expect_status(aurora, 400, chat("{"));
    expect_status(aurora, 404, chat_of("no-such-model", false));
    expect_status(aurora, 401, with_key("another-key-that-opens-nothing", "talk"));
    let gone = aurora.send(chat_of("gone/none", false)).status;
    assert!([502, 503].contains(&gone), "refused, then not asked any more: {gone}");
    begin(aurora, "endless").read_until("Hello");
}

/// The expression as Grafana sends it with every variable at All.
fn substituted(expression: &str) -> String {
    let plain = ["$job", "$provider", "$model"]
        .into_iter()
        .fold(expression.to_owned(), |text, variable| text.replace(variable, ".*"));
    let plain = plain.replace("$__rate_interval", "20s").replace("$__range", "20s");
    assert!(!plain.contains('$'), "{plain}");
    plain
}

/// The rows of a query that have a value.
fn values(prometheus: &Prometheus, expression: &str) -> Vec<String> {
    let mut rows = prometheus.query(&substituted(expression));
    rows.retain(|row| !row.ends_with("NaN") && !row.ends_with("Inf"));
    rows
}

/// Alerts that fire or are about to, each with its state.
fn alerts(prometheus: &Prometheus) -> Vec<String> {
    let rows = prometheus.query("group by (alertname, alertstate) (ALERTS)");
    let words = |row: &String| row.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
    rows.iter().map(words).collect()
}

/// Legends that name a label which their series lack.
fn empty_legends(prometheus: &Prometheus) -> Vec<String> {
    let mut empty = Vec::new();
    for target in files::panels().iter().flat_map(|panel| panel["targets"].as_array().expect("targets")) {
        let text = |field: &str| target[field].as_str().expect("text");
        let named = text("legendFormat").split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
        let named: Vec<&str> = named.filter(|label| !["job", "instance"].contains(label)).collect();
        for row in values(prometheus, text("expr")) {
            let missing = named.iter().filter(|label| !row.contains(&format!("{label}=\"")));
            empty.extend(missing.map(|label| format!("{label} in {}", text("expr"))));
        }
    }
    empty
}

/// Label values in rules and dashboard, each as a query that finds it.
fn literals() -> BTreeSet<String> {
    let mut queries = BTreeSet::new();
    for (_, expression) in files::expressions() {
        for selector in promql::read(&expression).selectors {
            let wanted = selector
                .matchers
                .iter()
                .filter(|(_, operator, value)| operator.starts_with('=') && !value.starts_with('$'));
            for (label, _, values) in wanted {
                for value in values.split('|') {
                    queries.insert(format!("{}{{{label}=\"{value}\"}}", selector.metric));
                }
            }
        }
    }
    queries
}

/// Rules that Prometheus could not evaluate.
fn broken_rules(prometheus: &Prometheus) -> Vec<String> {
    let response = prometheus.send("rules", &[]);
    let groups = response["data"]["groups"].as_array().expect("groups");
    let rules: Vec<&Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
    assert_eq!(rules.len(), files::rules().len());
    rules
        .iter()
        .filter(|rule| rule["health"] != "ok")
        .map(|rule| format!("{} {}", rule["name"], rule["lastError"]))
        .collect()
}

/// What fires at once, and what would after a while; every other alert has no reason to.
const WITH_REASON: [&str; 8] = [
    "AuroraBreakerOpen pending",
    "AuroraCardinalityFolding firing",
    "AuroraErrorBudgetBurnFast pending",
    "AuroraErrorBudgetBurnSlow pending",
    "AuroraProviderFailing pending",
    "AuroraProviderRateLimited pending",
    "AuroraProviderRefused firing",
    "AuroraStreamsBroken pending",
];

#[test]
fn rules_and_dashboard_return_data_and_alerts_fire() {
    let upstream = upstream();
    let aurora = aurora(&upstream);
    let folder = TempDir::new().expect("a temporary folder");
    let prometheus = prometheus(&aurora, &folder);

    prometheus.scraped();
    wait_for("availability under healthy traffic", || {
        healthy_traffic(&aurora);
        prometheus.scraped();
        (prometheus.query("job:aurora_availability:ratio_6h") == ["1"]).then_some(())
    });
    assert_eq!(alerts(&prometheus), Vec::<String>::new(), "nothing fires, nothing is about to");

    wait_for("every alert that has a reason", || {
        every_traffic(&aurora);
        let alerts = alerts(&prometheus);
        eprintln!("so far: {alerts:?}");
        (alerts == WITH_REASON).then_some(())
    });
    let mut unanswered = queries();
    wait_for("an answer to each query", || {
        every_traffic(&aurora);
        unanswered.retain(|query| values(&prometheus, query).is_empty());
        eprintln!("not yet: {unanswered:#?}");
        unanswered.is_empty().then_some(())
    });
    assert_eq!(broken_rules(&prometheus), Vec::<String>::new());
    assert_eq!(empty_legends(&prometheus), Vec::<String>::new());
}

/// Everything that has to respond: recorded names, panels, variables, and each value that an expression names.
fn queries() -> Vec<String> {
    let expressions = files::expressions().into_iter().map(|(_, expression)| expression);
    let drawn = expressions.skip(files::rules().len());
    let variables = files::variables().into_iter();
    let offered = variables.map(|(selector, label)| format!("count by ({label}) ({selector})"));
    files::recorded().into_iter().chain(drawn).chain(offered).chain(literals()).collect()
}
