//! `aurora metrics watch` without a terminal: its lines, as text and as JSON.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

use crate::support::aurora::Aurora;
use crate::support::client::{Client, chat_of};
use crate::support::exposition::gateway;
use crate::support::fixtures::{CHAT_RESPONSE, DONE, HELLO, MASTER_KEY, STOP_WITH_USAGE};
use crate::support::raw_server::{RawServer, Script, page, response};
use crate::support::upstream::{Upstream, json, response as upstream_response, stream};

/// Rates and times, which depend on the machine.
static RATE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\d.]+/s|\d\d:\d\d:\d\dZ|(≤|>) [\d.]+ m?s|for \d+ s").expect("a pattern"));

fn watch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command.args(["metrics", "watch"]).args(arguments).env_clear().env("KEY", MASTER_KEY);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end: exit code, stdout with `N` in place of rates and times, stderr.
fn ran(arguments: &[&str]) -> (i32, String, String) {
    let output = watch(arguments).output().expect("aurora runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let lines = RATE.replace_all(&text(output.stdout), "N").into_owned();
    (output.status.code().expect("an exit code"), lines, text(output.stderr))
}

/// A run that goes on; killed when it is dropped.
struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(arguments: &[&str]) -> Self {
        let mut child = watch(arguments).spawn().expect("aurora runs");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("UTF-8");
        line
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Two plain chats, a streamed one and one that fails, which the gateway has counted.
fn traffic(aurora: &Aurora) {
    let mut client = Client::connect(aurora.address);
    for (model, streams) in [("plain", false), ("plain", false), ("streamed", true), ("broken", false)] {
        client.send(chat_of(model, streams));
        client.response();
    }
}

fn upstream() -> Upstream {
    Upstream::start()
        .on("plain", json(CHAT_RESPONSE))
        .on("streamed", stream(&[HELLO, STOP_WITH_USAGE, DONE]))
        .on("broken", upstream_response("500 Internal Server Error", "", "{}"))
}

#[test]
fn traffic_of_a_gateway_is_shown_in_the_line_of_its_interval() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let url = aurora.url("/metrics");
    let mut lines = Watch::start(&[&url, "--token-env", "KEY", "--interval", "2s"]);
    let quiet = lines.line();
    traffic(&aurora);
    let line = lines.line();
    let expected =
        "N  requests 0 (N)  errors -  p50 -  p95 -  p99 -  first token p95 -  output tokens N  in flight 0\n";
    assert_eq!(RATE.replace_all(&quiet, "N"), expected, "{quiet}");
    let expected = "N  requests 4 (N)  errors 25 %  p50 N  p95 N  p99 N  first token p95 N  output tokens N  in flight 0\n";
    assert_eq!(RATE.replace_all(&line, "N"), expected, "{line}");
}

#[test]
fn json_lines_add_up_to_the_traffic() {
    let upstream = upstream();
    let aurora = gateway(&upstream, "", "");
    let url = aurora.url("/metrics");
    let mut lines = Watch::start(&[&url, "--token-env", "KEY", "--interval", "200ms", "--format", "json"]);
    // The first line follows the second scrape: no traffic yet.
    let first: Value = serde_json::from_str(&lines.line()).expect("JSON");
    let numbers = &first["numbers"];
    assert_eq!(
        (&first["up"], &numbers["requests"], &numbers["error_ratio"]),
        (&1.into(), &0.0.into(), &Value::Null)
    );
    traffic(&aurora);
    let (mut requests, mut errors, mut tokens, mut models) = (0.0, 0.0, 0.0, Vec::new());
    while requests < 4.0 || models.len() < 3 {
        let line: Value = serde_json::from_str(&lines.line()).expect("JSON");
        let numbers = &line["numbers"];
        let number = |value: &Value| value.as_f64().expect("a number");
        requests += number(&numbers["requests"]);
        errors += number(&numbers["outcomes"]["errors"]);
        tokens += number(&numbers["tokens_per_s"]["output"]) * number(&numbers["seconds"]);
        for model in numbers["models"].as_array().expect("models") {
            models.push(format!("{} {} {}", model["provider"], model["model"], model["requests"]));
        }
    }
    models.sort();
    assert_eq!((requests, errors, tokens.round()), (4.0, 1.0, 6.0));
    let expected = [r#""up" "broken" 1.0"#, r#""up" "plain" 2.0"#, r#""up" "streamed" 1.0"#];
    assert_eq!(models, expected);
}

const FIRST: &str = "# TYPE aurora_answers_total counter\naurora_answers_total{outcome=\"ok\"} 7\n\
                     # TYPE aurora_build_info gauge\naurora_build_info 1\n";

#[test]
fn a_restart_and_a_lost_endpoint_are_said() {
    let second = FIRST.replace(" 7\n", " 9\n");
    let third = FIRST.replace(" 7\n", " 1\n");
    let refused = response("401 Unauthorized", "", "");
    let server = RawServer::start([page(FIRST), page(second), page(third), refused]);
    let url = server.url("/metrics");
    let (code, lines, stderr) = ran(&[&url, "--interval", "100ms", "--count", "3"]);
    let numbers = "errors 0 %  p50 -  p95 -  p99 -  first token p95 -  output tokens N  in flight 0";
    let expected = format!(
        "N  requests 2 (N)  {numbers}\nN  requests 1 (N)  {numbers}  {url} restarted\nN  {url} is down: 401 \
         Unauthorized: no credential was sent (none is configured); pass --token-env AURORA_MASTER_KEY or \
         --token-file PATH with the key of that server\n"
    );
    assert_eq!((code, lines, stderr), (1, expected, String::new()));
}

#[test]
fn an_endpoint_that_is_down_at_the_start_is_said_at_once() {
    let server = RawServer::start([response("503 Service Unavailable", "", ""), page(FIRST)]);
    let url = server.url("/metrics");
    let (code, lines, stderr) = ran(&[&url, "--interval", "100ms", "--count", "2"]);
    let down = format!(
        "aurora: warning: {url} is down: the response is 503 Service Unavailable, not 200 OK; is a proxy in between?\n"
    );
    let quiet =
        "N  requests 0 (N)  errors -  p50 -  p95 -  p99 -  first token p95 -  output tokens N  in flight 0\n";
    let first = "N  first page, no rates yet  in flight 0\n";
    assert_eq!((code, lines, stderr), (0, format!("{first}{quiet}"), down));
}

#[test]
fn an_endpoint_that_hangs_holds_up_no_other() {
    let [hanging, well] = [RawServer::start([Script::Stall(Vec::new())]), RawServer::start([page(FIRST)])];
    let urls = [hanging.url("/metrics"), well.url("/metrics")];
    let (code, lines, _) =
        ran(&[&urls[0], &urls[1], "--interval", "100ms", "--count", "2", "--timeout", "20s"]);
    let numbers =
        "N  requests 0 (N)  errors -  p50 -  p95 -  p99 -  first token p95 -  output tokens N  in flight 0";
    let expected = format!("{numbers}  up 1 of 2  {} has not responded N\n", urls[0]).repeat(2);
    assert_eq!((code, lines), (1, expected));
    assert_eq!(hanging.heads().len(), 1);
}

#[test]
fn probe_has_another_way_in() {
    let server = RawServer::start([page(FIRST)]);
    let mut probe = Command::new(env!("CARGO_BIN_EXE_aurora"));
    probe.args(["metrics", "probe", "--watch", "--format", "json", &server.url("/metrics")]);
    probe.env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = probe.spawn().expect("aurora runs");
    let lines = BufReader::new(child.stdout.take().expect("piped"));
    let line = Watch { child, lines }.line();
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["up"], &line["numbers"]["requests"]), (&1.into(), &0.0.into()));
}

#[test]
fn an_endpoint_that_is_given_twice_would_count_twice() {
    let expected = "aurora: error: http://host:1/metrics: given twice, so it would count twice; name each endpoint once\n";
    assert_eq!(
        ran(&["host:1", "http://host:1/metrics", "--count", "1"]),
        (1, String::new(), expected.to_owned())
    );
}

#[test]
fn wrong_usage_is_reported_with_a_correction() {
    for (arguments, expected) in [
        (
            &["--interval", "1ms"][..],
            "invalid value '1ms' for '--interval <DURATION>': expected a duration from 100ms to one day, such as 2s or 1m30s",
        ),
        (&["--count", "0"], "invalid value '0' for '--count <N>': 0 is not in 1..18446744073709551615"),
    ] {
        let expected = format!("error: {expected}\n\nFor more information, try '--help'.\n");
        assert_eq!(ran(arguments), (2, String::new(), expected));
    }
}
