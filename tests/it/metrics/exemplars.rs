//! Exemplars of the request histograms: the latest trace of each bucket, in OpenMetrics only, and only if they are on.

use regex_lite::Regex;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{key, request};
use crate::support::exposition::yaml;
use crate::support::fixtures::{CHAT_RESPONSE, HELLO, STOP_WITH_USAGE};
use crate::support::upstream::{Upstream, json, stream};

const OPEN_METRICS: &str = "application/openmetrics-text";

fn start(exemplars: bool) -> (Upstream, Aurora) {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE)).on("s", stream(&[HELLO, STOP_WITH_USAGE]));
    let metrics = format!("metrics: {{enabled: true, exemplars: {exemplars}}}");
    let text = yaml(&upstream, "", "").replace("metrics: {enabled: true}", &metrics);
    let aurora = Setup::new().yaml(&text).start();
    (upstream, aurora)
}

/// A chat in the trace of this number.
fn chat(aurora: &Aurora, model: &str, trace: u32) {
    let headers = format!("{}traceparent: 00-{trace:032x}-00f067aa0ba902b7-01\r\n", key());
    let body = format!(r#"{{"model":"{model}","stream":{}}}"#, model == "s");
    let sent = request("POST", "/v1/chat/completions", &headers, body);
    assert_eq!(aurora.send(sent).status, 200);
}

fn scrape(aurora: &Aurora, accept: &str) -> String {
    let sent = request("GET", "/metrics", &format!("{}accept: {accept}\r\n", key()), "");
    aurora.send(sent).text().to_owned()
}

/// Lines with an exemplar, with their edge as E, their values as V and their time as T.
fn exemplars(exposition: &str) -> Vec<String> {
    let line = Regex::new(r#"^(.*),le="[^"]+"\} 1 # \{(.+)\} [0-9]+\.[0-9]{9} [0-9]{10}\.[0-9]{3}$"#);
    let line = line.expect("a pattern");
    let lines = exposition.lines().filter(|line| line.contains(" # "));
    lines.map(|text| line.replace(text, r#"$1,le="E"} 1 # {$2} V T"#).into_owned()).collect()
}

#[test]
fn buckets_show_the_latest_trace_in_open_metrics_only() {
    let (_upstream, aurora) = start(true);
    chat(&aurora, "m", 1);
    chat(&aurora, "s", 2);
    aurora.settles("aurora_answers_total", &["m ok 1", "s ok 1"]);
    let exposition = scrape(&aurora, OPEN_METRICS);
    let duration = "aurora_request_duration_seconds_bucket{provider=\"up\"";
    assert_eq!(
        exemplars(&exposition),
        [
            format!(
                r#"{duration},model="m",endpoint="/chat/completions",stream="false",status_type="success",le="E"}} 1 # {{trace_id="{:032x}"}} V T"#,
                1
            ),
            format!(
                r#"{duration},model="s",endpoint="/chat/completions",stream="true",status_type="success",le="E"}} 1 # {{trace_id="{:032x}"}} V T"#,
                2
            ),
            format!(
                r#"aurora_time_to_first_token_seconds_bucket{{provider="up",model="s",endpoint="/chat/completions",le="E"}} 1 # {{trace_id="{:032x}"}} V T"#,
                2
            ),
        ]
    );
    assert!(exposition.ends_with("\n# EOF\n"));
    let text = scrape(&aurora, "text/plain");
    assert!(!text.contains("trace_id") && !text.contains(" # "), "{text}");
}

#[test]
fn without_the_setting_there_are_no_exemplars() {
    let (_upstream, aurora) = start(false);
    chat(&aurora, "m", 1);
    aurora.settles("aurora_answers_total", &["m ok 1"]);
    let exposition = scrape(&aurora, OPEN_METRICS);
    assert!(exposition.contains("# UNIT aurora_request_duration_seconds seconds\n"));
    assert!(!exposition.contains("trace_id"), "{exposition}");
}

/// A client may send any trace id: each replaces the exemplar of its bucket, and none adds a series.
#[test]
fn trace_ids_of_clients_add_no_series() {
    let (_upstream, aurora) = start(true);
    chat(&aurora, "m", 1);
    aurora.settles("aurora_answers_total", &["m ok 1"]);
    let series = |exposition: &str| exposition.lines().filter(|line| line.contains("model=\"m\"")).count();
    let before = series(&scrape(&aurora, OPEN_METRICS));
    for trace in 2..200 {
        chat(&aurora, "m", trace);
    }
    aurora.settles("aurora_answers_total", &["m ok 199"]);
    let exposition = scrape(&aurora, OPEN_METRICS);
    assert_eq!(series(&exposition), before);
    assert!((1..=17).contains(&exposition.matches(" # {trace_id=").count()), "{exposition}");
}
