//! A real Prometheus scrapes Aurora and is queried.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::house::readme;
use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, request};
use crate::support::programs::{chat, curl, piped, program};
use crate::support::servers::{Server, wait_for};

const KEY: &str = "a-master-key-of-32-characters-or";

/// A running Prometheus.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _server: Server,
}

impl Prometheus {
    /// Starts it on a free port with this `prometheus.yml`.
    pub(crate) fn start(config: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("a file in it");
        let mut command = program("prometheus", "prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.format=json"]);
        command.args(["--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage"]);
        let (server, address) = Server::start(command, folder, |log| {
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let lines: Vec<Value> = lines.collect();
            let line_of = |message: &str| lines.iter().find(|line| line["msg"] == message);
            line_of("Server is ready to receive web requests.")?;
            line_of("Listening on")?["address"].as_str()?.parse().ok()
        });
        Self { address, _server: server }
    }

    /// What its API responds to these parameters.
    pub(crate) fn send(&self, what: &str, parameters: &[(&str, &str)]) -> Value {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut client = Client::connect(self.address);
        client.send(request("GET", &format!("/api/v1/{what}?{query}"), "", ""));
        let response = client.response();
        assert_eq!(response.status, 200, "{parameters:?}: {}", response.text());
        serde_json::from_str(response.text()).expect("JSON")
    }

    /// The series and values of an instant query, sorted, without `job` and `instance`.
    pub(crate) fn query(&self, expression: &str) -> Vec<String> {
        let response = self.send("query", &[("query", expression)]);
        let mut rows: Vec<String> =
            response["data"]["result"].as_array().expect("a vector").iter().map(row).collect();
        rows.sort();
        rows
    }

    /// Waits until a scrape that began after this call has been stored.
    pub(crate) fn scraped(&self) {
        self.all_scraped(1);
    }

    /// The same for this many targets.
    pub(crate) fn all_scraped(&self, targets: usize) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        wait_for("a successful scrape", || {
            let fresh = self.query(&format!("timestamp(up == 1) > {now:.3}"));
            (fresh.len() >= targets).then_some(())
        });
    }
}

fn row(sample: &Value) -> String {
    let labels = sample["metric"].as_object().expect("labels").iter();
    let labels = labels.filter(|(name, _)| !["__name__", "instance", "job"].contains(&name.as_str()));
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value} ")).collect();
    format!("{}{}", labels.concat(), sample["value"][1].as_str().expect("a value"))
}

/// A configuration that scrapes once a second; `more` are further lines of the job.
fn every_second(aurora: &Aurora, more: &str) -> String {
    format!(
        "scrape_configs:\n  - job_name: aurora\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    \
         static_configs: [{{targets: [\"{}\"]}}]\n{more}",
        aurora.address
    )
}

/// Eight calls: five that succeed, two of them as streams, and three that fail, each in its own way.
fn traffic(aurora: &Aurora, key: Option<&str>) {
    let calls = [
        ("demo-fast", false, 200),
        ("demo-fast", true, 200),
        ("demo-429", false, 429),
        ("demo-fast", false, 200),
        ("demo-500", false, 500),
        ("demo-fast", true, 200),
        ("demo-fast", false, 200),
        ("no-such-model", false, 404),
    ];
    for (model, stream, status) in calls {
        assert_eq!(chat(&aurora.url(""), key, model, stream).status, status, "{model}");
    }
}

/// What the traffic above has to look like in Prometheus, exactly.
fn assert_counts(prometheus: &Prometheus) {
    prometheus.scraped();
    assert_eq!(
        prometheus.query("aurora_requests_total > 0"),
        [
            ("demo-429", 429, "error", false, 1),
            ("demo-500", 500, "error", false, 1),
            ("demo-fast", 200, "success", false, 3),
            ("demo-fast", 200, "success", true, 2),
        ]
        .map(|(model, status, kind, stream, count)| format!(
            "endpoint=\"/chat/completions\" model=\"{model}\" provider=\"demo\" status_code=\"{status}\" \
             status_type=\"{kind}\" stream=\"{stream}\" {count}"
        ))
    );
    for (expression, rows) in [
        (
            "sum by (outcome) (aurora_answers_total) > 0",
            &[
                r#"outcome="caller_error" 1"#,
                r#"outcome="ok" 5"#,
                r#"outcome="rate_limited" 1"#,
                r#"outcome="upstream_error" 1"#,
            ][..],
        ),
        (
            "sum by (route) (aurora_http_requests_total{status_code!=\"401\"})",
            &[r#"route="/v1/chat/completions" 8"#],
        ),
        ("sum(aurora_request_duration_seconds_count)", &["7"]),
        ("sum(aurora_request_duration_seconds_bucket{le=\"+Inf\"})", &["7"]),
        ("sum(aurora_time_to_first_token_seconds_count)", &["2"]),
        ("sum(aurora_requests_in_flight)", &["0"]),
        (
            "sum by (direction) (aurora_tokens_total)",
            &[r#"direction="input" 5"#, r#"direction="output" 140"#],
        ),
    ] {
        assert_eq!(prometheus.query(expression), rows, "{expression}");
    }
}

/// Aurora with the demo upstream, used by this test only.
fn demo() -> Setup {
    Setup::new().arguments(&["--demo"])
}

#[test]
fn prometheus_counts_the_requests_that_were_sent() {
    let aurora = demo().start();
    let prometheus = Prometheus::start(&every_second(&aurora, ""));
    traffic(&aurora, None);
    assert_counts(&prometheus);
    assert_eq!(prometheus.query("sum(aurora_auth_failures_total)"), ["0"]);
}

/// Trace ids of the exemplars of a histogram that Prometheus has stored.
fn exemplars(prometheus: &Prometheus, family: &str) -> Vec<String> {
    let selector = format!("{family}_bucket");
    let range = [("query", &*selector), ("start", "0"), ("end", "9999999999")];
    let response = prometheus.send("query_exemplars", &range);
    let series = response["data"].as_array().expect("a list").iter();
    let exemplars = series.flat_map(|series| series["exemplars"].as_array().expect("a list").clone());
    exemplars.map(|exemplar| exemplar["labels"]["trace_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn exemplars_lead_to_the_log_lines_of_their_requests() {
    let aurora = demo().variable("METRICS_EXEMPLARS", "true").variable("LOG_REQUESTS", "all").start();
    let prometheus = Prometheus::start(&every_second(&aurora, ""));
    traffic(&aurora, None);
    prometheus.scraped();
    let lines = aurora.lines("request", 8);
    for (family, field) in
        [("aurora_request_duration_seconds", "attempts"), ("aurora_time_to_first_token_seconds", "ttft_ms")]
    {
        let logged: Vec<&str> = lines
            .iter()
            .filter(|line| line[field].is_number())
            .map(|line| line["trace_id"].as_str().expect("an id"))
            .collect();
        let stored =
            wait_for("an exemplar", || Some(exemplars(&prometheus, family)).filter(|ids| !ids.is_empty()));
        assert!(stored.iter().all(|id| logged.contains(&&**id)), "{family}: {stored:?} {logged:?}");
    }
}

#[test]
fn a_custom_path_is_scraped() {
    let aurora = demo().variable("METRICS_ENDPOINT", "/internal/prometheus").start();
    let prometheus = Prometheus::start(&every_second(&aurora, "    metrics_path: /internal/prometheus\n"));
    traffic(&aurora, None);
    assert_counts(&prometheus);
}

#[test]
fn the_master_key_is_accepted_as_credentials_and_as_basic_password() {
    let aurora = demo().variable("AURORA_MASTER_KEY", KEY).start();
    traffic(&aurora, Some(KEY));
    let ways = [
        format!("    authorization: {{credentials: {KEY}}}\n"),
        format!("    basic_auth: {{username: prometheus, password: {KEY}}}\n"),
    ];
    // Prometheus waits some seconds before its first scrape; both wait at the same time.
    for prometheus in ways.map(|more| Prometheus::start(&every_second(&aurora, &more))) {
        assert_counts(&prometheus);
        assert_eq!(prometheus.query("sum(aurora_auth_failures_total)"), ["0"]);
    }
}

#[test]
fn without_the_master_key_the_target_is_down_and_the_refusals_are_counted() {
    let aurora = demo().variable("AURORA_MASTER_KEY", KEY).start();
    let prometheus = Prometheus::start(&every_second(&aurora, ""));
    wait_for("a failed scrape", || (prometheus.query("up") == ["0"]).then_some(()));
    let exposition = curl(&aurora.url("/metrics"), &["--header", &format!("Authorization: Bearer {KEY}")]);
    let missing = crate::support::programs::counted(&exposition.body, "aurora_auth_failures_total");
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].starts_with(r#"aurora_auth_failures_total{surface="metrics",reason="missing"} "#),
        "{missing:?}"
    );
}

#[test]
fn promtool_accepts_the_exposition() {
    let aurora = demo().start();
    let check = |exposition: &str| {
        let mut command = program("promtool", "prometheus");
        command.args(["check", "metrics"]);
        let output = piped(command, exposition);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    traffic(&aurora, None);
    let bytes =
        |path, body| curl(&aurora.url(path), &["--header", "Content-Type: application/json", "--data", body]);
    assert_eq!(bytes("/v1/embeddings", r#"{"model": "demo-embed", "input": "Hi"}"#).status, 200);
    assert_eq!(
        bytes("/v1/responses", r#"{"model": "demo-fast", "input": "Hi", "stream": true}"#).status,
        200
    );
    assert_eq!(bytes("/v1/completions", r#"{"model": "demo-fast", "prompt": "Hi"}"#).status, 200);
    assert_eq!(bytes("/v1/chat/completions", "{").status, 400);
    assert_eq!(curl(&aurora.url("/nowhere"), &[]).status, 404);

    assert_eq!(check(&curl(&aurora.url("/metrics"), &[]).body), (Some(0), String::new()));
    let (code, output_text) = check("# HELP cats Cats.\n# TYPE cats counter\ncats 1\n");
    assert_eq!(
        (code, output_text.trim_end()),
        (Some(3), "cats counter metrics should have \"_total\" suffix")
    );
}

#[test]
fn promtool_accepts_the_scrape_configs_of_the_readme() {
    let folder = TempDir::new().expect("a temporary folder");
    let (config, key) = (folder.path().join("prometheus.yml"), folder.path().join("aurora-key"));
    std::fs::write(&key, KEY).expect("a file in it");
    let blocks: Vec<&str> =
        readme::blocks("yaml").into_iter().filter(|block| block.starts_with("scrape_configs:")).collect();
    assert_eq!(blocks.len(), 3, "one as it is, one with a custom path, one with a key");
    for block in blocks {
        let text = block.replace("/etc/prometheus/aurora-key", key.to_str().expect("UTF-8"));
        std::fs::write(&config, text).expect("a file in it");
        let output = program("promtool", "prometheus").args(["check", "config"]).arg(&config).output();
        let output = output.expect("it was found");
        let output_text =
            String::from_utf8_lossy(&output.stdout).replace(config.to_str().expect("UTF-8"), "FILE");
        assert_eq!(
            output_text.trim_end(),
            "Checking FILE\n SUCCESS: FILE is valid prometheus config file syntax"
        );
        assert!(output.status.success() && output.stderr.is_empty(), "{block}");
    }
}
