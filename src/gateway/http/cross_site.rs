//! Requests that a web page of another site can make a browser send. Without a key nothing else refuses them.

use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, StatusCode, Uri};

use super::error::GatewayError;
use crate::config::is_loopback;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a request of another site: by its `Origin` or `Sec-Fetch-Site`, and where only this machine reaches the
/// listener, by a `Host` that is not this machine (a page whose own name resolves to 127.0.0.1: DNS rebinding).
/// `configured` is the host that the listener was given.
pub(crate) fn check(head: &Parts, configured: &str) -> Result<(), GatewayError> {
    let headers = &head.headers;
    let cross_site = headers.get_all(SEC_FETCH_SITE).iter().any(is_cross_site);
    let hosts = headers.get_all(HOST).iter().map(authority).chain(of_target(&head.uri));
    let hosts: Vec<Option<Authority>> = hosts.collect();
    let host = hosts.first().and_then(Option::as_ref);
    let foreign_origin = headers.get_all(ORIGIN).iter().any(|origin| !is_same(origin, host));
    let local_hosts =
        hosts.iter().all(|host| matches!(host, Some(host) if is_local(host.host(), configured)));
    let foreign_host = is_loopback(configured) && !local_hosts;
    if cross_site || foreign_origin || foreign_host {
        return Err(GatewayError::Refused {
            status: StatusCode::FORBIDDEN,
            message: "Refused: another web site may have made a browser send this (Origin, Sec-Fetch-Site or Host), \
                      and this gateway has no key. Set AURORA_MASTER_KEY and send that key."
                .into(),
            param: None,
            code: "cross_site",
        });
    }
    Ok(())
}

fn is_cross_site(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"cross-site")
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    value.to_str().ok()?.trim().parse().ok()
}

/// The host of a request target in absolute form.
fn of_target(uri: &Uri) -> Option<Option<Authority>> {
    uri.authority().cloned().map(Some)
}

fn uri(value: &HeaderValue) -> Option<Uri> {
    value.to_str().ok()?.trim().parse().ok()
}

/// Returns true if an `Origin` names the host and port that the request was sent to. `null` names none.
fn is_same(origin: &HeaderValue, host: Option<&Authority>) -> bool {
    let (Some(origin), Some(host)) = (uri(origin), host) else { return false };
    let (Some(authority), Some(scheme)) = (origin.authority(), origin.scheme_str()) else { return false };
    // A `Host` without a port is at the default one of the scheme, which only the origin names.
    let default = if scheme == "https" { 443 } else { 80 };
    let ports = (authority.port_u16().unwrap_or(default), host.port_u16().unwrap_or(default));
    authority.host().eq_ignore_ascii_case(host.host()) && ports.0 == ports.1
}

/// Returns true if a `Host` is this machine, or the configured host of the listener.
fn is_local(host: &str, configured: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    is_loopback(host) || host.eq_ignore_ascii_case(configured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&str, &str)], configured: &str) -> bool {
        let (mut head, ()) = http::Request::new(()).into_parts();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            head.headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        check(&head, configured).is_err()
    }

    #[test]
    fn hosts_of_this_machine_are_let_in_on_loopback() {
        for host in
            ["localhost:8080", "a.localhost", "127.0.0.1", "127.1.2.3:1", "[::1]:8080", "[::ffff:127.0.0.1]"]
        {
            assert!(!refused(&[("host", host)], "127.0.0.1"), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0", "[::]", "", "a b", "2130706433"]
        {
            assert!(refused(&[("host", host)], "127.0.0.1"), "{host}");
            assert!(!refused(&[("host", host)], "0.0.0.0"), "{host}");
        }
        assert!(!refused(&[], "127.0.0.1"), "no browser leaves Host out");
        assert!(refused(&[("host", "localhost"), ("host", "evil.example")], "127.0.0.1"));
    }

    #[test]
    fn an_origin_is_compared_with_the_host_and_its_port() {
        for (host, origin) in [
            ("gw.example", "https://gw.example"),
            ("gw.example:443", "https://gw.example"),
            ("GW.example:8080", "http://gw.Example:8080"),
        ] {
            assert!(!refused(&[("host", host), ("origin", origin)], "0.0.0.0"), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://gw.example:8443",
            "http://evil.example",
            "gw.example",
            "https://gw.example.evil",
        ] {
            assert!(refused(&[("host", "gw.example"), ("origin", origin)], "0.0.0.0"), "{origin}");
        }
        assert!(refused(&[("origin", "http://gw.example")], "0.0.0.0"));
    }
}
