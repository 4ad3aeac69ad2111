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
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

pub(super) fn read(data: &str, seen: &mut Seen) {
    let Ok(event) = serde_json::from_str::<PlainEvent>(data) else { return };
    seen.reported_error |= event.error.0 || event.r#type == "error";
    if let Some(usage) = event.usage.and_then(|usage| Usage::read(usage.get())) {
        seen.declared(usage, true);
    }
}
