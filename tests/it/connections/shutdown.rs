//! How it stops, and how it starts where another stands.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json as value;

use crate::support::aurora::{Aurora, MARGIN, Setup, WAIT_LIMIT};
use crate::support::client::{Client, chat_of, key, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{HELLO, MASTER_KEY, OK};
use crate::support::upstream::{Gate, Step, Upstream, chunk, json, opening};

const DRAINING: &str = r#"{"error":{"message":"The gateway is shutting down; send the request again.","type":"server_error","param":null,"code":"draining"}}"#;

fn held(gate: &Gate) -> Vec<Step> {
    let mut steps = vec![Step::Await(gate.clone())];
    steps.extend(json(OK));
    steps
}

/// Waits for the end and checks its code and its last line.
fn ends(aurora: Aurora, code: i32, cut: u64) -> Vec<String> {
    let (status, log) = aurora.ended();
    assert_eq!(status.code(), Some(code));
    let last: serde_json::Value = serde_json::from_str(log.last().expect("lines")).expect("JSON");
    assert_eq!((last["msg"].as_str(), last["cut"].as_u64()), (Some("stopped"), Some(cut)));
    log
}

fn within(limit: Duration, begun: Instant) {
    assert!(begun.elapsed() < limit + MARGIN, "took {:?}", begun.elapsed());
}

/// Sends chats on kept connections, each answered whole, until new connections are refused; returns how many.
fn load(address: SocketAddr) -> usize {
    let mut served = 0;
    while let Some(mut client) = Client::try_connect(address) {
        loop {
            client.send(chat_of("m", false));
            let response = client.response();
            assert_eq!(response.status_and_text(), (200, OK));
            served += 1;
            if response.header("connection") == Some("close") {
                assert_eq!(client.closed(), b"");
                break;
            }
        }
    }
    served
}

#[test]
fn a_stop_under_load_loses_nothing() {
    let gate = Gate::default();
    let upstream = Upstream::start().on("m", json(OK)).on("held", held(&gate));
    let aurora = gateway(&upstream, "", "");
    let mut first = aurora.client();
    first.send(chat_of("held", false));
    upstream.call("held");
    let served: usize = thread::scope(|scope| {
        let loads: Vec<_> = (0..8).map(|_| scope.spawn(|| load(aurora.address))).collect();
        upstream.received("m", 200);
        aurora.signal("TERM");
        loads.into_iter().map(|load| load.join().expect("served to the end")).sum()
    });
    assert_eq!(upstream.calls().len(), served + 1);
    gate.open();
    let response = first.response();
    assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), Some("close")));
    ends(aurora, 0, 0);
}

/// Waits until new connections are refused.
fn refuses(aurora: &Aurora) {
    let until = Instant::now() + WAIT_LIMIT;
    while Client::try_connect(aurora.address).is_some() {
        assert!(Instant::now() < until, "it still listens");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn kept_connections_are_served_once_more_while_draining() {
    let gate = Gate::default();
    let upstream = Upstream::start().on("m", json(OK)).on("held", held(&gate));
    let aurora = gateway(&upstream, "", "");
    let sent = [
        (chat_of("m", false), (200, OK)),
        (request("GET", "/health", "", ""), (200, r#"{"status":"ok"}"#)),
        (request("GET", "/health/ready", "", ""), (503, r#"{"status":"draining"}"#)),
    ];
    let mut kept: Vec<Client> = (0..3).map(|_| aurora.client()).collect();
    for client in &mut kept {
        client.send(chat_of("m", false));
        assert_eq!(client.response().status_and_text(), (200, OK));
    }
    let mut silent = aurora.client();
    let mut stream = aurora.client();
    stream.send(chat_of("held", false));
    upstream.call("held");
    aurora.signal("TERM");
    refuses(&aurora);
    for (client, (sent, expected)) in kept.iter_mut().zip(sent) {
        client.send(sent);
        let response = client.response();
        assert_eq!((response.status_and_text(), response.header("connection")), (expected, Some("close")));
        assert_eq!(client.closed(), b"");
    }
    silent.send(request("GET", "/metrics", &key(), ""));
    let response = silent.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    let counted = "aurora_http_requests_total{route=\"/v1/chat/completions\",method=\"POST\",status_code=\"200\",outcome=\"ok\"} 4";
    assert!(response.text().lines().any(|line| line == counted), "{}", response.text());
    gate.open();
    assert_eq!(stream.response().status_and_text(), (200, OK));
    ends(aurora, 0, 0);
}

#[test]
fn a_connection_without_connection_close_is_kept_while_draining() {
    let gate = Gate::default();
    let mut streaming = opening(&[HELLO]);
    streaming.extend([
        Step::Await(gate.clone()),
        Step::Send(chunk("data: [DONE]\n\n")),
        Step::Send("0\r\n\r\n".into()),
    ]);
    let upstream = Upstream::start().on("m", json(OK)).on("stream", streaming);
    let aurora = gateway(&upstream, "", "");
    let mut client = aurora.client();
    client.send(chat_of("stream", true));
    assert_eq!(client.head().header("connection"), None);
    aurora.signal("TERM");
    refuses(&aurora);
    gate.open();
    client.read_until("[DONE]");
    assert_eq!(client.chunk(), Some(Vec::new()));
    // Its head came before the end was known: the next request is served, as a proxy expects of a kept connection.
    client.send(chat_of("m", false));
    let response = client.response();
    assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), Some("close")));
    ends(aurora, 0, 0);
}

/// A gateway with an endless stream whose client does not read; it holds the process for the grace period and the time
/// of its last event.
fn unread_stream() -> (Upstream, Aurora, Client) {
    let mut pour = opening(&[HELLO]);
    pour.push(Step::Pour(chunk(HELLO.repeat(100))));
    let upstream = Upstream::start().on("pour", pour).on("m", json(OK));
    let aurora = gateway(&upstream, "shutdown: {grace: 300ms}", "");
    let mut unread = aurora.client().narrow();
    unread.send(chat_of("pour", true));
    upstream.call("pour");
    (upstream, aurora, unread)
}

#[test]
fn requests_after_the_grace_period_are_refused() {
    let (upstream, aurora, _unread) = unread_stream();
    let mut kept = aurora.client();
    kept.send(chat_of("m", false));
    assert_eq!(kept.response().status_and_text(), (200, OK));
    aurora.signal("TERM");
    refuses(&aurora);
    thread::sleep(Duration::from_millis(330));
    if kept.try_send(chat_of("m", false))
        && let Some(response) = kept.try_response()
    {
        assert_eq!(response.status_and_text(), (503, DRAINING));
        assert_eq!(
            (response.header("retry-after"), response.header("connection")),
            (Some("1"), Some("close"))
        );
    }
    let (status, _) = aurora.ended();
    assert_eq!(status.code(), Some(0));
    assert_eq!(upstream.calls().iter().filter(|call| call.name == "m").count(), 1);
}

#[test]
fn during_the_shutdown_delay_requests_are_served_and_readiness_fails() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "shutdown: {delay: 700ms}", "");
    let begun = Instant::now();
    aurora.signal("TERM");
    aurora.line("shutting down");
    assert_eq!(
        aurora.send(request("GET", "/health/ready", "", "")).status_and_text(),
        (503, r#"{"status":"draining"}"#)
    );
    assert_eq!(aurora.send(request("GET", "/health", "", "")).status_and_text(), (200, r#"{"status":"ok"}"#));
    let response = aurora.send(chat_of("m", false));
    assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), None));
    ends(aurora, 0, 0);
    assert!(begun.elapsed() >= Duration::from_millis(700), "took {:?}", begun.elapsed());
    within(Duration::from_millis(1700), begun);
}

#[test]
fn open_streams_get_an_error_event_at_the_end_of_the_grace_period() {
    let mut streaming = opening(&[HELLO]);
    streaming.push(Step::Stall);
    let upstream = Upstream::start().on("stream", streaming).on("waiting", vec![Step::Stall]);
    let yaml = yaml(&upstream, "shutdown: {grace: 400ms}", "log: {requests: all}");
    let aurora = Setup::new().yaml(&yaml).start();
    let mut stream = aurora.client();
    stream.send(chat_of("stream", true));
    assert_eq!(stream.head().status, 200);
    assert_eq!(stream.read_until("\n\n"), HELLO);
    let mut waiting = aurora.client();
    waiting.send(chat_of("waiting", false));
    upstream.call("waiting");
    let begun = Instant::now();
    aurora.signal("TERM");
    let event = "data: {\"error\":{\"code\":\"shutting_down\",\"message\":\"the gateway is shutting down; send the request \
                 again\",\"param\":null,\"type\":\"server_error\"}}\n\n";
    assert_eq!(stream.read_until("\n\n"), event);
    assert_eq!(stream.chunk(), Some(Vec::new()));
    assert_eq!(waiting.response().status_and_text(), (503, &*DRAINING.replace("draining", "shutting_down")));
    assert!(begun.elapsed() >= Duration::from_millis(400), "took {:?}", begun.elapsed());
    let log = ends(aurora, 0, 2);
    within(Duration::from_millis(1400), begun);
    let mut requests: Vec<serde_json::Value> = log
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &serde_json::Value| line["msg"] == "request")
        .map(|line| value!([line["model"], line["status"], line["outcome"], line["transfer"]]))
        .collect();
    requests.sort_by_key(ToString::to_string);
    assert_eq!(
        requests,
        [value!(["stream", 200, "broken_stream", "broken"]), value!(["waiting", 503, "gateway_error", "ok"])]
    );
}

#[test]
fn a_second_signal_exits_immediately() {
    let upstream = Upstream::start().on("waiting", vec![Step::Stall]);
    let aurora = gateway(&upstream, "", "");
    let mut waiting = aurora.client();
    waiting.send(chat_of("waiting", false));
    upstream.call("waiting");
    aurora.signal("TERM");
    aurora.line("shutting down");
    let begun = Instant::now();
    aurora.signal("INT");
    let (status, _) = aurora.ended();
    assert_eq!(status.code(), Some(1));
    within(Duration::from_secs(1), begun);
    assert_eq!(waiting.closed(), b"");
}

#[test]
fn connections_without_a_request_are_kept_for_five_seconds_of_the_grace_period() {
    let upstream = Upstream::start().on("m", json(OK));
    for (grace, kept) in [("30s", Duration::from_secs(5)), ("1s", Duration::from_secs(1))] {
        let aurora = gateway(&upstream, &format!("shutdown: {{grace: {grace}}}"), "");
        let silent = aurora.client();
        let mut half_sent = aurora.client();
        half_sent.send("GET /health HTTP/1.1\r\nx: ");
        let mut idle = aurora.client();
        idle.send(chat_of("m", false));
        assert_eq!(idle.response().status, 200);
        let begun = Instant::now();
        aurora.signal("TERM");
        ends(aurora, 0, 0);
        let took = begun.elapsed();
        assert!((kept..kept + MARGIN).contains(&took), "took {took:?}");
        for mut client in [silent, half_sent, idle] {
            assert_eq!(client.closed(), b"");
        }
    }
}

#[test]
fn unfinished_requests_delay_the_exit_no_longer_than_the_grace_period() {
    let (_upstream, aurora, _unread) = unread_stream();
    let mut half = aurora.client();
    let whole = chat_of("m", false);
    half.send(&whole[..whole.len() - 1]);
    // A request on a connection of its own gets a response after those before it were read.
    assert_eq!(aurora.send(request("GET", "/health", "", "")).status, 200);
    let begun = Instant::now();
    aurora.signal("TERM");
    let (status, _) = aurora.ended();
    assert_eq!(status.code(), Some(0));
    within(Duration::from_millis(1300), begun);
}

#[test]
fn the_port_is_free_after_exit() {
    let upstream = Upstream::start().on("m", json(OK));
    let start = |port: u16| {
        let setup = Setup::bare().variable("LOG_FORMAT", "json").yaml(&yaml(&upstream, "", ""));
        setup.arguments(&["serve", "--host", "127.0.0.1", "--port", &port.to_string()]).start()
    };
    let mut aurora = start(0);
    let port = aurora.address.port();
    assert_ne!(port, 0);
    for kill in [false, true] {
        let mut open = aurora.client();
        open.send(chat_of("m", false));
        assert_eq!(open.response().status, 200);
        let begun = aurora.scrape();
        if kill {
            drop(aurora);
        } else {
            aurora.stop();
        }
        aurora = start(port);
        assert_eq!(aurora.address.port(), port);
        assert_eq!(aurora.counts("aurora_answers_total"), [""; 0]);
        let started = |text: &str| {
            text.lines().find(|line| line.starts_with("process_start_time_seconds ")).map(str::to_owned)
        };
        assert_ne!(started(&begun), started(&aurora.scrape()));
    }
}

#[test]
fn a_port_in_use_is_a_start_error() {
    let upstream = Upstream::start().on("m", json(OK));
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let aurora = gateway(&upstream, "", "");
    for address in [stranger.local_addr().expect("bound"), aurora.address] {
        let setup = Setup::bare().variable("AURORA_MASTER_KEY", MASTER_KEY).variable("LOG_LEVEL", "error");
        let (code, output_text) = setup
            .arguments(&[
                "--color",
                "never",
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                &address.port().to_string(),
            ])
            .refused();
        assert_eq!(
            output_text,
            format!(
                "aurora: error: cannot listen on {address}: Address already in use (os error 98); another process \
                 listens there; stop it or choose another port (--port, PORT, server.port)\n"
            )
        );
        assert_eq!(code, Some(1));
    }
    assert!(TcpStream::connect(aurora.address).is_ok());
}

#[test]
fn port_zero_chooses_a_free_port_and_logs_it() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 3", "");
    let mut line = aurora.line("listening");
    line.as_object_mut().expect("an object").remove("time");
    let address = aurora.address.to_string();
    assert_eq!(
        line,
        value!({"level": "INFO", "msg": "listening", "address": address, "workers": 3, "providers": 1})
    );
    assert_eq!(aurora.send(request("GET", "/v1/models", &key(), "")).status, 200);
}
