//! Type and code of an error, as the request log names them: ours, or read from an upstream's error.

use std::borrow::Cow;

use serde_json::Value;

use crate::gateway::http::error::GatewayError;
use crate::gateway::observe::stream_error::Break;
use crate::metrics::catalog::labels::Label;

/// What an error calls itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorNames {
    pub(crate) kind: Option<Cow<'static, str>>,
    pub(crate) code: Option<Cow<'static, str>>,
}

impl From<&GatewayError> for ErrorNames {
    fn from(error: &GatewayError) -> Self {
        Self { kind: Some(error.kind().into()), code: Some(error.code().into()) }
    }
}

impl From<Break> for ErrorNames {
    fn from(why: Break) -> Self {
        Self { kind: Some(why.kind().into()), code: Some(why.code().into()) }
    }
}

impl ErrorNames {
    /// Reads an upstream's error: a JSON body, or the last event with JSON in part of a stream. `secret` is the
    /// provider's key, which no name may hold.
    pub(crate) fn read(bytes: &[u8], secret: Option<&str>) -> Self {
        let mut events = bytes.rsplit(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
        let body = serde_json::from_slice(bytes).ok();
        let error: Option<Value> = body.or_else(|| events.find_map(|data| serde_json::from_slice(data).ok()));
        error.map(|error| Self::of_envelope(&error, secret)).unwrap_or_default()
    }

    /// OpenAI's and Anthropic's envelope, Gemini's, which may be in an array, that of a failed response, or a bare error.
    fn of_envelope(envelope: &Value, secret: Option<&str>) -> Self {
        let inside =
            ["/error", "/0/error", "/response/error"].into_iter().find_map(|at| envelope.pointer(at));
        let error = inside.filter(|error| error.is_object()).unwrap_or(envelope);
        let name = |key| name(error.get(key)?, secret);
        Self { kind: name("type").or_else(|| name("status")), code: name("code") }
    }
}

/// A word or a number, bounded as a label value is and without the secret.
fn name(value: &Value, secret: Option<&str>) -> Option<Cow<'static, str>> {
    let mut text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[removed]");
    }
    Some(Label::of_name(&text).as_str().to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_envelope_is_read() {
        let names = |kind: &'static str, code: &'static str| ErrorNames {
            kind: (!kind.is_empty()).then_some(kind.into()),
            code: (!code.is_empty()).then_some(code.into()),
        };
        for (bytes, expected) in [
            (r#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#, names("t", "c")),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
                names("overloaded_error", ""),
            ),
            (
                r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
                names("INVALID_ARGUMENT", "400"),
            ),
            (
                r#"{"object":"error","message":"m","type":"BadRequestError","code":404}"#,
                names("BadRequestError", "404"),
            ),
            (
                "event: x\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"c\"}}}\n\n",
                names("", "c"),
            ),
            ("data: {\"choices\":[]}\n\ndata: {\"error\":{\"type\":\"t\"}}\n\n", names("t", "")),
            (r#"{"error":"no","code":7}"#, names("", "7")),
            ("<html>", names("", "")),
            ("", names("", "")),
        ] {
            assert_eq!(ErrorNames::read(bytes.as_bytes(), None), expected, "{bytes}");
        }
    }
}
