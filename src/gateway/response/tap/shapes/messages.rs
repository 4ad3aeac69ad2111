//! Events of a message, in Anthropic's format.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::usage::Usage;
use crate::gateway::response::tap::Seen;
use crate::gateway::response::tap::filled::Filled;

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageEvent<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    stop_reason: Filled,
}

/// Counts are cumulative: what goes in is declared by the first event, what comes out by the last ones. False when
/// the data cannot be parsed.
pub(crate) fn read(data: &str, seen: &mut Seen) -> bool {
    let Ok(event) = serde_json::from_str::<MessageEvent>(data) else { return false };
    let delta = event.delta.unwrap_or_default();
    match &*event.r#type {
        "content_block_delta" => {
            let reasoning = delta.r#type == "thinking_delta";
            seen.reasoning |= reasoning;
            seen.first_token |= reasoning || matches!(&*delta.r#type, "text_delta" | "input_json_delta");
        }
        "message_stop" => seen.ended = true,
        "error" => seen.reported_error = true,
        _ => {}
    }
    let usage = event.message.unwrap_or_default().usage.or(event.usage);
    if let Some(later) = usage.and_then(Usage::of_raw) {
        let mut usage = seen.usage.take().unwrap_or_default();
        usage.update(&later);
        seen.declared(usage, delta.stop_reason.0);
    }
    true
}
