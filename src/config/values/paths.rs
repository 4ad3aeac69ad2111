//! Paths and addresses: `metrics.endpoint`, `server.base_path`, `server.host`, `metrics.listen`.

use std::net::{IpAddr, Ipv6Addr};

use crate::api::paths::{HEALTH, PREFIXES, is_below};
use crate::config::problem::Fault;

/// A value as it is kept, and a notice of what was changed about it.
pub(crate) type Checked = Result<(String, Option<Fault>), Fault>;

/// Longest path, in bytes.
const MAX_PATH: usize = 256;

/// A path of its own, below no other route.
pub(crate) fn endpoint(text: &str) -> Checked {
    let (path, notice) = clean(text, "/metrics")?;
    if path.is_empty() {
        return Err(bad(text, "/metrics", "the root is not a metrics endpoint", "write /metrics"));
    }
    if let Some(prefix) = PREFIXES.into_iter().find(|prefix| is_taken(&path, prefix)) {
        let what = format!("collides with the routes of {prefix} (got {text:?}, expected a path of its own)");
        return Err(Fault::new("endpoint-taken", what, "write /metrics"));
    }
    Ok((path, notice))
}

/// `/healthz` and the like are kept for health checks too.
fn is_taken(path: &str, prefix: &str) -> bool {
    is_below(path, prefix) || prefix == HEALTH && path.starts_with(HEALTH)
}

/// A text of which nothing is required.
pub(crate) fn as_given(text: &str) -> Checked {
    Ok((text.to_owned(), None))
}

/// A prefix; the root is the empty string.
pub(crate) fn base_path(text: &str) -> Checked {
    clean(text, "/gateway")
}

fn bad(text: &str, example: &str, what: &str, fix: impl Into<String>) -> Fault {
    let shown: String = text.chars().take(MAX_PATH).collect();
    Fault::new("bad-path", format!("{what} (got {shown:?}, expected a path such as {example})"), fix)
}

/// A path without its trailing slash; `example` is one that fits the setting.
fn clean(text: &str, example: &str) -> Checked {
    if text == "/" {
        return Ok((String::new(), None));
    }
    let Some(inner) = text.strip_prefix('/') else {
        let with_slash = format!("/{text}");
        let fix = if text.is_empty() || clean(&with_slash, example).is_err() { example } else { &with_slash };
        return Err(bad(text, example, "does not start with a slash", format!("write {fix}")));
    };
    if text.len() > MAX_PATH {
        let what = format!("is longer than {MAX_PATH} bytes");
        return Err(bad(text, example, &what, "write a shorter one"));
    }
    if let Some(c) = text.chars().find(|c| !is_plain(*c)) {
        let what = format!("contains {c:?}");
        return Err(bad(text, example, &what, "use letters, digits, '-', '_', '.' and '/'"));
    }
    let segments = inner.strip_suffix('/').unwrap_or(inner);
    for segment in segments.split('/') {
        match segment {
            "" => return Err(bad(text, example, "has an empty segment", "remove the doubled slash")),
            "." | ".." => {
                return Err(bad(text, example, "has a dot segment", "write the path it stands for"));
            }
            _ => {}
        }
    }
    let kept = format!("/{segments}");
    if !inner.ends_with('/') {
        return Ok((kept, None));
    }
    let what = format!("the trailing slash was dropped (got {text:?})");
    let notice = Fault::new("trailing-slash", what, format!("write {kept}"));
    Ok((kept, Some(notice)))
}

/// Characters that every client sends as they are and no router gives a meaning to.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-._~!$&'()+,;=@".contains(c)
}

/// A name or address without a port; brackets around IPv6 are dropped.
pub(crate) fn host(text: &str) -> Checked {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or(text),
        None => text,
    };
    if bare.parse::<IpAddr>().is_ok() {
        return Ok((bare.to_owned(), None));
    }
    let is_name = !text.is_empty()
        && text.len() <= 253
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        && matches!(url::Host::parse(text), Ok(url::Host::Domain(_)));
    if is_name {
        return Ok((text.to_owned(), None));
    }
    let what = format!("not a host (got {text:?}, expected a name or an address without scheme and port)");
    let fix = host_alone(text)
        .unwrap_or_else(|| "write 0.0.0.0 for every interface, 127.0.0.1 for this machine only".to_owned());
    Err(Fault::new("bad-host", what, fix))
}

/// The remedy for a host with a scheme or a port.
fn host_alone(text: &str) -> Option<String> {
    let (_, authority) = text.split_once("://").unwrap_or(("", text));
    let (name, port) = authority.trim_end_matches('/').split_once(':').unwrap_or((authority, ""));
    if name == text {
        return None;
    }
    let (name, _) = host(name).ok()?;
    match port.parse::<u16>() {
        Ok(port) => Some(format!("write {name} alone, and {port} as server.port")),
        Err(_) => port.is_empty().then(|| format!("write {name}")),
    }
}

/// `HOST:PORT`, IPv6 in brackets; port 0 is any free one.
pub(crate) fn address(text: &str) -> Result<(String, u16), Fault> {
    let example = "write for example 0.0.0.0:9090";
    if let Some((_, rest)) = text.split_once("://") {
        let fix = if address(rest).is_ok() { format!("write {rest}") } else { example.to_owned() };
        return Err(bad_address(text, "has a scheme", fix));
    }
    let Some((name, port)) = text.rsplit_once(':') else {
        return Err(bad_address(text, "has no port", example));
    };
    // `u16` accepts a leading plus, a port has none.
    let number = if port.starts_with('+') { None } else { port.parse().ok() };
    let Some(port) = number else {
        return Err(bad_address(text, "the port is not a number from 0 to 65535", example));
    };
    if name.is_empty() {
        let fix = format!("write 0.0.0.0:{port} for every interface");
        return Err(bad_address(text, "has no host", fix));
    }
    if name.parse::<Ipv6Addr>().is_ok() {
        let fix = format!("write [{name}]:{port}");
        return Err(bad_address(text, "an IPv6 address without brackets", fix));
    }
    let (host, _) = host(name)?;
    Ok((host, port))
}

fn bad_address(text: &str, what: &str, fix: impl Into<String>) -> Fault {
    let got: String = text.chars().take(MAX_PATH).collect();
    Fault::new("bad-address", format!("{what} (got {got:?}, expected HOST:PORT)"), fix)
}

/// `HOST:PORT` as [`address`] reads it.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// True when two listeners would have the same address: the same port, and one host or every interface.
pub(crate) fn collide(one: (&str, u16), other: (&str, u16)) -> bool {
    let same_host = one.0.eq_ignore_ascii_case(other.0) || is_wildcard(one.0) || is_wildcard(other.0);
    one.1 != 0 && one.1 == other.1 && same_host
}

/// True for addresses that only this machine can reach.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = bare.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// True for the address of every interface.
pub(crate) fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_unspecified())
}

/// `HOST:PORT` to dial: loopback for a wildcard, brackets around IPv6.
pub(crate) fn dial_authority(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => format!("127.0.0.1:{port}"),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[::1]:{port}"),
        _ => authority(host, port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_paths_are_kept_without_a_trailing_slash() {
        for (text, kept, changed) in [
            ("/metrics", "/metrics", false),
            ("/internal/prometheus", "/internal/prometheus", false),
            ("/metrics/", "/metrics", true),
            ("/v1metrics", "/v1metrics", false),
            ("/prom", "/prom", false),
            ("/ready", "/ready", false),
            ("/a.b_c~d-e", "/a.b_c~d-e", false),
        ] {
            let (path, notice) = endpoint(text).expect(text);
            assert_eq!((path.as_str(), notice.is_some()), (kept, changed), "{text}");
        }
        let longest = format!("/{}", "a".repeat(255));
        assert_eq!(endpoint(&longest), Ok((longest.clone(), None)));
    }

    #[test]
    fn hosts_and_addresses() {
        for (text, expected) in [
            ("0.0.0.0", Some("0.0.0.0")),
            ("[::1]", Some("::1")),
            ("::", Some("::")),
            ("gateway.internal", Some("gateway.internal")),
            ("localhost:8080", None),
            ("http://localhost", None),
            ("256.1.1.1", None),
            ("a b", None),
        ] {
            assert_eq!(host(text).ok().map(|(host, _)| host).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("127.0.0.1:9090", Some(("127.0.0.1", 9090))),
            ("[::1]:0", Some(("::1", 0))),
            ("localhost:65535", Some(("localhost", 65535))),
            ("::1:9090", None),
            ("[::1]", None),
            ("localhost:+1", None),
            ("localhost:", None),
            (":9090", None),
        ] {
            let found = address(text).ok();
            assert_eq!(found.as_ref().map(|(host, port)| (host.as_str(), *port)), expected, "{text}");
        }
        assert!(
            ["127.0.0.1", "::1", "[::1]", "127.8.8.8", "localhost", "::ffff:127.0.0.1"]
                .into_iter()
                .all(is_loopback)
        );
        assert!(!["0.0.0.0", "10.0.0.1", "example.org"].into_iter().any(is_loopback));
        assert!(collide(("127.0.0.1", 1), ("0.0.0.0", 1)) && collide(("a", 1), ("A", 1)));
        assert!(!collide(("127.0.0.1", 1), ("10.0.0.1", 1)) && !collide(("::", 1), ("::", 2)));
        assert!(!collide(("::", 0), ("::", 0)));
        assert!(is_wildcard("::") && is_wildcard("0.0.0.0") && !is_wildcard("127.0.0.1"));
    }
}
