//! `aurora metrics probe`: exact texts of results, numbers, rules for credentials.

use std::io::Write;
use std::net::{TcpListener, ToSocketAddrs};
use std::time::{Duration, Instant};

use aurora::config::{Environment, Secret};
use aurora::probe::{Given, Options, Report, Settings, Token, probe, render, targets};
use aurora::terminal::{ColorChoice, Terminal};
use flate2::Compression;
use flate2::write::GzEncoder;
use url::Url;

use crate::support::fixtures::JSON;
use crate::support::raw_server::{RawServer, Script, page, response};

const PAGE: &str = r#"# HELP aurora_requests_total Dispatches.
# TYPE aurora_requests_total counter
aurora_requests_total{provider="openai",model="gpt-4",endpoint="/chat/completions",status_code="200",status_type="success",stream="false"} 9
aurora_requests_total{provider="openai",model="gpt-4",endpoint="/chat/completions",status_code="500",status_type="error",stream="false"} 1
aurora_requests_total{provider="openai",model="idle",endpoint="/chat/completions",status_code="200",status_type="success",stream="false"} 0
# TYPE aurora_request_duration_seconds histogram
aurora_request_duration_seconds_bucket{provider="openai",model="gpt-4",status_type="success",le="0.1"} 5
aurora_request_duration_seconds_bucket{provider="openai",model="gpt-4",status_type="success",le="1"} 9
aurora_request_duration_seconds_bucket{provider="openai",model="gpt-4",status_type="success",le="+Inf"} 9
aurora_request_duration_seconds_sum{provider="openai",model="gpt-4",status_type="success"} 2
aurora_request_duration_seconds_count{provider="openai",model="gpt-4",status_type="success"} 9
aurora_request_duration_seconds_bucket{provider="openai",model="gpt-4",status_type="error",le="0.1"} 0
aurora_request_duration_seconds_bucket{provider="openai",model="gpt-4",status_type="error",le="1"} 1
aurora_request_duration_seconds_bucket{provider="openai",model="gpt-4",status_type="error",le="+Inf"} 1
aurora_request_duration_seconds_sum{provider="openai",model="gpt-4",status_type="error"} 1
aurora_request_duration_seconds_count{provider="openai",model="gpt-4",status_type="error"} 1
# TYPE aurora_requests_in_flight gauge
aurora_requests_in_flight{provider="openai",endpoint="/chat/completions",stream="true"} 2
# TYPE aurora_tokens_total counter
aurora_tokens_total{provider="openai",model="gpt-4",direction="input",kind="uncached"} 100
aurora_tokens_total{provider="openai",model="gpt-4",direction="output",kind="text"} 40
"#;

fn options() -> Options {
    Options {
        timeout: Duration::from_secs(10),
        max_size: 1 << 20,
        over: None,
        requirements: Vec::new(),
        filter: None,
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        url: Url::parse(url).expect(url),
        address_from: "server.host: default, server.port: .env:1".to_owned(),
        endpoint_from: "metrics.endpoint: default".to_owned(),
        enabled: false,
        enabled_from: "metrics.enabled: default".to_owned(),
        credential: None,
    }
}

fn token(value: &str) -> Option<Token> {
    Some(Token { secret: Secret::new(value), from: "server.master_key (.env:2)".to_owned() })
}

fn run(urls: &[&str], given: &Given, settings: Option<&Settings>, options: &Options) -> Vec<Report> {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
    let targets = targets(&urls, given, settings).expect("usable targets");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(probe(&targets, options))
}

/// Probes the configured endpoint of a scripted server.
fn configured(server: &RawServer, credential: Option<Token>) -> Report {
    let settings = Settings { credential, ..settings(&server.url("/metrics")) };
    run(&[], &Given::default(), Some(&settings), &options()).remove(0)
}

/// The reason and the message, with the server's address as HOST:PORT.
fn finding(report: &Report, server: &RawServer) -> (String, String) {
    let message =
        report.message.as_deref().unwrap_or("none").replace(&server.address.to_string(), "HOST:PORT");
    (report.reason.word().to_owned(), message)
}

/// The text of reports whose times are set to 1 ms and 2 ms.
fn text(reports: &[Report]) -> String {
    let mut reports = reports.to_vec();
    for report in &mut reports {
        report.window_s = report.window_s.map(|_| 30.0);
        if let Some(http) = &mut report.http {
            (http.first_byte_s, http.total_s) = (0.001, 0.002);
        }
    }
    render::text(&reports, false, &Terminal::new(ColorChoice::Never, &Environment::default()))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

const GZIPPED: &str = "content-type: text/plain; version=0.0.4\r\ncontent-encoding: gzip\r\n";

#[test]
fn a_healthy_endpoint_is_reported_in_full() {
    let body = gzip(PAGE.as_bytes());
    let server = RawServer::start([response("200 OK", GZIPPED, &body)]);
    let expected = format!(
        "healthy: {}
status        200 OK
content type  text/plain; version=0.0.4
encoding      gzip
time          1 ms to the first byte, 2 ms in total
size          {} bytes, {} as received
exposition    4 families, 8 series, 16 samples
counted       since the process started
requests      10, 1 failed (10 %)
in flight     2
tokens        100 input, 40 output

provider  model  requests  errors    mean       p50      p95      p99
openai    gpt-4        10    10 %  300 ms  < 100 ms  0.1–1 s  0.1–1 s
",
        server.url("/metrics"),
        PAGE.len(),
        body.len()
    );
    assert_eq!(text(&[configured(&server, None)]), expected);
}

const HTML: &str = "content-type: text/html; charset=utf-8\r\n";
const PLAIN: &str = "content-type: text/plain\r\n";

/// Each response with its reason and its message.
fn expect_findings<const N: usize>(cases: [(Script, &str, &str); N]) {
    for (script, reason, message) in cases {
        let server = RawServer::start([script]);
        let report = configured(&server, None);
        assert_eq!(finding(&report, &server), (reason.to_owned(), message.to_owned()));
        assert!(!report.healthy);
    }
}

#[test]
fn each_status_is_explained() {
    expect_findings([
        (
            response("404 Not Found", "", ""),
            "disabled",
            "404 Not Found: metrics are disabled (metrics.enabled: default): set METRICS_ENABLED=true and restart; \
             or the path differs: the configuration has /metrics (metrics.endpoint: default)",
        ),
        (
            response("404 Not Found", JSON, r#"{"error":{"message":"Not found.","code":"not_found"}}"#),
            "disabled",
            "404 Not Found: metrics are disabled (metrics.enabled: default): set METRICS_ENABLED=true and restart; \
             or the path differs: the configuration has /metrics (metrics.endpoint: default)",
        ),
        (
            response("404 Not Found", HTML, "<h1>nginx</h1>"),
            "not_exposition",
            "404 Not Found from a server that is not Aurora: it begins with \"<h1>nginx</h1>\"; is a proxy in between, or \
             another program at this address?",
        ),
        (
            response("401 Unauthorized", "", ""),
            "unauthorized",
            "401 Unauthorized: no credential was sent (none is configured); pass --token-env AURORA_MASTER_KEY or \
             --token-file PATH with the key of that server",
        ),
        (
            response("403 Forbidden", "", ""),
            "unauthorized",
            "403 Forbidden: no credential was sent (none is configured); pass --token-env AURORA_MASTER_KEY or \
             --token-file PATH with the key of that server",
        ),
        (
            response("302 Found", "location: /internal/metrics?token=hush\r\n", ""),
            "redirect",
            "302 Found: redirected to http://HOST:PORT/internal/metrics?…; use that URL for the probe and for \
             Prometheus: redirects are not followed",
        ),
        (
            response("502 Bad Gateway", HTML, "<h1>nginx</h1>"),
            "not_exposition",
            "the response is 502 Bad Gateway, not 200 OK, and begins with \"<h1>nginx</h1>\"; is a proxy in \
             between?",
        ),
    ]);
}

#[test]
fn a_page_that_is_no_exposition_is_reported_with_its_first_line() {
    expect_findings([
        (
            response("200 OK", HTML, "\n<!doctype html>\n<p>"),
            "not_exposition",
            "not an exposition: content type text/html; charset=utf-8, not text/plain; it begins with \
             \"<!doctype html>\"; is a proxy in between, or another program at this address?",
        ),
        (
            response("200 OK", "", "a 1\n"),
            "not_exposition",
            "not an exposition: no content type, not text/plain; it begins with \"a 1\"; is a proxy in between, or \
             another program at this address?",
        ),
        (
            response("200 OK", PLAIN, "\u{1b}[2Jhello\n"),
            "not_exposition",
            "not an exposition: it begins with \"\\u{1b}[2Jhello\"; is a proxy in between, or another program \
             at this \
             address?",
        ),
        (
            response("200 OK", PLAIN, ""),
            "not_exposition",
            "the response is empty; is a proxy in between, or another program at this address?",
        ),
    ]);
}

#[test]
fn a_damaged_response_is_reported_with_its_damage() {
    expect_findings([
        (
            page("# TYPE a counter\na 1\na 2\n"),
            "malformed",
            "malformed exposition: line 3: the series \"a\" was on line 2 already; Prometheus may drop the whole \
             scrape",
        ),
        (
            Script::Response(
                format!("HTTP/1.1 200 OK\r\n{PLAIN}content-length: 9\r\n\r\na 1\n").into_bytes(),
            ),
            "malformed",
            "the response is truncated: end of file before message length reached; was the server or a proxy in \
             between stopped?",
        ),
        (
            response("200 OK", "content-type: text/plain\r\ncontent-encoding: br\r\n", "?"),
            "not_exposition",
            "the response is encoded as br, but only gzip was requested; is a proxy in between?",
        ),
        (
            response("200 OK", GZIPPED, "a 1 and no gzip\n"),
            "malformed",
            "the response declares gzip but cannot be decompressed: invalid gzip header; is a proxy in between?",
        ),
        (
            Script::Response(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            "not_exposition",
            "the server at HOST:PORT (server.host: default, server.port: .env:1) does not respond in HTTP; is \
             it another program, or does it expect https?",
        ),
        (
            Script::Response(Vec::new()),
            "refused",
            "the connection to HOST:PORT failed (server.host: default, server.port: .env:1): connection closed \
             before message completed; is `aurora serve` running there?",
        ),
    ]);
}

#[test]
fn connection_refused_is_reported_with_the_settings_of_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let settings = settings(&format!("http://{address}/metrics"));
    let reports = run(&[], &Given::default(), Some(&settings), &options());
    assert_eq!(
        text(&reports),
        format!(
            "unhealthy: http://{address}/metrics: connection refused: nothing listens at {address} (server.host: \
             default, server.port: .env:1); is `aurora serve` running?\n"
        )
    );
}

#[test]
fn an_unresolvable_host_is_reported_as_such() {
    let what = ("nowhere.invalid", 80).to_socket_addrs().expect_err("reserved, RFC 2606").to_string();
    let report = run(&["nowhere.invalid"], &Given::default(), None, &options()).remove(0);
    let message = format!(
        "the name in nowhere.invalid:80 cannot be resolved (given on the command line): {what}; correct the \
         name or \
         the resolver"
    );
    assert_eq!((report.reason.word(), report.message), ("dns", Some(message)));
    assert_eq!(report.url, "http://nowhere.invalid/metrics");
}

#[test]
fn timeout_applies_before_and_within_the_body() {
    let quick = Options { timeout: Duration::from_millis(300), ..options() };
    let silent = RawServer::start([Script::Stall(Vec::new())]);
    let report = run(&[&silent.url("")], &Given::default(), None, &quick).remove(0);
    let expected = "no response from HOST:PORT within 300 ms (given on the command line); is `aurora serve` \
                    running there, or does a firewall drop the connection?";
    assert_eq!(finding(&report, &silent), ("timeout".to_owned(), expected.to_owned()));

    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\na 1\n";
    let stalled = RawServer::start([Script::Stall(head.to_vec())]);
    let report = run(&[&stalled.url("")], &Given::default(), None, &quick).remove(0);
    let expected = "the response began but was not complete within 300 ms; pass a longer --timeout, or check \
                    the network and the load";
    assert_eq!(finding(&report, &stalled), ("timeout".to_owned(), expected.to_owned()));
    let http = report.http.expect("a head came");
    assert_eq!((http.status, http.received_bytes, http.bytes), (200, 4, None));
}

#[test]
fn bodies_over_the_size_limit_are_refused_also_when_compressed() {
    let small = Options { max_size: 1000, ..options() };
    let bomb = gzip(&vec![b'#'; 100_000]);
    assert!(bomb.len() < 1000);
    for script in [page(PAGE), response("200 OK", GZIPPED, bomb)] {
        let server = RawServer::start([script]);
        let report = run(&[&server.url("")], &Given::default(), None, &small).remove(0);
        let expected = "the response is larger than 1000 bytes; pass a larger --max-size if that is expected";
        assert_eq!(finding(&report, &server), ("not_exposition".to_owned(), expected.to_owned()));
    }
}

#[test]
fn the_configured_credential_goes_to_the_configured_address_only() {
    let denied = response("401 Unauthorized", "content-type: text/plain\r\n", "not-the-key-we-sent");
    let home = RawServer::start([denied.clone()]);
    let other = RawServer::start([denied]);
    let settings = Settings { credential: token("canary-secret-key"), ..settings(&home.url("/metrics")) };
    let urls = [home.url("/elsewhere"), other.url("")];
    let urls = urls.iter().map(String::as_str).collect::<Vec<_>>();
    let reports = run(&urls, &Given::default(), Some(&settings), &options());
    let authorization =
        |server: &RawServer| server.heads()[0].contains("authorization: Bearer canary-secret-key\r\n");
    assert_eq!((authorization(&home), authorization(&other)), (true, false));
    let sent = "401 Unauthorized: the server rejected the credential server.master_key (.env:2); pass \
                --token-env AURORA_MASTER_KEY or --token-file PATH with the key of that server";
    assert_eq!(finding(&reports[0], &home), ("unauthorized".to_owned(), sent.to_owned()));
    let kept = "401 Unauthorized: no credential was sent (the configured one goes to http://HOST:PORT only); pass \
                --token-env AURORA_MASTER_KEY or --token-file PATH with the key of that server";
    assert_eq!(finding(&reports[1], &home), ("unauthorized".to_owned(), kept.to_owned()));
}

#[test]
fn a_redirect_receives_no_credential() {
    let goal = RawServer::start([page(PAGE)]);
    let location = format!("location: {}\r\n", goal.url("/metrics"));
    let server = RawServer::start([response("301 Moved Permanently", &location, "")]);
    let report = configured(&server, token("canary-secret-key"));
    assert_eq!(report.reason.word(), "redirect");
    assert_eq!((server.heads().len(), goal.heads().len()), (1, 0));
}

#[test]
fn headers_of_the_command_line_are_sent_and_never_printed() {
    let echo = "# HELP a Bearer canary-token-1\n# TYPE a gauge\na{cookie=\"canary-cookie\"} 1\n";
    let server = RawServer::start([page(echo)]);
    let token = Some(Token { secret: Secret::new("canary-token-1"), from: "--token-env NAME".to_owned() });
    let headers = ["Cookie: session canary-cookie", "X-Scope: tenant-one", "host: metrics.example"];
    let given = Given { token, headers: headers.map(Secret::new).to_vec() };
    let all = Options { filter: Some(regex_lite::Regex::new("a").expect("valid")), ..options() };
    let report = run(&[&server.url("")], &given, None, &all).remove(0);
    let head = format!(
        "GET /metrics HTTP/1.1\r\naccept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\naccept-encoding: gzip\r\n\
         cookie: session canary-cookie\r\nx-scope: tenant-one\r\nhost: metrics.example\r\n\
         authorization: Bearer canary-token-1\r\nuser-agent: aurora/{}\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(server.heads(), [head]);
    let expected = "# HELP a Bearer [redacted]\n# TYPE a gauge\na{cookie=\"[redacted]\"} 1\n";
    assert_eq!(render::raw(&[report]), expected);

    let headers = "content-type: canary-cookie\r\nlocation: /canary-token-1\r\n";
    let server = RawServer::start([response("307 Temporary Redirect", headers, "")]);
    let report = run(&[&server.url("")], &given, None, &all).remove(0);
    let expected = "307 Temporary Redirect: redirected to http://HOST:PORT/[redacted]; use that URL for the \
                    probe and for Prometheus: redirects are not followed";
    assert_eq!(finding(&report, &server), ("redirect".to_owned(), expected.to_owned()));
    assert_eq!(report.http.and_then(|http| http.content_type).as_deref(), Some("[redacted]"));
}

#[test]
fn a_key_in_any_header_of_an_sdk_is_a_credential() {
    for name in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
        let server = RawServer::start([response("401 Unauthorized", JSON, "{\"got\":\"canary-of-a-key\"}")]);
        let given = Given { token: None, headers: vec![Secret::new(format!("{name}: canary-of-a-key"))] };
        let settings = Settings {
            credential: Some(Token {
                secret: Secret::new("configured-key"),
                from: "server.master_key".to_owned(),
            }),
            ..settings(&server.url("/metrics"))
        };
        let report = run(&[], &given, Some(&settings), &options()).remove(0);
        assert!(!server.heads()[0].contains("configured-key"), "{name}: {}", server.heads()[0]);
        let expected = format!(
            "401 Unauthorized: the server rejected the credential --header {name}; pass --token-env \
             AURORA_MASTER_KEY or --token-file PATH with the key of that server"
        );
        assert_eq!(report.message.as_deref(), Some(expected.as_str()));
    }
}

#[test]
fn every_cookie_is_redacted() {
    let echo = "# HELP a one=first-canary two=second-canary;\n# TYPE a gauge\na 1\n";
    let server = RawServer::start([page(echo)]);
    let headers = vec![Secret::new("Cookie: one=first-canary; two=second-canary")];
    let report = run(&[&server.url("")], &Given { token: None, headers }, None, &options()).remove(0);
    assert_eq!(render::raw(&[report]), "# HELP a [redacted] [redacted];\n# TYPE a gauge\na 1\n");
}

#[test]
fn invalid_urls_and_headers_are_refused_without_printing_secrets() {
    let refusal = |url: &str, header: &str| {
        let headers = (!header.is_empty()).then(|| Secret::new(header)).into_iter().collect();
        let error = targets(&[url.to_owned()], &Given { token: None, headers }, None).expect_err(url);
        format!("{error:#}")
    };
    for (url, header, expected) in [
        (
            "http://me:canary@host/metrics",
            "",
            "http://host/metrics: the URL contains a credential; send it with --header, --token-env or --token-file",
        ),
        ("ftp://host/?key=canary", "", "ftp://host/?…: only http and https can be probed"),
        ("http://:canary", "", "invalid URL on the command line; expected http://HOST:PORT/PATH: empty host"),
        ("http://host", "canary", "--header: expected 'Name: value'"),
        ("http://host", "a b: canary", "--header: expected 'Name: value'"),
        ("http://host", "a: canary\u{7f}", "--header: expected 'Name: value'"),
    ] {
        assert_eq!(refusal(url, header), expected, "{url} {header}");
    }
}

#[test]
fn a_restart_between_two_scrapes_is_detected() {
    let page_of = |start: u32, success: u32| {
        page(format!(
            "# TYPE aurora_requests_total counter\n\
             aurora_requests_total{{provider=\"p\",model=\"m\",status_type=\"success\"}} {success}\n\
             # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {start}\n"
        ))
    };
    let over = Options {
        over: Some(Duration::from_millis(20)),
        requirements: vec!["aurora_requests_total == 5".parse().expect("valid")],
        ..options()
    };
    for (pages, restarted) in
        [([page_of(1, 10), page_of(1, 15)], false), ([page_of(1, 4), page_of(2, 5)], true)]
    {
        let server = RawServer::start(pages);
        let report = run(&[&server.url("")], &Given::default(), None, &over).remove(0);
        let summary = report.summary.clone().expect("valid");
        assert_eq!((summary.requests, summary.restarted, report.healthy), (Some(5.0), restarted, true));
        assert!(report.window_s.is_some_and(|window| window >= 0.02));
        let counted = if restarted { "over 30 s, during which the process restarted" } else { "over 30 s" };
        let line = format!("counted       {counted}");
        assert_eq!(text(&[report]).lines().find(|found| found.starts_with("counted")), Some(line.as_str()));
    }
}

#[test]
fn requirements_apply_to_sums_over_replicas() {
    let server = RawServer::start([page("# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\n")]);
    let wanted = ["a >= 3", "a{x=\"1\"} > 1", "b == 0"].map(|text| text.parse().expect(text)).to_vec();
    let options = Options { requirements: wanted, ..options() };
    let report = run(&[&server.url("")], &Given::default(), None, &options).remove(0);
    let message = "required a{x=\"1\"} > 1, but the sum is 1; required b == 0, but the exposition has no such \
                   family; a \
                   histogram is named with _count, _sum or _bucket";
    assert_eq!(finding(&report, &server), ("require".to_owned(), message.to_owned()));
    assert_eq!(
        text(&[report]),
        format!(
            "unhealthy: {}: {message}
status        200 OK
content type  text/plain; version=0.0.4; charset=utf-8
encoding      none
time          1 ms to the first byte, 2 ms in total
size          39 bytes
exposition    1 family, 2 series, 2 samples
passed        a >= 3 (sum 3)
counted       since the process started

largest families  series  counted
a                      2        3
",
            server.url("/metrics")
        )
    );
}

const FOREIGN: &str = "# TYPE up gauge\nup 1\n# TYPE jobs_total counter\njobs_total{q=\"a\"} 5\njobs_total{q=\"b\"} 7\n\
                       # TYPE process_open_fds gauge\nprocess_open_fds 9\n";

#[test]
fn a_page_of_another_exporter_has_an_overview() {
    let later = FOREIGN.replace("} 7", "} 17");
    let server = RawServer::start([page(FOREIGN), page(&later)]);
    let options = Options { over: Some(Duration::from_millis(10)), ..options() };
    let reports = run(&[&server.url("")], &Given::default(), None, &options);
    let text = text(&reports);
    let (_, overview) = text.split_once("\n\n").expect("the overview");
    assert_eq!(
        overview,
        "\
largest families  series  counted
jobs_total             2       10
up                     1        -
process_open_fds       1        -

process           value
process_open_fds      9
"
    );
}

#[test]
fn the_json_document_is_stable() {
    let server = RawServer::start([page(PAGE)]);
    let options = Options {
        requirements: vec!["aurora_requests_total > 1".parse().expect("valid")],
        filter: Some(regex_lite::Regex::new("in_flight").expect("valid")),
        ..options()
    };
    let mut reports = run(&[&server.url("/metrics?a=b")], &Given::default(), None, &options);
    if let Some(http) = &mut reports[0].http {
        (http.first_byte_s, http.total_s) = (0.001, 0.002);
    }
    let expected = include_str!("../testdata/probe.json").replace("HOST:PORT", &server.address.to_string());
    assert_eq!(render::json(&reports).expect("serialisable"), expected);
}

#[test]
fn names_on_a_page_cannot_drive_the_terminal() {
    let hostile = "\u{1b}]0;x\u{7}\u{9b}2J\u{7f}\u{202e}é";
    let server = RawServer::start([page(PAGE.replace("gpt-4", hostile))]);
    let filter = Some(regex_lite::Regex::new("tokens").expect("valid"));
    let reports = run(&[&server.url("/metrics")], &Given::default(), None, &Options { filter, ..options() });
    for printed in [render::json(&reports).expect("serialisable"), text(&reports)] {
        let foreign: Vec<char> =
            printed.chars().filter(|c| !c.is_ascii_graphic() && !" \n".contains(*c)).collect();
        assert!(foreign.iter().all(|c| "é–\u{fffd}".contains(*c)), "{foreign:?}");
    }
    let json = render::json(&reports).expect("serialisable");
    assert!(json.contains(r#""model": "\u001b]0;x\u0007\u009b2J\u007f\u202eé""#), "{json}");
    let document: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(document["summary"]["models"][0]["model"], hostile);
}

/// Work that grows with the square of the number takes minutes with so many families.
#[test]
fn very_many_label_sets_are_summarised_at_once() {
    let mut hostile = String::new();
    for (name, value) in [("aurora_metrics_label_sets", 1), ("aurora_metrics_label_sets_limit", 2)] {
        hostile += &format!("# TYPE {name} gauge\n{name}{{family=\"no number\"}} NaN\n");
        for family in 0..50_000 {
            hostile += &format!("{name}{{family=\"{family}\"}} {value}\n");
        }
    }
    let server = RawServer::start([page(&hostile)]);
    let options = Options { max_size: 1 << 24, timeout: Duration::from_secs(60), ..options() };
    let started = Instant::now();
    let report = run(&[&server.url("")], &Given::default(), None, &options).remove(0);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let label_sets = report.summary.expect("a valid page").label_sets;
    assert!(
        label_sets.len() == 50_000 && label_sets.iter().all(|sets| (sets.used, sets.limit) == (1.0, 2.0))
    );
}

#[test]
fn several_replicas_get_one_row_each() {
    let healthy = RawServer::start([page(PAGE)]);
    let wrong = RawServer::start([response("404 Not Found", "", "")]);
    let urls = [healthy.url(""), wrong.url("/metrics")];
    let urls = urls.iter().map(String::as_str).collect::<Vec<_>>();
    let reports = run(&urls, &Given::default(), None, &options());
    let (first, second) = (healthy.url("/metrics"), wrong.url("/metrics"));
    let width = first.len().max(second.len());
    let expected = format!(
        "unhealthy: 1 of 2 replicas are healthy
{:width$}  result    status  time  samples  requests  errors  in flight
{first:width$}  ok        200     2 ms       16        10    10 %          2
{second:width$}  disabled  404     2 ms        -         -       -          -

{second}: 404 Not Found: metrics are disabled there (the default): set METRICS_ENABLED=true and restart; or the \
         path differs: the default is /metrics
",
        "replica"
    );
    assert_eq!(text(&reports), expected);
    let document: serde_json::Value =
        serde_json::from_str(&render::json(&reports).expect("serialisable")).expect("JSON");
    let keys = document.as_object().expect("an object").keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(keys, ["healthy", "reason", "replicas", "schema"]);
    assert_eq!((&document["reason"], &document["replicas"][0]["reason"]), (&"disabled".into(), &"ok".into()));
    assert_eq!(render::raw(&reports), format!("# {first}\n{PAGE}# {second}\n"));
}

#[test]
fn a_filter_prints_the_matching_series() {
    let server = RawServer::start([page(PAGE)]);
    let options = Options {
        filter: Some(regex_lite::Regex::new("direction=\"(input|output)\"").expect("valid")),
        ..options()
    };
    let report = run(&[&server.url("")], &Given::default(), None, &options).remove(0);
    let tokens = PAGE.lines().rev().take(3).collect::<Vec<_>>();
    let expected = tokens.iter().rev().map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(render::raw(std::slice::from_ref(&report)), expected);
    let shown = text(&[report]);
    let (_, series) = shown.split_once("\n\nseries").expect("a section");
    let row = |direction: &str, kind: &str| {
        format!(
            "aurora_tokens_total{{direction=\"{direction}\",kind=\"{kind}\",model=\"gpt-4\",provider=\"openai\"}}"
        )
    };
    let (input, output) = (row("input", "uncached"), row("output", "text"));
    let expected =
        format!("{:width$}  value\n{input}    100\n{output:width$}     40\n", "", width = input.len());
    assert_eq!(series, &expected["series".len()..]);
}

#[test]
fn a_filter_without_a_match_names_the_family_that_was_meant() {
    let server = RawServer::start([page(PAGE)]);
    for (filter, expected) in [
        ("aurora_token_total", "series  none matches; did you mean aurora_tokens_total?\n"),
        ("something else", "series  none matches\n"),
    ] {
        let filter = Some(regex_lite::Regex::new(filter).expect("valid"));
        let reports = run(&[&server.url("")], &Given::default(), None, &Options { filter, ..options() });
        let shown = text(&reports);
        assert!(shown.ends_with(&format!("\n\n{expected}")), "{shown}");
    }
}

#[test]
fn the_models_with_the_most_requests_are_shown() {
    let mut page_of_many =
        String::from("# HELP aurora_requests_total Requests.\n# TYPE aurora_requests_total counter\n");
    for index in 1..=22 {
        page_of_many
            .push_str(&format!("aurora_requests_total{{provider=\"p\",model=\"m{index}\"}} {index}\n"));
    }
    let server = RawServer::start([page(&page_of_many)]);
    let reports = run(&[&server.url("")], &Given::default(), None, &options());
    let terminal = Terminal::new(ColorChoice::Never, &Environment::default());
    let models = |all| {
        let text = render::text(&reports, all, &terminal);
        let (_, table) = text.split_once("\n\n").expect("the table of models");
        table
            .lines()
            .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    let mut expected = vec!["provider model requests".to_owned()];
    expected.extend((3..=22).rev().map(|index| format!("p m{index} {index}")));
    expected.push("2 models with".to_owned());
    assert_eq!(models(false), expected);
    assert_eq!(models(true).len(), 23);
}
