//! Proxies on the way to upstreams.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use hyper::StatusCode;

use crate::connections::tls::{
    COMPLETION, LISTED, STREAM, authority, certificate, chat_through, upstream as secure,
};
use crate::support::aurora::{Aurora, Setup};
use crate::support::client::chat_of;
use crate::support::fixtures::OK;
use crate::support::upstream::{Upstream, json};

const MODELS: &str = r#"{"object":"list","data":[{"id":"m"}]}"#;

/// A proxy on loopback: it opens tunnels, and forwards requests to upstreams without TLS.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// With `refusal`, that is its response to everything.
    fn start(refusal: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (connection, seen) = (connection.expect("accepted"), Arc::clone(&seen));
                thread::spawn(move || converse(connection, refusal, &seen));
            }
        });
        Self { address, heads }
    }

    /// Every head so far, its lines sorted but for the first.
    fn heads(&self) -> Vec<Vec<String>> {
        let heads = self.heads.lock().expect("not poisoned");
        let sorted = |head: &String| {
            let mut lines: Vec<String> = head.trim_end().lines().map(str::to_owned).collect();
            lines[1..].sort_unstable();
            lines
        };
        heads.iter().map(sorted).collect()
    }
}

fn converse(mut connection: TcpStream, refusal: Option<&str>, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !connection.read(&mut byte).is_ok_and(|read| read == 1) {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head of text");
    seen.lock().expect("not poisoned").push(head.clone());
    if let Some(refusal) = refusal {
        // The client may have disconnected.
        drop(connection.write_all(refusal.as_bytes()));
        return;
    }
    let target = head.split(' ').nth(1).expect("a target");
    let to = target.strip_prefix("http://").unwrap_or(target).split('/').next().expect("an authority");
    let mut upstream = TcpStream::connect(to).expect("the upstream listens");
    if head.starts_with("CONNECT ") {
        connection.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").expect("a client that waits");
    } else {
        upstream.write_all(head.replacen(&format!("http://{to}"), "", 1).as_bytes()).expect("an upstream");
    }
    let (mut from, mut back) =
        (connection.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
    let up = thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut upstream));
        drop(upstream.shutdown(Shutdown::Write));
    });
    drop(std::io::copy(&mut back, &mut connection));
    drop(connection.shutdown(Shutdown::Both));
    drop(up.join());
}

/// Settings of an instance in front of an upstream without TLS.
fn plain(upstream: &Upstream, models: &str) -> Setup {
    let yaml = format!(
        "log: {{level: debug}}\nresilience: {{retry: {{max_retries: 0}}}}\nproviders:\n  up: {{type: openai_compatible, \
         base_url: \"http://{}/v1\", api_key: sk-upstream{models}}}\n",
        upstream.address
    );
    Setup::new().yaml(&yaml)
}

/// An instance in front of an upstream with TLS, which only `http.ca_file` makes trusted.
fn secure_aurora(upstream: SocketAddr, ca: &str, variables: &[(&str, &str)]) -> Aurora {
    let yaml = format!(
        "http: {{ca_file: own.pem, connect_timeout: 2s}}\nlog: {{level: debug}}\nresilience: {{retry: {{max_retries: \
         0}}}}\nproviders:\n  secure:\n    type: openai_compatible\n    api_key: sk-upstream\n    base_url: \
         https://{upstream}/v1\n    {LISTED}\n"
    );
    let machine = authority("Machine");
    let setup = Setup::new().yaml(&yaml).file("own.pem", ca).file("machine.pem", &machine.as_ref().pem());
    let setup = setup.variable("SSL_CERT_FILE", "machine.pem");
    variables.iter().fold(setup, |setup, (name, value)| setup.variable(name, value)).start()
}

#[tokio::test]
async fn tls_upstreams_use_a_connect_tunnel() {
    let own = authority("Own");
    let upstream = secure(&certificate(), &own);
    let proxy = Proxy::start(None);
    let url = format!("http://user:canary%40password@{}", proxy.address);
    let aurora = secure_aurora(upstream, &own.as_ref().pem(), &[("HTTPS_PROXY", &url)]);
    assert_eq!(chat_through(&aurora, false).await, (StatusCode::OK, COMPLETION.to_owned()));
    assert_eq!(chat_through(&aurora, true).await, (StatusCode::OK, STREAM.to_owned()));
    let expected = [
        format!("CONNECT {upstream} HTTP/1.1"),
        format!("Host: {upstream}"),
        // user:canary@password
        "Proxy-Authorization: Basic dXNlcjpjYW5hcnlAcGFzc3dvcmQ=".to_owned(),
    ];
    let heads = proxy.heads();
    assert!(!heads.is_empty() && heads.iter().all(|head| *head == expected), "{heads:#?}");
    let (_, log) = aurora.stop();
    for secret in ["canary", "dXNlcjpjYW5hcnlAcGFzc3dvcmQ"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:#?}");
    }
}

#[tokio::test]
async fn additional_authorities_are_trusted_without_a_proxy() {
    let own = authority("Own");
    let aurora = secure_aurora(secure(&certificate(), &own), &own.as_ref().pem(), &[]);
    assert_eq!(chat_through(&aurora, false).await, (StatusCode::OK, COMPLETION.to_owned()));
    let other = secure_aurora(secure(&certificate(), &authority("Stranger")), &own.as_ref().pem(), &[]);
    assert_eq!(chat_through(&other, false).await.0, StatusCode::BAD_GATEWAY);
}

#[test]
fn plain_upstreams_use_absolute_request_targets() {
    let upstream = Upstream::start().on("m", json(OK));
    let proxy = Proxy::start(None);
    let setup = plain(&upstream, ", models: [m]");
    let setup = setup.variable("HTTP_PROXY", &format!("http://user:canary-password@{}", proxy.address));
    let aurora = setup.start();
    assert_eq!(aurora.send(chat_of("m", false)).status_and_text(), (200, OK));
    let call = upstream.call("m");
    assert_eq!(call.head.lines().next(), Some("POST /v1/chat/completions HTTP/1.1"));
    let head = proxy.heads().remove(0);
    assert_eq!(head[0], format!("POST http://{}/v1/chat/completions HTTP/1.1", upstream.address));
    let host = format!("host: {}", upstream.address);
    // user:canary-password
    for line in [
        "proxy-authorization: Basic dXNlcjpjYW5hcnktcGFzc3dvcmQ=",
        "authorization: Bearer sk-upstream",
        &host,
    ] {
        assert!(head.contains(&line.to_owned()), "{line}: {head:#?}");
    }
    let (_, log) = aurora.stop();
    for secret in ["canary-password", "dXNlcjpjYW5hcnktcGFzc3dvcmQ"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:#?}");
    }
}

#[test]
fn no_proxy_hosts_are_dialled_directly() {
    let proxy = Proxy::start(Some("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"));
    let url = format!("http://{}", proxy.address);
    for (no_proxy, direct) in [
        ("127.0.0.1", true),
        ("10.0.0.0/8, 127.0.0.0/8", true),
        ("*", true),
        ("localhost,127.0.0.2", false),
        ("", false),
    ] {
        let upstream = Upstream::start().on("m", json(OK));
        let setup = plain(&upstream, ", models: [m]").variable("HTTP_PROXY", &url);
        let aurora = setup.variable("NO_PROXY", no_proxy).start();
        let status = aurora.send(chat_of("m", false)).status;
        assert_eq!((status, upstream.calls().len()), if direct { (200, 1) } else { (403, 0) }, "{no_proxy}");
    }
    let upstream = Upstream::start().on("m", json(OK));
    let yaml_of = |host: &str| {
        let port = upstream.address.port();
        format!(
            "providers:\n  up: {{type: openai_compatible, base_url: \"http://{host}:{port}/v1\", models: [m]}}\n"
        )
    };
    for (no_proxy, direct) in [("localhost", true), (".localhost", true), ("ocalhost", false)] {
        let setup = Setup::new().yaml(&yaml_of("localhost")).variable("http_proxy", &url);
        let aurora = setup.variable("no_proxy", no_proxy).start();
        assert_eq!(aurora.send(chat_of("m", false)).status == 200, direct, "{no_proxy}");
    }
}

#[tokio::test]
async fn a_refusing_proxy_is_a_502() {
    let own = authority("Own");
    let upstream = secure(&certificate(), &own);
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let refusing = |response| Proxy::start(Some(response)).address;
    let cases = [
        (gone, "the proxy on the way: connection refused"),
        (
            refusing("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"),
            "the proxy on the way: no connection: tunnel error: proxy authorization required",
        ),
        (
            refusing("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
            "the proxy on the way: no connection: tunnel error: unsuccessful",
        ),
    ];
    for (proxy, why) in cases {
        let url = format!("http://user:canary-password@{proxy}");
        let aurora = secure_aurora(upstream, &own.as_ref().pem(), &[("HTTPS_PROXY", &url)]);
        let envelope = format!(
            r#"{{"error":{{"message":"provider `secure`: {why}","type":"upstream_error","param":null,"code":"upstream_unreachable"}}}}"#
        );
        assert_eq!(chat_through(&aurora, false).await, (StatusCode::BAD_GATEWAY, envelope));
        let (_, log) = aurora.stop();
        assert!(!log.iter().any(|line| line.contains("canary-password")), "{log:#?}");
    }
}

#[test]
fn model_discovery_uses_the_proxy() {
    let upstream = Upstream::start().on("/v1/models", json(MODELS));
    let proxy = Proxy::start(None);
    let aurora =
        plain(&upstream, "").variable("HTTP_PROXY", &format!("http://u:p@{}", proxy.address)).start();
    assert_eq!(aurora.line("models discovered")["models"], 1);
    let head = proxy.heads().remove(0);
    assert_eq!(head[0], format!("GET http://{}/v1/models HTTP/1.1", upstream.address));
    assert!(head.contains(&"proxy-authorization: Basic dTpw".to_owned()), "{head:#?}");
}

#[test]
fn the_demo_uses_no_proxy() {
    let setup = Setup::bare().variable("HTTP_PROXY", "http://127.0.0.1:1").variable("LOG_FORMAT", "json");
    let aurora = setup.arguments(&["serve", "--demo", "--port", "0"]).start();
    assert_eq!(aurora.send(chat_of("demo-fast", false)).status, 200);
}
