//! Formats and encodings of the exposition, as scrapers negotiate them.

use std::io::Read as _;
use std::thread;
use std::time::Instant;

use aurora::metrics::catalog::families::FAMILIES;

use crate::support::aurora::{Aurora, WAIT_LIMIT};
use crate::support::client::{Client, Response, chat_of, key, request};
use crate::support::exposition::gateway;
use crate::support::fixtures::CHAT_RESPONSE;
use crate::support::upstream::{Upstream, json};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What Prometheus 2.42 sends.
const PROMETHEUS: &str = "accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                          version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\naccept-encoding: gzip\r\n";

fn scrape(client: &mut Client, method: &str, path: &str, headers: &str) -> Response {
    client.send(request(method, path, &format!("{}{headers}", key()), ""));
    if method == "HEAD" { client.head() } else { client.response() }
}

fn form(response: &Response) -> [Option<&str>; 3] {
    ["content-type", "content-encoding", "vary"].map(|name| response.header(name))
}

/// The exposition of a response, unpacked.
fn unpacked(response: &Response) -> String {
    if response.header("content-encoding").is_none() {
        return response.text().to_owned();
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(response.body.as_slice()).read_to_string(&mut text).expect("gzip");
    text
}

/// Lines but for those that a scrape itself moves.
fn lasting(exposition: &str) -> Vec<&str> {
    let moves = |line: &str| line.starts_with("process_") || line.starts_with("aurora_metrics_scrape");
    exposition.lines().filter(|line| !moves(line)).collect()
}

/// An instance that has responded to one chat, and the only connection to it.
fn idle(upstream: &Upstream) -> (Aurora, Client) {
    let aurora = gateway(upstream, "", "");
    let mut client = aurora.client();
    client.send(chat_of("m", false));
    assert_eq!(client.response().status, 200);
    let until = Instant::now() + WAIT_LIMIT;
    while !unpacked(&scrape(&mut client, "GET", "/metrics", ""))
        .contains("aurora_answers_total{model=\"m\",outcome=\"ok\"} 1\n")
    {
        assert!(Instant::now() < until, "the chat is not counted");
    }
    (aurora, client)
}

#[test]
fn scrapes_of_an_idle_instance_are_equal() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let (_aurora, mut client) = idle(&upstream);
    for accept in ["", "accept: application/openmetrics-text\r\n"] {
        let headers = format!("{accept}accept-encoding: identity\r\n");
        let first = scrape(&mut client, "GET", "/metrics", &headers);
        let second = scrape(&mut client, "GET", "/metrics", &headers);
        assert_eq!(lasting(first.text()), lasting(second.text()));
        let packed = scrape(&mut client, "GET", "/metrics", &format!("{accept}accept-encoding: gzip\r\n"));
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(lasting(&unpacked(&packed)), lasting(first.text()));
    }
}

#[test]
fn scrapers_get_the_negotiated_format() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let (_aurora, mut client) = idle(&upstream);
    let vary = Some("accept, accept-encoding");
    for (headers, expected) in [
        ("", [Some(TEXT), None, vary]),
        ("accept: */*\r\naccept-encoding: deflate, gzip;q=0.5\r\n", [Some(TEXT), Some("gzip"), vary]),
        (
            "accept: application/openmetrics-text;q=0.5, text/plain;q=0.4\r\n",
            [Some(OPEN_METRICS), None, vary],
        ),
        ("accept: image/png\r\naccept-encoding: br\r\n", [Some(TEXT), None, vary]),
        (PROMETHEUS, [Some(OPEN_METRICS), Some("gzip"), vary]),
    ] {
        for path in ["/metrics", "/metrics/"] {
            let response = scrape(&mut client, "GET", path, headers);
            assert_eq!((response.status, form(&response)), (200, expected), "{path} {headers}");
            let length = response.header("content-length").map(|length| length.parse().expect("a length"));
            assert_eq!(length, Some(response.body.len()));
            let head = scrape(&mut client, "HEAD", path, headers);
            assert_eq!((head.status, form(&head)), (200, expected), "HEAD {path} {headers}");
            assert!(head.header("content-length").is_some_and(|length| length != "0"), "{head:?}");
            let text = unpacked(&response);
            assert_eq!(text.ends_with("\n# EOF\n"), expected[0] == Some(OPEN_METRICS));
        }
    }
}

/// OpenMetrics turned into text: the two say the same.
fn as_text(open_metrics: &str) -> String {
    let mut text = String::new();
    for line in open_metrics.strip_suffix("# EOF\n").expect("an end").lines() {
        if line.starts_with("# UNIT ") {
            continue;
        }
        let counter = FAMILIES.iter().find_map(|family| {
            let name = family.name.strip_suffix("_total")?;
            line.strip_prefix("# ")?.split(' ').nth(1).filter(|named| *named == name)?;
            Some(line.replacen(name, family.name, 1))
        });
        let line = counter.unwrap_or_else(|| line.to_owned());
        text.push_str(&if line.contains("le=\"") { line.replace(".0\"}", "\"}") } else { line });
        text.push('\n');
    }
    text
}

#[test]
fn both_formats_have_the_same_samples() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let (_aurora, mut client) = idle(&upstream);
    let text = scrape(&mut client, "GET", "/metrics", "");
    let open_metrics = scrape(&mut client, "GET", "/metrics", "accept: application/openmetrics-text\r\n");
    let text = text
        .text()
        .replace("le=\"0.00005\"", "le=\"5e-05\"")
        .replace("le=\"1048576\"", "le=\"1.048576e+06\"")
        .replace("le=\"4194304\"", "le=\"4.194304e+06\"")
        .replace("le=\"16777216\"", "le=\"1.6777216e+07\"")
        .replace("le=\"67108864\"", "le=\"6.7108864e+07\"");
    assert_eq!(lasting(&as_text(open_metrics.text())), lasting(&text));
    let units: Vec<&str> = open_metrics.text().lines().filter(|line| line.starts_with("# UNIT ")).collect();
    assert!(units.contains(&"# UNIT aurora_request_duration_seconds seconds"), "{units:?}");
    assert!(units.contains(&"# UNIT process_cpu_seconds seconds"), "{units:?}");
}

#[test]
fn concurrent_scrapes_are_all_served_and_counted() {
    let upstream = Upstream::start().on("m", json(CHAT_RESPONSE));
    let (aurora, mut client) = idle(&upstream);
    let counted = |client: &mut Client| {
        let text = unpacked(&scrape(client, "GET", "/metrics", ""));
        let of = |format: &str| -> u64 {
            let name = format!("aurora_metrics_scrapes_total{{format=\"{format}\",code=\"200\"}} ");
            text.lines()
                .find_map(|line| line.strip_prefix(&name)?.parse().ok())
                .expect("a zero from the start")
        };
        (of("text"), of("openmetrics"))
    };
    let (text, open_metrics) = counted(&mut client);
    thread::scope(|scope| {
        for number in 0..16 {
            let headers = if number % 2 == 0 { PROMETHEUS } else { "" };
            let mut client = aurora.client();
            scope.spawn(move || {
                for _ in 0..10 {
                    let response = scrape(&mut client, "GET", "/metrics", headers);
                    assert!(
                        unpacked(&response).contains("aurora_answers_total{model=\"m\",outcome=\"ok\"} 1\n")
                    );
                }
            });
        }
    });
    assert_eq!(counted(&mut client), (text + 1 + 80, open_metrics + 80));
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 200 ok 1"]);
}
