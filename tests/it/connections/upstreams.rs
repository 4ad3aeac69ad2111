//! Connections to a provider: which are reused, which are not, and how often a request is sent.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::aurora::{Aurora, Setup, WAIT_LIMIT};
use crate::support::client::{Client, Response, chat_of, key, post, request};
use crate::support::exposition::{BRITTLE, gateway, yaml};
use crate::support::fixtures::{MASTER_KEY, OK};
use crate::support::upstream::{Gate, Step, Upstream, json, response};

const BROKEN: &str = r#"{"error":{"message":"provider `up`: the connection broke before a response","type":"upstream_error","param":null,"code":"upstream_unreachable"}}"#;

/// A script that responds once the gate opens.
fn held(gate: &Gate) -> Vec<Step> {
    [vec![Step::Await(gate.clone())], json(OK)].concat()
}

/// Leaves this many idle connections to the upstream, by requests for `warm` that are held until all have come.
fn keep(aurora: &Aurora, upstream: &Upstream, gate: &Gate, connections: usize) {
    let mut clients: Vec<Client> = (0..connections).map(|_| aurora.client()).collect();
    for client in &mut clients {
        client.send(chat_of("warm", false));
    }
    upstream.received("warm", connections);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status_and_text(), (200, OK));
    }
}

#[test]
fn a_post_that_reached_the_upstream_is_sent_once() {
    let (warm, [fin, reset]) = (Gate::default(), [Gate::default(), Gate::default()]);
    let upstream = Upstream::start()
        .on("warm", held(&warm))
        .on("fin", vec![Step::Await(fin.clone()), Step::Close])
        .on("reset", vec![Step::Await(reset.clone()), Step::Reset]);
    let aurora = gateway(&upstream, "workers: 1", "");
    keep(&aurora, &upstream, &warm, 8);
    for (model, worked) in [("fin", fin), ("reset", reset)] {
        let mut client = aurora.client();
        client.send(chat_of(model, false));
        let call = upstream.call(model);
        assert!(call.connection < 8, "on a kept connection");
        // The work of the upstream.
        thread::sleep(Duration::from_millis(500));
        worked.open();
        assert_eq!(client.response().status_and_text(), (502, BROKEN));
    }
    assert_eq!(upstream.calls().len(), 8 + 2);
    let attempts = ["up fin server_error 1", "up reset server_error 1", "up warm success 8"];
    aurora.settles("aurora_upstream_attempts_total", &attempts);
    aurora.settles("aurora_retries_total", &[]);
}

#[test]
fn a_request_on_a_closing_connection_is_replayed_once_on_a_new_one() {
    for end in [Step::Close, Step::Reset] {
        let warm = Gate::default();
        let upstream = Upstream::start()
            .on("warm", held(&warm))
            .on("once", vec![end.clone()])
            .on("once", json(OK))
            .on("always", vec![end]);
        let aurora = gateway(&upstream, "workers: 1", "");
        keep(&aurora, &upstream, &warm, 4);
        assert_eq!(aurora.send(chat_of("once", false)).status_and_text(), (200, OK));
        assert_eq!(upstream.calls()[5].connection, 4, "the replay is on a fresh connection");
        assert_eq!(aurora.send(chat_of("always", false)).status_and_text(), (502, BROKEN));
        assert_eq!(upstream.calls().len(), 4 + 2 + 2);
        aurora.settles(
            "aurora_upstream_attempts_total",
            &["up always server_error 2", "up once server_error 1", "up once success 1", "up warm success 4"],
        );
        aurora.settles("aurora_retries_total", &[]);
    }
}

#[test]
fn passthrough_files_and_batches_replay_only_safe_methods() {
    let paths = ["/p/up/x", "/v1/files", "/v1/batches", "/v1/responses/r1/cancel"];
    let mut upstream = Upstream::start();
    for path in ["/v1/x", "/v1/files", "/v1/batches", "/v1/responses/r1/cancel"] {
        upstream = upstream.on(&format!("POST {path}"), vec![Step::Close]);
    }
    let upstream = upstream.on("GET /v1/x", vec![Step::Close]).on("GET /v1/x", json("{}")).on("m", json(OK));
    let aurora = gateway(&upstream, "workers: 1", "");
    for path in paths {
        assert_eq!(aurora.send(chat_of("m", false)).status, 200);
        let before = upstream.calls().len();
        assert_eq!(aurora.send(post(path, "{}")).status_and_text(), (502, BROKEN), "{path}");
        let calls = upstream.calls();
        assert_eq!(
            (calls.len(), calls[before].connection),
            (before + 1, calls[before - 1].connection),
            "{path}"
        );
    }
    assert_eq!(aurora.send(chat_of("m", false)).status, 200);
    assert_eq!(aurora.send(request("GET", "/p/up/x", &key(), "")).status_and_text(), (200, "{}"));
    let attempts: usize = aurora
        .counts("aurora_upstream_attempts_total")
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(attempts, upstream.calls().len());
}

/// Serves raw connections: each request for a model gets the bytes that belong to it.
struct Raw {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Raw {
    /// Every request gets a response with the result of `response`, by the number of the connection.
    fn start(response: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, connections) =
            (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let raw = Self { address, accepted: Arc::clone(&accepted), connections: Arc::clone(&connections) };
        let response = Arc::new(response);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (number, response) = (accepted.fetch_add(1, Ordering::SeqCst), Arc::clone(&response));
                connections.lock().unwrap().push(connection.try_clone().unwrap());
                thread::spawn(move || serve(connection, number, &*response));
            }
        });
        raw
    }

    fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn gateway(&self, rest: &str) -> Aurora {
        let text = yaml(&Upstream::start().on("m", json(OK)), "workers: 1", rest);
        let line = text.lines().last().unwrap().to_owned();
        let at = line.find("http://").unwrap();
        let end = at + line[at..].find("/v1").unwrap();
        let own = format!("{}http://{}{}", &line[..at], self.address, &line[end..]);
        Setup::new().yaml(&text.replace(&line, &own)).start()
    }
}

fn serve(mut connection: TcpStream, number: usize, response: &dyn Fn(usize) -> String) {
    let mut buffer = Vec::new();
    let mut part = [0; 4096];
    loop {
        while memchr::memmem::find(&buffer, b"\"messages\":[]}").is_none() {
            match connection.read(&mut part) {
                Ok(read) if read > 0 => buffer.extend_from_slice(&part[..read]),
                _ => return,
            }
        }
        buffer.clear();
        if connection.write_all(response(number).as_bytes()).is_err() {
            return;
        }
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn unsolicited_bytes_never_become_a_response() {
    // Behind the response that was requested, in one piece.
    let split = Raw::start(|number| ok(&format!("[{number}]")) + &ok(r#""evil""#));
    let aurora = split.gateway("");
    for number in 0..3 {
        assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, &*format!("[{number}]")));
    }
    assert_eq!(split.connections(), 3);
    // On an idle connection, later.
    let idle = Raw::start(|number| ok(&format!("[{number}]")));
    let aurora = idle.gateway("");
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, "[0]"));
    let mut kept = idle.connections.lock().unwrap().pop().unwrap();
    kept.write_all(ok(r#""evil""#).as_bytes()).unwrap();
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, "[1]"));
    aurora.settles("aurora_upstream_attempts_total", &["up m success 2"]);
}

#[test]
fn a_connection_closed_by_the_upstream_is_not_reused() {
    let closing = [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nconnection: Keep-Alive, Close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    ];
    for text in closing {
        let upstream = Raw::start(|_| text.to_owned());
        let aurora = upstream.gateway("");
        for _ in 0..2 {
            assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, "{}"));
        }
        assert_eq!(upstream.connections(), 2, "{text}");
    }
    let kept = Raw::start(|_| ok("{}").replace("\r\n\r\n", "\r\nkeep-alive: timeout=0, max=0\r\n\r\n"));
    let aurora = kept.gateway("");
    for _ in 0..3 {
        assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, "{}"));
    }
    assert_eq!(kept.connections(), 1);
}

#[test]
fn an_upstream_that_closes_every_connection_at_once_is_a_502() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let raw = Raw {
        address: listener.local_addr().unwrap(),
        accepted: Arc::default(),
        connections: Arc::default(),
    };
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(drop));
    let aurora = raw.gateway("");
    for _ in 0..5 {
        assert_eq!(aurora.send(chat_of("m", false)).status, 502);
    }
}

#[test]
fn an_early_response_is_relayed() {
    let upstream = Raw::start(|_| String::new());
    let body = format!(r#"{{"model":"m","messages":[],"pad":"{}"}}"#, "x".repeat(8 << 20));
    let early = response("413 Too Large", "content-type: application/json\r\n", r#"{"error":"early"}"#);
    let Step::Send(early) = early[0].clone() else { panic!("bytes") };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = Raw { address, ..upstream };
    thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let read = connection.read(&mut [0; 1024]).unwrap();
        assert!(read > 0);
        connection.write_all(&early).unwrap();
        thread::sleep(WAIT_LIMIT);
    });
    let aurora = upstream.gateway("");
    assert_eq!(
        aurora.send(post("/v1/chat/completions", body)).status_and_text(),
        (413, r#"{"error":"early"}"#)
    );
}

#[test]
fn more_than_a_hundred_informational_responses_are_a_502() {
    let hints = |count: usize| "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(count).into_bytes();
    let few = [vec![Step::Send(hints(99))], json(OK)].concat();
    let many = [vec![Step::Send(hints(100))], json(OK)].concat();
    let torn = hints(100).chunks(7).map(|part| Step::Send(part.to_vec())).collect();
    let bare = b"HTTP/1.1 100 Continue\n\n".to_vec();
    let upstream = Upstream::start()
        .on("few", few)
        .on("many", many)
        .on("torn", torn)
        .on("endless", vec![Step::Pour(hints(50))])
        .on("bare", vec![Step::Pour(bare)]);
    let aurora = gateway(&upstream, "workers: 1", "");
    for _ in 0..2 {
        assert_eq!(aurora.send(chat_of("few", false)).status_and_text(), (200, OK));
    }
    let message = r#"{"error":{"message":"provider `up`: it sent 100 informational responses (1xx) before a response","type":"upstream_error","param":null,"code":"upstream_invalid_answer"}}"#;
    for model in ["many", "torn", "endless"] {
        assert_eq!((model, aurora.send(chat_of(model, false)).status_and_text()), (model, (502, message)));
    }
    // Lines without a carriage return are no HTTP.
    let broken = r#"{"error":{"message":"provider `up`: the connection broke before a response","type":"upstream_error","param":null,"code":"upstream_unreachable"}}"#;
    assert_eq!(aurora.send(chat_of("bare", false)).status_and_text(), (502, broken));
    aurora.settles(
        "aurora_upstream_attempts_total",
        &[
            "up bare server_error 1",
            "up endless server_error 1",
            "up few success 2",
            "up many server_error 1",
            "up torn server_error 1",
        ],
    );
}

/// Descriptors that a process has open, without those it inherited above its limit.
fn descriptors(aurora: &Aurora) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", aurora.pid())).unwrap().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<usize>().ok());
    numbers.filter(|number| *number < 200).count()
}

/// Waits for a condition of the descriptors.
fn until_descriptors(aurora: &Aurora, done: impl Fn(usize) -> bool) -> usize {
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        let open = descriptors(aurora);
        if done(open) {
            return open;
        }
        assert!(Instant::now() < until, "{open} descriptors");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Descriptors once nothing opens or closes any more.
fn settled_descriptors(aurora: &Aurora) -> usize {
    let (mut open, mut since) = (descriptors(aurora), Instant::now());
    while since.elapsed() < Duration::from_millis(20) {
        let now = descriptors(aurora);
        if now != open {
            (open, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(2));
    }
    open
}

/// Holds requests open until one descriptor of `limit` is free.
fn fill(aurora: &Aurora, limit: usize) -> Vec<Client> {
    let mut held = Vec::new();
    while settled_descriptors(aurora) < limit - 1 {
        let before = descriptors(aurora);
        let mut client = aurora.client();
        let whole = chat_of("m", false);
        client.send(&whole[..whole.len() - 1]);
        held.push(client);
        until_descriptors(aurora, |now| now > before);
    }
    held
}

/// Sends until there is a response: a connection that takes the last descriptor may have to make room before its first
/// byte is read.
fn insist(aurora: &Aurora, request: &[u8]) -> Response {
    let until = Instant::now() + WAIT_LIMIT;
    loop {
        let mut client = aurora.client();
        if client.try_send(request)
            && let Some(response) = client.try_response()
        {
            return response;
        }
        assert!(Instant::now() < until, "no response");
    }
}

/// An instance with few descriptors, whose caps are out of the way.
fn starved(yaml: &str, limit: usize) -> Aurora {
    Setup::new().yaml(yaml).shell(&format!("ulimit -n {limit}")).start()
}

/// Caps that are out of the way, and a breaker that opens at the first failure.
const UNCAPPED: &str = "workers: 1, max_connections: 1000, max_in_flight: 1000";
const TOUCHY: &str = "resilience: {retry: {max_retries: 2}, circuit_breaker: {failure_threshold: 1}}";

#[test]
fn idle_upstream_connections_are_closed_when_descriptors_run_out() {
    const LIMIT: usize = 96;
    let warm = Gate::default();
    let upstream = Upstream::start().on("warm", held(&warm)).on("m", json(OK));
    let other = Upstream::start().on("o", json(OK));
    let text = yaml(&upstream, UNCAPPED, TOUCHY);
    let two = format!(
        "  two: {{type: openai_compatible, base_url: \"http://{}/v1\", models: [o]}}\n",
        other.address
    );
    let aurora = starved(&(text + &two), LIMIT);
    keep(&aurora, &upstream, &warm, 8);
    let _held = fill(&aurora, LIMIT);
    assert_eq!(insist(&aurora, &chat_of("o", false)).status_and_text(), (200, OK));
}

#[test]
fn running_out_of_descriptors_is_a_503_and_no_provider_failure() {
    const LIMIT: usize = 96;
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = starved(&yaml(&upstream, UNCAPPED, TOUCHY), LIMIT);
    let held = fill(&aurora, LIMIT);
    let refusal = r#"{"error":{"message":"No file descriptors are available for a connection to the provider (ulimit -n); send the request again.","type":"server_error","param":null,"code":"out_of_descriptors"}}"#;
    for _ in 0..3 {
        let response = insist(&aurora, &chat_of("m", false));
        assert_eq!((response.status_and_text(), response.header("retry-after")), ((503, refusal), Some("1")));
        until_descriptors(&aurora, |open| open < LIMIT);
    }
    drop(held);
    until_descriptors(&aurora, |open| open < LIMIT / 2);
    aurora.settles("aurora_rejected_requests_total", &["concurrency 3"]);
    for family in
        ["upstream_attempts_total", "requests_total", "retries_total", "circuit_breaker_transitions_total"]
    {
        aurora.settles(&format!("aurora_{family}"), &[]);
    }
    aurora.settles("aurora_requests_in_flight", &[]);
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
}

#[test]
fn idle_upstream_connections_stay_within_the_descriptor_budget() {
    const LIMIT: usize = 256;
    let warm = Gate::default();
    let upstream = Upstream::start().on("warm", held(&warm));
    let aurora =
        Setup::new().yaml(&yaml(&upstream, UNCAPPED, "")).shell(&format!("ulimit -n {LIMIT}")).start();
    let before = settled_descriptors(&aurora);
    keep(&aurora, &upstream, &warm, 60);
    // A thread that starts late has descriptors of its own.
    until_descriptors(&aurora, |open| open <= before + LIMIT / 8 + 8);
    let mut client = aurora.client();
    for _ in 0..4 {
        client.send(chat_of("warm", false));
        assert_eq!(client.response().status_and_text(), (200, OK));
    }
    let last = upstream.calls().pop().unwrap().connection;
    assert!(last < 60, "a kept connection is used again");
}

#[test]
fn a_connect_timeout_falls_back_at_once() {
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _first = TcpStream::connect(address).unwrap();
    let good = Upstream::start().on("g", json(OK));
    let yaml = format!(
        "server: {{master_key: {MASTER_KEY}, workers: 1}}\nmetrics: {{enabled: true}}\nhttp: {{connect_timeout: 200ms}}\n\
         resilience: {{retry: {{max_retries: 1, initial_backoff: 1ms}}, circuit_breaker: {{failure_threshold: 0}}}}\n\
         routes: {{r: [hole/m, up/g]}}\nproviders:\n  hole: {{type: openai_compatible, base_url: \"http://{address}/v1\", models: [m]}}\n  \
         up: {{type: openai_compatible, base_url: \"http://{}/v1\", models: [g]}}\n",
        good.address
    );
    let aurora = Setup::new().yaml(&yaml).start();
    assert_eq!(aurora.send(chat_of("r", false)).status_and_text(), (200, OK));
    aurora.settles("aurora_upstream_attempts_total", &["hole m timeout 1", "up g success 1"]);
    aurora.settles("aurora_retries_total", &[]);
    assert_eq!(aurora.send(chat_of("hole/m", false)).status, 504);
}

#[test]
fn a_disconnect_before_sending_counts_no_attempt() {
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _first = TcpStream::connect(address).unwrap();
    let yaml = format!(
        "server: {{master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true}}\n{BRITTLE}\n\
         providers: {{up: {{type: openai_compatible, base_url: \"http://{address}/v1\", models: [m]}}}}\n"
    );
    let aurora = Setup::new().yaml(&yaml).start();
    let mut client = aurora.client();
    client.send(chat_of("m", false));
    aurora.settles("aurora_requests_in_flight", &["up /chat/completions false 1"]);
    drop(client);
    aurora.settles("aurora_requests_total", &["up m /chat/completions 499 cancelled false 1"]);
    aurora.settles("aurora_upstream_attempts_total", &[]);
}

/// A host of the upstream whose first address is a black hole.
#[cfg(feature = "real-software")]
#[test]
fn a_host_with_one_dead_address_is_reached_at_another() {
    let live = TcpListener::bind("127.83.8.2:0").unwrap();
    let port = live.local_addr().unwrap().port();
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 83, 8, 1], port)).into()).unwrap();
    full.listen(0).unwrap();
    let _first = TcpStream::connect(("127.83.8.1", port)).unwrap();
    thread::spawn(move || {
        for connection in live.incoming().map_while(Result::ok) {
            serve(connection, 0, &|_| ok("{}"));
        }
    });
    let yaml = format!(
        "server: {{master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true}}\nhttp: {{connect_timeout: 20s}}\n{BRITTLE}\n\
         providers: {{up: {{type: openai_compatible, base_url: \"http://two.test:{port}/v1\", models: [m]}}}}\n"
    );
    let aurora = Setup::new()
        .yaml(&yaml)
        .file("hosts", "127.83.8.1 two.test\n127.83.8.2 two.test\n")
        .shell("mount --bind \"$PWD/hosts\" /etc/hosts")
        .unshared()
        .start();
    let begun = Instant::now();
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, "{}"));
    assert!(begun.elapsed() < WAIT_LIMIT, "took {:?}", begun.elapsed());
    aurora.settles("aurora_upstream_attempts_total", &["up m success 1"]);
}
