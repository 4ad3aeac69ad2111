//! Checks of a provider's `base_url`.

use url::Url;

use super::paths;
use crate::config::Config;
use crate::config::problem::{Fault, Severity};

/// An absolute http(s) URL without credentials and query; it is not repeated when it may hold either.
pub(crate) fn read(text: &str) -> Result<Url, Fault> {
    let example = "write for example https://api.example.com/v1";
    let text = text.trim();
    if !text.contains("://") && !text.contains(['@', '?']) {
        let fix = with_scheme(text).unwrap_or_else(|| example.to_owned());
        return Err(fault("has no scheme", &fix));
    }
    let mut url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Err(fault(&format!("not a URL ({error})"), example)),
    };
    if !matches!(url.scheme(), "http" | "https") {
        let what = format!("not an http or https URL (its scheme is {:?})", url.scheme());
        return Err(fault(&what, example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("carries a user name or password", "remove it; the key goes into api_key"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fault(
            "carries a query or a fragment",
            "remove it; Azure's version goes into api_version",
        ));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn fault(what: &str, fix: &str) -> Fault {
    Fault::new("bad-base-url", what, fix)
}

/// The remedy for a host with or without port and path, such as `10.0.0.5:8000/v1`.
fn with_scheme(text: &str) -> Option<String> {
    let url = Url::parse(&format!("http://{text}")).ok()?;
    let is_local = paths::is_loopback(url.host_str()?) || url.domain().is_none();
    let scheme = if is_local || url.port().is_some() { "http" } else { "https" };
    Some(format!("write {scheme}://{text}"))
}

/// Ends of the paths that Aurora itself adds to a base URL.
const ENDPOINTS: [&str; 6] =
    ["/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/models"];

/// Fault of a URL whose path would be doubled.
pub(crate) fn doubled(url: &Url) -> Option<Fault> {
    let path = url.path();
    let endpoint = ENDPOINTS.iter().find_map(|endpoint| path.strip_suffix(endpoint));
    let (what, kept) = match (endpoint, path.strip_suffix("/v1")) {
        (Some(kept), _) => ("ends in the path of an endpoint, which is added to it", kept),
        (None, Some(kept)) if kept.ends_with("/v1") => ("has /v1 twice", kept),
        _ => return None,
    };
    let mut meant = url.clone();
    meant.set_path(kept);
    Some(Fault::new("doubled-path", what, format!("write {}", meant.as_str().trim_end_matches('/'))))
}

/// Fault of a URL that leads back to Aurora itself, or to another host without TLS.
pub(crate) fn check(url: &Url, config: &Config) -> Option<(Severity, Fault)> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let near = paths::is_loopback(host) || paths::is_wildcard(host);
    for (own, port) in [(config.server.host.as_str(), config.server.port), config.metrics_address()] {
        if (near || host.eq_ignore_ascii_case(own)) && url.port_or_known_default() == Some(port) {
            let what = "this is Aurora's own address, so every request would come back to it";
            let fix = "write the upstream's address (an SDK's variable may point at Aurora)";
            return Some((Severity::Error, Fault::new("own-listener", what, fix)));
        }
    }
    if url.scheme() != "http" || near {
        return None;
    }
    let what = "keys and prompts are sent to another host without TLS";
    Some((Severity::Warning, Fault::new("insecure-base-url", what, "write https")))
}
