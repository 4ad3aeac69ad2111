//! Metrics on a listener of their own.

use std::net::{SocketAddr, TcpListener};

use serde_json::json as value;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Answer, Caller, MASTER_KEY, chat_of, key, request};
use crate::support::upstream::{Gate, Step, Upstream, json};

const OK: &str = r#"{"choices":[]}"#;
const NO_ROUTE: &str = r#"{"error":{"message":"There is no such route.","type":"invalid_request_error","param":null,"code":"unknown_route"}}"#;
const TOKEN: &str = "canary-metrics-token-0123456789";

/// A gateway whose metrics are read elsewhere, and where that is.
struct Apart {
    aurora: Aurora,
    metrics: SocketAddr,
}

fn start(upstream: &Upstream, server: &str) -> Apart {
    let yaml = format!(
        "server: {{master_key: {MASTER_KEY}, base_path: /gw, {server}}}\n\
         metrics: {{enabled: true, endpoint: /m, listen: \"127.0.0.1:0\", token: {TOKEN}}}\n\
         providers:\n  up: {{type: openai_compatible, base_url: \"http://{}/v1\", api_key: k, models: [m, held]}}\n",
        upstream.address
    );
    let aurora = Setup::new().yaml(&yaml).start();
    let line = aurora.lines("prometheus metrics enabled", 1).remove(0);
    let metrics: SocketAddr = line["address"].as_str().expect("an address").parse().expect("an address");
    let expected = value!({
        "level": "INFO", "msg": "prometheus metrics enabled", "endpoint": "/m", "address": metrics.to_string()
    });
    assert_eq!(line, expected);
    assert_ne!(metrics.port(), 0);
    Apart { aurora, metrics }
}

impl Apart {
    fn ask(&self, path: &str, headers: &str) -> Answer {
        ask(self.metrics, path, headers)
    }

    /// The samples of a family, names of labels left out.
    fn samples(&self, family: &str) -> Vec<String> {
        let answer = self.ask("/m", &format!("authorization: Bearer {TOKEN}\r\n"));
        assert_eq!(answer.status, 200);
        let lines = answer.text().lines().filter(|line| line.starts_with(family));
        lines.map(|line| line[family.len()..].to_owned()).collect()
    }

    fn settles(&self, family: &str, expected: &[&str]) {
        let until = std::time::Instant::now() + crate::support::aurora::PATIENCE;
        while self.samples(family) != expected {
            assert!(std::time::Instant::now() < until, "{family}: {:?}", self.samples(family));
        }
    }
}

fn ask(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut caller = Caller::connect(address);
    caller.send(request("GET", path, headers, ""));
    caller.answer()
}

/// A chat below the base path.
fn chat(model: &str) -> Vec<u8> {
    let chat = String::from_utf8(chat_of(model, false)).expect("text");
    chat.replacen(" /v1", " /gw/v1", 1).into_bytes()
}

#[test]
fn the_endpoint_is_there_and_nowhere_else() {
    let upstream = Upstream::start().on("m", json(OK));
    let apart = start(&upstream, "");
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for path in ["/m", "/m/"] {
        for headers in [&token, &key()] {
            let answer = apart.ask(path, headers);
            assert_eq!(answer.status, 200);
            assert!(answer.text().starts_with("# HELP "));
        }
        assert_eq!(apart.ask(path, "").status, 401);
        assert_eq!(ask(apart.aurora.address, path, &token).said(), (404, NO_ROUTE));
        assert_eq!(ask(apart.aurora.address, &format!("/gw{path}"), &key()).said(), (404, NO_ROUTE));
        assert_eq!(apart.ask(&format!("/gw{path}"), &token).said(), (404, NO_ROUTE));
    }
    let health = (200, r#"{"status":"ok"}"#);
    for path in ["/health", "/health/ready"] {
        assert_eq!(apart.ask(path, "").said(), health);
        assert_eq!(ask(apart.aurora.address, &format!("/gw{path}"), "").said(), health);
    }
    for path in ["/v1/models", "/gw/v1/models", "/gw/health"] {
        assert_eq!(apart.ask(path, &key()).said(), (404, NO_ROUTE));
    }
    let head = {
        let mut caller = Caller::connect(apart.metrics);
        caller.send(request("HEAD", "/m", &token, ""));
        caller.head().status
    };
    assert_eq!(head, 200);
    assert_eq!(apart.aurora.ask(chat("m")).status, 200);
    let counted = [
        "{route=\"/m\",method=\"GET\",status_code=\"401\",outcome=\"ok\"} 2",
        "{route=\"/v1/chat/completions\",method=\"POST\",status_code=\"200\",outcome=\"ok\"} 1",
        "{route=\"unmatched\",method=\"GET\",status_code=\"404\",outcome=\"ok\"} 9",
    ];
    apart.settles("aurora_http_requests_total", &counted);
}

#[test]
fn connections_are_counted_by_what_they_do() {
    let gate = Gate::default();
    let mut held = vec![Step::Await(gate.clone())];
    held.extend(json(OK));
    let upstream = Upstream::start().on("m", json(OK)).on("held", held);
    let apart = start(&upstream, "workers: 2");
    let count = |active: u8, idle: u8| {
        let expected = [format!("{{state=\"active\"}} {active}"), format!("{{state=\"idle\"}} {idle}")];
        apart.settles("aurora_http_connections", &expected.each_ref().map(String::as_str));
    };
    count(0, 0);
    let silent: Vec<Caller> = (0..3).map(|_| apart.aurora.caller()).collect();
    count(0, 3);
    let mut busy: Vec<Caller> = (0..2).map(|_| apart.aurora.caller()).collect();
    for caller in &mut busy {
        caller.send(chat("held"));
    }
    count(2, 3);
    let mut served = apart.aurora.caller();
    for _ in 0..3 {
        served.send(chat("m"));
        assert_eq!(served.answer().status, 200);
    }
    count(2, 4);
    drop(silent);
    count(2, 1);
    drop(busy.pop());
    count(1, 1);
    gate.open();
    assert_eq!(busy[0].answer().status, 200);
    count(0, 2);
    drop((busy, served));
    count(0, 0);
}

#[test]
fn it_is_outside_the_caps_and_closes_last() {
    let gate = Gate::default();
    let mut held = vec![Step::Await(gate.clone())];
    held.extend(json(OK));
    let upstream = Upstream::start().on("held", held);
    let apart = start(&upstream, "max_connections: 1, max_in_flight: 1");
    let mut only = apart.aurora.caller();
    only.send(chat("held"));
    upstream.call("held");
    let mut others: Vec<Caller> = (0..40).map(|_| Caller::connect(apart.metrics)).collect();
    for caller in &mut others {
        caller.send(request("GET", "/m", &format!("authorization: Bearer {TOKEN}\r\n"), ""));
        assert_eq!(caller.answer().status, 200);
    }
    apart.settles("aurora_http_requests_in_flight_limit", &[" 1"]);
    apart.aurora.signal("TERM");
    apart.aurora.line("shutting down");
    let ready = apart.ask("/health/ready", "");
    assert_eq!((ready.said(), ready.header("connection")), ((503, r#"{"status":"draining"}"#), None));
    assert_eq!(apart.samples("aurora_http_requests_in_flight "), ["1"]);
    gate.open();
    assert_eq!(only.answer().status, 200);
    for mut caller in others {
        assert_eq!(caller.closed(), b"");
    }
    let (status, log) = apart.aurora.ended();
    assert_eq!(status.code(), Some(0));
    assert!(log.last().expect("lines").contains(r#""msg":"stopped","cut":0"#), "{log:#?}");
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_setting() {
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = stranger.local_addr().expect("bound");
    let setup = Setup::bare().variable("METRICS_ENABLED", "true").variable("LOG_LEVEL", "error");
    let setup = setup.variable("METRICS_LISTEN", &address.to_string());
    let (code, said) =
        setup.arguments(&["--color", "never", "serve", "--host", "127.0.0.1", "--port", "0"]).refused();
    let expected = format!(
        "aurora: error: cannot listen on {address}: Address already in use (os error 98); another process listens there; \
         stop it or choose another port (METRICS_LISTEN, metrics.listen)\n"
    );
    assert_eq!((code, said), (Some(1), expected));
}

#[test]
fn silent_connections_leave_room_for_a_scraper() {
    let upstream = Upstream::start();
    let apart = start(&upstream, "");
    let silent: Vec<Caller> = (0..400).map(|_| Caller::connect(apart.metrics)).collect();
    let begun = std::time::Instant::now();
    assert_eq!(apart.ask("/m", &format!("authorization: Bearer {TOKEN}\r\n")).status, 200);
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "took {:?}", begun.elapsed());
    drop(silent);
}
