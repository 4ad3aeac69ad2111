//! The provider table: one row for every upstream API that a provider can be.

use super::{Credential, ProviderType};

/// Any other upstream that speaks the OpenAI API; many of them want no key.
pub(super) const OPENAI_COMPATIBLE: &ProviderType = &ProviderType {
    default_base_url: None,
    needs_key: false,
    ..row("openai_compatible", "OPENAI_COMPATIBLE", "")
};

/// Every provider type, in the order of the reference.
pub const PROVIDER_TYPES: &[ProviderType] = &[
    declaring_usage(row("openai", "OPENAI", "https://api.openai.com/v1")),
    declaring_usage(row("anthropic", "ANTHROPIC", "https://api.anthropic.com/v1")),
    row("gemini", "GEMINI", "https://generativelanguage.googleapis.com/v1beta/openai"),
    declaring_usage(row("groq", "GROQ", "https://api.groq.com/openai/v1")),
    declaring_usage(row("deepseek", "DEEPSEEK", "https://api.deepseek.com")),
    declaring_usage(row("openrouter", "OPENROUTER", "https://openrouter.ai/api/v1")),
    declaring_usage(row("xai", "XAI", "https://api.x.ai/v1")),
    row("zai", "ZAI", "https://api.z.ai/api/paas/v4"),
    row("minimax", "MINIMAX", "https://api.minimax.io/v1"),
    ProviderType {
        needs_key: false,
        ..declaring_usage(row("ollama", "OLLAMA", "http://localhost:11434/v1"))
    },
    ProviderType { needs_key: false, ..declaring_usage(row("vllm", "VLLM", "http://localhost:8000/v1")) },
    ProviderType {
        default_base_url: None,
        credential: Credential::ApiKeyHeader,
        default_api_version: Some("2024-10-21"),
        ..declaring_usage(row("azure", "AZURE", ""))
    },
    ProviderType { default_base_url: None, ..row("oracle", "ORACLE", "") },
    row("jina", "JINA", "https://api.jina.ai/v1"),
    *OPENAI_COMPATIBLE,
];

/// What most of them are: a public API behind a bearer key.
const fn row(name: &'static str, env_prefix: &'static str, base_url: &'static str) -> ProviderType {
    ProviderType {
        name,
        env_prefix,
        default_base_url: Some(base_url),
        needs_key: true,
        credential: Credential::Bearer,
        default_api_version: None,
        inject_usage: false,
    }
}

/// A row whose public documentation lists `stream_options.include_usage`.
const fn declaring_usage(row: ProviderType) -> ProviderType {
    ProviderType { inject_usage: true, ..row }
}

/// The row of that name.
#[must_use]
pub fn provider_type(name: &str) -> Option<&'static ProviderType> {
    PROVIDER_TYPES.iter().find(|row| row.name == name)
}
