//! The live page against a metrics endpoint that misbehaves: the page is Aurora's, the endpoint is scripted.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::support::aurora::Setup;
use crate::support::browser::Browser;
use crate::support::client::{Client, request};
use crate::support::servers::wait_for;

const TEXT: &str = "content-type: text/plain; version=0.0.4\r\n";

/// The least that makes an exposition one of Aurora's.
const GOOD: &str = "# HELP aurora_answers_total All calls.\n# TYPE aurora_answers_total counter\n\
    aurora_answers_total{model=\"m\",outcome=\"ok\"} 7\n\
    aurora_build_info{version=\"9.9\",revision=\"r\",rustc=\"x\"} 1\n\
    aurora_config_last_reload_successful 1\n\
    process_start_time_seconds 1.7e9\n";

/// A server with the page at `/` and one response, replaced at will, everywhere else.
struct FakeGateway {
    address: SocketAddr,
    response: Arc<Mutex<Vec<u8>>>,
}

impl FakeGateway {
    fn start() -> Self {
        let aurora = Setup::new().variable("METRICS_ENABLED", "true").start();
        let mut client = Client::connect(aurora.address);
        client.send(request("GET", "/", "accept: text/html\r\n", ""));
        let page = client.response();
        let policy = page.header("content-security-policy").expect("a policy");
        let headers =
            format!("content-type: text/html; charset=utf-8\r\ncontent-security-policy: {policy}\r\n");
        let page = response_of("200 OK", &headers, page.text());
        let response = Arc::new(Mutex::new(response_of("200 OK", TEXT, GOOD)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::clone(&response);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (page, shared) = (page.clone(), Arc::clone(&shared));
                thread::spawn(move || converse(connection, &page, &shared));
            }
        });
        Self { address, response }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn responds(&self, status: &str, headers: &str, body: &str) {
        *self.response.lock().expect("no test panicked in it") = response_of(status, headers, body);
    }

    /// Sends this and closes, whatever it promised.
    fn responds_raw(&self, bytes: &str) {
        *self.response.lock().expect("no test panicked in it") = bytes.as_bytes().to_vec();
    }
}

fn response_of(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// One request, one response.
fn converse(mut connection: TcpStream, page: &[u8], shared: &Mutex<Vec<u8>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let response = if head.starts_with(b"GET / ") {
        page.to_vec()
    } else {
        shared.lock().expect("no test panicked").clone()
    };
    // A page that refuses the response half-way closes first.
    drop(connection.write_all(&response));
}

/// Makes the page read at once instead of after its pause.
fn read_now(browser: &Browser) {
    browser.run("window.dispatchEvent(new Event('online'))");
}

fn notice(browser: &Browser, wanted: impl Fn(&str) -> bool) -> String {
    browser.waits_for("#notice", |text| {
        let found = wanted(text);
        if !found {
            read_now(browser);
        }
        found
    })
}

/// The notice about a failure, without the time of the last figures.
fn failure(browser: &Browser) -> String {
    let text = notice(browser, |text| text.ends_with(" Trying again."));
    let (before, rest) = text.split_once(", last figures from ").expect("a time");
    format!("{before}{}", &rest["12:03:04".len()..])
}

fn start() -> (FakeGateway, Browser) {
    let (gateway, browser) = (FakeGateway::start(), Browser::start());
    browser.open(&gateway.url());
    browser.shows("#health-word", "Well");
    (gateway, browser)
}

/// Responses of the endpoint (status, headers, body), and the notice about each.
const FAILURES: &[(&str, &str, &str, &str)] = &[
    (
        "503 Service Unavailable",
        "content-type: application/json\r\n",
        r#"{"error":{"message":"Busy <b>now</b>.","type":"server_error","param":null,"code":"overloaded"}}"#,
        "The metrics endpoint returned 503: Busy <b>now</b>. Trying again.",
    ),
    (
        "429 Too Many Requests",
        "retry-after: 1\r\n",
        "slow down",
        "The metrics endpoint returned 429. Trying again.",
    ),
    ("404 Not Found", "", "{\"error\":null}", "The metrics endpoint returned 404. Trying again."),
    ("403 Forbidden", "", "", "The metrics endpoint returned 403. Trying again."),
    (
        "302 Found",
        "location: https://login.example/\r\n",
        "",
        "The metrics endpoint redirects elsewhere. Trying again.",
    ),
    (
        "200 OK",
        "content-type: text/html\r\n",
        "<h1>Sign in</h1>",
        "The response of the metrics endpoint is not an exposition of Aurora. Trying again.",
    ),
    (
        "200 OK",
        TEXT,
        "",
        "The response of the metrics endpoint is not an exposition of Aurora. Trying again.",
    ),
    (
        "200 OK",
        TEXT,
        "node_load1 0.2\n",
        "The response of the metrics endpoint is not an exposition of Aurora. Trying again.",
    ),
];

#[test]
fn each_failure_of_the_endpoint_is_named_and_survived() {
    let (gateway, browser) = start();
    for (status, headers, body, expected) in FAILURES {
        gateway.responds(status, headers, body);
        assert_eq!(failure(&browser), *expected, "{status}");
        assert_eq!(browser.shown("#health-word"), "Unknown", "{status}");
        gateway.responds("200 OK", TEXT, GOOD);
        notice(&browser, str::is_empty);
        browser.shows("#health-word", "Well");
    }
    let endless = format!("HTTP/1.1 200 OK\r\n{TEXT}connection: close\r\n\r\n{}", "a".repeat(2 << 20));
    gateway.responds_raw(&endless);
    assert_eq!(failure(&browser), "The response of the metrics endpoint is too large. Trying again.");
    gateway.responds("200 OK", TEXT, GOOD);
    notice(&browser, str::is_empty);
    gateway.responds_raw(&format!(
        "HTTP/1.1 200 OK\r\n{TEXT}content-length: 9999\r\nconnection: close\r\n\r\n{GOOD}"
    ));
    assert_eq!(failure(&browser), "Connection lost. Trying again.");
    gateway.responds("200 OK", TEXT, GOOD);
    notice(&browser, str::is_empty);
    assert_eq!(browser.run("return document.querySelectorAll('b').length"), json!(0), "a message is text");
}

/// Draws the figures again, as a window that is turned, or another order of the models.
fn draw_again(browser: &Browser) {
    browser.run(
        "window.dispatchEvent(new Event('resize')); document.querySelector('#models thead button').click()",
    );
}

#[test]
fn figures_that_are_drawn_again_stay_old_or_hidden() {
    let (gateway, browser) = start();
    gateway.responds("503 Service Unavailable", "", "");
    failure(&browser);
    draw_again(&browser);
    let state = browser.text(
        "const state = document.getElementById('connection').dataset.state;
         return `${state} ${document.getElementById('figures').className} ${document.title}`",
    );
    assert_eq!(state, "lost old Connection lost · Aurora");
    assert_eq!(browser.shown("#health-word"), "Unknown");

    gateway.responds("401 Unauthorized", "", "");
    browser.waits_for("#login-title", |text| {
        read_now(&browser);
        !text.is_empty()
    });
    draw_again(&browser);
    assert_eq!(
        (browser.shown("#figures"), browser.shown("#connection")),
        (String::new(), "Key required".to_owned())
    );
}

#[test]
fn a_reading_that_ends_after_its_key_is_forgotten_is_not_shown() {
    let (gateway, browser) = (FakeGateway::start(), Browser::start());
    gateway.responds("401 Unauthorized", "", "");
    browser.open(&gateway.url());
    browser.shows("#login-title", "The metrics are locked");
    gateway.responds("200 OK", TEXT, GOOD);
    browser.press("a-key\u{e007}");
    browser.shows("#health-word", "Well");
    // The next reading pauses after the last byte, until it is let go.
    browser.run(
        "const {read} = ReadableStreamDefaultReader.prototype;
         let ended = false;
         ReadableStreamDefaultReader.prototype.read = async function () {
           const part = await read.call(this);
           ended = part.done;
           return part;
         };
         const later = window.setTimeout;
         window.setTimeout = (task, time) => (ended && time === undefined ? (window.letGo = task) : later(task, time));
         let now = 0;
         performance.now = () => (now += 100)",
    );
    wait_for("a reading", || {
        read_now(&browser);
        browser.run("return window.letGo !== undefined").as_bool().filter(|is_held| *is_held)
    });
    browser.run(
        "document.getElementById('forget').click();
         window.letGo();
         return new Promise((resolve) => setTimeout(() => setTimeout(resolve, 1), 1))",
    );
    assert_eq!(
        (browser.shown("#login-title"), browser.shown("#figures")),
        ("The metrics are locked".to_owned(), String::new())
    );
}

#[test]
fn open_metrics_and_broken_lines_are_read_as_far_as_they_go() {
    let (gateway, browser) = start();
    let open_metrics =
        GOOD.replace(" 7\n", " 8.0 1700000000.5 # {trace_id=\"x\"} 0.5 1700000000.1\n") + "# EOF\n";
    gateway.responds(
        "200 OK",
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n",
        &open_metrics,
    );
    read_now(&browser);
    browser.shows("#tile-rate .note", "8 since the start");
    assert_eq!(browser.shown("#notice"), "");

    let broken = "aurora_answers_total{model=\"m\",outcome=\"ok\n{} 3\naurora_answers_total{outcome=\"ok\"} NaN\n\
        aurora_answers_total{outcome=\"ok\",} 1 1700000000000\naurora_answers_total{=\"\"} 4\n\
        aurora_answers_total{outcome=\"__proto__\"} 1\naurora_circuit_breaker_state{provider=\"p\",model=\"\",state=\"constructor\"} 1\n\
        aurora_answers_total nine\n\u{1F600}\n";
    gateway.responds("200 OK", TEXT, &(GOOD.to_owned() + broken));
    let expected = "6 lines of the exposition could not be read.";
    assert_eq!(notice(&browser, |text| !text.is_empty()), expected);
    browser.shows("#tile-rate .note", "8 since the start");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_restart_never_makes_a_rate_negative() {
    let (gateway, browser) = start();
    browser.shows("#tile-rate .note", "7 since the start");
    let restarted = |total: &str| GOOD.replace("1.7e9", "1.8e9").replace(" 7\n", total);
    gateway.responds("200 OK", TEXT, &restarted(" 2\n"));
    read_now(&browser);
    browser.shows("#tile-rate .note", "2 since the start");
    assert_eq!(browser.shown("#tile-rate .value span"), "–", "there is nothing to compare with yet");
    gateway.responds("200 OK", TEXT, &restarted(" 3\n"));
    read_now(&browser);
    browser.shows("#tile-rate .note", "3 since the start");
    let rate: f64 = browser.shown("#tile-rate .value span").parse().expect("a rate");
    assert!(rate > 0.0, "{rate}");
    assert!(notice(&browser, |text| !text.is_empty()).starts_with("The gateway restarted at "));
}

#[test]
fn several_replicas_behind_one_address_are_noticed() {
    let (gateway, browser) = start();
    let other = GOOD.replace("1.7e9", "1.6e9").replace(" 7\n", " 3\n");
    for exposition in [other.as_str(), GOOD, &other] {
        gateway.responds("200 OK", TEXT, exposition);
        let total = if exposition == GOOD { "7 since the start" } else { "3 since the start" };
        browser.waits_for("#tile-rate .note", |text| {
            read_now(&browser);
            text == total
        });
    }
    let expected =
        "Several replicas respond at this address, each with its own figures: open one of them directly.";
    assert_eq!(notice(&browser, |text| !text.is_empty()), expected);
}

/// An exposition of 120,000 series: 5,000 models with their histograms.
fn large(requests: usize) -> String {
    let edges = [
        "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2", "3", "5", "10", "20", "30", "60", "120",
        "300", "600", "+Inf",
    ];
    let mut text = GOOD.to_owned();
    for model in 0..5000 {
        let count = if model < 30 { requests * (model + 1) } else { 1 };
        let labels = format!("provider=\"up\",model=\"model-{model}\",endpoint=\"/chat/completions\"");
        for status in ["200", "429", "500", "504", "499"] {
            text.push_str(&format!("aurora_requests_total{{{labels},status_code=\"{status}\",status_type=\"success\",stream=\"true\"}} {count}\n"));
        }
        for edge in edges {
            text.push_str(&format!("aurora_request_duration_seconds_bucket{{{labels},stream=\"true\",status_type=\"success\",le=\"{edge}\"}} {count}\n"));
        }
        text.push_str(&format!(
            "aurora_request_duration_seconds_sum{{{labels},stream=\"true\",status_type=\"success\"}} 1\n"
        ));
    }
    text
}

#[test]
fn a_hundred_and_twenty_thousand_series_do_not_freeze_the_tab() {
    let (gateway, browser) = start();
    browser.run(
        "window.longest = 0; let last = performance.now();
         setInterval(() => { const now = performance.now(); window.longest = Math.max(window.longest, now - last); last = now; }, 5)",
    );
    gateway.responds("200 OK", TEXT, &large(1));
    read_now(&browser);
    browser.shows("#models-note", "20 with the most traffic, of 5,000");
    gateway.responds("200 OK", TEXT, &large(2));
    read_now(&browser);
    browser.waits_for("#models tbody", |text| text.starts_with("model-29\t"));
    assert_eq!(browser.run("return document.querySelectorAll('#models tbody tr').length"), json!(20));
    assert!(
        browser.shown("#source").starts_with("120,004 series of /metrics, read every "),
        "{}",
        browser.shown("#source")
    );
    let longest = browser.run("return window.longest").as_f64().expect("milliseconds");
    assert!(longest < 1000.0, "the tab stood still for {longest} ms");
}
