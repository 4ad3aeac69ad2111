//! What a web page of another site can make a browser send to a gateway without keys.

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::request;
use crate::support::exposition::yaml;
use crate::support::fixtures::OK;
use crate::support::upstream::{Upstream, json};

const REFUSED: &str = r#"{"error":{"message":"Refused: another web site may have made a browser send this (Origin, Sec-Fetch-Site or Host), and this gateway has no key. Set AURORA_MASTER_KEY and send that key.","type":"invalid_request_error","param":null,"code":"cross_site"}}"#;

/// An instance that is open, and its upstream.
fn open(server: &str) -> (Upstream, Aurora) {
    let upstream = Upstream::start().on("m", json(OK)).on("/v1/any", json(OK));
    let yaml = yaml(&upstream, "", "").replace("server: {", &format!("server: {{{server}"));
    let locked = format!("master_key: {}, ", crate::support::fixtures::MASTER_KEY);
    let aurora = Setup::new().yaml(&yaml.replace(&locked, "")).start();
    (upstream, aurora)
}

/// Every kind of route that a key would lock, and health; each with these headers instead of the usual `Host`.
fn statuses(aurora: &Aurora, headers: &str) -> Vec<u16> {
    let requests = [
        request("POST", "/v1/chat/completions", "", r#"{"model":"m"}"#),
        request("GET", "/v1/models", "", ""),
        request("GET", "/p/up/any", "", ""),
        request("GET", "/metrics", "", ""),
        request("GET", "/health", "", ""),
    ];
    let send = |request: Vec<u8>| {
        let text = String::from_utf8(request).expect("text");
        let (line, rest) = text.split_once("\r\n").expect("a request line");
        let rest = rest.split_once("\r\n").expect("a host line").1;
        aurora.send(format!("{line}\r\n{headers}{rest}"))
    };
    let responses: Vec<_> = requests.into_iter().map(send).collect();
    for response in responses.iter().filter(|response| response.status == 403) {
        assert_eq!(response.text(), REFUSED, "{headers}");
    }
    responses.iter().map(|response| response.status).collect()
}

#[test]
fn an_open_gateway_refuses_requests_of_other_sites() {
    let (upstream, aurora) = open("");
    let (let_in, refused) = (vec![200; 5], vec![403, 403, 403, 403, 200]);
    let port = aurora.address.port();
    let host = |host: &str| format!("host: {host}\r\n");
    let with = |more: &str| format!("host: localhost:{port}\r\n{more}\r\n");
    for headers in [
        host("localhost"),
        host(&format!("LOCALHOST:{port}")),
        host("app.localhost:1234"),
        host("127.0.0.1"),
        host(&format!("127.9.9.9:{port}")),
        host("[::1]:80"),
        host("localhost."),
        with(&format!("origin: http://localhost:{port}")),
        with(&format!("origin: http://LOCALHOST:{port}")),
        with("sec-fetch-site: same-origin"),
        with("sec-fetch-site: none"),
        "host: localhost\r\norigin: http://localhost:80\r\n".into(),
        "host: localhost\r\norigin: https://localhost\r\n".into(),
    ] {
        assert_eq!(statuses(&aurora, &headers), let_in, "{headers}");
    }
    let before = upstream.calls().len();
    for headers in [
        host("evil.example"),
        host(&format!("evil.example:{port}")),
        host("localhost.evil.example"),
        host("127.0.0.1.evil.example"),
        host("128.0.0.1"),
        host("0.0.0.0"),
        host("[::2]"),
        host("notlocalhost"),
        with("origin: http://evil.example"),
        with("origin: null"),
        with("origin: http://localhost:1"),
        with(&format!("origin: http://127.0.0.1:{port}")),
        with("origin:"),
        with(&format!("origin: http://localhost:{port}\r\norigin: http://evil.example")),
        with("sec-fetch-site: cross-site"),
        with("Sec-Fetch-Site: Cross-Site"),
        with(&format!("origin: http://localhost:{port}\r\nsec-fetch-site: cross-site")),
    ] {
        assert_eq!(statuses(&aurora, &headers), refused, "{headers}");
    }
    assert_eq!(upstream.calls().len(), before);
    aurora.settles("aurora_rejected_requests_total", &["invalid_request 68"]);
}

#[test]
fn a_gateway_with_a_key_accepts_any_origin_and_host() {
    let upstream = Upstream::start().on("m", json(OK));
    let aurora = crate::support::exposition::gateway(&upstream, "", "");
    let headers = format!(
        "{}origin: http://evil.example\r\nsec-fetch-site: cross-site\r\n",
        crate::support::client::key()
    );
    let response = aurora.send(request("POST", "/v1/chat/completions", &headers, r#"{"model":"m"}"#));
    assert_eq!(response.status_and_text(), (200, OK));
    assert_eq!(aurora.send(request("GET", "/metrics", &headers, "")).status, 200);
    assert_eq!(aurora.send(request("GET", "/v1/models", "origin: http://evil.example\r\n", "")).status, 401);
}

#[test]
fn any_host_is_accepted_on_a_public_listener() {
    let upstream = Upstream::start().on("m", json(OK));
    let locked = format!("master_key: {}, ", crate::support::fixtures::MASTER_KEY);
    let yaml = yaml(&upstream, "", "").replace(&locked, "");
    let setup = Setup::bare().variable("LOG_FORMAT", "json");
    let aurora = setup.yaml(&yaml).arguments(&["serve", "--host", "0.0.0.0", "--port", "0"]).start();
    assert_eq!(statuses(&aurora, "host: gateway.internal\r\n"), [200, 200, 404, 200, 200]);
    let same = "host: gateway.internal\r\norigin: https://gateway.internal\r\n";
    assert_eq!(statuses(&aurora, same), [200, 200, 404, 200, 200]);
    let foreign = "host: gateway.internal\r\norigin: https://evil.example\r\n";
    assert_eq!(statuses(&aurora, foreign), [403, 403, 403, 403, 200]);
}

#[test]
fn the_metrics_listener_refuses_cross_site_requests() {
    let upstream = Upstream::start().on("m", json(OK));
    let locked = format!("master_key: {}, ", crate::support::fixtures::MASTER_KEY);
    let yaml = yaml(&upstream, "", "").replace(&locked, "");
    let yaml = yaml.replace("metrics: {enabled: true}", "metrics: {enabled: true, listen: \"127.0.0.1:0\"}");
    let aurora = Setup::new().yaml(&yaml).start();
    let address = aurora.line("prometheus metrics enabled")["address"].as_str().expect("text").to_owned();
    let address = address.parse().expect("an address");
    for (host, status) in [("localhost", 200), ("evil.example", 403)] {
        let mut client = crate::support::client::Client::connect(address);
        client.send(format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, status, "{host}");
    }
}
