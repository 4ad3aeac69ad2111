//! Fields of a request body that Aurora reads: the model, whether to stream and whether to declare the usage. Everything
//! else passes unread.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fields;
use super::members::{Reading, place};
use crate::api::Endpoint;
use crate::gateway::http::error::GatewayError;
use crate::providers::RequestBody;

/// The members that decide where a body goes and how its response comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Peek {
    /// The model as requested.
    pub(crate) model: String,
    /// True if the response is to be streamed.
    pub(crate) stream: bool,
    /// Place of the model's JSON value in the body, or of a member that names it.
    model_at: Range<usize>,
    /// Text in which the value becomes that member; empty where the body has it.
    member: [&'static str; 2],
    /// True if the body names the model as requested.
    is_in_body: bool,
    /// Splice that makes a stream declare its usage, where the body does not request it.
    usage: Option<Splice>,
}

/// Text that takes the place of a part of the body.
#[derive(Debug, PartialEq, Eq)]
struct Splice {
    at: Range<usize>,
    text: &'static str,
}

impl Peek {
    /// Reads the rest of a body. It must be one JSON object; what is not read is still checked to be JSON. Where the path
    /// names the model, that is the requested one, whatever the body says.
    pub(crate) fn of(body: &[u8], reading: Reading, named: Option<&str>) -> Result<Self, GatewayError> {
        let members = reading.end(body)?;
        if let Some(field) = members.duplicate {
            return Err(fields::duplicate(field, "request body"));
        }
        let value = |at: &Option<Range<usize>>| at.clone().and_then(|at| body.get(at));
        let written = value(&members.model).map(text);
        let (model, is_in_body) = fields::requested_model(named, written)?;
        let stream = match value(&members.stream) {
            Some(b"true") => true,
            Some(b"false" | b"null") | None => false,
            Some(_) => return Err(fields::invalid_stream()),
        };
        let usage = if stream { include_usage(body, members.stream_options) } else { None };
        let (model_at, member) = match members.model {
            Some(at) => (at, ["", ""]),
            None => new_member(body),
        };
        Ok(Self { model, stream, model_at, member, is_in_body, usage })
    }

    /// Returns true if the response is a stream of an endpoint that declares its usage on request only, and this body does
    /// not request it.
    pub(crate) fn lacks_usage(&self, endpoint: Endpoint) -> bool {
        self.usage.is_some() && endpoint.injects_usage()
    }

    /// The body as it goes upstream: as received, but for the model where the provider knows it by another name, and
    /// for the request for usage where it is to be added and is missing.
    pub(crate) fn body_for(&self, upstream_model: &str, inject_usage: bool, body: Bytes) -> RequestBody {
        let nothing = body.len()..body.len();
        let model = if upstream_model != self.model || !self.is_in_body {
            let name = serde_json::Value::from(upstream_model);
            let [before, after] = self.member;
            Some((self.model_at.clone(), Bytes::from(format!("{before}{name}{after}"))))
        } else {
            None
        };
        let usage = match &self.usage {
            Some(splice) if inject_usage => {
                Some((splice.at.clone(), Bytes::from_static(splice.text.as_bytes())))
            }
            _ => None,
        };
        match (model, usage) {
            (None, None) => body.into(),
            (Some(one), None) | (None, Some(one)) => {
                RequestBody::replaced(body, one, (nothing, Bytes::new()))
            }
            // Both may be new members at the same place.
            (Some(model), Some(usage)) if model.0.start <= usage.0.start => {
                RequestBody::replaced(body, model, usage)
            }
            (Some(model), Some(usage)) => RequestBody::replaced(body, usage, model),
        }
    }
}

/// The text of a JSON value, if it is a string. Most have no escapes and are the text themselves.
fn text(value: &[u8]) -> Result<Cow<'_, str>, serde_json::Error> {
    if let [b'"', inside @ .., b'"'] = value
        && !inside.contains(&b'\\')
        && let Ok(inside) = std::str::from_utf8(inside)
    {
        return Ok(Cow::Borrowed(inside));
    }
    serde_json::from_slice(value)
}

/// Position after the brace that begins an object.
fn inside(object: &[u8]) -> usize {
    object.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1)
}

fn is_empty(object: &[u8]) -> bool {
    object[inside(object)..].trim_ascii_start().starts_with(b"}")
}

/// Place of a first member of an object, and the text around its value.
fn new_member(body: &[u8]) -> (Range<usize>, [&'static str; 2]) {
    let at = inside(body);
    (at..at, [r#""model":"#, if is_empty(body) { "" } else { "," }])
}

/// Splice that makes `stream_options` request the usage; `None` where they do, and where only the upstream can judge
/// what they are.
fn include_usage(body: &[u8], options: Option<Range<usize>>) -> Option<Splice> {
    #[derive(serde::Deserialize)]
    struct Options<'a> {
        #[serde(borrow, default, deserialize_with = "even_null")]
        include_usage: Option<&'a RawValue>,
    }
    let Some(at) = options else {
        let at = inside(body);
        return Some(Splice { at: at..at, text: r#""stream_options":{"include_usage":true},"# });
    };
    let options = std::str::from_utf8(body.get(at.clone())?).ok()?;
    if !options.starts_with('{') {
        return (options == "null").then_some(Splice { at, text: r#"{"include_usage":true}"# });
    }
    match serde_json::from_str::<Options>(options).ok()?.include_usage {
        Some(value) if matches!(value.get(), "false" | "null") => {
            let place = place(options, value);
            Some(Splice { at: at.start + place.start..at.start + place.end, text: "true" })
        }
        Some(_) => None,
        None => {
            let is_empty = is_empty(options.as_bytes());
            let text = if is_empty { r#""include_usage":true"# } else { r#""include_usage":true,"# };
            Some(Splice { at: at.start + 1..at.start + 1, text })
        }
    }
}

/// A value that is there, be it null.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    fn sent(peek: &Peek, model: &str, inject_usage: bool, body: &[u8]) -> Bytes {
        let mut body = peek.body_for(model, inject_usage, Bytes::copy_from_slice(body));
        body.copy_to_bytes(body.remaining())
    }

    /// The reading of a body that came at once.
    fn read(body: &[u8], named: Option<&str>) -> Result<Peek, GatewayError> {
        Peek::of(body, Reading::default(), named)
    }

    fn refusal(body: &str) -> String {
        read(body.as_bytes(), None).expect_err(body).to_string()
    }

    #[test]
    fn reads_model_and_stream_and_the_position_of_the_model() {
        let body = r#"{"messages":[{"model":"inner"}], "mod\u0065l" : "a\/b" ,"stream":true}"#;
        let peek = read(body.as_bytes(), None).unwrap();
        assert_eq!((peek.model.as_str(), peek.stream), ("a/b", true));
        let spliced = sent(&peek, "q\"b", false, body.as_bytes());
        assert_eq!(spliced, r#"{"messages":[{"model":"inner"}], "mod\u0065l" : "q\"b" ,"stream":true}"#);
        assert_eq!(sent(&peek, "a/b", false, body.as_bytes()), body);
    }

    #[test]
    fn usage_is_requested_where_the_body_does_not() {
        fn injected(body: &str) -> String {
            let peek = read(body.as_bytes(), None).unwrap();
            let spliced = sent(&peek, "m", true, body.as_bytes());
            let again = read(&spliced, None).unwrap();
            assert_eq!(peek.lacks_usage(Endpoint::Completions), spliced != body, "{body}");
            assert!(!again.lacks_usage(Endpoint::ChatCompletions), "{body}");
            String::from_utf8(spliced.to_vec()).unwrap()
        }
        let cases = [
            (
                r#" {"model":"m","stream":true}"#,
                r#" {"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
            ),
            (
                r#"{"stream_options":null,"model":"x","stream":true}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
            ),
            (
                r#"{"model":"x","stream":true,"stream_options": { } }"#,
                r#"{"model":"m","stream":true,"stream_options": {"include_usage":true } }"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"x":1,"include\u005fusage": false ,"y":2}}"#,
                r#"{"model":"m","stream":true,"stream_options":{"x":1,"include\u005fusage": true ,"y":2}}"#,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":null}}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(injected(body), expected);
        }
        for kept in [
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":"yes"}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"include_usage":true}}"#,
            r#"{"model":"m","stream":true,"stream_options":[]}"#,
            r#"{"model":"m","stream":true,"stream_options":7}"#,
            r#"{"model":"m","stream":false,"stream_options":{}}"#,
            r#"{"model":"m"}"#,
        ] {
            assert_eq!(injected(kept), kept);
        }
        let body = br#"{"model":"m","stream":true}"#;
        assert!(!read(body, None).unwrap().lacks_usage(Endpoint::Responses));
        assert_eq!(sent(&read(body, None).unwrap(), "m", false, body), &body[..]);
    }

    #[test]
    fn a_model_in_the_path_is_written_into_the_body() {
        for (body, expected) in [
            ("{ }", r#"{"model":"m" }"#),
            (r#" {"stream":false}"#, r#" {"model":"m","stream":false}"#),
            (r#"{"a":1,"model":null}"#, r#"{"a":1,"model":"m"}"#),
            (r#"{"model":"other"}"#, r#"{"model":"m"}"#),
            (r#"{"model":"named"}"#, r#"{"model":"m"}"#),
            (r#"{"stream":true}"#, r#"{"model":"m","stream_options":{"include_usage":true},"stream":true}"#),
        ] {
            let peek = read(body.as_bytes(), Some("named")).unwrap();
            assert_eq!(peek.model, "named");
            assert_eq!(sent(&peek, "m", true, body.as_bytes()), expected, "{body}");
            serde_json::from_str::<serde_json::Value>(expected).unwrap();
        }
        let same = r#"{"model":"named"}"#;
        let peek = read(same.as_bytes(), Some("named")).unwrap();
        assert_eq!(sent(&peek, "named", true, same.as_bytes()), same);
    }

    #[test]
    fn bodies_without_a_usable_model_are_refused() {
        assert_eq!(refusal(r#"{"messages":[]}"#), "`model` is missing: name the model to use.");
        for model in ["null", "1", "[]", "{}", "true"] {
            assert_eq!(refusal(&format!(r#"{{"model":{model}}}"#)), "`model` must be a string.");
        }
        assert_eq!(refusal(r#"{"model":"a","stream":"yes"}"#), "`stream` must be true or false.");
        assert_eq!(
            refusal(r#"{"model":"a","model":"b"}"#),
            "Duplicate field `model` in the request body; send it once."
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
