//! Classification of responses: the reason of a failure, its message and its remedy.

use reqwest::StatusCode;

use super::fetch::{BodyFault, Fetched, Unreachable};
use super::render::seconds;
use super::require::Checked;
use super::target::{Origin, Settings, Target, shown};
use crate::metrics::parser::{Exposition, parse};

/// Result of a probe in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Healthy.
    Ok,
    /// No connection could be made or kept.
    Refused,
    /// No response in time.
    Timeout,
    /// The host's name has no address.
    Dns,
    /// 404: metrics are off, or elsewhere.
    Disabled,
    /// 401 or 403.
    Unauthorized,
    /// 3xx.
    Redirect,
    /// A response that is not an exposition.
    NotExposition,
    /// An invalid exposition.
    Malformed,
    /// A requirement does not hold.
    Require,
}

impl Reason {
    /// The word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Disabled => "disabled",
            Self::Unauthorized => "unauthorized",
            Self::Redirect => "redirect",
            Self::NotExposition => "not_exposition",
            Self::Malformed => "malformed",
            Self::Require => "require",
        }
    }
}

/// Reason and message of a failed probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Reason in one word.
    pub reason: Reason,
    /// The problem and its remedy.
    pub message: String,
}

impl Finding {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

pub(crate) fn unreachable(target: &Target, failure: &Unreachable) -> Finding {
    let address = target.address();
    let chosen = target.address_from();
    let (reason, message) = match failure {
        Unreachable::Refused => (
            Reason::Refused,
            format!(
                "connection refused: nothing listens at {address} ({chosen}); is `aurora serve` running?"
            ),
        ),
        Unreachable::Timeout(limit) => (
            Reason::Timeout,
            format!(
                "no response from {address} within {} ({chosen}); is `aurora serve` running there, or does a \
                 firewall drop the connection?",
                seconds(limit.as_secs_f64())
            ),
        ),
        Unreachable::Dns(what) => (
            Reason::Dns,
            format!(
                "the name in {address} cannot be resolved ({chosen}): {what}; correct the name or the resolver"
            ),
        ),
        Unreachable::Tls(what) => (
            Reason::Refused,
            format!(
                "TLS with {address} failed ({chosen}): {what}; use http:// if the server expects plain HTTP, or \
                 set SSL_CERT_FILE to the certificate of its CA"
            ),
        ),
        Unreachable::NotHttp => (
            Reason::NotExposition,
            format!(
                "the server at {address} ({chosen}) does not respond in HTTP; is it another program, or does it \
                 expect https?"
            ),
        ),
        Unreachable::Broken(what) => (
            Reason::Refused,
            format!(
                "the connection to {address} failed ({chosen}): {what}; is `aurora serve` running there?"
            ),
        ),
    };
    Finding::new(reason, message)
}

/// Classifies a response; `body` is its body, redacted.
pub(crate) fn response(
    target: &Target,
    response: &Fetched,
    body: Result<&[u8], &BodyFault>,
) -> Result<Exposition, Finding> {
    let status = response.status;
    if status.is_redirection()
        && let Some(location) = &response.location
    {
        return Err(Finding::new(Reason::Redirect, redirected(target, status, location)));
    }
    match status {
        StatusCode::OK => match body {
            Ok(body) => exposition(response, body),
            Err(fault) => Err(body_fault(fault)),
        },
        StatusCode::NOT_FOUND => match body.ok().filter(|body| !is_ours(body)).and_then(first_line) {
            Some(first) => Err(foreign(&format!(
                "404 Not Found from a server that is not Aurora: it begins with {first}"
            ))),
            None => Err(Finding::new(Reason::Disabled, not_found(target))),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(Finding::new(Reason::Unauthorized, unauthorized(target, status)))
        }
        _ => {
            let first = match body.ok().and_then(first_line) {
                Some(line) => format!(", and begins with {line}"),
                None => String::new(),
            };
            let message = format!("the response is {status}, not 200 OK{first}; is a proxy in between?");
            Err(Finding::new(Reason::NotExposition, message))
        }
    }
}

/// Finding for the requirements that do not hold.
pub(crate) fn requirements(checked: &[Checked]) -> Option<Finding> {
    let failed = checked.iter().filter(|checked| !checked.ok).map(Checked::explain).collect::<Vec<_>>();
    if failed.is_empty() {
        return None;
    }
    Some(Finding::new(Reason::Require, failed.join("; ")))
}

fn exposition(response: &Fetched, body: &[u8]) -> Result<Exposition, Finding> {
    let Some(first) = first_line(body) else { return Err(foreign("the response is empty")) };
    let content_type = response.content_type.as_deref();
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("text/plain") {
        let found = match content_type {
            Some(content_type) => format!("content type {content_type}"),
            None => "no content type".to_owned(),
        };
        let problem = format!("not an exposition: {found}, not text/plain; it begins with {first}");
        return Err(foreign(&problem));
    }
    match parse(body) {
        Ok(exposition) => Ok(exposition),
        Err(_) if !has_metadata(body) => Err(foreign(&format!("not an exposition: it begins with {first}"))),
        Err(malformed) => Err(Finding::new(
            Reason::Malformed,
            format!("malformed exposition: {malformed}; Prometheus may drop the whole scrape"),
        )),
    }
}

/// True for an error as Aurora sends it; other programs send none in this form with a 404 for a page.
fn is_ours(body: &[u8]) -> bool {
    let document = serde_json::from_slice::<serde_json::Value>(body);
    document.is_ok_and(|document| document["error"]["message"].is_string())
}

/// Finding for a response that another program sent.
fn foreign(problem: &str) -> Finding {
    let message = format!("{problem}; is a proxy in between, or another program at this address?");
    Finding::new(Reason::NotExposition, message)
}

fn has_metadata(body: &[u8]) -> bool {
    body.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"# TYPE ") || line.starts_with(b"# HELP "))
}

/// The first line that is not blank, quoted and cut.
fn first_line(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 * 1024)]);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let cut = line.chars().take(100).collect::<String>();
    let ellipsis = if cut.len() < line.len() { "…" } else { "" };
    Some(format!("{cut:?}{ellipsis}"))
}

fn body_fault(fault: &BodyFault) -> Finding {
    match fault {
        BodyFault::Timeout(limit) => Finding::new(
            Reason::Timeout,
            format!(
                "the response began but was not complete within {}; pass a longer --timeout, or check the \
                 network and the load",
                seconds(limit.as_secs_f64())
            ),
        ),
        BodyFault::Cut(what) => Finding::new(
            Reason::Malformed,
            format!("the response is truncated: {what}; was the server or a proxy in between stopped?"),
        ),
        BodyFault::TooLarge(limit) => Finding::new(
            Reason::NotExposition,
            format!(
                "the response is larger than {limit} bytes; pass a larger --max-size if that is expected"
            ),
        ),
        BodyFault::Encoding(encoding) => Finding::new(
            Reason::NotExposition,
            format!(
                "the response is encoded as {encoding}, but only gzip was requested; is a proxy in between?"
            ),
        ),
        BodyFault::Gzip(what) => Finding::new(
            Reason::Malformed,
            format!("the response declares gzip but cannot be decompressed: {what}; is a proxy in between?"),
        ),
    }
}

fn not_found(target: &Target) -> String {
    match &target.origin {
        Origin::Configured(Settings { enabled: true, enabled_from, endpoint_from, .. }) => format!(
            "404 Not Found: the configuration enables metrics ({enabled_from}) at this path ({endpoint_from}), \
             but the \
             running server has them disabled or elsewhere: restart `aurora serve` with this configuration"
        ),
        Origin::Configured(Settings { enabled_from, url, endpoint_from, .. }) => format!(
            "404 Not Found: metrics are disabled ({enabled_from}): set METRICS_ENABLED=true and restart; or the \
             path differs: the configuration has {} ({endpoint_from})",
            url.path()
        ),
        Origin::CommandLine(settings) => {
            let differs = match settings {
                Some(settings) => {
                    format!("the configuration has {} ({})", settings.url.path(), settings.endpoint_from)
                }
                None => "the default is /metrics".to_owned(),
            };
            format!(
                "404 Not Found: metrics are disabled there (the default): set METRICS_ENABLED=true and restart; \
                 or the path differs: {differs}"
            )
        }
    }
}

fn unauthorized(target: &Target, status: StatusCode) -> String {
    let sent = match (&target.credential_from, &target.origin) {
        (Some(from), _) => format!("the server rejected the credential {from}"),
        (None, Origin::CommandLine(Some(Settings { credential: Some(_), url, .. }))) => format!(
            "no credential was sent (the configured one goes to {} only)",
            shown(url).trim_end_matches(url.path())
        ),
        (None, _) => "no credential was sent (none is configured)".to_owned(),
    };
    format!(
        "{status}: {sent}; pass --token-env AURORA_MASTER_KEY or --token-file PATH with the key of that server"
    )
}

fn redirected(target: &Target, status: StatusCode, location: &str) -> String {
    let goal = match target.url.join(location) {
        Ok(url) => shown(&url),
        Err(_) => "an invalid Location".to_owned(),
    };
    format!(
        "{status}: redirected to {goal}; use that URL for the probe and for Prometheus: redirects are not \
             followed"
    )
}
