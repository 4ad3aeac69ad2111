//! Validation of an upstream's response: by its headers, and by its first bytes where those do not say what it is.

use http::{HeaderMap, StatusCode};
use http_body::Body as _;

use crate::api::Finder;
use crate::api::endpoint::Content;
use crate::gateway::http::headers;
use crate::gateway::request::operation::Operation;
use crate::gateway::response::body_reader::Form;
use crate::gateway::response::decode::DecodedBody;

/// Reason that a response without a body is invalid.
pub(crate) const NO_BODY: &str = "its response has no body";
/// Reason that a response that is neither JSON nor an event stream is invalid.
pub(crate) const NOT_JSON: &str = "its response is not JSON";

/// Fields that an event stream may begin with, as far as its lines have names.
const FIELDS: [&[u8]; 4] = [b"data:", b"event:", b"id:", b"retry:"];
/// Reason that a 2xx cannot be relayed, by its headers alone and the media type among them.
pub(crate) fn refusal(
    operation: &Operation,
    status: StatusCode,
    (headers, kind): (&HeaderMap, Option<&str>),
    body: &DecodedBody,
) -> Option<String> {
    let wanted = operation.content;
    if wanted.is_free() {
        return match kind {
            Some(kind) if wanted == Content::NoPage && kind.eq_ignore_ascii_case("text/html") => {
                Some(format!("its response is {kind}"))
            }
            _ => None,
        };
    }
    if headers::is_encoded(headers) {
        return Some("its response has an unknown content coding".into());
    }
    if status == StatusCode::NO_CONTENT || body.is_end_stream() {
        return (wanted == Content::Json).then(|| NO_BODY.into());
    }
    match kind {
        Some(kind) if !headers::names_json(kind) && !headers::names_event_stream(kind) && !is_vague(kind) => {
            Some(format!("its response is {kind}, not JSON or an event stream"))
        }
        _ => None,
    }
}

/// Returns true if a media type says nothing in particular. JSON and event streams come so.
fn is_vague(kind: &str) -> bool {
    let vague = ["text/plain", "text/json", "application/octet-stream"];
    vague.iter().any(|vague| kind.eq_ignore_ascii_case(vague))
}

/// Finds out the form of a body, from its label or its first bytes.
#[derive(Debug)]
pub(crate) struct Sniffer {
    form: Option<Form>,
    /// Form of a body that begins as JSON.
    json: Form,
    /// Form of a body that begins as neither JSON nor an event stream.
    other: Form,
    /// First bytes, white space aside, while they do not decide yet.
    start: Vec<u8>,
}

impl Sniffer {
    /// A body of this form.
    pub(crate) fn known(form: Form) -> Self {
        Self { form: Some(form), ..Self::sniffing(form, form) }
    }

    const fn sniffing(json: Form, other: Form) -> Self {
        Self { form: None, json, other, start: Vec::new() }
    }

    /// The body of a 2xx of this media type. What a passthrough relays is taken for an event stream without the label only where a stream
    /// was requested, since it may be any file.
    pub(crate) fn new(operation: &Operation, kind: Option<&str>) -> Self {
        let is_free = operation.content.is_free();
        if kind.is_some_and(headers::names_event_stream) {
            let is_doubtful = !is_free && !operation.stream;
            return if is_doubtful {
                Self::sniffing(Form::Json, Form::Events)
            } else {
                Self::known(Form::Events)
            };
        }
        if !is_free {
            return Self::sniffing(Form::Json, Form::Other);
        }
        let form = if kind.is_some_and(headers::names_json) { Form::Json } else { Form::Other };
        let is_doubtful = operation.stream && (form == Form::Json || kind.is_none_or(is_vague));
        if is_doubtful { Self::sniffing(form, form) } else { Self::known(form) }
    }

    /// The form, once it is known.
    pub(crate) fn form(&self) -> Option<Form> {
        self.form
    }

    /// Reads the next bytes.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes.iter();
        while self.form.is_none()
            && let Some(byte) = rest.next()
        {
            if self.start.is_empty() && is_before(*byte) {
                continue;
            }
            if self.start.is_empty() && matches!(byte, b'{' | b'[') {
                self.form = Some(self.json);
                return;
            }
            self.start.push(*byte);
            self.form = match form_of(&self.start) {
                Some(Form::Other) => Some(self.other),
                form => form,
            };
        }
    }
}

/// Returns true if a byte may come before JSON or an event stream: white space, or part of a byte order mark.
fn is_before(byte: u8) -> bool {
    byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(&byte)
}

/// Form of a body that starts so, and not as JSON; `None` while it may be either.
fn form_of(start: &[u8]) -> Option<Form> {
    match start {
        [b':', ..] => Some(Form::Events),
        _ if FIELDS.iter().any(|field| start.starts_with(field)) => Some(Form::Events),
        _ if FIELDS.iter().any(|field| field.starts_with(start)) => None,
        _ => Some(Form::Other),
    }
}

/// Returns true if this is an object or array of JSON that does not come to its end.
pub(crate) fn is_cut(bytes: &[u8]) -> bool {
    let mut finder = Finder::new(&[""]);
    finder.read(bytes);
    finder.is_cut() && !bytes.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(mut sniffer: Sniffer, text: &str) -> Option<Form> {
        for part in text.as_bytes().chunks(1) {
            sniffer.read(part);
        }
        assert!(sniffer.start.len() <= "event:".len());
        sniffer.form
    }

    #[test]
    fn the_first_bytes_distinguish_json_events_and_other_bodies() {
        for (text, expected) in [
            ("", None),
            (" \r\n\t", None),
            ("\u{feff}", None),
            ("dat", None),
            ("retry", None),
            ("\u{feff}\n{", Some(Form::Json)),
            ("[1", Some(Form::Json)),
            (": x", Some(Form::Events)),
            ("\n\ndata:x", Some(Form::Events)),
            ("event:", Some(Form::Events)),
            ("id: 1", Some(Form::Events)),
            ("retry: 1", Some(Form::Events)),
            ("\"x\"", Some(Form::Other)),
            ("data: x".to_uppercase().as_str(), Some(Form::Other)),
            ("date:", Some(Form::Other)),
            ("<html>", Some(Form::Other)),
        ] {
            assert_eq!(form(Sniffer::sniffing(Form::Json, Form::Other), text), expected, "{text:?}");
            let labelled = match expected {
                Some(Form::Other) => Some(Form::Events),
                form => form,
            };
            assert_eq!(form(Sniffer::sniffing(Form::Json, Form::Events), text), labelled, "{text:?}");
        }
    }
}
