//! Fields of a form with files (RFC 7578) that Aurora reads: the model and whether to stream. Everything else passes
//! unread.

use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;

use crate::gateway::http::error::GatewayError;
use crate::providers::RequestBody;

/// Longest boundary (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Headers of a part; RFC 7578, 4.8 defines three.
const MAX_PART_HEADERS: usize = 16;

const NO_FORM: &str = "The body must be a form: send Content-Type multipart/form-data with its boundary.";

/// The two fields that decide where a form goes and how its answer comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The model as requested.
    pub(crate) model: String,
    /// True if the answer is to be streamed.
    pub(crate) stream: bool,
    /// Place of the model's value in the body, or of a part that names it.
    model_at: Range<usize>,
    /// Text in which the value becomes that part; empty where the body has it.
    part: [String; 2],
    /// True if the body names the model as requested.
    is_in_body: bool,
}

impl Form {
    /// Reads a body by the boundary that its content type names; where the path names the model, that is the requested
    /// one, whatever the body says.
    pub(crate) fn of(
        content_type: Option<&HeaderValue>,
        body: &[u8],
        named: Option<&str>,
    ) -> Result<Self, GatewayError> {
        let delimiter = content_type.ok_or(NO_FORM).and_then(delimiter).map_err(invalid)?;
        let (mut model_at, mut stream) = (None, None);
        for part in Parts::of(body, &delimiter)? {
            let (name, at) = part?;
            let field = match name.as_deref() {
                Some("model") => (&mut model_at, "model"),
                Some("stream") => (&mut stream, "stream"),
                _ => continue,
            };
            if field.0.replace(at).is_some() {
                let message = format!("Duplicate field `{}` in the form; send it once.", field.1);
                return Err(GatewayError::invalid(message, Some(field.1), "duplicate_member"));
            }
        }
        let written = model_at.clone().map(|at| std::str::from_utf8(&body[at]));
        let (model, is_in_body) = match (named, written) {
            (Some(named), written) => (named, written == Some(Ok(named))),
            (None, Some(Ok(written))) => (written, true),
            (None, Some(Err(_))) => {
                return Err(GatewayError::invalid(
                    "`model` must be a string.",
                    Some("model"),
                    "invalid_model",
                ));
            }
            (None, None) => return Err(GatewayError::missing_model()),
        };
        let stream = match stream.map(|at| &body[at]) {
            None => false,
            Some(value) if value.eq_ignore_ascii_case(b"true") => true,
            Some(value) if value.eq_ignore_ascii_case(b"false") => false,
            Some(_) => {
                let message = "`stream` must be true or false.";
                return Err(GatewayError::invalid(message, Some("stream"), "invalid_stream"));
            }
        };
        let (model_at, part) = match model_at {
            Some(at) => (at, [String::new(), String::new()]),
            None => new_part(body, &delimiter),
        };
        Ok(Self { model: model.to_owned(), stream, model_at, part, is_in_body })
    }

    /// The body as it goes upstream: as received, but for the model where the provider knows it by another name.
    pub(crate) fn body_for(&self, upstream_model: &str, body: Bytes) -> RequestBody {
        if upstream_model == self.model && self.is_in_body {
            return body.into();
        }
        let [before, after] = &self.part;
        let model = Bytes::from([before, upstream_model, after].concat());
        let end = body.len();
        RequestBody::replaced(body, (self.model_at.clone(), model), (end..end, Bytes::new()))
    }
}

/// Place of a first part of a body, and the text around its contents.
fn new_part(body: &[u8], delimiter: &str) -> (Range<usize>, [String; 2]) {
    let boundary = delimiter.trim_start();
    let line_break = delimiter.len() - boundary.len();
    let later = || memmem::find(body, delimiter.as_bytes()).map_or(0, |at| at + line_break);
    let at = if body.starts_with(boundary.as_bytes()) { 0 } else { later() };
    let head = format!("{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n");
    (at..at, [head, "\r\n".to_owned()])
}

/// A part's name, if it has one, and where its contents stand.
type Part = (Option<String>, Range<usize>);

/// The parts of a body.
struct Parts<'a> {
    body: &'a [u8],
    delimiter: memmem::Finder<'a>,
    /// Behind the last delimiter; `None` behind the closing one.
    at: Option<usize>,
}

impl<'a> Parts<'a> {
    /// The first delimiter may lack the line break that is part of all others.
    fn of(body: &'a [u8], delimiter: &'a str) -> Result<Self, GatewayError> {
        let first = delimiter.trim_start();
        let delimiter = memmem::Finder::new(delimiter);
        let at = if body.starts_with(first.as_bytes()) {
            Some(first.len())
        } else {
            delimiter.find(body).map(|at| at + delimiter.needle().len())
        };
        let at = at.ok_or_else(|| invalid("The form is malformed: its boundary does not stand in it."))?;
        Ok(Self { body, delimiter, at: Some(at) })
    }

    fn read(&mut self, at: usize) -> Result<Option<Part>, &'static str> {
        let rest = &self.body[at..];
        if rest.starts_with(b"--") {
            return Ok(None);
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if !rest[padding..].starts_with(b"\r\n") {
            return Err("a boundary is followed by something else than a line break");
        }
        // A part without headers starts with the line break that ends them.
        let headers = at + padding;
        let end = self.delimiter.find(&self.body[headers..]).ok_or("its last part has no end")?;
        let part = &self.body[headers..headers + end];
        let blank = memmem::find(part, b"\r\n\r\n").ok_or("the headers of a part have no end")?;
        let contents = headers + blank + 4..headers + end;
        self.at = Some(contents.end + self.delimiter.needle().len());
        let line_break = b"\r\n".len();
        Ok(Some((field_name(&part[line_break..blank + 2 * line_break])?, contents)))
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, GatewayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at.take()?;
        self.read(at).map_err(|what| invalid(format!("The form is malformed: {what}."))).transpose()
    }
}

/// The line break and boundary between a form's parts, by its content type. Read by [`values`], as a part's name is:
/// the crate `mime` refuses a space before a semicolon, which clients send.
fn delimiter(content_type: &HeaderValue) -> Result<String, &'static str> {
    let content_type = std::str::from_utf8(content_type.as_bytes()).map_err(|_| NO_FORM)?;
    let (kind, text) = content_type.split_once(';').ok_or(NO_FORM)?;
    let mut boundaries = values(text, "boundary");
    let boundary = boundaries.next().ok_or(NO_FORM)?;
    if boundaries.next().is_some() {
        return Err("Duplicate boundary in the form's Content-Type; name it once.");
    }
    let fits = (1..=MAX_BOUNDARY).contains(&boundary.len());
    let is_form = kind.trim().eq_ignore_ascii_case("multipart/form-data") && fits;
    is_form.then(|| format!("\r\n--{boundary}")).ok_or(NO_FORM)
}

/// The name that `Content-Disposition` gives a part, from its headers up to and with the empty line.
fn field_name(part: &[u8]) -> Result<Option<String>, &'static str> {
    const INVALID: &str = "the headers of a part are invalid";
    let mut headers = [httparse::EMPTY_HEADER; MAX_PART_HEADERS];
    let parsed = httparse::parse_headers(part, &mut headers).map_err(|_| INVALID)?;
    let httparse::Status::Complete((length, headers)) = parsed else { return Err(INVALID) };
    if length != part.len() {
        // Bare line feeds ended them early: an upstream could see other headers.
        return Err(INVALID);
    }
    let mut only = None;
    for header in headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-disposition")) {
        let value = String::from_utf8_lossy(header.value);
        let Some((kind, parameters)) = value.split_once(';') else { continue };
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            continue;
        }
        for name in values(parameters, "name") {
            if only.replace(name).is_some() {
                return Err("a part has two names");
            }
        }
    }
    Ok(only)
}

/// Every value of a parameter, quoted or not, in `a=b; c="d"`.
fn values(mut text: &str, wanted: &str) -> impl Iterator<Item = String> {
    let parameters = std::iter::from_fn(move || {
        let (name, rest) = text.split_once('=')?;
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, rest) = rest.split_once(';').unwrap_or((rest, ""));
                (value.trim().to_owned(), rest)
            }
        };
        text = rest;
        Some((name.trim_matches([' ', '\t', ';']), value))
    });
    parameters.filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

/// The text up to the closing quote, its escapes undone, and what follows.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => value.push(characters.next()?.1),
            (_, other) => value.push(other),
        }
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> GatewayError {
    GatewayError::invalid(message, None, "invalid_form")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xx";

    fn form(kind: &str, body: impl AsRef<[u8]>) -> Result<Form, String> {
        let kind = HeaderValue::from_str(kind).unwrap();
        Form::of(Some(&kind), body.as_ref(), None).map_err(|error| error.to_string())
    }

    fn sent(form: &Form, model: &str, body: impl AsRef<[u8]>) -> Bytes {
        let body = form.body_for(model, Bytes::copy_from_slice(body.as_ref()));
        body.collect().now_or_never().unwrap().unwrap().to_bytes()
    }

    fn field(name: &str, value: &str) -> String {
        format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[test]
    fn the_two_fields_are_read_and_the_model_is_replaced_in_its_place() {
        let file = "--xx\r\ncontent-type: audio/wav\r\nCONTENT-DISPOSITION:form-data;filename=\"a\\\"; name=x.wav\" ; Name = file\r\n\
                    \r\n\r\n--x\r\n\r\nname=\"model\"\r\n";
        let body = format!(
            "preamble\r\n{file}{}{}--xx--\r\n",
            field("model", "up/whisper"),
            field("stream", "True")
        );
        for kind in [
            TYPE,
            "Multipart/Form-Data ; charset=utf-8; Boundary=\"xx\"",
            "multipart/form-data;boundary=xx ;a=b",
        ] {
            let read = form(kind, &body).unwrap();
            assert_eq!((read.model.as_str(), read.stream), ("up/whisper", true), "{kind}");
            let sent = sent(&read, "whisper", &body);
            assert_eq!(sent, body.replace("up/whisper", "whisper"));
            assert_eq!(self::sent(&read, "up/whisper", &body), body);
        }
        let read = form(TYPE, field("model", "") + "--xx \t\r\n\r\nno name\r\n--xx--").unwrap();
        assert_eq!(sent(&read, "m", field("model", "")), field("model", "m"));
    }

    #[test]
    fn a_model_in_the_path_is_written_into_the_form() {
        let kind = HeaderValue::from_static(TYPE);
        let file = field("file", "x");
        let expected = field("model", "m");
        for (body, expected) in [
            (format!("{file}--xx--"), format!("{expected}{file}--xx--")),
            (format!("preamble\r\n{file}--xx--"), format!("preamble\r\n{expected}{file}--xx--")),
            (format!("{}{file}--xx--", field("model", "other")), format!("{expected}{file}--xx--")),
        ] {
            let read = Form::of(Some(&kind), body.as_bytes(), Some("named")).unwrap();
            assert_eq!(read.model, "named");
            let sent = sent(&read, "m", &body);
            assert_eq!(sent.to_ascii_lowercase(), expected.to_ascii_lowercase().as_bytes());
            let again = Form::of(Some(&kind), &sent, None).unwrap();
            assert_eq!(again.model, "m");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let model = field("model", "m");
        for kind in [
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=xx",
        ] {
            let message = "The body must be a form: send Content-Type multipart/form-data with its boundary.";
            assert_eq!(form(kind, &model), Err(message.into()), "{kind}");
        }
        let twice = "Duplicate boundary in the form's Content-Type; name it once.";
        assert_eq!(form("multipart/form-data; boundary=xx; Boundary=\"yy\"", &model), Err(twice.into()));
        for (body, message) in [
            (String::new(), "The form is malformed: its boundary does not stand in it."),
            (format!("x{model}--xx--"), "`model` is missing: name the model to use."),
            (
                format!("--xxx{model}--xx--"),
                "The form is malformed: a boundary is followed by something else than a line break.",
            ),
            (model.clone(), "The form is malformed: its last part has no end."),
            (
                format!("{model}--xx"),
                "The form is malformed: a boundary is followed by something else than a line break.",
            ),
            ("--xx\r\nA: b\r\n--xx--".into(), "The form is malformed: the headers of a part have no end."),
            (format!("{}--xx--", field("file", "m")), "`model` is missing: name the model to use."),
            (
                field("model\"; filename=\"f\"; NAME=\"file", "m") + "--xx--",
                "The form is malformed: a part has two names.",
            ),
            (
                field("model", "m")
                    .replace("\r\n\r\n", "\r\nContent-Disposition: form-data; name=file\r\n\r\n")
                    + "--xx--",
                "The form is malformed: a part has two names.",
            ),
            (
                model.replace("Content-Disposition", "Content Disposition") + "--xx--",
                "The form is malformed: the headers of a part are invalid.",
            ),
            (
                model.replace("\r\n\r\n", "\n\n\r\n\r\n") + "--xx--",
                "The form is malformed: the headers of a part are invalid.",
            ),
            (
                field("model", "m").replace("\r\n\r\n", &format!("{}\r\n\r\n", "\r\nX: y".repeat(16)))
                    + "--xx--",
                "The form is malformed: the headers of a part are invalid.",
            ),
            (format!("{model}{model}--xx--"), "Duplicate field `model` in the form; send it once."),
            (format!("{model}{}--xx--", field("stream", "1")), "`stream` must be true or false."),
        ] {
            assert_eq!(form(TYPE, &body), Err(message.into()), "{body}");
        }
        let bad =
            [b"--xx\r\ncontent-disposition: form-data; name=model\r\n\r\n\xff\r\n--xx--".as_slice()].concat();
        assert_eq!(form(TYPE, bad), Err("`model` must be a string.".into()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(prop_oneof![Just(b"\r\n--xx".to_vec()),
            Just(b"\r\n\r\n".to_vec()), Just(b"content-disposition: form-data; name=\"model".to_vec()), any::<Vec<u8>>()], 0..12)) {
            drop(form(TYPE, body.concat()));
        }

        #[test]
        fn any_file_passes_around_the_model(file in any::<Vec<u8>>(), model in "[^\r\n]{0,20}") {
            prop_assume!(memmem::find(&file, b"\r\n--xx").is_none());
            let body = [b"--xx\r\ncontent-disposition: form-data; name=file\r\n\r\n", &*file, b"\r\n",
                field("model", &model).as_bytes(), b"--xx--\r\n"].concat();
            let read = form(TYPE, &body).unwrap();
            prop_assert_eq!(&read.model, &model);
            let sent = sent(&read, "other", &body);
            let back = Form::of(Some(&HeaderValue::from_static(TYPE)), &sent, None).unwrap();
            prop_assert_eq!(self::sent(&back, &model, &sent), body);
        }
    }
}
