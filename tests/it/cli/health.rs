//! `aurora health`.

use std::net::TcpListener;
use std::time::Duration;

use aurora::probe::{Given, Settings, ready, targets};
use url::Url;

use crate::support::raw_server::{RawServer, Script, response};

fn send(url: &str) -> Result<String, String> {
    let settings = Settings {
        url: Url::parse(url).expect(url),
        address_from: "server.host: default, server.port: default".to_owned(),
        endpoint_from: "metrics.endpoint: default".to_owned(),
        enabled: false,
        enabled_from: "metrics.enabled: default".to_owned(),
        credential: None,
    };
    let targets = targets(&[], &Given::default(), Some(&settings)).expect("a usable target");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(ready::ready(&targets[0], Duration::from_millis(500)))
}

#[test]
fn health_prints_one_line_about_readiness() {
    let ok = response("200 OK", "content-type: application/json\r\n", r#"{"status":"ok"}"#);
    let cases = [
        (ok, Ok("ready: URL")),
        (
            response("503 Service Unavailable", "", r#"{"status":"draining"}"#),
            Err("not ready: URL: 503 Service Unavailable: draining"),
        ),
        (
            response("200 OK", "", "<html>"),
            Err("not ready: URL: 200 OK, but not a response of Aurora; is another program listening there?"),
        ),
        (
            response("404 Not Found", "", ""),
            Err("not ready: URL: 404 Not Found; is another program listening there?"),
        ),
        (
            Script::Stall(Vec::new()),
            Err(
                "not ready: URL: no response from HOST:PORT within 500 ms (server.host: default, server.port: \
                 default); is `aurora serve` running there, or does a firewall drop the connection?",
            ),
        ),
    ];
    for (script, expected) in cases {
        let server = RawServer::start([script]);
        let url = server.url("/base/health/ready");
        let general =
            |line: String| line.replace(&url, "URL").replace(&server.address.to_string(), "HOST:PORT");
        let output_text = send(&url).map(general).map_err(general);
        assert_eq!(output_text, expected.map(str::to_owned).map_err(str::to_owned));
        assert!(server.heads()[0].starts_with("GET /base/health/ready HTTP/1.1\r\n"));
    }
}

#[test]
fn health_reports_an_unreachable_server_as_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let expected = format!(
        "not ready: http://{address}/health/ready: connection refused: nothing listens at {address} (server.host: \
         default, server.port: default); is `aurora serve` running?"
    );
    assert_eq!(send(&format!("http://{address}/health/ready")), Err(expected));
}
