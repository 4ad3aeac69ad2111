//! `aurora metrics probe` and `aurora health` as programs: what they load, print and return.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rcgen::{Certificate, CertificateParams, DnType, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::aurora::Setup;
use crate::support::client::request;
use crate::support::raw_server::{RawServer, page, response};

const PAGE: &str = "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n";

/// Runs aurora in `folder` with nothing but the given variables: exit code, stdout, stderr.
fn ran(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null());
    let output = command.output().expect("aurora runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

/// An empty folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("a temporary file");
    }
    folder
}

#[test]
fn without_a_url_the_configured_endpoint_is_probed_with_the_configured_key() {
    let server = RawServer::start([page(PAGE), response("404 Not Found", "", "")]);
    let port = server.address.port();
    let overlay = format!("PORT={port}\nAURORA_MASTER_KEY=canary-master-key\n");
    let yaml = "server:\n  base_path: /gateway\nmetrics:\n  enabled: true\n  endpoint: /internal/metrics\n";
    let folder = folder(&[(".env", overlay.as_str()), ("config.yaml", yaml)]);
    let url = server.url("/gateway/internal/metrics");
    let probe = ["metrics", "probe", "--format", "raw"];

    let (code, stdout, stderr) = ran(folder.path(), &[], &probe);
    assert_eq!((code, stdout.as_str(), stderr), (0, PAGE, format!("healthy: {url}\n")));

    let (code, stdout, _) = ran(folder.path(), &[], &probe[..2]);
    let expected = format!(
        "unhealthy: {url}: 404 Not Found: the configuration enables metrics (metrics.enabled: config.yaml:4) at \
         this path (metrics.endpoint: config.yaml:5), but the running server has them disabled or elsewhere: \
         restart \
         `aurora serve` with this configuration"
    );
    assert_eq!((code, stdout.lines().next()), (1, Some(expected.as_str())));
    for head in server.heads() {
        assert!(head.starts_with("GET /gateway/internal/metrics HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nauthorization: Bearer canary-master-key\r\n"), "{head}");
    }
}

#[test]
fn a_token_comes_from_a_variable_or_a_file() {
    let server = RawServer::start([page(PAGE)]);
    let folder =
        folder(&[("token", "from-a-file\n"), ("empty", "\n"), ("large", &"x".repeat((64 << 10) + 1))]);
    let url = server.url("");
    let variables = [("TOKEN", "from-a-variable")];
    let run = |arguments: &[&str]| {
        let (code, _, stderr) =
            ran(folder.path(), &variables, &[&["metrics", "probe", &url], arguments].concat());
        (code, stderr)
    };
    assert_eq!(run(&["--token-env", "TOKEN"]), (0, String::new()));
    assert_eq!(run(&["--token-file", "token"]), (0, String::new()));
    assert_eq!(run(&["--header", "x-api-key: from-a-flag"]), (0, String::new()));
    let heads = server.heads();
    for (head, sent) in heads.iter().zip([
        "authorization: Bearer from-a-variable\r\n",
        "authorization: Bearer from-a-file\r\n",
        "x-api-key: from-a-flag\r\n",
    ]) {
        assert!(head.contains(sent), "{head}");
    }
    let missing = "aurora: error: --token-env ABSENT: the variable is not set or empty; export it\n";
    assert_eq!(run(&["--token-env", "ABSENT"]), (1, missing.to_owned()));
    let empty = "aurora: error: --token-file empty: empty; write the token to it\n";
    assert_eq!(run(&["--token-file", "empty"]), (1, empty.to_owned()));
    let unreadable = "aurora: error: --token-file absent: cannot be read\n  caused by: No such file or \
                      directory (os \
                      error 2)\n";
    assert_eq!(run(&["--token-file", "absent"]), (1, unreadable.to_owned()));
    let large = "aurora: error: --token-file large: larger than 64 KiB; name a file with the token alone\n";
    assert_eq!(run(&["--token-file", "large"]), (1, large.to_owned()));
    assert_eq!(heads.len(), 3);
}

#[test]
fn a_broken_configuration_matters_only_without_a_url() {
    let server = RawServer::start([page(PAGE)]);
    let folder = folder(&[]);
    let problem = "environment PORT: server.port: invalid value (got \"x\", expected a port from 1 to 65535); \
                   write for \
                   example 8080 [bad-value]";
    let run = |arguments: &[&str]| ran(folder.path(), &[("PORT", "x")], arguments);

    let (code, stdout, stderr) = run(&["metrics", "probe", &server.url("/metrics"), "--format", "raw"]);
    let health = format!("aurora: warning: {problem}\nhealthy: {}\n", server.url("/metrics"));
    assert_eq!((code, stdout.as_str(), stderr), (0, PAGE, health));

    let refusal = format!(
        "aurora: error: {problem}\naurora: error: invalid configuration: correct it, or pass the URL to probe\n"
    );
    assert_eq!(run(&["metrics", "probe"]), (1, String::new(), refusal));

    let refusal = format!(
        "aurora: error: {problem}\naurora: error: invalid configuration: correct it; `aurora config check` \
         shows every problem\n"
    );
    assert_eq!(run(&["health"]), (1, String::new(), refusal));
}

#[test]
fn wrong_usage_is_reported_with_a_correction() {
    let folder = folder(&[]);
    for (flag, value, expected) in [
        ("--require <EXPR>", "a", "expected one of == != > >= < <= and a number after the family"),
        ("--over <DURATION>", "0s", "expected a duration of up to one day, such as 10s, 500ms or 1m30s"),
        ("--timeout <DURATION>", "soon", "expected a duration of up to one day, such as 10s, 500ms or 1m30s"),
        ("--max-size <SIZE>", "5T", "expected a size, such as 512K, 10M or 1G"),
    ] {
        let name = flag.split(' ').next().unwrap_or_default();
        let expected = format!(
            "error: invalid value '{value}' for '{flag}': {expected}\n\nFor more information, try '--help'.\n"
        );
        assert_eq!(ran(folder.path(), &[], &["metrics", "probe", name, value]), (2, String::new(), expected));
    }
}

#[test]
fn health_uses_the_base_path_and_sends_no_key() {
    let ready = response("200 OK", "", r#"{"status":"ok"}"#);
    let server = RawServer::start([ready, response("503 Service Unavailable", "", "")]);
    let port = server.address.port().to_string();
    let variables =
        [("PORT", port.as_str()), ("BASE_PATH", "/gateway"), ("AURORA_MASTER_KEY", "canary-master-key")];
    let folder = folder(&[]);
    let url = server.url("/gateway/health/ready");
    assert_eq!(ran(folder.path(), &variables, &["health"]), (0, format!("ready: {url}\n"), String::new()));
    let draining = format!("not ready: {url}: 503 Service Unavailable: draining\n");
    assert_eq!(ran(folder.path(), &variables, &["health"]), (1, draining, String::new()));
    for head in server.heads() {
        assert!(head.starts_with("GET /gateway/health/ready HTTP/1.1\r\n"), "{head}");
        assert!(!head.contains("canary"), "{head}");
    }
}

/// An https server for `localhost` that responds with [`PAGE`]; its port.
fn https(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    listener.set_nonblocking(true).expect("a socket");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the defaults")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a matching key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        while let Ok((connection, _)) = listener.accept().await {
            // A client that trusts no authority closes.
            let Ok(mut stream) = acceptor.accept(connection).await else { continue };
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).await.expect("a request") > 0);
            let response = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{PAGE}",
                PAGE.len()
            );
            stream.write_all(response.as_bytes()).await.expect("a reader");
            stream.shutdown().await.expect("a reader");
        }
    };
    std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(serve);
    });
    port
}

/// A server without TLS, which takes the first bytes of a handshake for a bad request.
fn plain_http() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a client");
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("a reader");
        // The client hangs up.
        drop(connection.read_to_end(&mut Vec::new()));
    });
    address
}

/// A certificate for `localhost`, signed by itself under this name, and its key.
fn issue(name: &str) -> (Certificate, KeyPair) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a DNS name");
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    (params.self_signed(&key).expect("a certificate"), key)
}

#[test]
fn https_is_probed_when_its_certificate_is_trusted() {
    let (trusted, key) = issue("trusted");
    let (other, _) = issue("other");
    let port = https(trusted.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).expect("a key"));
    let folder = folder(&[("trusted.pem", &trusted.pem()), ("other.pem", &other.pem())]);
    let url = format!("https://localhost:{port}/metrics");
    let run = |file: &str, url: &str| {
        ran(folder.path(), &[("SSL_CERT_FILE", file)], &["metrics", "probe", url, "--format", "raw"])
    };
    assert_eq!(run("trusted.pem", &url), (0, PAGE.to_owned(), format!("healthy: {url}\n")));

    let failure = |url: &str, address: &str, what: &str| {
        format!(
            "unhealthy: {url}: TLS with {address} failed (given on the command line): {what}; use http:// if \
             the server expects plain HTTP, or set SSL_CERT_FILE to the certificate of its CA\n"
        )
    };
    let address = format!("localhost:{port}");
    let untrusted = failure(&url, &address, "certificate signed by an unknown authority");
    assert_eq!(run("other.pem", &url), (1, String::new(), untrusted));

    let plain = plain_http();
    let url = format!("https://{plain}/metrics");
    let what = "the response is not TLS";
    let expected = failure(&url, &plain.to_string(), what);
    assert_eq!(run("trusted.pem", &url), (1, String::new(), expected));
}

#[test]
fn a_percentile_is_printed_as_its_bucket_beside_the_mean() {
    let setup = Setup::bare().variable("LOG_FORMAT", "json").arguments(&["serve", "--demo", "--port", "0"]);
    let aurora = setup.start();
    let chat = |model: &str| {
        let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
        request("POST", "/v1/chat/completions", "content-type: application/json\r\n", body)
    };
    // demo-slow takes 5 s and a little, where a bucket ends at 5 s.
    assert_eq!(aurora.send(chat("demo-slow")).status, 200);
    assert_eq!(aurora.send(chat("demo-fast")).status, 200);
    aurora.settles("aurora_answers_total", &["demo-fast ok 1", "demo-slow ok 1"]);
    let (code, printed, _) = ran(aurora.folder(), &[], &["metrics", "probe", &aurora.url("/metrics")]);
    let row = |model: &str| {
        let line = printed.lines().find(|line| line.contains(model)).expect("a row");
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(code, 0);
    let slow = row("demo-slow");
    assert_eq!(slow[5..], ["5–10 s", "5–10 s", "5–10 s"], "{printed}");
    let mean = slow[4].strip_suffix(" s").and_then(|mean| mean.parse::<f64>().ok());
    assert!(mean.is_some_and(|mean| (5.0..6.0).contains(&mean)), "{printed}");
    let fast = row("demo-fast");
    assert_eq!((&fast[5], &fast[6]), (&fast[7], &fast[7]), "one dispatch falls into one bucket: {printed}");
}
