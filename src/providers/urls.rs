//! Addresses and credentials of a provider's operations.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::Uri;

use super::UnusableProvider;
use crate::api::Endpoint;
use crate::config::{Credential, GEMINI_NATIVE, Provider, is_deployment};

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version of Anthropic's API that is asked for where a caller names none.
const ANTHROPIC_VERSION_DEFAULT: HeaderValue = HeaderValue::from_static("2023-06-01");

/// The addresses of one provider, most of them made ready.
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
        let deployments = has_deployments.then(|| format!("{base}/deployments"));
        let version = provider.api_version.clone();
        let mut addresses = Self { fixed: Vec::new(), base, deployments, version };
        for endpoint in Endpoint::ALL {
            let is_fixed =
                endpoint.is_fixed() && !(addresses.deployments.is_some() && endpoint.is_of_deployment());
            let address = is_fixed.then(|| addresses.write(endpoint.as_str(), None).parse()).transpose();
            let address =
                address.map_err(|source| UnusableProvider::Address(provider.name.clone(), source))?;
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
                let address = is_deployment(model).then(|| format!("{deployments}/{model}{path}"))?;
                return self.with_query(address, path, query).parse().ok();
            }
        }
        self.write(path, query).parse().ok()
    }

    fn write(&self, path: &str, query: Option<&str>) -> String {
        // Passed through, a path may repeat what the base ends in.
        let repeated = self.deployments.as_ref().and_then(|_| path.strip_prefix("/openai"));
        let path = repeated.filter(|rest| rest.starts_with('/')).unwrap_or(path);
        self.with_query(format!("{}{path}", self.base), path, query)
    }

    /// Adds the caller's query, and our version of the API where the caller names none.
    fn with_query(&self, mut address: String, path: &str, query: Option<&str>) -> String {
        let named = query
            .is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("api-version")));
        let version = self.version.as_ref().filter(|version| {
            // The undated API takes no dates.
            let undated = self.base.ends_with("/openai/v1") || path.starts_with("/v1/");
            !(named || undated && version.starts_with(|first: char| first.is_ascii_digit()))
        });
        let version = version.map(|version| format!("api-version={version}"));
        for (parameters, mark) in query.map(str::to_owned).into_iter().chain(version).zip(['?', '&']) {
            address.push(mark);
            address.push_str(&parameters);
        }
        address
    }
}

/// The same account at Gemini's own API, whose root is where the compatible one is without `/v1beta/openai`.
pub(crate) fn of_native_gemini(provider: &Provider) -> Option<Provider> {
    if provider.kind.name != GEMINI_NATIVE.name || provider.kind.credential == GEMINI_NATIVE.credential {
        return None;
    }
    let path = provider.base_url.path().trim_end_matches('/');
    let root =
        path.strip_suffix("/openai").and_then(|path| path.rsplit_once("/v")).map_or(path, |(root, _)| root);
    let mut native = provider.clone();
    native.kind = GEMINI_NATIVE;
    native.base_url.set_path(root);
    Some(native)
}

/// The headers that show who we are.
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
        let header = |name: HeaderName, scheme: &str| {
            let Some(key) = &provider.api_key else { return Ok(None) };
            let mut value = HeaderValue::from_str(&format!("{scheme}{}", key.expose()))
                .map_err(|source| UnusableProvider::Key(provider.name.clone(), source))?;
            value.set_sensitive(true);
            Ok(Some((name, value)))
        };
        let bearer = header(AUTHORIZATION, "Bearer ")?;
        let usual = match kind {
            Credential::Bearer => bearer.clone(),
            Credential::ApiKeyHeader => header(HeaderName::from_static("api-key"), "")?,
            Credential::GoogleKeyHeader => header(HeaderName::from_static("x-goog-api-key"), "")?,
            Credential::Anthropic => header(HeaderName::from_static("x-api-key"), "")?,
        };
        let account =
            [("openai-organization", &provider.organization), ("openai-project", &provider.project)];
        let account = account.into_iter().filter_map(|(name, value)| {
            let value = HeaderValue::from_str(value.as_ref()?).ok()?;
            Some((HeaderName::from_static(name), value))
        });
        Ok(Self { kind, usual, bearer, account: account.collect() })
    }

    /// The header that carries our credential.
    pub(crate) fn credential(&self, endpoint: Endpoint) -> Option<(&HeaderName, &HeaderValue)> {
        let bearer = self.kind == Credential::Anthropic && !self.is_native(endpoint);
        let header = if bearer { &self.bearer } else { &self.usual };
        header.as_ref().map(|(name, value)| (name, value))
    }

    /// The headers that say on whose account.
    pub(crate) fn account(&self) -> &[(HeaderName, HeaderValue)] {
        &self.account
    }

    /// A header that has to be there, unless the caller sends its own.
    pub(crate) fn required(&self, endpoint: Endpoint) -> Option<(HeaderName, HeaderValue)> {
        self.is_native(endpoint).then_some((ANTHROPIC_VERSION, ANTHROPIC_VERSION_DEFAULT))
    }

    /// Returns true if the operation is one of Anthropic's own API.
    fn is_native(&self, endpoint: Endpoint) -> bool {
        self.kind == Credential::Anthropic && !endpoint.is_bearer_at_anthropic()
    }
}
