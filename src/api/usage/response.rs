//! Usage of a whole response: of an object of OpenAI's or Cohere's, or of a list of Gemini's.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Lenient, Usage, repaired};
use crate::api::tokens::Tokens;

/// Declaration of a whole response, if any; `None` when it is neither a JSON object nor an array. What Python's `json`
/// writes and reads beyond JSON is accepted, see [`repaired`].
pub(crate) fn of_response(bytes: &[u8]) -> Option<Option<Tokens>> {
    if let Some(declared) = std::str::from_utf8(bytes).ok().and_then(of_json) {
        return Some(declared);
    }
    of_json(&repaired(bytes))
}

fn of_json(text: &str) -> Option<Option<Tokens>> {
    let response: Response = serde_json::from_str(text).ok()?;
    let declared = response.usage.and_then(Usage::of_raw);
    match declared.as_ref().and_then(Usage::tokens) {
        Some(tokens) => Some(Some(tokens)),
        None => Some(response.meta.and_then(billed)),
    }
}

/// `meta` as Cohere declares rerankings and embeddings.
fn billed(meta: &RawValue) -> Option<Tokens> {
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(default)]
        tokens: Lenient<Usage>,
        #[serde(default)]
        billed_units: Lenient<Usage>,
    }
    let meta: Meta = serde_json::from_str(meta.get()).ok()?;
    let declared = meta.tokens.0.as_ref().and_then(Usage::tokens);
    declared.or(meta.billed_units.0.as_ref().and_then(Usage::tokens))
}

/// The members of interest; of duplicate members the last one.
#[derive(Default)]
struct Response<'a> {
    usage: Option<&'a RawValue>,
    meta: Option<&'a RawValue>,
}

/// An object of an array, as far as it is Gemini's.
#[derive(serde::Deserialize)]
struct NativeElement<'a> {
    #[serde(borrow, default, rename = "usageMetadata")]
    usage: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    #[serde(alias = "usageMetadata")]
    Usage,
    Meta,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Response<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ResponseVisitor;
        impl<'de> Visitor<'de> for ResponseVisitor {
            type Value = Response<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object or an array")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut response = Response::default();
                while let Some(member) = map.next_key()? {
                    match member {
                        Member::Usage => response.usage = Some(map.next_value()?),
                        Member::Meta => response.meta = Some(map.next_value()?),
                        Member::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(response)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                // A stream of Gemini's that is no stream of events: every element declares what was used so far.
                let mut last = None;
                while let Some(element) = seq.next_element::<&RawValue>()? {
                    if element.get().starts_with('{') {
                        last = Some(element);
                    }
                }
                let usage = match last.map(RawValue::get).map(serde_json::from_str::<NativeElement>) {
                    Some(Ok(native)) => native.usage,
                    _ => None,
                };
                Ok(Response { usage, meta: None })
            }
        }
        deserializer.deserialize_any(ResponseVisitor)
    }
}
