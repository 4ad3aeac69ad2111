//! The `Host` of a request (RFC 9112, 3.2): exactly one in HTTP/1.1, so that a proxy in front and the gateway never
//! take a request for two different ones.

use axum::body::Body;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Version};

use super::error::GatewayError;

/// Refuses a request whose host is missing, repeated, malformed, or another one than its target's.
pub(crate) fn check(request: &Request<Body>) -> Result<(), GatewayError> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() <= Version::HTTP_10 => Ok(()),
        (None, _) => refuse("The Host header is missing; HTTP/1.1 requires one.", "missing_host"),
        (Some(_), Some(_)) => refuse("Duplicate Host header; send it once.", "duplicate_host"),
        (Some(host), None) => check_value(request, host),
    }
}

fn check_value(request: &Request<Body>, host: &HeaderValue) -> Result<(), GatewayError> {
    let invalid = || refuse("The Host header is not a host with an optional port.", "invalid_host");
    if host.is_empty() {
        return Ok(());
    }
    let Ok(host) = Authority::try_from(host.as_bytes()) else { return invalid() };
    if host.as_str().contains('@') {
        return invalid();
    }
    match request.uri().authority() {
        Some(target) if request.method() != Method::CONNECT && !is_same(target, &host) => {
            refuse("The Host header differs from the host of the request target.", "host_mismatch")
        }
        _ => Ok(()),
    }
}

fn is_same(target: &Authority, host: &Authority) -> bool {
    let port = |authority: &Authority| authority.port_u16().unwrap_or(80);
    target.host().eq_ignore_ascii_case(host.host()) && port(target) == port(host)
}

fn refuse(message: &'static str, code: &'static str) -> Result<(), GatewayError> {
    Err(GatewayError::invalid(message, None, code))
}
