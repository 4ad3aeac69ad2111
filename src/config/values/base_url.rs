//! Checks of a provider's `base_url`.

use url::Url;

use super::paths;
use crate::config::Config;
use crate::config::problem::{Fault, Severity};

/// An absolute http(s) URL without credentials and query; it is not repeated when it may hold either.
pub(crate) fn read(text: &str) -> Result<Url, Fault> {
    let fault = |what: &str, fix: &str| Fault::new("bad-base-url", what, fix);
    let example = "write for example https://api.example.com/v1";
    let mut url = Url::parse(text.trim()).map_err(|error| fault(&format!("not a URL ({error})"), example))?;
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

/// Fault of a URL that leads back to Aurora itself, or to another host without TLS.
pub(crate) fn judge(url: &Url, config: &Config) -> Option<(Severity, Fault)> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let near = paths::is_loopback(host) || paths::is_wildcard(host);
    let leads_to = |own: &str, port: u16| {
        (near || host.eq_ignore_ascii_case(own)) && url.port_or_known_default() == Some(port)
    };
    let server = &config.server;
    let own_metrics = config.metrics.listen.as_ref().is_some_and(|(own, port)| leads_to(own, *port));
    if own_metrics || leads_to(&server.host, server.port) {
        let what = "this is Aurora's own address, so every request would come back to it";
        let fix = "write the upstream's address (an SDK's variable may point at Aurora)";
        return Some((Severity::Error, Fault::new("own-listener", what, fix)));
    }
    (url.scheme() == "http" && !near).then(|| {
        let what = "keys and prompts are sent to another host without TLS";
        (Severity::Warning, Fault::new("insecure-base-url", what, "write https"))
    })
}
