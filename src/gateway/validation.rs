//! Validation of an upstream's response: by its headers, and by its first bytes where those do not say what it is.

use http::{HeaderMap, StatusCode};
use http_body::Body as _;

use super::decode::ResponseBody;
use super::headers;
use super::operation::{Content, Operation};
use super::tap::Finder;

/// Form of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// Server-sent events.
    Events,
    Other,
}

/// Why a response without a body is invalid.
pub(super) const NO_BODY: &str = "its answer has no body";
/// Why a response that is neither JSON nor an event stream is invalid.
pub(super) const NOT_JSON: &str = "its answer is not JSON";

/// Fields that an event stream may begin with, as far as its lines have names.
const FIELDS: [&[u8]; 4] = [b"data:", b"event:", b"id:", b"retry:"];
/// Why a 2xx cannot be relayed, by its headers alone.
pub(super) fn refusal(
    operation: &Operation,
    status: StatusCode,
    headers: &HeaderMap,
    body: &ResponseBody,
) -> Option<String> {
    let wanted = operation.content;
    let kind = headers::media_type(headers);
    if wanted.is_free() {
        let kind = kind.filter(|kind| kind.eq_ignore_ascii_case("text/html"))?;
        return (wanted == Content::NoPage).then(|| format!("its answer is {kind}"));
    }
    if headers::is_encoded(headers) {
        return Some("its answer has a content coding that is not known".into());
    }
    if status == StatusCode::NO_CONTENT || body.is_end_stream() {
        return (wanted == Content::Json).then(|| NO_BODY.into());
    }
    let is_plausible = headers::is_json(headers) || headers::is_event_stream(headers) || is_vague(headers);
    (!is_plausible)
        .then(|| format!("its answer is {}, not JSON or an event stream", kind.unwrap_or_default()))
}

/// Whether a body is labelled as nothing in particular. JSON and event streams come so.
fn is_vague(headers: &HeaderMap) -> bool {
    let vague = ["text/plain", "text/json", "application/octet-stream"];
    headers::media_type(headers).is_none_or(|kind| vague.iter().any(|vague| kind.eq_ignore_ascii_case(vague)))
}

/// Finds out the form of a body, from its label or its first bytes.
#[derive(Debug)]
pub(super) struct Sniffer {
    form: Option<Form>,
    /// Form of all but an event stream, where the label says it.
    otherwise: Option<Form>,
    /// First bytes, white space aside, as far as they do not tell yet.
    start: Vec<u8>,
}

impl Sniffer {
    /// A body of this form.
    pub(super) const fn known(form: Form) -> Self {
        Self { form: Some(form), otherwise: None, start: Vec::new() }
    }

    /// The body of a 2xx. What a passthrough relays is taken for an event stream without the label only where a stream
    /// was asked for, since it may be any file.
    pub(super) fn new(operation: &Operation, headers: &HeaderMap) -> Self {
        if headers::is_event_stream(headers) {
            return Self::known(Form::Events);
        }
        if !operation.content.is_free() {
            return Self { form: None, otherwise: None, start: Vec::new() };
        }
        let form = if headers::is_json(headers) { Form::Json } else { Form::Other };
        if operation.stream && (form == Form::Json || is_vague(headers)) {
            return Self { form: None, otherwise: Some(form), start: Vec::new() };
        }
        Self::known(form)
    }

    /// The form, once it is known.
    pub(super) fn form(&self) -> Option<Form> {
        self.form
    }

    /// Reads the next bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        // A byte order mark may stand before either.
        let is_before = |byte: &u8| byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(byte);
        let mut rest = bytes.iter();
        while self.form.is_none()
            && let Some(byte) = rest.next()
        {
            if self.start.is_empty() && is_before(byte) {
                continue;
            }
            self.start.push(*byte);
            self.form = form_of(&self.start).map(|form| match form {
                Form::Events => form,
                Form::Json | Form::Other => self.otherwise.unwrap_or(form),
            });
        }
    }
}

/// Form of a body that starts so; `None` while it may be either.
fn form_of(start: &[u8]) -> Option<Form> {
    match start {
        [b'{' | b'[', ..] => Some(Form::Json),
        [b':', ..] => Some(Form::Events),
        _ if FIELDS.iter().any(|field| start.starts_with(field)) => Some(Form::Events),
        _ if FIELDS.iter().any(|field| field.starts_with(start)) => None,
        _ => Some(Form::Other),
    }
}

/// Whether this is an object or array of JSON that does not come to its end.
pub(super) fn is_cut(bytes: &[u8]) -> bool {
    let mut finder = Finder::new(&[""]);
    finder.read(bytes);
    finder.is_cut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(otherwise: Option<Form>, text: &str) -> Option<Form> {
        let mut sniffer = Sniffer { form: None, otherwise, start: Vec::new() };
        text.as_bytes().chunks(1).for_each(|part| sniffer.read(part));
        assert!(sniffer.start.len() <= "event:".len());
        sniffer.form
    }

    #[test]
    fn the_first_bytes_tell_json_from_events_and_from_anything_else() {
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
            assert_eq!(form(None, text), expected, "{text:?}");
            let labelled = match expected {
                Some(Form::Json | Form::Other) => Some(Form::Other),
                form => form,
            };
            assert_eq!(form(Some(Form::Other), text), labelled, "{text:?}");
        }
    }
}
