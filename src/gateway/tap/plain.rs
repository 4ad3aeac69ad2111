//! Events of any other endpoint: images, speech and transcriptions name their use in their last one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::usage::Usage;
use super::Seen;
use super::filled::Filled;

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
}

/// False when the data cannot be parsed.
pub(super) fn read(data: &str, seen: &mut Seen) -> bool {
    let Ok(event) = serde_json::from_str::<PlainEvent>(data) else { return false };
    seen.reported_error |= event.error.0 || event.r#type == "error";
    seen.first_token |= event.r#type.ends_with(".delta") && (event.delta.0 || event.audio.0);
    if let Some(usage) = event.usage.and_then(|usage| Usage::read(usage.get())) {
        seen.declared(usage, true);
    }
    true
}
