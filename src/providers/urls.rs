//! Addresses and credentials of a provider's operations.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::Uri;

use super::UnusableProvider;
use crate::api::Endpoint;
use crate::config::{Credential, GEMINI_NATIVE, Provider, is_deployment};

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version of Anthropic's API that is requested where the client names none.
const ANTHROPIC_VERSION_DEFAULT: HeaderValue = HeaderValue::from_static("2023-06-01");

/// The addresses of one provider, most of them prepared.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// By endpoint, where neither an id nor a model is part of the path.
    fixed: Vec<Option<Uri>>,
    /// Part before every path.
    base: String,
    /// Part before a deployment and its path: Azure's old way of naming the model.
    deployments: Option<String>,
    /// `api-version` of Azure.
    version: Option<String>,
}

impl Addresses {
    /// See [`Provider::has_deployments`] for what Azure's `base_url` may be.
    pub(crate) fn new(provider: &Provider) -> Result<Self, UnusableProvider> {
        let mut base = provider.base_url.as_str().trim_end_matches('/').to_owned();
        let has_deployments = provider.has_deployments();
        if has_deployments && provider.base_url.path().trim_matches('/').is_empty() {
            base.push_str("/openai");
        }
        let deployments = if has_deployments { Some(format!("{base}/deployments")) } else { None };
        let version = provider.api_version.clone();
        let mut addresses = Self { fixed: Vec::new(), base, deployments, version };
        for endpoint in Endpoint::ALL {
            let is_fixed =
                endpoint.is_fixed() && !(addresses.deployments.is_some() && endpoint.is_of_deployment());
            let mut address = None;
            if is_fixed {
                let parsed = addresses.write(endpoint.as_str(), None).parse::<Uri>();
                let error = |source| UnusableProvider::Address(provider.name.clone(), source);
                address = Some(parsed.map_err(error)?);
            }
            addresses.fixed.push(address);
        }
        Ok(addresses)
    }

    /// Address of an operation: `path` begins with a slash, and neither it nor `query` is encoded any further.
    /// `None` when the model cannot be the name of a deployment, or the parts make no address.
    pub(crate) fn of(
        &self,
        endpoint: Endpoint,
        path: &str,
        query: Option<&str>,
        model: Option<&str>,
    ) -> Option<Uri> {
        if path == endpoint.as_str() {
            if let (Some(fixed), None) = (&self.fixed[endpoint as usize], query) {
                return Some(fixed.clone());
            }
            if let (Some(deployments), Some(model)) = (&self.deployments, model)
                && endpoint.is_of_deployment()
            {
                if !is_deployment(model) {
                    return None;
                }
                let address = format!("{deployments}/{model}{path}");
                return self.with_query(address, path, query).parse().ok();
            }
        }
        self.write(path, query).parse().ok()
    }

    fn write(&self, mut path: &str, query: Option<&str>) -> String {
        // A path that is passed through may repeat the end of the base.
        if self.deployments.is_some()
            && let Some(rest) = path.strip_prefix("/openai")
            && rest.starts_with('/')
        {
            path = rest;
        }
        self.with_query(format!("{}{path}", self.base), path, query)
    }

    /// Adds the client's query, and our version of the API where the client names none.
    fn with_query(&self, mut address: String, path: &str, query: Option<&str>) -> String {
        let mut mark = '?';
        if let Some(query) = query {
            address.push(mark);
            address.push_str(query);
            mark = '&';
        }
        if let Some(version) = &self.version
            && !query.is_some_and(names_version)
            && self.takes_version(path, version)
        {
            address.push(mark);
            address.push_str("api-version=");
            address.push_str(version);
        }
        address
    }

    /// Returns false for a date at the undated API, which takes none.
    fn takes_version(&self, path: &str, version: &str) -> bool {
        let is_undated = self.base.ends_with("/openai/v1") || path.starts_with("/v1/");
        !(is_undated && version.as_bytes().first().is_some_and(u8::is_ascii_digit))
    }
}

fn names_version(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("api-version"))
}

/// The same account at Gemini's own API, whose root is that of the compatible one without `/v1beta/openai`.
pub(crate) fn of_native_gemini(provider: &Provider) -> Option<Provider> {
    if provider.kind.name != GEMINI_NATIVE.name || provider.kind.credential == GEMINI_NATIVE.credential {
        return None;
    }
    let mut root = provider.base_url.path().trim_end_matches('/');
    if let Some(versioned) = root.strip_suffix("/openai")
        && let Some((before, _)) = versioned.rsplit_once("/v")
    {
        root = before;
    }
    let mut native = provider.clone();
    native.kind = GEMINI_NATIVE;
    native.base_url.set_path(root);
    Some(native)
}

/// The headers that authenticate us.
#[derive(Debug)]
pub(crate) struct Identity {
    kind: Credential,
    /// Name and value, if there is a key.
    usual: Option<(HeaderName, HeaderValue)>,
    /// On Anthropic's copy of OpenAI's API.
    bearer: Option<(HeaderName, HeaderValue)>,
    /// Organization and project, if they are configured.
    account: Vec<(HeaderName, HeaderValue)>,
}

impl Identity {
    pub(crate) fn new(provider: &Provider) -> Result<Self, UnusableProvider> {
        let kind = provider.kind.credential;
        let bearer = header(provider, AUTHORIZATION, "Bearer ")?;
        let usual = match kind {
            Credential::Bearer => bearer.clone(),
            Credential::ApiKeyHeader => header(provider, HeaderName::from_static("api-key"), "")?,
            Credential::GoogleKeyHeader => header(provider, HeaderName::from_static("x-goog-api-key"), "")?,
            Credential::Anthropic => header(provider, HeaderName::from_static("x-api-key"), "")?,
        };
        let mut account = Vec::new();
        for (name, value) in
            [("openai-organization", &provider.organization), ("openai-project", &provider.project)]
        {
            if let Some(value) = value
                && let Ok(value) = HeaderValue::from_str(value)
            {
                account.push((HeaderName::from_static(name), value));
            }
        }
        Ok(Self { kind, usual, bearer, account })
    }

    /// The header that carries our credential.
    pub(crate) fn credential(&self, endpoint: Endpoint) -> Option<(&HeaderName, &HeaderValue)> {
        let bearer = self.kind == Credential::Anthropic && !self.is_native(endpoint);
        let header = if bearer { &self.bearer } else { &self.usual };
        let (name, value) = header.as_ref()?;
        Some((name, value))
    }

    /// The headers that name the account.
    pub(crate) fn account(&self) -> &[(HeaderName, HeaderValue)] {
        &self.account
    }

    /// A required header, unless the client sends its own.
    pub(crate) fn required(&self, endpoint: Endpoint) -> Option<(HeaderName, HeaderValue)> {
        self.is_native(endpoint).then_some((ANTHROPIC_VERSION, ANTHROPIC_VERSION_DEFAULT))
    }

    /// Returns true if the operation is one of Anthropic's own API.
    fn is_native(&self, endpoint: Endpoint) -> bool {
        self.kind == Credential::Anthropic && !endpoint.is_bearer_at_anthropic()
    }
}

/// A header with the provider's key; `None` where it has none.
fn header(
    provider: &Provider,
    name: HeaderName,
    scheme: &str,
) -> Result<Option<(HeaderName, HeaderValue)>, UnusableProvider> {
    let Some(key) = &provider.api_key else { return Ok(None) };
    let mut value = HeaderValue::from_str(&format!("{scheme}{}", key.expose()))
        .map_err(|source| UnusableProvider::Key(provider.name.clone(), source))?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}
