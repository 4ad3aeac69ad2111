//! The live page: who gets it, with which headers, and what turns it off.

use std::net::SocketAddr;

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::{Client, Response, request};
use crate::support::fixtures::MASTER_KEY;

/// `Accept` of browsers.
const BROWSER: &str =
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n";

fn with_metrics() -> Setup {
    Setup::new().variable("METRICS_ENABLED", "true")
}

fn send(address: SocketAddr, method: &str, path: &str, headers: &str) -> Response {
    let mut client = Client::connect(address);
    client.send(request(method, path, headers, ""));
    if method == "HEAD" { client.head() } else { client.response() }
}

fn get(aurora: &Aurora, path: &str, headers: &str) -> Response {
    send(aurora.address, "GET", path, headers)
}

fn index(metrics: &str) -> String {
    format!(
        r#"{{"name":"aurora","api":"/v1","models":"/v1/models","health":"/health","ready":"/health/ready"{metrics}}}"#
    )
}

/// The nonce of a response, after checking that it is one.
fn nonce(response: &Response) -> String {
    let policy = response.header("content-security-policy").expect("a policy");
    let nonce: String = policy.split("'nonce-").nth(1).expect("a nonce").chars().take(32).collect();
    assert!(nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "{policy}");
    nonce
}

/// Headers that do not differ from one response to the next.
fn headers(response: &Response) -> Vec<(String, String)> {
    let varying = ["date", "x-request-id", "content-length"];
    response.headers.iter().filter(|(name, _)| !varying.contains(&name.as_str())).cloned().collect()
}

fn expected_headers(nonce: &str) -> Vec<(String, String)> {
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    );
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", &policy),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("vary", "accept"),
    ];
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Checks that a response is the page for this endpoint.
fn assert_page(response: &Response, endpoint: &str) {
    assert_eq!(response.status, 200);
    let (nonce, text) = (nonce(response), response.text());
    assert_eq!(headers(response), expected_headers(&nonce));
    assert!(text.starts_with("<!doctype html>\n<html lang=\"en\">\n"), "{text:.100}");
    assert!(text.contains(&format!("<body data-endpoint=\"{endpoint}\">")), "no {endpoint}");
}

#[test]
fn browsers_get_the_live_page_under_a_nonce_of_its_own() {
    let aurora = with_metrics().variable("AURORA_MASTER_KEY", MASTER_KEY).start();
    let (first, second) = (get(&aurora, "/", BROWSER), get(&aurora, "/", BROWSER));
    assert_page(&first, "/metrics");
    assert_page(&second, "/metrics");
    let (one, other) = (nonce(&first), nonce(&second));
    assert_ne!(one, other);
    assert_eq!(first.text().matches(&one).count(), 2, "style and script");
    assert_eq!(first.text().replace(&one, &other), second.text(), "nothing but the nonce differs");
    for forbidden in ["http:", "https:", MASTER_KEY, " style=", " onclick="] {
        // The namespace of SVG is a name, not an address.
        let text = first.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains(forbidden), "{forbidden}");
    }

    let head = send(aurora.address, "HEAD", "/", BROWSER);
    assert_eq!((head.status, headers(&head)), (200, expected_headers(&nonce(&head))));
    assert_eq!(head.header("content-length"), Some(first.body.len().to_string().as_str()));
    assert_eq!(aurora.counts("aurora_http_requests_total"), Vec::<String>::new(), "pages are not counted");
    let refused = send(aurora.address, "POST", "/", BROWSER);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET,HEAD")));
}

#[test]
fn other_clients_get_the_paths_of_interest_as_json() {
    let aurora = with_metrics().start();
    for accept in ["", "accept: */*\r\n", "accept: application/json\r\n", "accept: text/html;q=0, */*\r\n"] {
        let response = get(&aurora, "/", accept);
        assert_eq!(response.status_and_text(), (200, &*index(r#","metrics":"/metrics""#)), "{accept}");
        let expected = [("content-type", "application/json"), ("vary", "accept")];
        assert_eq!(headers(&response), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

#[test]
fn the_setting_and_disabled_metrics_turn_the_page_off() {
    let no_metrics = Setup::new().start();
    assert_eq!(get(&no_metrics, "/", BROWSER).status_and_text(), (200, &*index("")));
    let off = with_metrics().variable("AURORA_PAGE", "false").start();
    let response = get(&off, "/", BROWSER);
    assert_eq!(response.status_and_text(), (200, &*index(r#","metrics":"/metrics""#)));
    assert_eq!(response.header("vary"), None);

    let yaml = |page: bool| format!("server: {{page: {page}}}\nmetrics: {{enabled: true}}\n");
    let aurora = Setup::new().yaml(&yaml(true)).start();
    assert_page(&get(&aurora, "/", BROWSER), "/metrics");
    aurora.replace("config.yaml", &yaml(false));
    aurora.signal("HUP");
    aurora.line("configuration reloaded");
    assert_eq!(get(&aurora, "/", BROWSER).status_and_text(), (200, &*index(r#","metrics":"/metrics""#)));
}

#[test]
fn the_page_is_where_the_metrics_endpoint_is() {
    let below = with_metrics().variable("BASE_PATH", "/gw").variable("METRICS_ENDPOINT", "/m").start();
    for path in ["/gw", "/gw/"] {
        assert_page(&get(&below, path, BROWSER), "/m");
    }
    assert_eq!(get(&below, "/", BROWSER).status, 404);

    let apart = with_metrics().variable("METRICS_LISTEN", "127.0.0.1:0").variable("BASE_PATH", "/gw").start();
    let line = apart.line("prometheus metrics enabled");
    let metrics: SocketAddr = line["address"].as_str().expect("an address").parse().expect("an address");
    assert_page(&send(metrics, "GET", "/", BROWSER), "/metrics");
    assert_eq!(send(metrics, "GET", "/gw/", BROWSER).status, 404);
    let json = get(&apart, "/gw/", BROWSER);
    assert_eq!((json.status, json.header("content-type")), (200, Some("application/json")));
    let refused = send(metrics, "POST", "/", BROWSER);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET,HEAD")));
}

#[test]
fn no_other_site_may_read_or_frame_the_page() {
    let aurora = with_metrics().start();
    let foreign = "origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n";
    let page = get(&aurora, "/", &format!("{BROWSER}{foreign}"));
    assert_page(&page, "/metrics");
    assert!(!page.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{:?}", page.headers);
    assert_eq!(get(&aurora, "/metrics", foreign).status, 403, "its figures stay behind the check");
}
