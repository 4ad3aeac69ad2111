//! What Aurora reads of a request body: the model and whether to stream. Everything else passes unread.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::GatewayError;

/// The two members that decide where a body goes and how its answer comes back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Peek {
    /// The model as requested.
    pub(super) model: String,
    /// Whether the answer is to be streamed.
    pub(super) stream: bool,
    /// Where the model's JSON string stands in the body, quotes included.
    model_at: Range<usize>,
}

impl Peek {
    /// Reads a body. It must be one JSON object; what is not read is still checked to be JSON.
    pub(super) fn of(body: &[u8]) -> Result<Self, GatewayError> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let at = error.valid_up_to();
            GatewayError::invalid(format!("The body is not UTF-8 (byte {at})."), None, "invalid_json")
        })?;
        let members: Members = serde_json::from_str(text).map_err(|error| {
            GatewayError::invalid(format!("The body is not a JSON object: {error}."), None, "invalid_json")
        })?;
        if let Some(twice) = members.duplicate {
            let message = format!("`{twice}` stands twice in the body; send it once.");
            return Err(GatewayError::invalid(message, Some(twice), "duplicate_member"));
        }
        let raw = members.model.ok_or_else(|| {
            GatewayError::invalid(
                "`model` is missing: name the model to use.",
                Some("model"),
                "missing_model",
            )
        })?;
        let model = serde_json::from_str::<Cow<str>>(raw.get()).map_err(|_| {
            GatewayError::invalid("`model` must be a string.", Some("model"), "invalid_model")
        })?;
        let stream = match members.stream.map(RawValue::get) {
            Some("true") => true,
            Some("false" | "null") | None => false,
            Some(_) => {
                let message = "`stream` must be true or false.";
                return Err(GatewayError::invalid(message, Some("stream"), "invalid_stream"));
            }
        };
        let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
        Ok(Self { model: model.into_owned(), stream, model_at: start..start + raw.get().len() })
    }

    /// The body as it goes upstream: as received, but for the model where the provider knows it by another name.
    pub(super) fn body_for(&self, upstream_model: &str, body: Bytes) -> Bytes {
        if upstream_model == self.model {
            return body;
        }
        let name = serde_json::Value::from(upstream_model).to_string();
        let mut spliced = BytesMut::with_capacity(body.len() + name.len());
        spliced.put_slice(&body[..self.model_at.start]);
        spliced.put_slice(name.as_bytes());
        spliced.put_slice(&body[self.model_at.end..]);
        spliced.freeze()
    }
}

/// The members of interest, borrowed from the body.
#[derive(Default)]
struct Members<'a> {
    model: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    stream_options: Option<IgnoredAny>,
    duplicate: Option<&'static str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<Name>()? {
            let twice = match name.0 {
                "model" => members.model.replace(map.next_value()?).is_some(),
                "stream" => members.stream.replace(map.next_value()?).is_some(),
                "stream_options" => members.stream_options.replace(map.next_value()?).is_some(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
            if twice {
                members.duplicate.get_or_insert(name.0);
            }
        }
        Ok(members)
    }
}

/// A member's name, as far as it matters; escapes in it are undone first.
struct Name(&'static str);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
                let known = ["model", "stream", "stream_options"];
                Ok(Name(known.into_iter().find(|known| *known == name).unwrap_or("")))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        Peek::of(body.as_bytes()).expect_err(body).to_string()
    }

    #[test]
    fn reads_model_and_stream_and_where_the_model_stands() {
        let body = r#"{"messages":[{"model":"inner"}], "mod\u0065l" : "a\/b" ,"stream":true}"#;
        let peek = Peek::of(body.as_bytes()).unwrap();
        assert_eq!((peek.model.as_str(), peek.stream), ("a/b", true));
        let spliced = peek.body_for("q\"b", Bytes::from_static(body.as_bytes()));
        assert_eq!(spliced, r#"{"messages":[{"model":"inner"}], "mod\u0065l" : "q\"b" ,"stream":true}"#);
        assert_eq!(peek.body_for("a/b", Bytes::from_static(body.as_bytes())), body);
    }

    #[test]
    fn refuses_what_cannot_be_routed() {
        assert_eq!(refusal(r#"{"messages":[]}"#), "`model` is missing: name the model to use.");
        for model in ["null", "1", "[]", "{}", "true"] {
            assert_eq!(refusal(&format!(r#"{{"model":{model}}}"#)), "`model` must be a string.");
        }
        assert_eq!(refusal(r#"{"model":"a","stream":"yes"}"#), "`stream` must be true or false.");
        assert_eq!(
            refusal(r#"{"model":"a","model":"b"}"#),
            "`model` stands twice in the body; send it once."
        );
        assert_eq!(
            refusal(r#"{"model":"a""#),
            "The body is not a JSON object: EOF while parsing an object at line 1 column 12."
        );
        assert_eq!(
            refusal("[]"),
            "The body is not a JSON object: invalid type: sequence, expected an object at line 1 column 0."
        );
    }
}
