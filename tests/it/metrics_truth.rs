//! What the exposition says against what was sent.

use std::io::Read as _;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aurora::metrics::families::FAMILIES;
use aurora::metrics::parser;
use aurora::version::{REVISION, RUSTC, VERSION};

use crate::aurora::{PATIENCE, Setup};
use crate::caller::{Caller, chat, chat_of, key, post, request};
use crate::exposition::{gateway, yaml};
use crate::upstream::{Step, Upstream, answer, json, stream};

pub(crate) const ANSWERED: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// Sample lines of families that this process does not change by itself.
fn samples(exposition: &str) -> Vec<&str> {
    exposition.lines().filter(|line| !line.starts_with('#') && !line.starts_with("process_")).collect()
}

#[test]
fn a_fresh_instance_shows_every_family_and_these_zeros() {
    let upstream = Upstream::start().on("a\\\"b", json(ANSWERED)).on("m", json(ANSWERED));
    let aurora = gateway(&upstream, "", "");
    let exposition = aurora.scrape();
    let heads: Vec<String> =
        exposition.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect();
    let mut families = FAMILIES.to_vec();
    families.sort_by_key(|family| family.name);
    let expected: Vec<String> = families
        .iter()
        .flat_map(|family| {
            let (name, kind) = (family.name, family.kind.name());
            [format!("# HELP {name} {}", family.help), format!("# TYPE {name} {kind}")]
        })
        .collect();
    assert_eq!(heads, expected);

    let models = ["a\\\\\\\"b", "m", "unknown"];
    let mut expected = Vec::new();
    for model in models {
        for outcome in [
            "broken_stream",
            "caller_error",
            "cancelled",
            "gateway_error",
            "ok",
            "ok_after_fallback",
            "ok_after_retry",
            "rate_limited",
            "upstream_error",
        ] {
            expected.push(format!(r#"aurora_answers_total{{model="{model}",outcome="{outcome}"}} 0"#));
        }
    }
    for surface in ["api", "metrics"] {
        for reason in ["invalid", "malformed", "missing"] {
            expected
                .push(format!(r#"aurora_auth_failures_total{{surface="{surface}",reason="{reason}"}} 0"#));
        }
    }
    expected
        .push(format!(r#"aurora_build_info{{version="{VERSION}",revision="{REVISION}",rustc="{RUSTC}"}} 1"#));
    for endpoint in ["/chat/completions", "/completions", "/embeddings", "/responses"] {
        for stage in ["before_first_token", "before_headers", "mid_stream"] {
            expected.push(format!(
                r#"aurora_client_disconnects_total{{endpoint="{endpoint}",stage="{stage}"}} 0"#
            ));
        }
    }
    for model in models {
        for stream in ["false", "true"] {
            expected.push(format!(
                r#"aurora_requests_total{{provider="up",model="{model}",endpoint="/chat/completions",status_code="200",status_type="success",stream="{stream}"}} 0"#
            ));
        }
    }
    assert_eq!(samples(&exposition), expected);
}

/// What one of everything leaves behind: samples that are not zero, buckets and sums aside.
const COUNTED: [&str; 42] = [
    r#"aurora_answers_total{model="bad",outcome="upstream_error"} 1"#,
    r#"aurora_answers_total{model="m",outcome="ok"} 2"#,
    r#"aurora_answers_total{model="s",outcome="ok"} 1"#,
    r#"aurora_answers_total{model="unknown",outcome="caller_error"} 2"#,
    r#"aurora_auth_failures_total{surface="api",reason="invalid"} 1"#,
    r#"aurora_auth_failures_total{surface="metrics",reason="missing"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="decode",status="error",stream="unknown"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="decode",status="success",stream="unknown"} 3"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="prepare",status="error",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="prepare",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="prepare",status="success",stream="true"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="provider_dispatch",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="provider_dispatch",status="success",stream="true"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="response_write",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="response_write",status="success",stream="true"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="total",status="error",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="total",status="error",stream="unknown"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="total",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/chat/completions",phase="total",status="success",stream="true"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/completions",phase="decode",status="success",stream="unknown"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/completions",phase="prepare",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/completions",phase="provider_dispatch",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/completions",phase="response_write",status="error",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/completions",phase="total",status="error",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/embeddings",phase="decode",status="success",stream="unknown"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/embeddings",phase="prepare",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/embeddings",phase="provider_dispatch",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/embeddings",phase="response_write",status="success",stream="false"} 1"#,
    r#"aurora_gateway_phase_duration_seconds_count{endpoint="/embeddings",phase="total",status="success",stream="false"} 1"#,
    r#"aurora_request_duration_seconds_count{provider="up",model="bad",endpoint="/completions",stream="false",status_type="error"} 1"#,
    r#"aurora_request_duration_seconds_count{provider="up",model="m",endpoint="/chat/completions",stream="false",status_type="success"} 1"#,
    r#"aurora_request_duration_seconds_count{provider="up",model="m",endpoint="/embeddings",stream="false",status_type="success"} 1"#,
    r#"aurora_request_duration_seconds_count{provider="up",model="s",endpoint="/chat/completions",stream="true",status_type="success"} 1"#,
    r#"aurora_requests_total{provider="up",model="bad",endpoint="/completions",status_code="500",status_type="error",stream="false"} 1"#,
    r#"aurora_requests_total{provider="up",model="m",endpoint="/chat/completions",status_code="200",status_type="success",stream="false"} 1"#,
    r#"aurora_requests_total{provider="up",model="m",endpoint="/embeddings",status_code="200",status_type="success",stream="false"} 1"#,
    r#"aurora_requests_total{provider="up",model="s",endpoint="/chat/completions",status_code="200",status_type="success",stream="true"} 1"#,
    r#"aurora_time_to_first_token_seconds_count{provider="up",model="s",endpoint="/chat/completions"} 1"#,
    r#"aurora_tokens_total{provider="up",model="m",direction="input",kind="uncached"} 6"#,
    r#"aurora_tokens_total{provider="up",model="m",direction="output",kind="text"} 4"#,
    r#"aurora_tokens_total{provider="up",model="s",direction="input",kind="uncached"} 3"#,
    r#"aurora_tokens_total{provider="up",model="s",direction="output",kind="text"} 2"#,
];

#[test]
fn every_request_is_counted_once_in_every_family_it_belongs_to() {
    let upstream = Upstream::start()
        .on("m", json(ANSWERED))
        .on("s", stream(&[HELLO, USAGE, DONE]))
        .on("bad", answer("500 Oops", "", "{}"));
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
    .map(|request| aurora.ask(request).status)
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
        .filter(|line| {
            !line.starts_with("aurora_http_requests_total") && !line.starts_with("aurora_build_info")
        })
        .collect();
    assert_eq!(moved, COUNTED);
    parser::parse(exposition.as_bytes()).expect("a sound exposition");
}

#[test]
fn counts_of_all_workers_add_up() {
    let upstream = Upstream::start().on("m", json(ANSWERED)).on("s", stream(&[HELLO, USAGE, DONE]));
    let aurora = gateway(&upstream, "workers: 4", "");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..25 {
                    // A new connection may land on another worker.
                    let (model, streamed) = if round % 2 == 0 { ("m", false) } else { ("s", true) };
                    assert_eq!(aurora.ask(chat_of(model, streamed)).status, 200);
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

#[test]
fn scrapes_of_an_idle_instance_differ_only_in_the_process() {
    let upstream = Upstream::start().on("m", json(ANSWERED));
    let aurora = gateway(&upstream, "", "");
    aurora.ask(chat_of("m", false));
    aurora.settles("aurora_answers_total", &["m ok 1"]);
    let (first, second) = (aurora.scrape(), aurora.scrape());
    assert_eq!(samples(&first), samples(&second));
    let ask = |encoding: &str| {
        let headers = format!("{}accept-encoding: {encoding}\r\n", key());
        aurora.ask(request("GET", "/metrics", &headers, ""))
    };
    let answer = ask("deflate, gzip;q=0.5");
    assert_eq!(
        ["content-type", "content-encoding", "vary"].map(|name| answer.header(name)),
        [Some("text/plain; version=0.0.4; charset=utf-8"), Some("gzip"), Some("accept-encoding")]
    );
    let mut text = String::new();
    flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).expect("gzip");
    assert_eq!(samples(&text), samples(&first));
    let plain = ask("identity");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(samples(plain.text()), samples(&first));
}

#[test]
fn the_process_tells_its_own_facts() {
    let upstream = Upstream::start().on("m", json(ANSWERED));
    let aurora = gateway(&upstream, "workers: 3", "");
    let exposition = aurora.scrape();
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
    let upstream = Upstream::start().on("m", json(ANSWERED)).on("s", stream(&[HELLO, USAGE, DONE]));
    let text = yaml(&upstream, "", "").replace("{enabled: true}", "{enabled: false}");
    let aurora = Setup::new().yaml(&text).start();
    aurora.line("prometheus metrics disabled");
    let not_found = r#"{"error":{"message":"There is no such route.","type":"invalid_request_error","param":null,"code":"unknown_route"}}"#;
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(aurora.ask(request("GET", path, "", "")).said(), (404, not_found));
        assert_eq!(aurora.get(path).said(), (404, not_found));
    }
    assert_eq!(aurora.ask(chat_of("m", false)).said(), (200, ANSWERED));
    assert_eq!(aurora.ask(chat_of("s", true)).text(), [HELLO, USAGE, DONE].concat());
    let mut leaving = Caller::connect(aurora.address);
    leaving.send(chat_of("none", false));
    drop(leaving);
    let (status, _) = aurora.stop();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_scrape_is_served_while_every_request_slot_is_taken() {
    let upstream = Upstream::start().on("held", vec![Step::Stall]);
    let aurora = gateway(&upstream, "max_in_flight: 1", "");
    let mut held = aurora.caller();
    held.send(chat_of("held", false));
    upstream.call("held");
    aurora.settles("aurora_requests_in_flight", &["up /chat/completions false 1"]);
    let begun = Instant::now();
    assert_eq!(aurora.ask(chat_of("held", false)).status, 503);
    aurora.settles("aurora_answers_total", &["unknown gateway_error 1"]);
    drop(held);
    aurora.settles("aurora_requests_in_flight", &[]);
    assert!(begun.elapsed() < PATIENCE);
}
