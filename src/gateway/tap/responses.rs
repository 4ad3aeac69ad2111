//! Events of a response.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::usage::Usage;
use super::Seen;
use super::filled::Filled;

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

pub(super) fn read(data: &str, seen: &mut Seen) {
    let Ok(event) = serde_json::from_str::<ResponseEvent>(data) else { return };
    match &*event.r#type {
        "response.completed" | "response.incomplete" => seen.ended = true,
        "response.failed" => (seen.ended, seen.reported_error) = (true, true),
        "error" => seen.reported_error = true,
        kind if kind.starts_with("response.") && kind.ends_with(".delta") => {
            seen.first_token |= event.delta.0;
            seen.reasoning |= event.delta.0 && kind.contains("reasoning");
        }
        _ => {}
    }
    let usage = event.response.and_then(|response| Usage::read(response.usage?.get()));
    if let Some(usage) = usage {
        seen.declared(usage, false);
    }
}

/// The last event of a response carries all of it and may be too long to be kept: its name says what it is.
pub(super) fn read_long(event: &[u8], seen: &mut Seen) {
    let start = &event[..event.len().min(128)];
    let is = |name: &str| {
        memmem::find(start, name.as_bytes()).is_some_and(|at| {
            let next = start.get(at + name.len());
            next.is_some_and(|byte| matches!(byte, b'"' | b'\n' | b'\r'))
        })
    };
    seen.reported_error |= is("response.failed");
    seen.ended |= seen.reported_error || is("response.completed") || is("response.incomplete");
}
