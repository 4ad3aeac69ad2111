//! Failure of a request, as the request log names it: by our own error, or by what an upstream's error says of itself.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use crate::gateway::http::error::GatewayError;
use crate::gateway::observe::stream_error::Break;
use crate::metrics::catalog::labels::Label;
use crate::providers::Scrubber;

/// Reason for which a request failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In a sentence; `None` where an upstream's error is relayed as it is.
    pub(crate) message: Option<Cow<'static, str>>,
    /// Type of the error.
    pub(crate) kind: Option<Cow<'static, str>>,
    /// Code of the error.
    pub(crate) code: Option<Cow<'static, str>>,
}

impl From<&GatewayError> for Failure {
    fn from(error: &GatewayError) -> Self {
        Self {
            message: Some(error.to_string().into()),
            kind: Some(error.kind().into()),
            code: Some(error.code().into()),
        }
    }
}

impl From<Break> for Failure {
    fn from(why: Break) -> Self {
        Self {
            message: Some(why.message().into()),
            kind: Some(why.kind().into()),
            code: Some(why.code().into()),
        }
    }
}

impl Failure {
    /// No failure, for a request without one.
    pub(super) const NONE: &Self = &Self { message: None, kind: None, code: None };

    /// Reads an upstream's error without the provider's key: a JSON body, or the last event with JSON in part of a
    /// stream.
    pub(crate) fn read(bytes: &Bytes, scrubber: Option<&Scrubber>) -> Self {
        let bytes = match scrubber {
            Some(scrubber) => scrubber.scrubbed(bytes.clone()),
            None => bytes.clone(),
        };
        if let Ok(body) = serde_json::from_slice(&bytes) {
            return Self::of_envelope(&body);
        }
        for line in bytes.rsplit(|byte| *byte == b'\n') {
            if let Some(data) = line.strip_prefix(b"data:")
                && let Ok(error) = serde_json::from_slice(data)
            {
                return Self::of_envelope(&error);
            }
        }
        Self::default()
    }

    /// Reads OpenAI's and Anthropic's envelope, Gemini's, which may be in an array, that of a failed response, or a bare
    /// error.
    fn of_envelope(envelope: &Value) -> Self {
        let inside =
            ["/error", "/0/error", "/response/error"].into_iter().find_map(|at| envelope.pointer(at));
        let error = match inside {
            Some(error) if error.is_object() => error,
            _ => envelope,
        };
        let kind = name(&error["type"]).or(name(&error["status"]));
        Self { message: None, kind, code: name(&error["code"]) }
    }
}

/// A word or a number, bounded as a label value is.
fn name(value: &Value) -> Option<Cow<'static, str>> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(Label::of_name(&text).as_str().to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn every_known_envelope_is_read() {
        fn names(kind: &'static str, code: &'static str) -> Failure {
            Failure {
                message: None,
                kind: (!kind.is_empty()).then_some(kind.into()),
                code: (!code.is_empty()).then_some(code.into()),
            }
        }
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
            assert_eq!(Failure::read(&Bytes::from(bytes), None), expected, "{bytes}");
        }
    }
    #[test]
    fn no_name_holds_the_key_however_it_is_spelled() {
        let scrubber = Scrubber::new(&Secret::new("sk-test/0123456789")).unwrap();
        for spelling in ["sk-test/0123456789", r"sk-test\/0123456789", r"sk\u002dtest/0123456789"] {
            let body = Bytes::from(format!(r#"{{"error":{{"type":"no {spelling}","code":"{spelling}"}}}}"#));
            let stars = "*".repeat(spelling.len());
            let expected =
                Failure { message: None, kind: Some(format!("no {stars}").into()), code: Some(stars.into()) };
            assert_eq!(Failure::read(&body, Some(&scrubber)), expected, "{spelling}");
        }
    }
}
