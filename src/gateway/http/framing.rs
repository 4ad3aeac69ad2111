//! Parts of a request's head that can be read in several ways, so that a proxy in front and the gateway would take a
//! request for two different ones: `Host` (RFC 9112, 3.2), exactly one in HTTP/1.1, and the transfer codings (6.1), none
//! or `chunked` once.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, Version};

use super::error::GatewayError;

/// Refuses a request with an ambiguous host or transfer coding; `is_plain` is false where the codings are none
/// of these.
pub(crate) fn check(head: &Parts, is_plain: bool) -> Result<(), GatewayError> {
    check_host(head)?;
    if !is_plain {
        return refuse(
            "Transfer-Encoding must be `chunked`, once, or left out.",
            "invalid_transfer_encoding",
        );
    }
    Ok(())
}

/// Refuses a host that is missing, repeated, malformed, or another one than the target's.
fn check_host(head: &Parts) -> Result<(), GatewayError> {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if head.version <= Version::HTTP_10 => Ok(()),
        (None, _) => refuse("The Host header is missing; HTTP/1.1 requires one.", "missing_host"),
        (Some(_), Some(_)) => refuse("Duplicate Host header; send it once.", "duplicate_host"),
        (Some(host), None) => check_value(head, host),
    }
}

fn check_value(head: &Parts, host: &HeaderValue) -> Result<(), GatewayError> {
    if host.is_empty() || head.uri.authority().is_none() && is_usual(host.as_bytes()) {
        return Ok(());
    }
    let host = match Authority::try_from(host.as_bytes()) {
        Ok(host) if !host.as_str().contains('@') => host,
        _ => return refuse("The Host header is not a host with an optional port.", "invalid_host"),
    };
    match head.uri.authority() {
        Some(target) if head.method != Method::CONNECT && !is_same(target, &host) => {
            refuse("The Host header differs from the host of the request target.", "host_mismatch")
        }
        _ => Ok(()),
    }
}

/// Returns true if a host is a name or an IPv4 address, with or without a port, as nearly every one is: parsing it would
/// copy it.
fn is_usual(host: &[u8]) -> bool {
    let (name, port) = match memchr::memchr(b':', host) {
        Some(colon) => (&host[..colon], &host[colon + 1..]),
        None => (host, &b"80"[..]),
    };
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let is_port = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    is_name && is_port && !name.is_empty()
}

fn is_same(target: &Authority, host: &Authority) -> bool {
    let ports = (target.port_u16().unwrap_or(80), host.port_u16().unwrap_or(80));
    target.host().eq_ignore_ascii_case(host.host()) && ports.0 == ports.1
}

fn refuse(message: &'static str, code: &'static str) -> Result<(), GatewayError> {
    Err(GatewayError::invalid(message, None, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_host_is_one_that_would_be_parsed() {
        for host in
            ["localhost", "gw.example:80", "127.0.0.1:8080", "a-b.c", "A:65535", "A:99999", "-", "...:1"]
        {
            assert!(is_usual(host.as_bytes()) && Authority::try_from(host).is_ok(), "{host}");
        }
        for host in
            ["", ":80", "a:", "a:123456", "a:b", "a b", "a@b", "[::1]", "a_b", "a:1:2", "a/b", "\u{e9}"]
        {
            assert!(!is_usual(host.as_bytes()), "{host}");
        }
    }
}
