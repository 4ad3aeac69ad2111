//! Metrics on a listener of their own.

use std::net::{SocketAddr, TcpListener};

use serde_json::json as value;

use crate::support::aurora::{Aurora, MARGIN, Setup};
use crate::support::client::{Client, Response, chat_of, key, request};
use crate::support::fixtures::{MASTER_KEY, METRICS_TOKEN, NO_ROUTE, OK};
use crate::support::upstream::{Gate, Step, Upstream, json};

/// A gateway whose metrics are read elsewhere, and where that is.
struct Apart {
    aurora: Aurora,
    metrics: SocketAddr,
}

fn start(upstream: &Upstream, server: &str) -> Apart {
    let yaml = format!(
        "server: {{master_key: {MASTER_KEY}, base_path: /gw, {server}}}\n\
         metrics: {{enabled: true, endpoint: /m, listen: \"127.0.0.1:0\", token: {METRICS_TOKEN}}}\n\
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
    fn send(&self, path: &str, headers: &str) -> Response {
        send(self.metrics, path, headers)
    }

    /// Samples of a family, without names of labels.
    fn samples(&self, family: &str) -> Vec<String> {
        let response = self.send("/m", &format!("authorization: Bearer {METRICS_TOKEN}\r\n"));
        assert_eq!(response.status, 200);
        let lines = response.text().lines().filter(|line| line.starts_with(family));
        lines.map(|line| line[family.len()..].to_owned()).collect()
    }

    fn settles(&self, family: &str, expected: &[&str]) {
        let until = std::time::Instant::now() + crate::support::aurora::WAIT_LIMIT;
        while self.samples(family) != expected {
            assert!(std::time::Instant::now() < until, "{family}: {:?}", self.samples(family));
        }
    }
}

fn send(address: SocketAddr, path: &str, headers: &str) -> Response {
    let mut client = Client::connect(address);
    client.send(request("GET", path, headers, ""));
    client.response()
}

/// A chat below the base path.
fn chat(model: &str) -> Vec<u8> {
    let chat = String::from_utf8(chat_of(model, false)).expect("text");
    chat.replacen(" /v1", " /gw/v1", 1).into_bytes()
}

#[test]
fn metrics_are_only_on_their_own_listener() {
    let upstream = Upstream::start().on("m", json(OK));
    let apart = start(&upstream, "");
    let token = format!("authorization: Bearer {METRICS_TOKEN}\r\n");
    for path in ["/m", "/m/"] {
        for headers in [&token, &key()] {
            let response = apart.send(path, headers);
            assert_eq!(response.status, 200);
            assert!(response.text().starts_with("# HELP "));
        }
        assert_eq!(apart.send(path, "").status, 401);
        assert_eq!(send(apart.aurora.address, path, &token).status_and_text(), (404, NO_ROUTE));
        assert_eq!(
            send(apart.aurora.address, &format!("/gw{path}"), &key()).status_and_text(),
            (404, NO_ROUTE)
        );
        assert_eq!(apart.send(&format!("/gw{path}"), &token).status_and_text(), (404, NO_ROUTE));
    }
    let health = (200, r#"{"status":"ok"}"#);
    for path in ["/health", "/health/ready"] {
        assert_eq!(apart.send(path, "").status_and_text(), health);
        assert_eq!(send(apart.aurora.address, &format!("/gw{path}"), "").status_and_text(), health);
    }
    for path in ["/v1/models", "/gw/v1/models", "/gw/health"] {
        assert_eq!(apart.send(path, &key()).status_and_text(), (404, NO_ROUTE));
    }
    let head = {
        let mut client = Client::connect(apart.metrics);
        client.send(request("HEAD", "/m", &token, ""));
        client.head().status
    };
    assert_eq!(head, 200);
    assert_eq!(apart.aurora.send(chat("m")).status, 200);
    let counted = [
        "{route=\"/m\",method=\"GET\",status_code=\"401\",outcome=\"ok\"} 2",
        "{route=\"/v1/chat/completions\",method=\"POST\",status_code=\"200\",outcome=\"ok\"} 1",
        "{route=\"unmatched\",method=\"GET\",status_code=\"404\",outcome=\"ok\"} 9",
    ];
    apart.settles("aurora_http_requests_total", &counted);
}

#[test]
fn connections_are_counted_by_state() {
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
    let silent: Vec<Client> = (0..3).map(|_| apart.aurora.client()).collect();
    count(0, 3);
    let mut busy: Vec<Client> = (0..2).map(|_| apart.aurora.client()).collect();
    for client in &mut busy {
        client.send(chat("held"));
    }
    count(2, 3);
    let mut served = apart.aurora.client();
    for _ in 0..3 {
        served.send(chat("m"));
        assert_eq!(served.response().status, 200);
    }
    count(2, 4);
    drop(silent);
    count(2, 1);
    drop(busy.pop());
    count(1, 1);
    gate.open();
    assert_eq!(busy[0].response().status, 200);
    count(0, 2);
    drop((busy, served));
    count(0, 0);
}

#[test]
fn the_metrics_listener_is_outside_limits_and_closes_last() {
    let gate = Gate::default();
    let mut held = vec![Step::Await(gate.clone())];
    held.extend(json(OK));
    let upstream = Upstream::start().on("held", held);
    let apart = start(&upstream, "max_connections: 1, max_in_flight: 1");
    let mut only = apart.aurora.client();
    only.send(chat("held"));
    upstream.call("held");
    let mut others: Vec<Client> = (0..40).map(|_| Client::connect(apart.metrics)).collect();
    for client in &mut others {
        client.send(request("GET", "/m", &format!("authorization: Bearer {METRICS_TOKEN}\r\n"), ""));
        assert_eq!(client.response().status, 200);
    }
    apart.settles("aurora_http_requests_in_flight_limit", &[" 1"]);
    apart.aurora.signal("TERM");
    apart.aurora.line("shutting down");
    let ready = apart.send("/health/ready", "");
    assert_eq!(
        (ready.status_and_text(), ready.header("connection")),
        ((503, r#"{"status":"draining"}"#), None)
    );
    assert_eq!(apart.samples("aurora_http_requests_in_flight "), ["1"]);
    gate.open();
    assert_eq!(only.response().status, 200);
    for mut client in others {
        assert_eq!(client.closed(), b"");
    }
    let (status, log) = apart.aurora.ended();
    assert_eq!(status.code(), Some(0));
    assert!(log.last().expect("lines").contains(r#""msg":"stopped","cut":0"#), "{log:#?}");
}

#[test]
fn a_metrics_port_in_use_is_an_error_with_its_setting() {
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = stranger.local_addr().expect("bound");
    let setup = Setup::bare().variable("METRICS_ENABLED", "true").variable("LOG_LEVEL", "error");
    let setup = setup.variable("METRICS_LISTEN", &address.to_string());
    let (code, output_text) =
        setup.arguments(&["--color", "never", "serve", "--host", "127.0.0.1", "--port", "0"]).refused();
    let expected = format!(
        "aurora: error: cannot listen on {address}: Address already in use (os error 98); another process listens there; \
         stop it or choose another port (METRICS_LISTEN, metrics.listen)\n"
    );
    assert_eq!((code, output_text), (Some(1), expected));
}

#[test]
fn silent_connections_leave_room_for_a_scraper() {
    let upstream = Upstream::start();
    let apart = start(&upstream, "");
    let silent: Vec<Client> = (0..400).map(|_| Client::connect(apart.metrics)).collect();
    let begun = std::time::Instant::now();
    assert_eq!(apart.send("/m", &format!("authorization: Bearer {METRICS_TOKEN}\r\n")).status, 200);
    assert!(begun.elapsed() < std::time::Duration::from_secs(2) + MARGIN, "took {:?}", begun.elapsed());
    drop(silent);
}
