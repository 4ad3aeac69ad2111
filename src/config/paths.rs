//! What `metrics.endpoint`, `server.base_path` and `server.host` may be.

use std::net::IpAddr;

use super::problem::Fault;

/// A value as it is kept, and what was changed about it.
pub(super) type Checked = Result<(String, Option<Fault>), Fault>;

/// Longest path, in bytes.
const MAX_PATH: usize = 256;

/// Routes of the gateway that an endpoint must not hit.
const TAKEN: &[Taken] = &[
    Taken { route: "/v1", hit: |path| is_under(path, "/v1") },
    Taken { route: "/p", hit: |path| is_under(path, "/p") },
    Taken { route: "/health", hit: |path| path.starts_with("/health") },
    Taken { route: "/ready", hit: |path| path.starts_with("/ready") },
];

struct Taken {
    route: &'static str,
    hit: fn(&str) -> bool,
}

fn is_under(path: &str, route: &str) -> bool {
    path.strip_prefix(route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path of its own, below no other route.
pub(super) fn endpoint(text: &str) -> Checked {
    let (path, notice) = clean(text)?;
    if path.is_empty() {
        return Err(bad(text, "the root is not a metrics endpoint", "write /metrics"));
    }
    if let Some(taken) = TAKEN.iter().find(|taken| (taken.hit)(&path)) {
        let what = format!("hits the route {} (got {text:?}, expected a path of its own)", taken.route);
        return Err(Fault::new("endpoint-taken", what, "write /metrics"));
    }
    Ok((path, notice))
}

/// A prefix; the root is the empty string.
pub(super) fn base_path(text: &str) -> Checked {
    clean(text)
}

fn bad(text: &str, what: &str, fix: impl Into<String>) -> Fault {
    let shown: String = text.chars().take(MAX_PATH).collect();
    Fault::new("bad-path", format!("{what} (got {shown:?}, expected a path such as /metrics)"), fix)
}

fn clean(text: &str) -> Checked {
    if text == "/" {
        return Ok((String::new(), None));
    }
    let Some(inner) = text.strip_prefix('/') else {
        return Err(bad(text, "does not start with a slash", format!("write /{text}")));
    };
    if text.len() > MAX_PATH {
        return Err(bad(text, &format!("is longer than {MAX_PATH} bytes"), "write a shorter one"));
    }
    if let Some(c) = text.chars().find(|c| !is_plain(*c)) {
        return Err(bad(text, &format!("contains {c:?}"), "use letters, digits, '-', '_', '.' and '/'"));
    }
    let trailing = inner.ends_with('/');
    let segments = inner.strip_suffix('/').unwrap_or(inner);
    for segment in segments.split('/') {
        match segment {
            "" => return Err(bad(text, "has an empty segment", "remove the doubled slash")),
            "." | ".." => return Err(bad(text, "has a dot segment", "write the path it stands for")),
            _ => {}
        }
    }
    let kept = format!("/{segments}");
    let notice = trailing.then(|| {
        Fault::new(
            "trailing-slash",
            format!("the trailing slash was dropped (got {text:?})"),
            format!("write {kept}"),
        )
    });
    Ok((kept, notice))
}

/// Characters that every client sends as they are and no router gives a meaning to.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-._~!$&'()+,;=@".contains(c)
}

/// A name or address without a port; brackets around IPv6 are dropped.
pub(super) fn host(text: &str) -> Checked {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
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
    Err(Fault::new("bad-host", what, "write 0.0.0.0 for every interface, 127.0.0.1 for this machine only"))
}

/// Whether only this machine can reach it.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().map_or_else(
        |_| bare.eq_ignore_ascii_case("localhost") || bare.to_ascii_lowercase().ends_with(".localhost"),
        |address| address.to_canonical().is_loopback(),
    )
}

/// Whether it stands for every interface.
pub(super) fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_unspecified())
}

/// `HOST:PORT` to dial: loopback for a wildcard, brackets around IPv6.
pub(super) fn dial_authority(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => format!("127.0.0.1:{port}"),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[::1]:{port}"),
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_stand() {
        for (text, kept, changed) in [
            ("/metrics", "/metrics", false),
            ("/internal/prometheus", "/internal/prometheus", false),
            ("/metrics/", "/metrics", true),
            ("/v1metrics", "/v1metrics", false),
            ("/prom", "/prom", false),
            ("/a.b_c~d-e", "/a.b_c~d-e", false),
        ] {
            let (path, notice) = endpoint(text).expect(text);
            assert_eq!((path.as_str(), notice.is_some()), (kept, changed), "{text}");
        }
        let longest = format!("/{}", "a".repeat(255));
        assert_eq!(endpoint(&longest), Ok((longest.clone(), None)));
    }

    #[test]
    fn hosts() {
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
        assert!(
            ["127.0.0.1", "::1", "[::1]", "127.8.8.8", "localhost", "::ffff:127.0.0.1"]
                .into_iter()
                .all(is_loopback)
        );
        assert!(!["0.0.0.0", "10.0.0.1", "example.org"].into_iter().any(is_loopback));
        assert!(is_wildcard("::") && is_wildcard("0.0.0.0") && !is_wildcard("127.0.0.1"));
    }
}
