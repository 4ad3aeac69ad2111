//! Chunks of chat and text completions.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::usage::Usage;
use crate::gateway::response::tap::Seen;
use crate::gateway::response::tap::filled::Filled;

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Chunk<'a> {
    choices: Choices,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    error: Filled,
    #[serde(borrow)]
    x_groq: Option<Groq<'a>>,
}

/// Groq declares its usage here, requested or not.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Groq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Sum of all choices of a chunk; they are not kept.
#[derive(Default)]
struct Choices {
    token: bool,
    reasoning: bool,
    /// A bit for each index.
    finished: u128,
    begun: u128,
    none: bool,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    delta: Option<Delta>,
    text: Filled,
    finish_reason: Filled,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Delta {
    content: Filled,
    reasoning_content: Filled,
    reasoning: Filled,
    refusal: Filled,
    tool_calls: Filled,
    function_call: Filled,
    audio: Filled,
}

/// False when the data cannot be parsed.
pub(crate) fn read(data: &str, seen: &mut Seen) -> bool {
    let Ok(chunk) = serde_json::from_str::<Chunk>(data) else { return false };
    let choices = chunk.choices;
    seen.first_token |= choices.token;
    seen.reasoning |= choices.reasoning;
    seen.choices |= choices.begun;
    seen.finished_choices |= choices.finished;
    if choices.begun != 0 {
        seen.ended = seen.finished_choices == seen.choices;
    }
    seen.reported_error |= chunk.error.0;
    seen.no_choices = choices.none;
    let usage = chunk.usage.or(chunk.x_groq.unwrap_or_default().usage);
    if let Some(usage) = usage.and_then(Usage::of_raw) {
        seen.declared(usage, choices.none);
    }
    true
}

impl Choices {
    fn add(&mut self, choice: &Choice<'_>) {
        if let Some(delta) = &choice.delta {
            let reasoning = delta.reasoning_content.0 || delta.reasoning.0;
            self.reasoning |= reasoning;
            let visible = delta.content.0 || delta.refusal.0 || delta.audio.0;
            self.token |= reasoning || visible || delta.tool_calls.0 || delta.function_call.0;
        }
        self.token |= choice.text.0;
        let index: u32 = choice.index.and_then(|index| index.get().parse().ok()).unwrap_or(0);
        let bit = 1 << index.min(u128::BITS - 1);
        self.begun |= bit;
        if choice.finish_reason.0 {
            self.finished |= bit;
        }
    }
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoicesVisitor;
        impl<'de> Visitor<'de> for ChoicesVisitor {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("choices")
            }

            fn visit_unit<E: Error>(self) -> Result<Choices, E> {
                Ok(Choices::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices, A::Error> {
                let mut choices = Choices { none: true, ..Choices::default() };
                while let Some(choice) = seq.next_element::<Choice>()? {
                    choices.none = false;
                    choices.add(&choice);
                }
                Ok(choices)
            }
        }
        deserializer.deserialize_any(ChoicesVisitor)
    }
}
