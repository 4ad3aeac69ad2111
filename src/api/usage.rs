//! Tokens as providers declare them, made a partition: every token is counted under exactly one kind.

mod reading;
mod response;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::finder::Finder;
use super::tokens::{TokenKind, Tokens};

#[cfg(any(test, fuzzing))]
pub(crate) use response::Response;
pub(crate) use response::of_response;

/// Most tokens that one declaration can hold; what is larger is no count.
const MAX_TOKENS: u64 = u32::MAX as u64;

/// A `usage` object: of chat and text completions, embeddings and rerankings (`prompt_tokens`, …), of responses,
/// images, audio and messages (`input_tokens`, …). Some providers send both, the second all zeros.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    #[serde(alias = "promptTokenCount")]
    prompt_tokens: Count,
    input_tokens: Count,
    #[serde(alias = "candidatesTokenCount")]
    completion_tokens: Count,
    output_tokens: Count,
    #[serde(alias = "totalTokenCount")]
    total_tokens: Count,
    prompt_tokens_details: Lenient<InputDetails>,
    input_tokens_details: Lenient<InputDetails>,
    /// Of transcriptions.
    input_token_details: Lenient<InputDetails>,
    completion_tokens_details: Lenient<OutputDetails>,
    output_tokens_details: Lenient<OutputDetails>,
    /// Of messages, where neither is part of `input_tokens`.
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    /// As DeepSeek says it.
    prompt_cache_hit_tokens: Count,
    /// As Moonshot says it, and Gemini.
    #[serde(alias = "cachedContentTokenCount")]
    cached_tokens: Count,
    /// Gemini's own: results of its tools, no part of the prompt.
    #[serde(rename = "toolUsePromptTokenCount")]
    tool_tokens: Count,
    /// Gemini's own: no part of the candidates.
    #[serde(rename = "thoughtsTokenCount")]
    thought_tokens: Count,
    #[serde(rename = "promptTokensDetails")]
    prompt_modalities: Lenient<Modalities>,
    #[serde(rename = "candidatesTokensDetails")]
    candidate_modalities: Lenient<Modalities>,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
}

/// Tokens by modality, as Gemini lists them; those of audio.
#[derive(Debug, Clone, Copy, Default)]
struct Modalities(Count);

impl<'de> Deserialize<'de> for Modalities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Modality {
            modality: String,
            #[serde(default, rename = "tokenCount")]
            count: Count,
        }
        for part in Vec::<Modality>::deserialize(deserializer)? {
            if part.modality == "AUDIO" {
                return Ok(Self(part.count));
            }
        }
        Ok(Self(Count(None)))
    }
}

impl Usage {
    /// Replaces what a later declaration of the same response states anew.
    pub(crate) fn update(&mut self, later: &Self) {
        let counts = [
            (&mut self.input_tokens, later.input_tokens),
            (&mut self.cache_read_input_tokens, later.cache_read_input_tokens),
            (&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens),
            (&mut self.output_tokens, later.output_tokens),
        ];
        for (count, later) in counts {
            *count = later.or(*count);
        }
    }

    /// The partition; `None` when no tokens are declared.
    pub(crate) fn tokens(&self) -> Option<Tokens> {
        let (input, output) =
            (self.prompt_tokens.or(self.input_tokens), self.completion_tokens.or(self.output_tokens));
        let (input, output) = match (input.0, output.0) {
            // A total alone is what went in: so some providers declare embeddings and rerankings.
            (None, None) => (self.total_tokens.0?, 0),
            (input, output) => (input.unwrap_or(0), output.unwrap_or(0)),
        };
        let (input, output) = (input + self.tool_tokens.or_zero(), output + self.thought_tokens.or_zero());
        let mut tokens = Tokens::default();
        let input = self.put_input(input, &mut tokens);
        self.put_output(input, output, &mut tokens);
        Some(tokens)
    }

    /// Divides the input among its kinds and returns all of it.
    fn put_input(&self, input: u64, tokens: &mut Tokens) -> u64 {
        let [chat, other, heard] =
            [self.prompt_tokens_details, self.input_tokens_details, self.input_token_details]
                .map(|part| part.0);
        let details = chat.or(other).or(heard).unwrap_or_default();
        let read = details.cached_tokens.or(self.prompt_cache_hit_tokens).or(self.cached_tokens);
        let read = read.or(self.cache_read_input_tokens);
        let write = details.cache_write_tokens.or(self.cache_creation_input_tokens);
        let (read, write) = (read.or_zero(), write.or_zero());
        let says_cache = self.cache_read_input_tokens.or(self.cache_creation_input_tokens).0.is_some();
        let all = if self.prompt_tokens.0.is_none() && says_cache { input + read + write } else { input };

        let read = read.min(all);
        let write = write.min(all - read);
        let audio = details.audio_tokens.or(self.prompt_modalities.0.unwrap_or_default().0);
        let audio = audio.or_zero().min(all - read - write);
        tokens[TokenKind::InputUncached as usize] = all - read - write - audio;
        tokens[TokenKind::InputCacheRead as usize] = read;
        tokens[TokenKind::InputCacheWrite as usize] = write;
        tokens[TokenKind::InputAudio as usize] = audio;
        all
    }

    /// Divides the output among its kinds. A total above the parts is reasoning that the provider left out of the
    /// completion: Gemini says nothing more of it, xAI declares it apart.
    fn put_output(&self, input: u64, output: u64, tokens: &mut Tokens) {
        let details = self.completion_tokens_details.0.or(self.output_tokens_details.0).unwrap_or_default();
        let surplus = self.total_tokens.or_zero().saturating_sub(input + output);
        let all = output + surplus;
        let reasoning = details.reasoning_tokens.or(self.thought_tokens).or_zero().min(all).max(surplus);
        let audio = details.audio_tokens.or(self.candidate_modalities.0.unwrap_or_default().0);
        let audio = audio.or_zero().min(all - reasoning);
        tokens[TokenKind::OutputText as usize] = all - reasoning - audio;
        tokens[TokenKind::OutputReasoning as usize] = reasoning;
        tokens[TokenKind::OutputAudio as usize] = audio;
    }
}

/// Place in JSON that declares the tokens it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declaration {
    /// None, or that of a response that was counted before.
    Nothing,
    /// `usage`.
    Usage,
    /// `usageMetadata` of an object, or of the last one of a list: Gemini's own API.
    Gemini,
}

impl Declaration {
    /// Finds it in JSON that passes.
    pub(crate) fn finder(self) -> Finder {
        match self {
            Self::Nothing | Self::Usage => Finder::new(&["usage"]),
            Self::Gemini => Finder::new(&["usageMetadata"]).in_elements(),
        }
    }
}

/// Input and output tokens, for the request log.
pub(crate) fn totals(tokens: &Tokens) -> (u64, u64) {
    let (mut input, mut output) = (0, 0);
    for kind in TokenKind::ALL {
        let sum = if kind.direction() == "input" { &mut input } else { &mut output };
        *sum += tokens[*kind as usize];
    }
    (input, output)
}

/// A number of tokens, where the value is one.
#[derive(Debug, Clone, Copy, Default)]
struct Count(Option<u64>);

impl Count {
    /// Reads a value of JSON.
    fn of(value: &[u8]) -> Self {
        let length = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (whole, rest) = value.split_at(length);
        // Some providers write whole numbers as `12.0`.
        let is_whole = match rest {
            [] => !whole.is_empty(),
            [b'.', zeros @ ..] => zeros.iter().all(|digit| *digit == b'0'),
            _ => false,
        };
        let mut count = 0;
        for digit in whole {
            count = count * 10 + u64::from(digit - b'0');
            if count > MAX_TOKENS {
                return Self(None);
            }
        }
        Self(is_whole.then_some(count))
    }

    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    fn or_zero(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(<&RawValue>::deserialize(deserializer)?.get().as_bytes()))
    }
}

/// A part that is passed over where it is not of the expected shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lenient<T>(pub(crate) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: serde::de::DeserializeOwned> Lenient<T> {
    /// Reads a value of JSON.
    fn of(value: &[u8]) -> Self {
        Self(serde_json::from_slice(value).ok().flatten())
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(<&RawValue>::deserialize(deserializer)?.get().as_bytes()))
    }
}

#[cfg(test)]
mod tests;
