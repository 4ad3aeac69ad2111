//! The provider table: one row for every upstream API that a provider can be.

use crate::config::{Credential, ProviderType};

/// What OpenAI itself speaks, by the names that endpoints have in metrics.
const OPENAI: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/responses/{id}",
    "/embeddings",
    "/moderations",
    "/images/generations",
    "/audio/speech",
    "/audio/transcriptions",
    "/files",
    "/files/{id}",
    "/batches",
    "/batches/{id}",
];

const ANTHROPIC: &[&str] =
    &["/chat/completions", "/messages", "/messages/count_tokens", "/files", "/files/{id}"];

const GEMINI: &[&str] =
    &["/chat/completions", "/embeddings", "/images/generations", "/batches", "/batches/{id}"];

const GROQ: &[&str] = &[
    "/chat/completions",
    "/responses",
    "/audio/speech",
    "/audio/transcriptions",
    "/files",
    "/files/{id}",
    "/batches",
    "/batches/{id}",
];

const OPENROUTER: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/rerank",
    "/messages",
    "/audio/speech",
    "/audio/transcriptions",
];

const XAI: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/responses/{id}",
    "/embeddings",
    "/messages",
    "/images/generations",
    "/files",
    "/files/{id}",
    "/batches",
    "/batches/{id}",
];

const OLLAMA: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/messages",
    "/images/generations",
    "/audio/speech",
    "/audio/transcriptions",
];

const VLLM: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/responses/{id}",
    "/embeddings",
    "/rerank",
    "/messages",
    "/messages/count_tokens",
    "/audio/transcriptions",
];

const AZURE: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/responses/{id}",
    "/embeddings",
    "/images/generations",
    "/audio/speech",
    "/audio/transcriptions",
    "/files",
    "/files/{id}",
    "/batches",
    "/batches/{id}",
];

const ORACLE: &[&str] = &["/chat/completions", "/responses", "/responses/{id}", "/files", "/files/{id}"];

/// Nobody knows what such an upstream speaks, so that it is asked for anything.
const ANYTHING: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/responses/{id}",
    "/embeddings",
    "/rerank",
    "/messages",
    "/messages/count_tokens",
    "/moderations",
    "/images/generations",
    "/audio/speech",
    "/audio/transcriptions",
    "/files",
    "/files/{id}",
    "/batches",
    "/batches/{id}",
];

/// Any other upstream that speaks the OpenAI API; many of them want no key.
pub(crate) const OPENAI_COMPATIBLE: &ProviderType = &ProviderType {
    default_base_url: None,
    needs_key: false,
    ..row("openai_compatible", "OPENAI_COMPATIBLE", "", ANYTHING)
};

/// Gemini's own API, which its providers have beside the compatible one; no type of its own.
pub const GEMINI_NATIVE: &ProviderType = &ProviderType {
    credential: Credential::GoogleKeyHeader,
    models_path: None,
    ..row("gemini", "GEMINI", "", &[])
};

/// Every provider type, in the order of the reference.
pub const PROVIDER_TYPES: &[ProviderType] = &[
    declaring_usage(row("openai", "OPENAI", "https://api.openai.com/v1", OPENAI)),
    ProviderType {
        credential: Credential::Anthropic,
        // Its pages hold 20 models unless asked for more.
        models_path: Some("/models?limit=1000"),
        ..declaring_usage(row("anthropic", "ANTHROPIC", "https://api.anthropic.com/v1", ANTHROPIC))
    },
    row("gemini", "GEMINI", "https://generativelanguage.googleapis.com/v1beta/openai", GEMINI),
    declaring_usage(row("groq", "GROQ", "https://api.groq.com/openai/v1", GROQ)),
    declaring_usage(row(
        "deepseek",
        "DEEPSEEK",
        "https://api.deepseek.com",
        &["/chat/completions", "/completions"],
    )),
    declaring_usage(row("openrouter", "OPENROUTER", "https://openrouter.ai/api/v1", OPENROUTER)),
    declaring_usage(row("xai", "XAI", "https://api.x.ai/v1", XAI)),
    row(
        "zai",
        "ZAI",
        "https://api.z.ai/api/paas/v4",
        &["/chat/completions", "/images/generations", "/audio/transcriptions"],
    ),
    row("minimax", "MINIMAX", "https://api.minimax.io/v1", &["/chat/completions"]),
    ProviderType {
        needs_key: false,
        ..declaring_usage(row("ollama", "OLLAMA", "http://localhost:11434/v1", OLLAMA))
    },
    ProviderType {
        needs_key: false,
        ..declaring_usage(row("vllm", "VLLM", "http://localhost:8000/v1", VLLM))
    },
    ProviderType {
        default_base_url: None,
        credential: Credential::ApiKeyHeader,
        default_api_version: Some("2024-10-21"),
        models_path: None,
        ..declaring_usage(row("azure", "AZURE", "", AZURE))
    },
    ProviderType { default_base_url: None, models_path: None, ..row("oracle", "ORACLE", "", ORACLE) },
    row("jina", "JINA", "https://api.jina.ai/v1", &["/embeddings", "/rerank"]),
    *OPENAI_COMPATIBLE,
];

/// What most of them are: a public API behind a bearer key.
const fn row(
    name: &'static str,
    env_prefix: &'static str,
    base_url: &'static str,
    supports: &'static [&'static str],
) -> ProviderType {
    ProviderType {
        name,
        env_prefix,
        default_base_url: Some(base_url),
        needs_key: true,
        credential: Credential::Bearer,
        default_api_version: None,
        models_path: Some("/models"),
        supports,
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
