//! Addresses and credentials of a probe, and their sources.

use anyhow::{Context as _, bail};
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::config::Secret;

/// A metrics endpoint to probe.
#[derive(Debug, Clone)]
pub struct Target {
    /// URL of the endpoint.
    pub url: Url,
    /// Request headers, with the credential.
    pub headers: HeaderMap,
    /// Name and source of the credential, such as `server.master_key (.env:3)`; `None` sends none.
    pub credential_from: Option<String>,
    /// Source of the address.
    pub origin: Origin,
    secrets: Vec<Secret>,
}

/// Source of the address.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The configuration.
    Configured(Settings),
    /// The command line; the configuration is known as well when it could be loaded.
    CommandLine(Option<Settings>),
}

/// Settings of the configured endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The endpoint's URL, as seen from this machine.
    pub url: Url,
    /// Keys that define host and port, with their sources, such as `server.host: default, server.port: .env:2`.
    pub address_from: String,
    /// Key that defines the path, such as `metrics.endpoint: default`.
    pub endpoint_from: String,
    /// True if metrics are enabled.
    pub enabled: bool,
    /// Key that enables them, such as `metrics.enabled: default`.
    pub enabled_from: String,
    /// Credential for the endpoint; `None` if it needs none.
    pub credential: Option<Token>,
}

/// A bearer token and its source.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// Such as `server.master_key (.env:3)` or `--token-env AURORA_MASTER_KEY`.
    pub from: String,
}

/// Credentials and headers from the command line.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--token-env` or `--token-file`.
    pub token: Option<Token>,
    /// `--header`, each `Name: value`.
    pub headers: Vec<Secret>,
}

/// Headers whose values are credentials.
const CREDENTIAL_HEADERS: [&str; 6] =
    ["api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"];

/// Below this length a secret is not distinguishable from ordinary text, so it is not searched for in responses.
const SHORTEST_REDACTED: usize = 8;

/// The targets of a probe: each URL of the command line, or the configured endpoint when there is none.
///
/// The configured credential goes to the configured address only (scheme, host and port are the same).
///
/// # Errors
/// There is neither a URL nor a configuration, or a URL or header is invalid. No message repeats a header.
pub fn targets(urls: &[String], given: &Given, settings: Option<&Settings>) -> anyhow::Result<Vec<Target>> {
    if urls.is_empty() {
        let settings = settings.context("no URL given and no configuration to take one from")?.clone();
        return Ok(vec![Target::new(settings.url.clone(), Origin::Configured(settings), given)?]);
    }
    let default_path = match settings {
        Some(settings) => settings.url.path(),
        None => "/metrics",
    };
    let mut targets = Vec::new();
    for text in urls {
        let url = read_url(text, default_path)?;
        targets.push(Target::new(url, Origin::CommandLine(settings.cloned()), given)?);
    }
    Ok(targets)
}

/// A URL as it may be printed: without credentials, query and fragment.
#[must_use]
pub fn shown(url: &Url) -> String {
    let port = match url.port() {
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}://{}{port}{}{query}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Reads a URL; `http://` and the endpoint's path are added where they are missing.
fn read_url(text: &str, default_path: &str) -> anyhow::Result<Url> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url =
        Url::parse(&whole).context("invalid URL on the command line; expected http://HOST:PORT/PATH")?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("{}: only http and https can be probed", shown(&url));
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!(
            "{}: the URL contains a credential; send it with --header, --token-env or --token-file",
            shown(&url)
        );
    }
    if url.path() == "/" {
        url.set_path(default_path);
    }
    url.set_fragment(None);
    Ok(url)
}

impl Target {
    fn new(url: Url, origin: Origin, given: &Given) -> anyhow::Result<Self> {
        let configured = match &origin {
            Origin::Configured(settings) => settings.credential.clone(),
            Origin::CommandLine(Some(settings)) if settings.url.origin() == url.origin() => {
                settings.credential.clone()
            }
            Origin::CommandLine(_) => None,
        };
        let mut target =
            Self { url, headers: HeaderMap::new(), credential_from: None, origin, secrets: Vec::new() };
        for line in &given.headers {
            target.add_header(line.expose())?;
        }
        let configured = if target.credential_from.is_none() { configured } else { None };
        if let Some(Token { secret, from }) = given.token.clone().or(configured) {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", secret.expose())).ok().with_context(|| {
                    format!("{from}: the value cannot be sent in a header: it contains control characters")
                })?;
            value.set_sensitive(true);
            target.headers.insert(AUTHORIZATION, value);
            target.credential_from = Some(from);
            target.secrets.push(secret);
        }
        Ok(target)
    }

    fn add_header(&mut self, line: &str) -> anyhow::Result<()> {
        let unreadable = "--header: expected 'Name: value'";
        let (name, value) = line.split_once(':').context(unreadable)?;
        let name: HeaderName = name.trim().parse().ok().context(unreadable)?;
        let mut parsed = HeaderValue::from_str(value.trim()).ok().context(unreadable)?;
        if CREDENTIAL_HEADERS.contains(&name.as_str()) {
            parsed.set_sensitive(true);
            self.credential_from = Some(format!("--header {name}"));
            // A scheme and its credential, or several cookies; what is short is no secret.
            let parts = value.split([' ', ';']).filter(|part| part.len() >= SHORTEST_REDACTED);
            self.secrets.extend(parts.map(Secret::new));
        }
        if name == HOST {
            self.headers.insert(name, parsed);
        } else {
            self.headers.append(name, parsed);
        }
        Ok(())
    }

    /// Host and port of the connection.
    #[must_use]
    pub fn address(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }

    /// Source of the address, for messages.
    #[must_use]
    pub fn address_from(&self) -> &str {
        match &self.origin {
            Origin::Configured(settings) => &settings.address_from,
            Origin::CommandLine(_) => "given on the command line",
        }
    }

    /// `received` without the credentials that were sent, in case the response repeats one.
    #[must_use]
    pub fn redact(&self, received: Vec<u8>) -> Vec<u8> {
        let mut clean = received;
        for secret in &self.secrets {
            let secret = secret.expose().as_bytes();
            if secret.len() < SHORTEST_REDACTED || memchr::memmem::find(&clean, secret).is_none() {
                continue;
            }
            let found = std::mem::take(&mut clean);
            let mut kept = 0;
            for place in memchr::memmem::find_iter(&found, secret) {
                clean.extend_from_slice(&found[kept..place]);
                clean.extend_from_slice(b"[redacted]");
                kept = place + secret.len();
            }
            clean.extend_from_slice(&found[kept..]);
        }
        clean
    }

    /// As [`Self::redact`], for the value of a header or a message.
    #[must_use]
    pub fn redact_text(&self, received: &str) -> String {
        String::from_utf8_lossy(&self.redact(received.as_bytes().to_vec())).into_owned()
    }
}
