//! Fields of a form with files (RFC 7578) that Aurora reads: the model and whether to stream. Everything else passes
//! unread.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;

use super::fields;
use crate::gateway::http::error::GatewayError;
use crate::providers::RequestBody;

/// Longest boundary (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Headers of a part; RFC 7578, 4.8 defines three.
const MAX_PART_HEADERS: usize = 16;

const NO_FORM: &str = "The body must be a form: send Content-Type multipart/form-data with its boundary.";

/// The two fields that decide where a form goes and how its response comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The model as requested.
    pub(crate) model: String,
    /// True if the response is to be streamed.
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
                return Err(fields::duplicate(field.1, "form"));
            }
        }
        let written = model_at.clone().map(|at| std::str::from_utf8(&body[at]).map(Cow::Borrowed));
        let (model, is_in_body) = fields::requested_model(named, written)?;
        let stream = match stream.map(|at| &body[at]) {
            None => false,
            Some(value) if value.eq_ignore_ascii_case(b"true") => true,
            Some(value) if value.eq_ignore_ascii_case(b"false") => false,
            Some(_) => return Err(fields::invalid_stream()),
        };
        let (model_at, part) = match model_at {
            Some(at) => (at, [String::new(), String::new()]),
            None => new_part(body, &delimiter),
        };
        Ok(Self { model, stream, model_at, part, is_in_body })
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
    let mut at = 0;
    if !body.starts_with(boundary.as_bytes())
        && let Some(found) = memmem::find(body, delimiter.as_bytes())
    {
        at = found + line_break;
    }
    let head = format!("{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n");
    (at..at, [head, "\r\n".to_owned()])
}

/// A part's name, if it has one, and the place of its contents.
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
            first.len()
        } else if let Some(at) = delimiter.find(body) {
            at + delimiter.needle().len()
        } else {
            return Err(invalid("The form is malformed: its boundary does not stand in it."));
        };
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
        match self.read(at) {
            Ok(part) => part.map(Ok),
            Err(reason) => Some(Err(invalid(format!("The form is malformed: {reason}.")))),
        }
    }
}

/// The line break and boundary between a form's parts, by its content type. Read by [`values`], as a part's name is:
/// the crate `mime` refuses a space before a semicolon, which clients send.
fn delimiter(content_type: &HeaderValue) -> Result<String, &'static str> {
    let Ok(content_type) = std::str::from_utf8(content_type.as_bytes()) else { return Err(NO_FORM) };
    let (kind, text) = content_type.split_once(';').ok_or(NO_FORM)?;
    let mut boundaries = values(text, "boundary");
    let boundary = boundaries.next().ok_or(NO_FORM)?;
    if boundaries.next().is_some() {
        return Err("Duplicate boundary in the form's Content-Type; name it once.");
    }
    let fits = (1..=MAX_BOUNDARY).contains(&boundary.len());
    let is_form = kind.trim().eq_ignore_ascii_case("multipart/form-data") && fits;
    if is_form { Ok(format!("\r\n--{boundary}")) } else { Err(NO_FORM) }
}

/// The name that `Content-Disposition` gives a part, from its headers up to and with the empty line.
fn field_name(part: &[u8]) -> Result<Option<String>, &'static str> {
    const INVALID: &str = "the headers of a part are invalid";
    let mut headers = [httparse::EMPTY_HEADER; MAX_PART_HEADERS];
    let parsed = httparse::parse_headers(part, &mut headers);
    let Ok(httparse::Status::Complete((length, headers))) = parsed else { return Err(INVALID) };
    if length != part.len() {
        // Bare line feeds ended them early: an upstream could see other headers.
        return Err(INVALID);
    }
    let mut only = None;
    for header in headers {
        if !header.name.eq_ignore_ascii_case("content-disposition") {
            continue;
        }
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
    parameters.filter_map(move |(name, value)| name.eq_ignore_ascii_case(wanted).then_some(value))
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

fn invalid(message: impl Into<Cow<'static, str>>) -> GatewayError {
    GatewayError::invalid(message, None, "invalid_form")
}

#[cfg(test)]
mod tests;
