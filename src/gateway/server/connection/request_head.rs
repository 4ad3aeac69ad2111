//! The head of a client's request: found in what was read, parsed by httparse, and refused where it is none.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use memchr::{memchr, memchr_iter};

use crate::http1::chunks::Chunks;
use crate::http1::framing::Framing;

/// Largest head.
const MAX_HEAD: usize = 64 << 10;
/// Largest target: what [`Uri`] holds.
const MAX_TARGET: usize = u16::MAX as usize - 1;
/// Most headers.
const MAX_HEADERS: usize = 100;

/// A head.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) parts: Parts,
    pub(crate) framing: Framing,
    /// There is one way to find the end of the body. Where there is not, the connection has to be closed.
    pub(crate) is_plain: bool,
    /// The client may send another request on the connection.
    pub(crate) is_kept: bool,
    /// The client sends the body only after a 100 response.
    pub(crate) awaits_continue: bool,
}

/// Reason that there is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadError {
    Malformed,
    TargetTooLong,
    TooLarge,
}

impl HeadError {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

/// Reader of the heads of a connection's requests.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    /// Bytes of the buffer in which there is no end of a head.
    searched: usize,
}

impl HeadReader {
    /// Takes a head from the buffer; `None` while it is not complete.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<RequestHead>, HeadError> {
        if self.searched == 0 {
            skip_empty_lines(buffer);
            match &**buffer {
                // The rest of an empty line is to come.
                [] | [b'\r'] => return Ok(None),
                // No method begins like this: what speaks TLS, or nothing known, gets its response at once.
                [first, ..] if !first.is_ascii_graphic() => return Err(HeadError::Malformed),
                _ => {}
            }
        }
        let Some(length) = self.find_end(buffer)? else { return Ok(None) };
        self.searched = 0;
        parse(&buffer.split_to(length).freeze()).map(Some)
    }

    /// The length of the head: up to its empty line. Bytes that were searched are not searched again.
    fn find_end(&mut self, buffer: &[u8]) -> Result<Option<usize>, HeadError> {
        for newline in memchr_iter(b'\n', &buffer[self.searched..]) {
            let line_end = self.searched + newline;
            // A line may end without a carriage return (RFC 9112, 2.2).
            if matches!(&buffer[..line_end], [.., b'\n'] | [.., b'\n', b'\r']) {
                let length = line_end + 1;
                return if length > MAX_HEAD { Err(too_large(buffer)) } else { Ok(Some(length)) };
            }
        }
        self.searched = buffer.len();
        if buffer.len() >= MAX_HEAD { Err(too_large(buffer)) } else { Ok(None) }
    }
}

/// Empty lines before a request are skipped: old clients send one behind a body (RFC 9112, 2.2).
fn skip_empty_lines(buffer: &mut BytesMut) {
    loop {
        let length = match &**buffer {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return,
        };
        buffer.advance(length);
    }
}

/// The part of a head that is too large.
fn too_large(buffer: &[u8]) -> HeadError {
    match memchr(b'\n', &buffer[..buffer.len().min(MAX_HEAD)]) {
        Some(_) => HeadError::TooLarge,
        None => HeadError::TargetTooLong,
    }
}

fn parse(head: &Bytes) -> Result<RequestHead, HeadError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, &mut headers) {
        // Where it saw the end of the head in another place, what follows would be taken for the next request.
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        _ => return Err(HeadError::Malformed),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(HeadError::Malformed);
    };
    if target.len() > MAX_TARGET {
        return Err(HeadError::TargetTooLong);
    }
    let (mut parts, ()) = Request::default().into_parts();
    parts.method = Method::from_bytes(method.as_bytes()).map_err(|_| HeadError::Malformed)?;
    parts.uri =
        Uri::from_maybe_shared(head.slice_ref(target.as_bytes())).map_err(|_| HeadError::Malformed)?;
    parts.version = if version == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
    parts.headers.reserve(parsed.headers.len());
    let (mut body, mut connection) = (DeclaredBody::NONE, Options::default());
    let mut awaits_continue = false;
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| HeadError::Malformed)?;
        match name {
            CONTENT_LENGTH if !body.is_first_length(header.value)? => continue,
            TRANSFER_ENCODING => body.coding(header.value, parts.version)?,
            CONNECTION => connection.read(header.value),
            EXPECT => awaits_continue = header.value.eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
        let value = HeaderValue::from_maybe_shared(head.slice_ref(header.value));
        parts.headers.append(name, value.map_err(|_| HeadError::Malformed)?);
    }
    let framing = body.framing()?;
    let is_ambiguous = body.is_chunked.is_some() && body.length.is_some();
    if is_ambiguous {
        // The chunks say where the body ends (RFC 9112, 6.3); what follows may be meant as part of it.
        parts.headers.remove(CONTENT_LENGTH);
    }
    let is_kept = !is_ambiguous && connection.keep(parts.version);
    let awaits_continue = awaits_continue && parts.version == Version::HTTP_11 && !framing.is_at_end();
    Ok(RequestHead { parts, framing, is_plain: body.is_plain, is_kept, awaits_continue })
}

/// The options of `Connection` that are about the connection itself.
#[derive(Debug, Default)]
struct Options {
    close: bool,
    keep_alive: bool,
}

impl Options {
    fn read(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn keep(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }
}

/// The body as the headers declare it.
#[derive(Debug)]
struct DeclaredBody {
    length: Option<u64>,
    /// True if the last of its transfer codings is `chunked`; `None` where there are none.
    is_chunked: Option<bool>,
    /// Its transfer codings are none, or `chunked` once.
    is_plain: bool,
}

impl DeclaredBody {
    const NONE: Self = Self { length: None, is_chunked: None, is_plain: true };

    /// Reads a length; false if the same one came before.
    fn is_first_length(&mut self, value: &[u8]) -> Result<bool, HeadError> {
        let digits =
            std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|it| it.is_ascii_digit()));
        let length = digits.and_then(|digits| digits.parse().ok()).ok_or(HeadError::Malformed)?;
        match self.length.replace(length) {
            Some(before) if before != length => Err(HeadError::Malformed),
            before => Ok(before.is_none()),
        }
    }

    fn coding(&mut self, value: &[u8], version: Version) -> Result<(), HeadError> {
        if version != Version::HTTP_11 {
            return Err(HeadError::Malformed);
        }
        let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
        let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        self.is_plain = is_chunked && last.len() == value.len() && self.is_chunked.is_none();
        self.is_chunked = Some(is_chunked);
        Ok(())
    }

    fn framing(&self) -> Result<Framing, HeadError> {
        match (self.is_chunked, self.length) {
            // Only the connection would say where the body ends, and a client cannot close it and be answered.
            (Some(false), _) => Err(HeadError::Malformed),
            (Some(true), _) => Ok(Framing::Chunked(Chunks::Size)),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (None, None) => Ok(Framing::EMPTY),
        }
    }
}

#[cfg(test)]
mod tests;
