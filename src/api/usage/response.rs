//! Usage of a whole response: of an object of OpenAI's or Cohere's, or of a list of Gemini's.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::reading::repaired;
use super::{Lenient, Usage};
use crate::api::json;
use crate::api::tokens::Tokens;

/// Declaration of a whole response, if any; `None` when it is neither a JSON object nor an array. What Python's `json`
/// writes and reads beyond JSON is accepted, see [`repaired`].
pub(crate) fn of_response(bytes: &[u8]) -> Option<Option<Tokens>> {
    if let Some(response) = Response::scanned(bytes) {
        return Some(response.declared());
    }
    if let Some(response) = std::str::from_utf8(bytes).ok().and_then(Response::parsed) {
        return Some(response.declared());
    }
    Some(Response::parsed(&repaired(bytes))?.declared())
}

/// `meta` as Cohere declares rerankings and embeddings.
fn billed(meta: &[u8]) -> Option<Tokens> {
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(default)]
        tokens: Lenient<Usage>,
        #[serde(default)]
        billed_units: Lenient<Usage>,
    }
    let meta: Meta = serde_json::from_slice(meta).ok()?;
    let declared = meta.tokens.0.as_ref().and_then(Usage::tokens);
    declared.or(meta.billed_units.0.as_ref().and_then(Usage::tokens))
}

/// The members of interest, in JSON; of duplicate members the last one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    usage: Option<&'a [u8]>,
    meta: Option<&'a [u8]>,
}

impl<'a> Response<'a> {
    /// Finds them in an object; `None` where it is something else, or where only a parser can tell.
    pub(crate) fn scanned(bytes: &'a [u8]) -> Option<Self> {
        let mut response = Self::default();
        json::members(bytes, &mut |name, at| {
            let member = match name {
                b"usage" | b"usageMetadata" => &mut response.usage,
                b"meta" => &mut response.meta,
                _ => return,
            };
            *member = bytes.get(at);
        })?;
        Some(response)
    }

    /// The same by `serde_json`, of a list too.
    pub(crate) fn parsed(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn declared(&self) -> Option<Tokens> {
        let declared = self.usage.and_then(Usage::read);
        declared.as_ref().and_then(Usage::tokens).or_else(|| self.meta.and_then(billed))
    }
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
                    let kept = match member {
                        Member::Usage => &mut response.usage,
                        Member::Meta => &mut response.meta,
                        Member::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *kept = Some(map.next_value::<&RawValue>()?.get().as_bytes());
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
                    Some(Ok(native)) => native.usage.map(|usage| usage.get().as_bytes()),
                    _ => None,
                };
                Ok(Response { usage, meta: None })
            }
        }
        deserializer.deserialize_any(ResponseVisitor)
    }
}
