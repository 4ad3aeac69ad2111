//! Tokens as providers declare them, made a partition: every token is counted under exactly one kind.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::metrics::{TokenKind, Tokens};

/// `usage` of chat and text completions, embeddings (`prompt_tokens`, …) and of responses (`input_tokens`, …). Some
/// providers send both, the second all zeros.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    input_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

/// Reads a `usage` object; `None` when it declares no tokens.
pub(super) fn tokens(usage: &RawValue) -> Option<Tokens> {
    let usage: Usage = serde_json::from_str(usage.get()).ok()?;
    let (input, output) =
        (usage.prompt_tokens.or(usage.input_tokens), usage.completion_tokens.or(usage.output_tokens));
    if input.is_none() && output.is_none() && usage.total_tokens.is_none() {
        return None;
    }
    // A total alone is what went in: so some providers declare embeddings.
    let (input, output) = match (input, output) {
        (None, None) => (usage.total_tokens.unwrap_or(0), 0),
        (input, output) => (input.unwrap_or(0), output.unwrap_or(0)),
    };
    let input_details = usage.prompt_tokens_details.or(usage.input_tokens_details).unwrap_or_default();
    let output_details = usage.completion_tokens_details.or(usage.output_tokens_details).unwrap_or_default();
    // A total above its parts is reasoning that the provider left out of the completion (Gemini does).
    let surplus = usage.total_tokens.unwrap_or(0).saturating_sub(input.saturating_add(output));

    let cached = input_details.cached_tokens.unwrap_or(0).min(input);
    let input_audio = input_details.audio_tokens.unwrap_or(0).min(input - cached);
    let reasoning = output_details.reasoning_tokens.unwrap_or(0).min(output);
    let output_audio = output_details.audio_tokens.unwrap_or(0).min(output - reasoning);

    let mut tokens = Tokens::default();
    tokens[TokenKind::InputUncached as usize] = input - cached - input_audio;
    tokens[TokenKind::InputCacheRead as usize] = cached;
    tokens[TokenKind::InputAudio as usize] = input_audio;
    tokens[TokenKind::OutputText as usize] = output - reasoning - output_audio;
    tokens[TokenKind::OutputReasoning as usize] = reasoning.saturating_add(surplus);
    tokens[TokenKind::OutputAudio as usize] = output_audio;
    Some(tokens)
}

/// Input and output tokens, for the request log.
pub(super) fn totals(tokens: &Tokens) -> (u64, u64) {
    let sum = |direction| {
        let kinds = TokenKind::ALL.iter().filter(|kind| kind.direction() == direction);
        kinds.map(|kind| tokens[*kind as usize]).sum()
    };
    (sum("input"), sum("output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the order of [`TokenKind`]: four of input, three of output.
    fn read(usage: &str) -> Option<Tokens> {
        tokens(&RawValue::from_string(usage.into()).unwrap())
    }

    #[test]
    fn chat_usage_is_a_partition() {
        let usage = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10},
            "completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":5}}"#;
        assert_eq!(read(usage), Some([30, 60, 0, 10, 25, 20, 5]));
    }

    #[test]
    fn responses_and_embeddings_usage() {
        let usage = r#"{"input_tokens":9,"output_tokens":7,"input_tokens_details":{"cached_tokens":4},
            "output_tokens_details":{"reasoning_tokens":3},"total_tokens":16}"#;
        assert_eq!(read(usage), Some([5, 4, 0, 0, 4, 3, 0]));
        assert_eq!(read(r#"{"prompt_tokens":8,"total_tokens":8}"#), Some([8, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn details_beyond_their_total_do_not_add_tokens() {
        let usage = r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":20,
            "prompt_tokens_details":{"cached_tokens":50,"audio_tokens":50},
            "completion_tokens_details":{"reasoning_tokens":9,"audio_tokens":9}}"#;
        assert_eq!(read(usage), Some([0, 10, 0, 0, 0, 10, 0]));
        assert_eq!(read(r#"{"total_tokens":8}"#), Some([8, 0, 0, 0, 0, 0, 0]));
        assert_eq!(read("{}"), None);
        assert_eq!(read("null"), None);
        assert_eq!(read(r#"{"prompt_tokens":-1}"#), None);
    }
}
