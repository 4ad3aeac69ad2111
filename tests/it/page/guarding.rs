//! Who may read the metrics.

use super::{assert_absent, assert_exposition, get, get_with, page};
use crate::real_software::nginx::{self, Nginx, PASSWORD};
use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::curl;

const KEY: &str = "a-master-key-of-the-page";

fn enabled() -> Setup {
    page("export METRICS_ENABLED=true")
}

fn locked() -> Aurora {
    enabled().variable("AURORA_MASTER_KEY", KEY).start()
}

/// > protected by master key authentication when a master key is configured
#[test]
fn metrics_require_the_master_key() {
    let aurora = locked();
    let refused = get(&aurora, "/metrics");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(get_with(&aurora, "/metrics", "another-key").status, 401);
    assert_exposition(&get_with(&aurora, "/metrics", KEY));
}

/// > just like other HTTP endpoints
#[test]
fn metrics_accept_the_keys_of_the_api() {
    let aurora = locked();
    for path in ["/metrics", "/v1/models"] {
        assert_eq!(get(&aurora, path).status, 401, "{path}");
        assert_eq!(get_with(&aurora, path, KEY).status, 200, "{path}");
        assert_eq!(
            curl(&aurora.url(path), &["--header", &format!("x-api-key: {KEY}")]).status,
            200,
            "{path}"
        );
    }
}

/// > the endpoint is accessible without authentication
#[test]
fn metrics_are_open_without_a_key() {
    let aurora = enabled().start();
    assert_exposition(&get(&aurora, "/metrics"));
    assert_exposition(&get_with(&aurora, "/metrics", "whatever a scraper sends"));
}

/// > Use a custom internal path
#[test]
fn a_custom_path_replaces_the_default() {
    let aurora = enabled().yaml("metrics:\n  endpoint: \"/internal/prometheus\" # Harder to guess\n").start();
    assert_exposition(&get(&aurora, "/internal/prometheus"));
    assert_absent(&get(&aurora, "/metrics"));
}

/// > Use a private network for metrics collection
#[test]
fn metrics_are_served_only_on_the_bound_address() {
    let aurora = enabled().variable("AURORA_HOST", "127.0.0.1").start();
    assert_exposition(&get(&aurora, "/metrics"));
    let elsewhere = std::net::TcpStream::connect(("127.0.0.2", aurora.address.port()));
    assert_eq!(elsewhere.err().map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionRefused));
}

/// > Reverse proxy with authentication
#[test]
fn nginx_adds_basic_auth() {
    let aurora = enabled().start();
    let nginx = Nginx::start(nginx::as_printed(), &aurora);
    assert_eq!(curl(&nginx.url("/metrics"), &[]).status, 401);
    assert_exposition(&curl(&nginx.url("/metrics"), &PASSWORD));
}

/// `auth_basic "Metrics";`
#[test]
fn nginx_basic_auth_does_not_replace_the_master_key() {
    let aurora = locked();
    let nginx = Nginx::start(nginx::as_printed(), &aurora);
    let refused = curl(&nginx.url("/metrics"), &PASSWORD);
    assert_eq!((refused.status, refused.body), (401, nginx::refusal()));
}
