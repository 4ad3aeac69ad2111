//! A provider as it is configured, and the row of its type.

use std::collections::BTreeMap;

use url::Url;

use crate::api::Endpoint;
use crate::config::{Resilience, Secret};

/// One configured account at one upstream.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name: `[a-z0-9][a-z0-9._-]{0,63}`.
    pub name: String,
    /// Its row of the provider table.
    pub kind: &'static ProviderType,
    /// Base URL of its API, without a trailing slash.
    pub base_url: Url,
    /// Its credential; `None` where the type needs none.
    pub api_key: Option<Secret>,
    /// `api-version` of Azure.
    pub api_version: Option<String>,
    /// `openai-organization` of every request, visible ASCII.
    pub organization: Option<String>,
    /// `openai-project` of every request, visible ASCII.
    pub project: Option<String>,
    /// Its models; when empty, the provider's own list is fetched.
    pub models: Vec<String>,
    /// Requests usage of streams where the client does not.
    pub inject_usage: bool,
    /// Retries and circuit breaker.
    pub resilience: Resilience,
    /// Prices by model.
    pub prices: BTreeMap<String, Prices>,
}

/// Prices of a model in picodollars (10⁻¹² USD) per token: 1 USD per million tokens is 1,000,000 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// Input that no cache served.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Input read from the provider's cache.
    pub cache_read: u64,
    /// Input written to the provider's cache.
    pub cache_write: u64,
}

/// Header that carries the credential of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY` (Azure).
    ApiKeyHeader,
    /// `x-goog-api-key: KEY` (Gemini's own API).
    GoogleKeyHeader,
    /// `x-api-key: KEY` with an `anthropic-version`; `Authorization: Bearer KEY` on Anthropic's copy of OpenAI's API.
    Anthropic,
}

/// A row of the provider table.
#[derive(Debug, Clone, Copy)]
pub struct ProviderType {
    /// As written in `type:`.
    pub name: &'static str,
    /// Prefix of its environment variables, `OPENAI` of `OPENAI_API_KEY`.
    pub env_prefix: &'static str,
    /// Base URL of its API; `None` makes `base_url` required.
    pub default_base_url: Option<&'static str>,
    /// True when requests need a key.
    pub needs_key: bool,
    /// Header of the credential.
    pub credential: Credential,
    /// Default `api-version` query parameter; the types that have one have deployments in their paths (Azure).
    pub default_api_version: Option<&'static str>,
    /// Path and query of its list of models; `None` where there is none, so that `models` has to name them.
    pub models_path: Option<&'static str>,
    /// Endpoints of its public documentation.
    pub supports: &'static [Endpoint],
    /// Default of `inject_usage`: whether it is known to take `stream_options.include_usage`.
    pub inject_usage: bool,
}

impl ProviderType {
    /// The variable that gives a field of a provider of this type, `OPENAI_EAST_API_KEY` of `openai-east`. One whose name
    /// does not begin with its type has those of the type itself.
    pub(crate) fn variable(&self, provider: &str, field: &str) -> String {
        let suffix = provider.strip_prefix(self.name).unwrap_or_default();
        let suffix = suffix.to_ascii_uppercase().replace('-', "_");
        format!("{}{suffix}_{}", self.env_prefix, field.to_ascii_uppercase())
    }
}
