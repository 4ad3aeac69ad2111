//! Events of any other endpoint: images, speech and transcriptions name their use in their last one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::usage::{Lenient, Usage};
use crate::gateway::response::tap::Seen;
use crate::gateway::response::tap::filled::Filled;

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlainEvent<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    error: Filled,
    delta: Filled,
    audio: Filled,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    /// Of Gemini, in every event: what was used so far.
    #[serde(borrow, rename = "usageMetadata")]
    usage_so_far: Option<&'a RawValue>,
    candidates: Lenient<Vec<Candidate>>,
    #[serde(rename = "promptFeedback")]
    prompt_feedback: Filled,
}

/// One of Gemini's responses to a prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Candidate {
    content: Lenient<Content>,
    #[serde(rename = "finishReason")]
    finish_reason: Filled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Filled,
}

/// False when the data cannot be parsed.
pub(crate) fn read(data: &str, seen: &mut Seen) -> bool {
    let Ok(event) = serde_json::from_str::<PlainEvent>(data) else { return false };
    seen.reported_error |= event.error.0 || event.r#type == "error";
    seen.first_token |= event.r#type.ends_with(".delta") && (event.delta.0 || event.audio.0);
    if let Some(usage) = event.usage.and_then(Usage::of_raw) {
        seen.declared(usage, true);
    }
    for candidate in event.candidates.0.unwrap_or_default() {
        seen.first_token |= candidate.content.0.unwrap_or_default().parts.0;
        seen.ended |= candidate.finish_reason.0;
    }
    if let Some(usage) = event.usage_so_far.and_then(Usage::of_raw) {
        // A prompt that is refused has no candidates.
        seen.ended |= event.prompt_feedback.0;
        seen.declared(usage, false);
    }
    true
}
