//! The provider table: one row for every upstream API that a provider can be.

use crate::api::Endpoint;
use crate::config::{Credential, ProviderType};

/// Endpoints of OpenAI itself.
const OPENAI: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Responses,
    Endpoint::Response,
    Endpoint::InputTokens,
    Endpoint::Compact,
    Endpoint::Conversations,
    Endpoint::Conversation,
    Endpoint::Embeddings,
    Endpoint::Moderations,
    Endpoint::ImageGenerations,
    Endpoint::ImageEdits,
    Endpoint::ImageVariations,
    Endpoint::Speech,
    Endpoint::Transcriptions,
    Endpoint::Translations,
    Endpoint::Files,
    Endpoint::File,
    Endpoint::Uploads,
    Endpoint::Upload,
    Endpoint::VectorStores,
    Endpoint::VectorStore,
    Endpoint::Batches,
    Endpoint::Batch,
];

const ANTHROPIC: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Messages,
    Endpoint::CountTokens,
    Endpoint::MessageBatches,
    Endpoint::MessageBatch,
    Endpoint::Files,
    Endpoint::File,
];

const GEMINI: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Embeddings,
    Endpoint::ImageGenerations,
    Endpoint::Batches,
    Endpoint::Batch,
];

const GROQ: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Responses,
    Endpoint::Speech,
    Endpoint::Transcriptions,
    Endpoint::Translations,
    Endpoint::Files,
    Endpoint::File,
    Endpoint::Batches,
    Endpoint::Batch,
];

const OPENROUTER: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Responses,
    Endpoint::Embeddings,
    Endpoint::Rerank,
    Endpoint::Messages,
    Endpoint::Speech,
    Endpoint::Transcriptions,
];

const XAI: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Responses,
    Endpoint::Response,
    Endpoint::Embeddings,
    Endpoint::Messages,
    Endpoint::ImageGenerations,
    Endpoint::ImageEdits,
    Endpoint::Files,
    Endpoint::File,
    Endpoint::Batches,
    Endpoint::Batch,
];

const OLLAMA: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Responses,
    Endpoint::Embeddings,
    Endpoint::Messages,
    Endpoint::ImageGenerations,
    Endpoint::Speech,
    Endpoint::Transcriptions,
];

const VLLM: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Responses,
    Endpoint::Response,
    Endpoint::Embeddings,
    Endpoint::Rerank,
    Endpoint::Messages,
    Endpoint::CountTokens,
    Endpoint::Transcriptions,
    Endpoint::Translations,
];

const AZURE: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Responses,
    Endpoint::Response,
    Endpoint::Embeddings,
    Endpoint::ImageGenerations,
    Endpoint::ImageEdits,
    Endpoint::Speech,
    Endpoint::Transcriptions,
    Endpoint::Translations,
    Endpoint::Files,
    Endpoint::File,
    Endpoint::Uploads,
    Endpoint::Upload,
    Endpoint::VectorStores,
    Endpoint::VectorStore,
    Endpoint::Batches,
    Endpoint::Batch,
];

const ORACLE: &[Endpoint] = &[
    Endpoint::ChatCompletions,
    Endpoint::Responses,
    Endpoint::Response,
    Endpoint::Conversations,
    Endpoint::Conversation,
    Endpoint::Files,
    Endpoint::File,
    Endpoint::VectorStores,
    Endpoint::VectorStore,
];

/// Any other upstream with the OpenAI API. Its endpoints are not known, so none is refused; many need no key.
pub(crate) const OPENAI_COMPATIBLE: &ProviderType = &ProviderType {
    default_base_url: None,
    needs_key: false,
    ..row("openai_compatible", "OPENAI_COMPATIBLE", "", Endpoint::ALL)
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
        // Its pages hold 20 models by default.
        models_path: Some("/models?limit=1000"),
        ..declaring_usage(row("anthropic", "ANTHROPIC", "https://api.anthropic.com/v1", ANTHROPIC))
    },
    row("gemini", "GEMINI", "https://generativelanguage.googleapis.com/v1beta/openai", GEMINI),
    declaring_usage(row("groq", "GROQ", "https://api.groq.com/openai/v1", GROQ)),
    declaring_usage(row(
        "deepseek",
        "DEEPSEEK",
        "https://api.deepseek.com",
        &[Endpoint::ChatCompletions, Endpoint::Completions],
    )),
    declaring_usage(row("openrouter", "OPENROUTER", "https://openrouter.ai/api/v1", OPENROUTER)),
    declaring_usage(row("xai", "XAI", "https://api.x.ai/v1", XAI)),
    row(
        "zai",
        "ZAI",
        "https://api.z.ai/api/paas/v4",
        &[Endpoint::ChatCompletions, Endpoint::ImageGenerations, Endpoint::Transcriptions],
    ),
    row("minimax", "MINIMAX", "https://api.minimax.io/v1", &[Endpoint::ChatCompletions]),
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
    row("jina", "JINA", "https://api.jina.ai/v1", &[Endpoint::Embeddings, Endpoint::Rerank]),
    *OPENAI_COMPATIBLE,
];

/// A public API behind a bearer key, as most of them are.
const fn row(
    name: &'static str,
    env_prefix: &'static str,
    base_url: &'static str,
    supports: &'static [Endpoint],
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
