//! A real nginx in front of Aurora.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tempfile::TempDir;

use crate::house::readme;
use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::{curl, program};
use crate::support::servers::{Server, free_port};

const KEY: &str = "a-master-key-of-32-characters-or";

/// For this time nginx skips an instance that refused a connection; by default 10 s.
const FAIL_TIMEOUT: &str = "1s";

/// A running nginx with one server.
pub(crate) struct Nginx {
    pub(crate) origin: String,
    pub(crate) address: SocketAddr,
    _server: Server,
}

impl Nginx {
    /// Starts it with these locations. Where they name the password file or the gateway as the README does, they mean
    /// the file of this test (user `prometheus`, password `sesame`) and this instance.
    pub(crate) fn start(locations: &str, aurora: &Aurora) -> Self {
        Self::balancing(locations, &[aurora])
    }

    /// The same in front of several instances, each of which gets every so-manieth request.
    pub(crate) fn balancing(locations: &str, replicas: &[&Aurora]) -> Self {
        Self::with_upstream(locations, "", replicas)
    }

    /// The same with more lines in the block of the instances.
    pub(crate) fn with_upstream(locations: &str, upstream_lines: &str, replicas: &[&Aurora]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        std::fs::write(path("htpasswd"), "prometheus:{PLAIN}sesame\n").expect("a file in it");
        let locations = locations
            .replace("/etc/nginx/.htpasswd", &path("htpasswd"))
            .replace("aurora:8080", "aurora.localhost");
        let server = |aurora: &&Aurora| format!("server {} fail_timeout={FAIL_TIMEOUT};\n", aurora.address);
        let servers: String = replicas.iter().map(server).collect();
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
            .concat();
        let port = free_port();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {};\nerror_log stderr notice;\nevents {{}}\n\
             http {{\naccess_log off;\n{places}upstream aurora.localhost {{\n{servers}{upstream_lines}\n}}\nserver {{\nlisten 127.0.0.1:{port};\n{locations}\n}}\n}}\n",
            path("pid")
        );
        std::fs::write(path("nginx.conf"), config).expect("a file in it");
        let mut command = program("nginx", "nginx-light");
        command.args(["-e", "stderr", "-p", &path(""), "-c", &path("nginx.conf")]);
        // It says so once its sockets are open.
        let (server, ()) = Server::start(command, folder, |log| log.contains(" event method").then_some(()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { origin: format!("http://{address}"), address, _server: server }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// What a scraper with nginx's password gets.
pub(crate) const PASSWORD: [&str; 2] = ["--user", "prometheus:sesame"];

/// The README's block as the page prints it, and the one with the key, which is then the key of this test.
pub(crate) fn as_printed() -> &'static str {
    let plain = readme::blocks("nginx").into_iter().filter(|block| !block.contains("proxy_set_header"));
    let plain: Vec<&str> = plain.filter(|block| block.contains("auth_basic")).collect();
    assert_eq!(plain.len(), 1);
    plain[0]
}

fn with_the_key() -> String {
    readme::block("nginx", "proxy_set_header Authorization").replace("<your Aurora master key>", KEY)
}

fn open() -> Setup {
    Setup::new().variable("METRICS_ENABLED", "true")
}

fn locked() -> Setup {
    open().variable("AURORA_MASTER_KEY", KEY)
}

/// What Aurora responds to a password that nginx forwards, with what to add to nginx.
pub(crate) const REFUSAL: &str = "The key is invalid: the metrics endpoint is protected by \
    server.master_key (AURORA_MASTER_KEY): in Prometheus set authorization.credentials to it; behind nginx add \
    `proxy_set_header Authorization \"Bearer …\";`.";

/// The envelope around that.
pub(crate) fn refusal() -> String {
    let message = serde_json::Value::from(REFUSAL);
    format!(
        r#"{{"error":{{"message":{message},"type":"authentication_error","param":null,"code":"invalid_api_key"}}}}"#
    )
}

#[test]
fn nginx_basic_auth_protects_an_open_gateway() {
    let aurora = open().start();
    let nginx = Nginx::start(as_printed(), &aurora);
    let refused = curl(&nginx.url("/metrics"), &[]);
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Basic realm=\"Metrics\"")));
    assert_eq!(curl(&nginx.url("/metrics"), &["--user", "prometheus:wrong"]).status, 401);
    let response = curl(&nginx.url("/metrics"), &PASSWORD);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(response.body.starts_with("# HELP aurora_answers_total "), "{}", response.body);
}

#[test]
fn a_refusal_behind_nginx_names_the_missing_line() {
    let aurora = locked().start();
    let nginx = Nginx::start(as_printed(), &aurora);
    let refused = curl(&nginx.url("/metrics"), &PASSWORD);
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(refused.body, refusal());
}

#[test]
fn metrics_pass_nginx_with_the_authorization_line() {
    let aurora = locked().start();
    let nginx = Nginx::start(&with_the_key(), &aurora);
    assert_eq!(curl(&nginx.url("/metrics"), &[]).status, 401);
    let response = curl(&nginx.url("/metrics"), &PASSWORD);
    assert_eq!(response.status, 200);
    assert!(response.body.starts_with("# HELP aurora_answers_total "), "{}", response.body);
}

/// An upstream that sends an event only on a signal; the end of the channel is the end of the stream.
fn gated_upstream() -> (String, Sender<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (tell, expected) = channel();
    thread::spawn(move || produce(&listener, &expected));
    (format!("http://{address}/v1"), tell)
}

fn produce(listener: &TcpListener, expected: &Receiver<&'static str>) {
    let (mut client, _) = listener.accept().expect("a call");
    let mut request = [0; 4096];
    assert_ne!(client.read(&mut request).expect("a request"), 0);
    client
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .expect("a client that reads");
    for event in expected {
        let data = format!("data: {event}\n\n");
        write!(client, "{:x}\r\n{data}\r\n", data.len()).expect("a client that reads");
    }
    client.write_all(b"0\r\n\r\n").expect("a client that reads");
}

const WORDS: [&str; 4] = [
    r#"{"choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"two"},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "[DONE]",
];

#[test]
fn a_stream_passes_nginx_event_by_event() {
    let (upstream, tell) = gated_upstream();
    let provider = format!(
        "providers:\n  gated: {{type: openai_compatible, base_url: \"{upstream}\", api_key: k, models: [gated]}}\n"
    );
    let aurora = Setup::new().yaml(&provider).start();
    let nginx = Nginx::start(readme::block("nginx", "location /v1/"), &aurora);
    let mut curl = program("curl", "curl")
        .args(["--silent", "--show-error", "--fail", "--no-buffer", "--max-time", "20"])
        .args(["--header", "Content-Type: application/json"])
        .args([
            "--data",
            r#"{"model": "gated", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}"#,
        ])
        .arg(nginx.url("/v1/chat/completions"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was found");
    let mut lines = BufReader::new(curl.stdout.take().expect("piped")).lines();
    for event in WORDS {
        tell.send(event).expect("the upstream waits for it");
        // The next event is not produced before this one has arrived here.
        assert_eq!(lines.next().expect("an event").expect("text"), format!("data: {event}"));
        assert_eq!(lines.next().expect("an empty line").expect("text"), "");
    }
    drop(tell);
    assert!(lines.next().is_none());
    assert!(curl.wait().expect("a child").success());
}
