//! Quick start, the ways to disable, the endpoint, the options, the examples, verification.

use std::process::Command;

use super::{OPENAI_KEY, assert_absent, assert_exposition, get, get_with, page};
use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::curl;
use crate::support::servers::free_port;

const ON: &str = "metrics:\n  enabled: true\n";
const OFF: &str = "metrics:\n  enabled: false\n";

/// > Metrics are disabled by default.
#[test]
fn metrics_are_disabled_by_default() {
    assert_absent(&get(&page("").start(), "/metrics"));
}

/// `To enable metrics collection, set METRICS_ENABLED=true and start Aurora`
#[test]
fn metrics_enabled_is_a_variable() {
    assert_exposition(&get(&page("export METRICS_ENABLED=true").start(), "/metrics"));
}

/// `Metrics available at http://your-aurora-host/metrics`
#[test]
fn metrics_are_served_on_every_address() {
    let aurora = page("export METRICS_ENABLED=true").start();
    let port = aurora.address.port();
    assert_eq!(aurora.line("listening")["address"], format!("0.0.0.0:{port}"));
    assert_exposition(&curl(&format!("http://127.0.0.2:{port}/metrics"), &[]));
}

/// `export METRICS_ENABLED=false`
#[test]
fn a_variable_disables_metrics() {
    assert_absent(&get(&page("export METRICS_ENABLED=false").yaml(ON).start(), "/metrics"));
}

/// `echo "METRICS_ENABLED=false" >> .env`
#[test]
fn a_dotenv_line_disables_metrics() {
    let before = page("").yaml(ON).file(".env", "METRICS_ENABLED=true\n");
    assert_exposition(&get(&before.start(), "/metrics"));
    let lines = "echo \"METRICS_ENABLED=false\" >> .env";
    let after = page(lines).yaml(ON).file(".env", "METRICS_ENABLED=true\n").start();
    assert_absent(&get(&after, "/metrics"));
}

/// `Option 3: config.yaml`
#[test]
fn yaml_disables_metrics() {
    let aurora = page("").yaml(OFF).start();
    assert_absent(&get(&aurora, "/metrics"));
    assert_eq!(aurora.line("prometheus metrics disabled")["level"], "INFO");
}

/// `Change the default /metrics path`
#[test]
fn a_variable_changes_the_endpoint() {
    let lines = "export METRICS_ENDPOINT=/internal/prometheus";
    let aurora = page(lines).variable("METRICS_ENABLED", "true").start();
    assert_exposition(&get(&aurora, "/internal/prometheus"));
    assert_absent(&get(&aurora, "/metrics"));
    assert_eq!(aurora.line("prometheus metrics enabled")["endpoint"], "/internal/prometheus");
}

/// > Via Environment Variables
#[test]
fn variables_override_yaml() {
    let lines = "export METRICS_ENABLED=true\nexport METRICS_ENDPOINT=/from-environment";
    let aurora = page(lines).yaml("metrics: {enabled: false, endpoint: /from-yaml}\n").start();
    assert_exposition(&get(&aurora, "/from-environment"));
    assert_absent(&get(&aurora, "/from-yaml"));
}

/// > Via config.yaml
#[test]
fn yaml_enables_metrics() {
    let aurora = page("").yaml("metrics:\n  enabled: true\n  endpoint: \"/metrics\"\n").start();
    assert_exposition(&get(&aurora, "/metrics"));
}

/// > Enable or disable Prometheus metrics collection
#[test]
fn yaml_enables_and_disables_metrics() {
    assert_exposition(&get(&page("").yaml(ON).start(), "/metrics"));
    assert_absent(&get(&page("").yaml(OFF).start(), "/metrics"));
}

/// > When disabled, no metrics are collected and the endpoint returns 404
#[test]
fn disabled_metrics_return_404_with_and_without_a_key() {
    let aurora = page("export AURORA_MASTER_KEY=a-master-key-of-the-page").yaml(OFF).start();
    assert_absent(&get(&aurora, "/metrics"));
    assert_absent(&get_with(&aurora, "/metrics", "a-master-key-of-the-page"));
    assert_absent(&get_with(&aurora, "/metrics", "another key"));
}

/// > HTTP endpoint path where metrics are exposed
#[test]
fn only_the_configured_endpoint_returns_metrics() {
    let aurora = page("").yaml("metrics: {enabled: true, endpoint: /internal/prometheus}\n").start();
    assert_exposition(&get(&aurora, "/internal/prometheus"));
    for path in ["/metrics", "/internal", "/internal/prometheus/more"] {
        assert_absent(&get(&aurora, path));
    }
}

/// An upstream key is set, but the upstream is one that is down: no test dials the real one.
fn with_dotenv(contents: &str) -> Aurora {
    let setup = Setup::bare().shell("").file(".env", contents);
    setup.variable("OPENAI_BASE_URL", &format!("http://127.0.0.1:{}/v1", free_port())).start()
}

/// > Production Setup (Metrics Enabled)
#[test]
fn production_example_works() {
    let (port, key) = (free_port(), "<your Aurora master key>");
    let aurora = with_dotenv(&format!(
        "PORT={port}\nAURORA_MASTER_KEY={key}\nMETRICS_ENABLED=true\nMETRICS_ENDPOINT=/metrics\n\
         OPENAI_API_KEY={OPENAI_KEY}\n"
    ));
    assert_eq!(aurora.address.port(), port);
    assert_eq!(get(&aurora, "/metrics").status, 401);
    let response = get_with(&aurora, "/metrics", key);
    assert_exposition(&response);
    assert!(response.body.contains("{provider=\"openai\",model=\"unknown\""), "{}", response.body);
}

/// > Development Setup (Metrics Disabled)
#[test]
fn development_example_works() {
    let port = free_port();
    let aurora = with_dotenv(&format!("PORT={port}\nMETRICS_ENABLED=false\nOPENAI_API_KEY={OPENAI_KEY}\n"));
    assert_eq!(aurora.address.port(), port);
    assert_absent(&get(&aurora, "/metrics"));
    assert_eq!(aurora.line("listening")["providers"], 1);
}

/// > Custom Endpoint for Internal Monitoring
#[test]
fn internal_example_works() {
    let port = free_port();
    let yaml = format!(
        "server:\n  port: \"{port}\"\n  master_key: \"${{AURORA_MASTER_KEY}}\"\nmetrics:\n  enabled: true\n  \
         endpoint: \"/internal/prometheus\" # Custom path\nproviders:\n  openai:\n    type: \"openai\"\n    \
         api_key: \"${{OPENAI_API_KEY}}\"\n"
    );
    let setup = Setup::bare().shell("").yaml(&yaml).variable("AURORA_MASTER_KEY", "a-master-key-of-the-page");
    let upstream = format!("http://127.0.0.1:{}/v1", free_port());
    let aurora = setup.variable("OPENAI_API_KEY", OPENAI_KEY).variable("OPENAI_BASE_URL", &upstream).start();
    assert_eq!(aurora.address.port(), port);
    assert_eq!(get(&aurora, "/internal/prometheus").status, 401);
    assert_exposition(&get_with(&aurora, "/internal/prometheus", "a-master-key-of-the-page"));
    let unset = Setup::bare().shell("").yaml(&yaml).refused();
    let problem = "error config.yaml:3:15: server.master_key: ${AURORA_MASTER_KEY} is not set";
    assert!(unset.0 == Some(78) && unset.1.starts_with(problem), "{unset:?}");
}

/// The lines about the metrics, without their time.
fn about_metrics(aurora: &Aurora) -> Vec<String> {
    let of = |line: &str| line.split_once(',').map(|(_, rest)| format!("{{{rest}"));
    aurora
        .log()
        .iter()
        .filter(|line| line.contains("prometheus metrics"))
        .filter_map(|line| of(line))
        .collect()
}

/// `msg": "prometheus metrics enabled", "endpoint": "/metrics`
#[test]
fn enabled_metrics_are_logged() {
    let aurora = page("export METRICS_ENABLED=true").start();
    let line = r#"{"level":"INFO","msg":"prometheus metrics enabled","endpoint":"/metrics"}"#;
    assert_eq!(about_metrics(&aurora), [line]);
}

/// `msg": "prometheus metrics disabled`
#[test]
fn disabled_metrics_are_logged() {
    let aurora = page("").start();
    assert_eq!(about_metrics(&aurora), [r#"{"level":"INFO","msg":"prometheus metrics disabled"}"#]);
}

/// > Returns Prometheus metrics in text format
#[test]
fn enabled_endpoint_returns_the_text_format() {
    let response = get(&page("export METRICS_ENABLED=true").start(), "/metrics");
    assert_exposition(&response);
    assert!(response.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", response.head);
}

/// > Returns 404 Not Found
#[test]
fn disabled_endpoint_returns_404() {
    let response = get(&page("").start(), "/metrics");
    assert_absent(&response);
    assert!(response.head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{}", response.head);
}

/// > full environment variable reference
#[test]
fn variables_are_documented() {
    let reference = include_str!("../../../docs/configuration.md");
    for variable in ["PORT", "AURORA_MASTER_KEY", "METRICS_ENABLED", "METRICS_ENDPOINT", "T_API_KEY"] {
        assert_eq!(reference.matches(&format!("\n| `{variable}` | ")).count(), 1, "{variable}");
    }
}

/// > YAML configuration reference
#[test]
fn yaml_reference_is_valid() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml");
    let mut check = Command::new(env!("CARGO_BIN_EXE_aurora"));
    let output = check.args(["config", "check", "-c", file]).env_clear().output().expect("the binary starts");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output_text.lines().last(), Some("valid: 0 errors, 4 warnings"), "{output_text}");
    assert_eq!(output.status.code(), Some(0));
}
