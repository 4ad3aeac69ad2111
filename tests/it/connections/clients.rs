//! Client connections: disconnects behind pipelined bytes, refusals during an upload, slow readers, room for new ones.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::connections::disconnects::{DISCONNECTS, disconnect};
use crate::support::aurora::{Aurora, MARGIN, Setup, WAIT_LIMIT};
use crate::support::client::{Client, chat, chat_of, key, request};
use crate::support::exposition::{gateway, yaml};
use crate::support::fixtures::{DONE, HELLO, OK, STOP};
use crate::support::upstream::{Gate, Step, Upstream, json, opening, stream};

const HEALTHY: (u16, &str) = (200, r#"{"status":"ok"}"#);

fn health() -> Vec<u8> {
    request("GET", "/health", "", "")
}

fn held(gate: &Gate) -> Vec<Step> {
    let mut steps = vec![Step::Await(gate.clone())];
    steps.extend(json(OK));
    steps
}

/// Bytes that may follow a request.
fn extras() -> Vec<Vec<u8>> {
    let pipelined = [health(), chat_of("unheard", false)].concat();
    vec![b"\r\n".to_vec(), b"G".to_vec(), pipelined, vec![b'x'; 300 << 10]]
}

#[test]
fn disconnects_behind_pipelined_bytes_are_noticed() {
    let cases: Vec<_> =
        DISCONNECTS.into_iter().flat_map(|how| extras().into_iter().map(move |extra| (how, extra))).collect();
    let mut streaming = opening(&[HELLO]);
    streaming.push(Step::Stall);
    let mut upstream = Upstream::start().on("unheard", json(OK));
    for case in 0..cases.len() {
        upstream = upstream.on(&format!("with-{case}"), vec![Step::Stall]);
        upstream = upstream.on(&format!("after-{case}"), vec![Step::Stall]);
        upstream = upstream.on(&format!("stream-{case}"), streaming.clone());
    }
    let aurora = gateway(&upstream, "", "");
    for (case, (how, extra)) in cases.iter().enumerate() {
        let model = format!("with-{case}");
        let mut client = aurora.client();
        client.send([chat_of(&model, false), extra.clone()].concat());
        upstream.call(&model);
        disconnect(client, *how, &upstream, &model);

        let model = format!("after-{case}");
        let mut client = aurora.client();
        client.send(chat_of(&model, false));
        upstream.call(&model);
        client.send(extra);
        disconnect(client, *how, &upstream, &model);

        let model = format!("stream-{case}");
        let mut client = aurora.client();
        client.send([chat_of(&model, true), extra.clone()].concat());
        assert_eq!(client.head().status, 200);
        client.read_until("Hello");
        disconnect(client, *how, &upstream, &model);
    }
    let count = cases.len();
    let without_status = format!("/v1/chat/completions POST 499 cancelled {}", 2 * count);
    let streams = format!("/v1/chat/completions POST 200 cancelled {count}");
    aurora.settles("aurora_http_requests_total", &[&streams, &without_status]);
    aurora.settles("aurora_requests_in_flight", &[]);
    assert!(upstream.calls().iter().all(|call| call.name != "unheard"));
}

#[test]
fn disconnects_behind_a_trailing_line_end_release_their_permits() {
    let upstream = Upstream::start().on("stall", vec![Step::Stall]).on("m", json(OK));
    let aurora = gateway(&upstream, "max_in_flight: 20", "");
    let mut clients: Vec<Client> = (0..20).map(|_| aurora.client()).collect();
    for client in &mut clients {
        client.send([chat_of("stall", false), b"\r\n".to_vec()].concat());
    }
    upstream.received("stall", 20);
    assert_eq!(aurora.send(chat_of("m", false)).status, 503);
    drop(clients);
    let disconnected = Instant::now();
    while aurora.send(chat_of("m", false)).status != 200 {
        assert!(disconnected.elapsed() < Duration::from_secs(1) + MARGIN, "the places are still taken");
    }
    aurora.settles("aurora_requests_in_flight", &[]);
}

#[test]
fn pipelined_requests_are_served_in_order() {
    let gate = Gate::default();
    let upstream = Upstream::start().on("held", held(&gate)).on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 1", "");
    let mut client = aurora.client();
    client.send(chat_of("held", false));
    upstream.call("held");
    for part in [health(), chat_of("m", false), health()] {
        client.send(part);
        // The only worker has read the part when it has responded to somebody else.
        assert_eq!(aurora.send(health()).status_and_text(), HEALTHY);
    }
    gate.open();
    for expected in [(200, OK), HEALTHY, (200, OK), HEALTHY] {
        let response = client.response();
        assert_eq!((response.status_and_text(), response.header("connection")), (expected, None));
    }
}

#[test]
fn unbounded_pipelining_gets_one_response() {
    let gate = Gate::default();
    let upstream = Upstream::start().on("held", held(&gate));
    let aurora = gateway(&upstream, "workers: 1", "");
    let mut client = aurora.client();
    client.send(chat_of("held", false));
    upstream.call("held");
    client.send(health().repeat(10_000));
    assert_eq!(aurora.send(health()).status_and_text(), HEALTHY);
    gate.open();
    let response = client.response();
    assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), Some("close")));
    assert_eq!(client.closed(), b"");
}

#[test]
fn a_pipelined_partial_head_has_the_header_timeout() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "timeouts: {header: 300ms, idle: 15s}", "");
    for (sent, expected) in [(health(), HEALTHY), (chat_of("m", false), (200, OK))] {
        let mut client = aurora.client();
        let begun = Instant::now();
        client.send([&sent[..], b"GET /health HTTP/1.1\r\nho"].concat());
        assert_eq!(client.response().status_and_text(), expected);
        assert_eq!(client.closed(), b"");
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(280), "{waited:?}");
    }
}

#[test]
fn unauthenticated_requests_take_no_permit() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "max_in_flight: 4, body_size_limit: 1M", "");
    let declared = |path: &str, headers: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: 9\r\n\r\n")
    };
    for _ in 0..5 {
        let silent: Vec<Client> = (0..16)
            .map(|number| {
                let mut client = aurora.client();
                let path = ["/nowhere", "/v1/chat/completions", "/v1/models", "/health"][number % 4];
                client.send(declared(path, ""));
                client
            })
            .collect();
        for _ in 0..10 {
            assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
        }
        drop(silent);
    }
    // The list of models is there at once; the unread body is drained without a permit.
    let waiting: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = aurora.client();
            client.send(declared("/v1/models", &key()).replacen("POST", "GET", 1));
            client
        })
        .collect();
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    drop(waiting);
}

/// What the kernel does not take of this for a client with a narrow receive buffer is still ours to send.
fn large() -> String {
    format!(r#"{{"choices":[],"x":"{}"}}"#, "x".repeat(250 << 10))
}

#[test]
fn a_slow_reader_is_not_idle() {
    let large = large();
    let upstream = Upstream::start().on("m", json(&large));
    let aurora = gateway(&upstream, "timeouts: {idle: 300ms}", "");
    let mut client = Client::connect_narrow(aurora.address);
    client.send(chat_of("m", false));
    assert_eq!(client.head().status, 200);
    let mut body = Vec::new();
    while body.len() < large.len() {
        let part = client.take((large.len() - body.len()).min(5 << 10));
        assert!(!part.is_empty(), "cut after {} bytes", body.len());
        body.extend(part);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.closed(), b"");
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 200 ok 1"]);
}

#[test]
fn a_slow_reader_gets_a_stream_to_its_end() {
    let events = [HELLO.repeat(20), STOP.to_owned()].concat();
    let whole = [events.repeat(120), DONE.to_owned()].concat();
    let parts: Vec<&str> = vec![&events; 120];
    let upstream = Upstream::start().on("m", stream(&[&parts[..], &[DONE]].concat()));
    let aurora = gateway(&upstream, "", "");
    let mut client = Client::connect_narrow(aurora.address);
    client.send([chat_of("m", true), health()].concat());
    assert_eq!(client.head().status, 200);
    let mut read = Vec::new();
    loop {
        let part = client.chunk().expect("a whole chunk");
        if part.is_empty() {
            break;
        }
        read.extend(part);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(String::from_utf8(read).expect("UTF-8"), whole);
    // Nothing is between the end of the stream and the next response.
    assert_eq!(client.response().status_and_text(), HEALTHY);
    aurora.settles("aurora_answers_total", &["m ok 1"]);
}

#[test]
fn a_response_that_is_not_read_to_the_end_is_not_counted_ok() {
    let upstream = Upstream::start().on("m", json(&large()));
    let yaml = yaml(&upstream, "timeouts: {write: 300ms}", "log: {requests: all}");
    let aurora = Setup::new().yaml(&yaml).start();
    let mut client = Client::connect_narrow(aurora.address);
    client.send(chat_of("m", false));
    assert_eq!(client.head().status, 200);
    aurora.settles("aurora_http_requests_total", &["/v1/chat/completions POST 200 cancelled 1"]);
    aurora.settles("aurora_client_disconnects_total", &["/chat/completions mid_stream 1"]);
    aurora.settles("aurora_answers_total", &["m cancelled 1"]);
    aurora.settles("aurora_requests_total", &["up m /chat/completions 200 success false 1"]);
    let line = aurora.line("request");
    assert_eq!((line["status"].as_u64(), line["outcome"].as_str()), (Some(200), Some("cancelled")));
}

/// Sends a body in parts, one every 30 ms, and reads the response; false when the connection broke before.
fn upload(aurora: &Aurora, head: &str, parts: usize, size: usize) -> (bool, Option<(u16, String)>) {
    let mut client = aurora.client();
    client.send(head);
    let mut sent = true;
    for _ in 0..parts {
        sent &= client.try_send(vec![b' '; size]);
        thread::sleep(Duration::from_millis(30));
    }
    let response = client.try_response();
    (sent, response.map(|response| (response.status, response.text().to_owned())))
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "body_size_limit: 64K, max_in_flight: 1", "");
    let post = |headers: &str| format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
    let length = |bytes: usize| format!("content-length: {bytes}\r\n");
    let (parts, size) = (30, 20_000);
    for (status, head) in [
        (401, post(&length(parts * size))),
        (401, post("transfer-encoding: chunked\r\n")),
        (413, post(&(key() + &length(parts * size)))),
        (415, post(&(key() + "content-encoding: gzip\r\n" + &length(parts * size)))),
        (404, post(&length(parts * size)).replace("/v1/chat", "/nowhere")),
        (400, post(&("no colon\r\n".to_owned() + &length(parts * size)))),
        (414, post("").replace("/v1/chat", &"/v1".repeat(30_000))),
    ] {
        let chunked = head.contains("chunked");
        let (sent, response) = if chunked {
            upload(&aurora, &format!("{head}{:x}\r\n", parts * size), parts, size)
        } else {
            upload(&aurora, &head, parts, size)
        };
        assert!(sent, "{status}: broken pipe");
        assert_eq!(response.map(|(status, _)| status), Some(status), "{head}");
    }
    assert_eq!(upstream.calls().len(), 0);
}

#[test]
fn the_rest_of_a_refused_body_is_read_for_a_bounded_time() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "max_connections: 2, workers: 1", "");
    let mut client = aurora.client();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n");
    assert_eq!(client.response().status, 401);
    let begun = Instant::now();
    while client.try_send([b' '; 100]) {
        thread::sleep(Duration::from_millis(20));
        assert!(begun.elapsed() < WAIT_LIMIT, "it is still read");
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(4500), "{took:?}");
    // Meanwhile such a connection makes room for others.
    let mut lingering: Vec<Client> = (0..2).map(|_| aurora.client()).collect();
    for client in &mut lingering {
        client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n");
        assert_eq!(client.response().status, 401);
    }
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
}

/// The timer field of an accepted socket as the kernel shows it: `02` is a keepalive that runs.
#[cfg(target_os = "linux")]
fn kernel_timer(server: SocketAddr, client: SocketAddr) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let place = |address: SocketAddr| format!(":{:04X}", address.port());
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let found = fields[1].ends_with(&place(server)) && fields[2].ends_with(&place(client));
        found.then(|| fields[5].to_owned())
    })
}

#[cfg(target_os = "linux")]
#[test]
fn accepted_connections_have_tcp_keepalive() {
    let upstream = Upstream::start();
    let aurora = gateway(&upstream, "", "");
    let client = TcpStream::connect(aurora.address).expect("it listens");
    assert_eq!(aurora.send(health()).status_and_text(), HEALTHY);
    let timer = kernel_timer(aurora.address, client.local_addr().expect("bound")).expect("a connection");
    let (kind, ticks) = timer.split_once(':').expect("a timer and its time");
    let ticks = u64::from_str_radix(ticks, 16).expect("ticks");
    // In hundredths of a second.
    assert!(kind == "02" && ticks <= 2_000, "{timer}");
}

fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(address).expect("it listens")).collect()
}

/// Lets this process have as many sockets as the tests below open.
fn many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("its own");
}

#[test]
fn silent_connections_make_room_for_new_ones() {
    many_files();
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = Setup::new().yaml(&yaml(&upstream, "workers: 2", "")).shell("ulimit -n 256").start();
    let mut kept = aurora.client();
    kept.send(chat_of("m", false));
    assert_eq!(kept.response().status_and_text(), (200, OK));
    let silent = silent(aurora.address, 1_000);
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
        assert_eq!(aurora.get("/metrics").status, 200);
        assert!(begun.elapsed() < Duration::from_secs(2) + MARGIN, "took {:?}", begun.elapsed());
    }
    // The idle one was requested room after the silent ones.
    kept.send(chat_of("m", false));
    assert_eq!(kept.response().status_and_text(), (200, OK));
    drop(silent);
}

#[test]
fn idle_connections_make_room_for_new_ones_oldest_first() {
    let gate = Gate::default();
    let upstream = Upstream::start().on("held", held(&gate)).on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 1, max_connections: 4", "");
    let mut busy = aurora.client();
    busy.send(chat_of("held", false));
    upstream.call("held");
    let mut idle: Vec<Client> = (0..3).map(|_| aurora.client()).collect();
    for number in [1, 0, 2] {
        idle[number].send(chat_of("m", false));
        assert_eq!(idle[number].response().status_and_text(), (200, OK));
    }
    for _ in 0..2 {
        let mut new = aurora.client();
        new.send(chat_of("m", false));
        let response = new.response();
        assert_eq!((response.status_and_text(), response.header("connection")), ((200, OK), None));
        idle.push(new);
    }
    for (number, closed) in [true, true, false, false, false].into_iter().enumerate() {
        let client = &mut idle[number];
        if closed {
            assert_eq!(client.closed(), b"");
        } else {
            client.send(chat_of("m", false));
            assert_eq!(client.response().status_and_text(), (200, OK), "{number}");
        }
    }
    gate.open();
    assert_eq!(busy.response().status_and_text(), (200, OK));
}

#[test]
fn connections_with_partial_heads_make_room_for_new_ones() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 1, max_connections: 8", "");
    let mut slow: Vec<Client> = (0..40).map(|_| aurora.client()).collect();
    for client in &mut slow {
        client.try_send("GET /health HTTP/1.1\r\n");
    }
    let begun = Instant::now();
    assert_eq!(aurora.send(chat(r#"{"model":"m"}"#)).status_and_text(), (200, OK));
    assert!(begun.elapsed() < Duration::from_secs(2) + MARGIN, "took {:?}", begun.elapsed());
}
