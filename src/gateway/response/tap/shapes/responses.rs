//! Events of a response.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::usage::Usage;
use crate::gateway::response::tap::Seen;
use crate::gateway::response::tap::filled::Filled;

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseEvent<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    delta: Filled,
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// False when the data cannot be parsed.
pub(crate) fn read(data: &str, seen: &mut Seen) -> bool {
    let Ok(event) = serde_json::from_str::<ResponseEvent>(data) else { return false };
    match &*event.r#type {
        "response.completed" | "response.incomplete" => seen.ended = true,
        "response.failed" => (seen.ended, seen.reported_error) = (true, true),
        "error" => seen.reported_error = true,
        kind if kind.ends_with(".delta") => {
            seen.first_token |= event.delta.0;
            seen.reasoning |= event.delta.0 && kind.contains("reasoning");
        }
        _ => {}
    }
    let usage = event.response.unwrap_or_default().usage;
    if let Some(usage) = usage.and_then(Usage::of_raw) {
        seen.declared(usage, false);
    }
    true
}
