//! The three entries about trouble.

use std::process::Command;

use super::{assert_absent, assert_exposition, get, get_with, page};
use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::{counted, program};
use crate::support::raw_server::{RawServer, response};

/// > Metrics Endpoint Returns 404
#[test]
fn enabling_metrics_ends_the_404() {
    assert_absent(&get(&page("").start(), "/metrics"));
    assert_exposition(&get(&page("export METRICS_ENABLED=true").start(), "/metrics"));
}

/// `true" enables; empty or "false" disables`
#[test]
fn true_enables_and_empty_or_false_disables() {
    assert_exposition(&get(&page("export METRICS_ENABLED=true").start(), "/metrics"));
    assert_absent(&get(&page("export METRICS_ENABLED=").start(), "/metrics"));
    assert_absent(&get(&page("export METRICS_ENABLED=false").start(), "/metrics"));
}

/// An upstream that responds every chat.
fn upstream() -> RawServer {
    let body = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    RawServer::start([response("200 OK", "content-type: application/json\r\nconnection: close\r\n", body)])
}

fn with_gpt_4(upstream: &RawServer) -> Setup {
    let setup = page("export METRICS_ENABLED=true").variable("OPENAI_API_KEY", "a key");
    setup.variable("OPENAI_BASE_URL", &upstream.url("/v1")).variable("OPENAI_MODELS", "gpt-4")
}

/// The page's shell lines, run by a shell; gives what they print.
fn sh(aurora: &Aurora, lines: &str) -> String {
    drop(program("curl", "curl"));
    let lines = lines.replace("http://your-aurora-host", &aurora.url(""));
    let output = Command::new("/bin/sh").args(["-c", &lines]).output().expect("a shell");
    String::from_utf8(output.stdout).expect("UTF-8")
}

const REQUEST: &str = r#"curl -s -X POST http://your-aurora-host/v1/chat/completions \
-H "Content-Type: application/json" \
-H "Authorization: Bearer your-master-key" \
-d '{"model": "gpt-4", "messages": [{"role": "user", "content": "Hi"}]}'"#;

const COUNTED: &str = "aurora_requests_total{provider=\"openai\",model=\"gpt-4\",endpoint=\"/chat/completions\",\
                       status_code=\"200\",status_type=\"success\",stream=\"false\"} 1";

/// `Cause: no requests have been made yet.`
#[test]
fn no_request_is_counted_before_the_first() {
    let upstream = upstream();
    let exposition = get(&with_gpt_4(&upstream).start(), "/metrics").body;
    for family in ["aurora_requests_total", "aurora_answers_total", "aurora_http_requests_total"] {
        assert_eq!(counted(&exposition, family), [""; 0]);
    }
}

/// > make some requests to generate metrics
#[test]
fn a_request_is_counted() {
    let upstream = upstream();
    let aurora = with_gpt_4(&upstream).start();
    assert!(sh(&aurora, REQUEST).contains("\"content\":\"Hi\""));
    let printed = sh(&aurora, "curl -s http://your-aurora-host/metrics | grep aurora_requests_total");
    assert_eq!(counted(&printed, "aurora_requests_total"), [COUNTED]);
}

/// `Authorization: Bearer your-master-key`
#[test]
fn a_request_with_the_key_is_counted() {
    let upstream = upstream();
    let aurora = with_gpt_4(&upstream).variable("AURORA_MASTER_KEY", "your-master-key").start();
    assert!(sh(&aurora, REQUEST).contains("\"content\":\"Hi\""));
    assert_eq!(get(&aurora, "/metrics").status, 401);
    let exposition = get_with(&aurora, "/metrics", "your-master-key").body;
    assert_eq!(counted(&exposition, "aurora_requests_total"), [COUNTED]);
}

/// `Cause: the endpoint must start with /.`
#[test]
fn an_endpoint_without_leading_slash_is_refused() {
    let problem = "error environment METRICS_ENDPOINT: metrics.endpoint: does not start with a slash (got \
                   \"metrics\", expected a path such as /metrics); write /metrics [bad-path]";
    for switch in ["true", "false"] {
        let setup = page("export METRICS_ENDPOINT=metrics").variable("METRICS_ENABLED", switch);
        let (code, output_text) = setup.refused();
        assert_eq!((code, output_text.lines().next()), (Some(78), Some(problem)));
    }
}

/// `export METRICS_ENDPOINT=/metrics`
#[test]
fn an_endpoint_with_leading_slash_is_accepted() {
    let lines = "export METRICS_ENABLED=true\nexport METRICS_ENDPOINT=/metrics";
    assert_exposition(&get(&page(lines).start(), "/metrics"));
}
