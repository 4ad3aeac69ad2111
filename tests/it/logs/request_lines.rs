//! The request log, and what no output ever shows.

use std::time::{Duration, Instant};

use regex_lite::Regex;
use serde_json::Value;

use crate::support::aurora::{Aurora, Setup, WAIT_LIMIT};
use crate::support::client::{key, request};
use crate::support::exposition::yaml;
use crate::support::fixtures::{CHAT_RESPONSE, HELLO, MASTER_KEY, PROVIDER_KEY, STOP_WITH_USAGE};
use crate::support::servers::wait_for;
use crate::support::upstream::{Step, Upstream, json, response, stream};

const OVERLOADED: &str =
    "data: {\"error\":{\"message\":\"later\",\"type\":\"overloaded_error\",\"code\":\"overloaded\"}}\n\n";
const QUOTA: &str = r#"{"error":{"message":"no","type":"insufficient_quota","code":"no money left"}}"#;

fn send(aurora: &Aurora, id: &str, method: &str, path: &str, key: &str, body: &str) {
    let headers = format!("x-request-id: {id}\r\n{key}");
    aurora.send(request(method, path, &headers, body));
}

/// Request lines of one of everything.
pub(crate) fn raw_lines(mode: &str) -> Vec<String> {
    let upstream = Upstream::start()
        .on("m", json(CHAT_RESPONSE))
        .on("s", stream(&[HELLO, STOP_WITH_USAGE]))
        .on("cut", stream(&[HELLO]))
        .on("busy", response("429 Slow Down", "", QUOTA))
        .on("down", response("503 Down", "", r#"[{"error":{"code":503,"status":"UNAVAILABLE"}}]"#))
        .on("denied", response("401 Unauthorized", "", "{}"))
        .on("failing", stream(&[HELLO, OVERLOADED]))
        .on("stall", vec![Step::Stall]);
    let aurora = Setup::new().yaml(&yaml(&upstream, "", &format!("log: {{requests: {mode}}}"))).start();
    let chat = |id: &str, model: &str, stream: bool| {
        let body = format!(r#"{{"model":"{model}","stream":{stream}}}"#);
        send(&aurora, id, "POST", "/v1/chat/completions", &key(), &body);
    };
    chat("r1", "up/m", false);
    chat("r2", "s", true);
    chat("r3", "cut", true);
    chat("r4", "busy", false);
    chat("r5", "none", false);
    send(&aurora, "r6", "POST", "/v1/embeddings", "", "{}");
    send(&aurora, "r7", "GET", "/v1/models/up/m", &key(), "");
    send(&aurora, "r8", "GET", "/a?key=secret", "", "");
    chat("ra", "down", false);
    chat("rb", "denied", false);
    chat("rc", "failing", true);
    send(&aurora, "rd", "DELETE", "/v1/models", &key(), "");
    send(&aurora, "re", "POST", "/v1/chat/completions", &key(), "{");
    send(&aurora, "silent", "GET", "/health", "", "");
    send(&aurora, "silent", "GET", "/metrics", &key(), "");
    let mut disconnecting = aurora.client();
    disconnecting.send(request(
        "POST",
        "/v1/responses",
        &format!("x-request-id: r9\r\n{}", key()),
        r#"{"model":"stall"}"#,
    ));
    upstream.call("stall");
    drop(disconnecting);
    upstream.over("stall");
    let (_, mut log) = aurora.stop();
    log.retain(|line| line.contains(r#""msg":"request""#));
    log
}

/// The same in order, with their numbers as N, their times as T and their trace ids as X.
fn lines(mode: &str) -> Vec<String> {
    let numbers = Regex::new(r#""(duration_ms|ttft_ms)":[0-9]+(\.[0-9]+)?"#).expect("a pattern");
    let time = Regex::new(r#"^\{"time":"[^"]+""#).expect("a pattern");
    let trace = Regex::new(r#""trace_id":"[0-9a-f]{32}""#).expect("a pattern");
    let mut lines: Vec<String> = raw_lines(mode)
        .iter()
        .map(|line| {
            let line = time.replace(line, r#"{"time":"T""#);
            numbers.replace_all(&trace.replace(&line, r#""trace_id":"X""#), r#""$1":N"#).into_owned()
        })
        .collect();
    lines.sort_by_key(|line| line.split("request_id").nth(1).map(str::to_owned));
    lines
}

const FINE: [&str; 3] = [
    r#"{"time":"T","level":"INFO","msg":"request","request_id":"r1","trace_id":"X","caller":"master","provider":"up","model":"m","endpoint":"/chat/completions","status":200,"outcome":"ok","transfer":"ok","upstream_status":200,"duration_ms":N,"input_tokens":3,"output_tokens":2,"attempts":1}"#,
    r#"{"time":"T","level":"INFO","msg":"request","request_id":"r2","trace_id":"X","caller":"master","provider":"up","model":"s","endpoint":"/chat/completions","status":200,"outcome":"ok","transfer":"ok","upstream_status":200,"duration_ms":N,"ttft_ms":N,"input_tokens":3,"output_tokens":2,"attempts":1}"#,
    r#"{"time":"T","level":"INFO","msg":"request","request_id":"r7","trace_id":"X","caller":"master","endpoint":"/v1/models/{id}","status":200,"outcome":"ok","transfer":"ok","duration_ms":N}"#,
];
const FAILED: [&str; 11] = [
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r3","trace_id":"X","caller":"master","provider":"up","model":"cut","endpoint":"/chat/completions","status":200,"outcome":"broken_stream","transfer":"broken","upstream_status":200,"error_type":"upstream_error","error_code":"upstream_truncated","duration_ms":N,"ttft_ms":N,"attempts":1,"error":"the provider ended the stream before the response was complete"}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r4","trace_id":"X","caller":"master","provider":"up","model":"busy","endpoint":"/chat/completions","status":429,"outcome":"rate_limited","transfer":"ok","upstream_status":429,"error_type":"insufficient_quota","error_code":"no money left","duration_ms":N,"attempts":1}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r5","trace_id":"X","caller":"master","endpoint":"/chat/completions","status":404,"outcome":"caller_error","transfer":"ok","error_type":"invalid_request_error","error_code":"model_not_found","duration_ms":N,"error":"The model `none` does not exist: no provider lists it. GET /v1/models shows what is served."}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r6","trace_id":"X","endpoint":"/v1/embeddings","status":401,"outcome":"caller_error","transfer":"ok","error_type":"authentication_error","error_code":"invalid_api_key","duration_ms":N,"error":"No key was sent: send `Authorization: Bearer KEY` with the key of server.master_key (AURORA_MASTER_KEY)."}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r8","trace_id":"X","endpoint":"unmatched","status":404,"outcome":"caller_error","transfer":"ok","error_type":"invalid_request_error","error_code":"unknown_route","duration_ms":N,"error":"There is no such route."}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"r9","trace_id":"X","caller":"master","provider":"up","model":"stall","endpoint":"/responses","status":499,"outcome":"cancelled","transfer":"cancelled","duration_ms":N,"attempts":1}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"ra","trace_id":"X","caller":"master","provider":"up","model":"down","endpoint":"/chat/completions","status":503,"outcome":"upstream_error","transfer":"ok","upstream_status":503,"error_type":"UNAVAILABLE","error_code":"503","duration_ms":N,"attempts":1}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"rb","trace_id":"X","caller":"master","provider":"up","model":"denied","endpoint":"/chat/completions","status":502,"outcome":"upstream_error","transfer":"ok","upstream_status":401,"error_type":"upstream_error","error_code":"upstream_credentials","duration_ms":N,"attempts":1,"error":"provider `up`: it refused the configured credential; the operator has to check its api_key"}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"rc","trace_id":"X","caller":"master","provider":"up","model":"failing","endpoint":"/chat/completions","status":200,"outcome":"broken_stream","transfer":"broken","upstream_status":200,"error_type":"overloaded_error","error_code":"overloaded","duration_ms":N,"ttft_ms":N,"attempts":1,"error":"the provider reported an error inside the stream"}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"rd","trace_id":"X","endpoint":"/v1/models","status":405,"outcome":"caller_error","transfer":"ok","error_type":"invalid_request_error","error_code":"method_not_allowed","duration_ms":N,"error":"Method not allowed; allowed: GET, HEAD."}"#,
    r#"{"time":"T","level":"WARN","msg":"request","request_id":"re","trace_id":"X","caller":"master","endpoint":"/chat/completions","status":400,"outcome":"caller_error","transfer":"ok","error_type":"invalid_request_error","error_code":"invalid_json","duration_ms":N,"error":"The body is not a JSON object: EOF while parsing an object at line 1 column 1."}"#,
];

#[test]
fn log_requests_all_logs_every_request() {
    let mut expected = [&FINE[..], &FAILED[..]].concat();
    expected.sort_by_key(|line| line.split("request_id").nth(1));
    assert_eq!(lines("all"), expected);
}

#[test]
fn log_requests_errors_logs_failed_requests_only() {
    assert_eq!(lines("errors"), FAILED);
}

#[test]
fn log_requests_off_logs_no_request() {
    assert_eq!(lines("off"), [""; 0]);
}

/// Messages of the log with their `outcome`, as the metrics have it too.
#[test]
fn log_and_metrics_have_the_same_outcome() {
    let upstream = Upstream::start()
        .on("retried", response("503 Down", "", "{}"))
        .on("retried", json(CHAT_RESPONSE))
        .on("down", response("500 Down", "", "{}"))
        .on("m", json(CHAT_RESPONSE));
    let rest = "log: {requests: all}\nresilience: {retry: {max_retries: 1, initial_backoff: 1ms, max_backoff: 1ms}}\n\
                routes:\n  second: {targets: [up/down, up/m]}\n";
    let aurora = Setup::new().yaml(&yaml(&upstream, "", rest)).start();
    for model in ["m", "retried", "second", "down", "none"] {
        aurora.send(crate::support::client::chat_of(model, false));
    }
    let mut outcomes: Vec<String> = aurora
        .lines("request", 5)
        .iter()
        .map(|line| format!("{} {} {}", line["outcome"], line["upstream_status"], line["attempts"]))
        .collect();
    // A line is written once its response is sent: two of different workers may change places.
    outcomes.sort();
    assert_eq!(
        outcomes,
        [
            r#""caller_error" null null"#,
            r#""ok" 200 1"#,
            r#""ok_after_fallback" 200 2"#,
            r#""ok_after_retry" 200 2"#,
            r#""upstream_error" 500 1"#,
        ]
    );
    aurora.settles(
        "aurora_answers_total",
        &[
            "down upstream_error 1",
            "m ok 1",
            "retried ok_after_retry 1",
            "second ok_after_fallback 1",
            "unknown caller_error 1",
        ],
    );
}

#[test]
fn upstream_errors_are_logged_bounded_escaped_and_without_keys() {
    let error =
        |kind: &str, code: &str| format!(r#"{{"error":{{"message":"no","type":"{kind}","code":"{code}"}}}}"#);
    let escaped = PROVIDER_KEY.replace('-', "\\u002d");
    let upstream = Upstream::start()
        .on("long", response("400 Bad", "", error(&"é".repeat(1000), "a\\u001b[2J\\nb")))
        .on("key", response("400 Bad", "", error(&format!("x{PROVIDER_KEY}"), &escaped)))
        .on("odd", response("400 Bad", "", r#"{"error":{"type":{"a":1},"code":null}}"#))
        .on("text", response("400 Bad", "", r#"{"error":"no"}"#))
        .on("none", response("400 Bad", "", "no"))
        .on("huge", response("400 Bad", "", "x".repeat(70_000)));
    let aurora = Setup::new().yaml(&yaml(&upstream, "", "")).start();
    for (index, model) in ["long", "key", "odd", "text", "none", "huge"].iter().enumerate() {
        aurora.send(crate::support::client::chat_of(model, false));
        aurora.lines("request", index + 1);
    }
    let named: Vec<(String, String)> = aurora
        .lines("request", 6)
        .iter()
        .map(|line| (line["error_type"].to_string(), line["error_code"].to_string()))
        .collect();
    let expected = [
        (format!("\"{}\"", "é".repeat(64)), "\"a[2Jb\"".to_owned()),
        (format!("\"x{}\"", "*".repeat(PROVIDER_KEY.len())), format!("\"{}\"", "*".repeat(escaped.len()))),
        ("null".to_owned(), "null".to_owned()),
        ("null".to_owned(), "null".to_owned()),
        ("null".to_owned(), "null".to_owned()),
        ("\"upstream_error\"".to_owned(), "\"upstream_invalid_answer\"".to_owned()),
    ];
    assert_eq!(named, expected);
}

/// Request lines and reports of a flood, once they stand for so many requests together; a report comes within a second.
fn all_accounted(aurora: &Aurora, requests: u64, report: &str) -> (Vec<Value>, Vec<Value>) {
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        let (reports, written) = (aurora.lines(report, 1), aurora.lines("request", 1));
        let stood_for: u64 = written.iter().map(|line| line["stands_for"].as_u64().unwrap_or(1)).sum();
        let left_out: u64 = reports.iter().map(|line| line["count"].as_u64().expect("a number")).sum();
        if stood_for + left_out == requests {
            return (written, reports);
        }
        assert!(stood_for + left_out < requests && Instant::now() < until, "{stood_for} and {left_out}");
    }
}

#[test]
fn successful_requests_are_sampled_in_a_flood_and_failed_ones_are_not() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE)).on("down", response("500 Down", "", "{}"));
    let text = yaml(&upstream, "workers: 2", "log: {requests: all, sample_above: 6}");
    let aurora = Setup::new().yaml(&text).start();
    let begun = Instant::now();
    // The second connection goes to the worker without one.
    let mut clients = [aurora.client(), aurora.client()];
    let mut last = Instant::now();
    // Two seconds, so that the second of them is sampled by the number of requests in the first.
    let mut sent = 0;
    while begun.elapsed() < Duration::from_secs(2) || sent < 400 {
        for client in &mut clients {
            for model in ["m", "m", "m", "down"] {
                client.send(crate::support::client::chat_of(model, false));
                client.response();
            }
            sent += 4;
        }
        last = Instant::now();
    }
    let (written, reports) = all_accounted(&aurora, sent, "successful requests not logged");
    let (failed, fine): (Vec<_>, Vec<_>) = written.iter().partition(|line| line["status"] == 500);
    assert_eq!(failed.len() as u64, sent / 4, "each failed request has its line");
    assert!(failed.iter().all(|line| line["stands_for"].is_null()));
    let seconds = usize::try_from((last - begun).as_secs()).expect("a few") + 1;
    assert!((7..=6 * seconds).contains(&fine.len()), "{} lines in {seconds} s", fine.len());
    assert!(fine.iter().any(|line| line["stands_for"].as_u64() > Some(1)), "{fine:?}");
    assert!(reports.iter().all(|line| line["level"] == "INFO"));
    let suppressed = sent * 3 / 4 - u64::try_from(fine.len()).expect("a few");
    let sample = format!("aurora_log_lines_suppressed_total {suppressed}");
    assert!(aurora.scrape().lines().any(|line| line == sample), "{sample}");
}

#[test]
fn lines_below_the_log_level_are_not_suppressed() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let log = "log: {requests: all, sample_above: 1, level: info}";
    let aurora = Setup::new().yaml(&yaml(&upstream, "workers: 1", log)).start();
    let configuration = || {
        let page = aurora.scrape();
        page.lines().find(|line| line.starts_with("aurora_config_info{")).map(str::to_owned)
    };
    let before = configuration();
    aurora.replace("config.yaml", &yaml(&upstream, "workers: 1", &log.replace("info", "warn")));
    aurora.signal("HUP");
    wait_for("the new configuration", || configuration().filter(|after| Some(after) != before.as_ref()));
    // Beyond a second, after which one line would stand for those of the second before.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_200) {
        assert_eq!(aurora.send(crate::support::client::chat_of("m", false)).status, 200);
    }
    let count = "aurora_log_lines_suppressed_total 0";
    assert!(aurora.scrape().lines().any(|line| line == count));
}

#[test]
fn unauthenticated_requests_are_logged_at_ten_lines_a_second() {
    let upstream = Upstream::start().on("down", response("500 Down", "", "{}"));
    let aurora = Setup::new().yaml(&yaml(&upstream, "", "")).start();
    let begun = Instant::now();
    let mut client = aurora.client();
    for n in 0..100 {
        for (method, path, status) in [
            ("GET", "/v1/models", 401),
            ("GET", "/nowhere", 404),
            ("PUT", "/v1/models", 405),
            ("GET", "/metrics", 401),
        ] {
            client.send(request(method, path, "", ""));
            assert_eq!(client.response().status, status);
        }
        if n == 50 {
            assert_eq!(aurora.send(crate::support::client::chat_of("down", false)).status, 500);
        }
    }
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let (written, summaries) = all_accounted(&aurora, 401, "refusals not logged");
    let about_models: Vec<_> = written.iter().filter(|line| line["status"] == 500).collect();
    assert_eq!(about_models.len(), 1, "what an accepted key asks for has its line");
    assert!(written.len() <= 1 + 10 * (seconds + 1), "{} lines in {seconds} s", written.len());
    assert!(summaries.iter().all(|line| line["level"] == "WARN"));
}

#[test]
fn model_names_are_cut_alike_in_logs_and_labels() {
    let upstream = Upstream::start();
    let aurora = Setup::new().yaml(&yaml(&upstream, "", "")).start();
    let body = format!(r#"{{"model":"{}"}}"#, "é".repeat(100_000));
    send(&aurora, "long", "POST", "/v1/chat/completions", &key(), &body);
    assert_eq!(aurora.line("request")["model"], "é".repeat(64));
    assert_eq!(upstream.call(&"é".repeat(100_000)).body, body.as_bytes());
}

#[test]
fn no_secret_appears_in_any_output() {
    let (second_key, in_url) = ("canary-second-key-0123456789", "canary-url-0123456789");
    let wrong = "canary-callers-own-0123456789";
    let echo = format!(r#"{{"error":{{"message":"{PROVIDER_KEY} is wrong"}}}}"#);
    let upstream = Upstream::start()
        .on("/v1/models", response("401 Unauthorized", "", &echo))
        .on("fine", json("{}"))
        .on("401", response("401 Unauthorized", "", &echo))
        .on("403", response("403 Forbidden", "", &echo))
        .on("500", response("500 Oops", "content-type: text/plain\r\n", &echo))
        .on("302", response("302 Found", &format!("location: http://x/?key={PROVIDER_KEY}\r\n"), ""))
        .on("html", response("200 OK", "content-type: text/html\r\n", &echo))
        .on("encoded", response("400 Bad", "content-encoding: gzip\r\n", &echo))
        .on("close", vec![Step::Close])
        .on("cut", stream(&[HELLO]))
        .on("garbage", vec![Step::Send(format!("{PROVIDER_KEY}\r\n\r\n").into_bytes()), Step::Close]);
    let models = upstream.models();
    let text = format!(
        "server: {{master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true}}\nlog: {{level: debug, requests: all}}\n\
         http: {{timeout: 2s}}\n\
         providers:\n  up: {{type: openai_compatible, base_url: \"http://{}/v1\", api_key: {PROVIDER_KEY}}}\n  \
         two: {{type: openai_compatible, base_url: \"http://127.0.0.1:1/{in_url}\", api_key: {second_key}}}\n",
        upstream.address
    );
    let aurora = Setup::new().yaml(&text).start();
    let mut outputs = Vec::new();
    for model in models.iter().map(|model| format!("up/{model}")).chain(["two/m".into(), "none".into()]) {
        for stream in [true, false] {
            for credential in [key(), format!("authorization: Bearer {wrong}\r\n")] {
                let body = format!(r#"{{"model":"{model}","stream":{stream}}}"#);
                let response = aurora.send(request("POST", "/v1/chat/completions", &credential, body));
                outputs.push(format!("{:?} {}", response.headers, response.text()));
            }
        }
    }
    for path in ["/v1/models", "/metrics", "/health", "/nowhere", &format!("/x?key={wrong}")] {
        for credential in [key(), format!("x-api-key: {wrong}\r\n")] {
            outputs.push(aurora.send(request("GET", path, &credential, "")).text().to_owned());
        }
    }
    let (_, log) = aurora.stop();
    assert!(log.iter().any(|line| line.contains("models could not be discovered")), "{log:#?}");
    outputs.extend(log);
    for canary in [MASTER_KEY, PROVIDER_KEY, second_key, in_url, wrong] {
        let shown: Vec<&String> = outputs.iter().filter(|output| output.contains(canary)).collect();
        assert_eq!(shown, [""; 0], "{canary}");
    }
}
