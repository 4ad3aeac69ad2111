//! The head of a response: found in what was read, parsed, and refused where the end of its body is ambiguous.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use memchr::memchr_iter;

use crate::http1::Malformed;
use crate::http1::chunks::Chunks;
use crate::http1::framing::Framing;

/// Largest head.
const MAX_HEAD: usize = 64 << 10;
/// Most headers.
const MAX_HEADERS: usize = 100;
/// Number of informational heads (1xx) at which a response fails. Servers send one or two.
pub(crate) const MAX_INFORMATIONAL: u8 = 100;

const LENGTH: &str = "its Content-Length is no number, or there are two";
const CODING: &str = "its Transfer-Encoding is not `chunked` alone";
const CONTRADICTION: &str = "its Transfer-Encoding contradicts its Content-Length or version";
const NO_HEAD: Malformed = Malformed("it does not begin with a head of HTTP/1.1");
const INVALID_HEADER: Malformed = Malformed("a header is invalid");

/// A final head.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// The connection cannot be used again.
    pub(crate) closes: bool,
}

/// Reason that there is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// [`MAX_INFORMATIONAL`] informational heads came.
    #[error("too many informational responses")]
    Flood,
}

/// Reader of a response's head, the informational ones before it included.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    /// Bytes of the buffer in which there is no end of a head.
    searched: usize,
    informational: u8,
}

impl HeadReader {
    /// Takes the final head from the buffer; `None` while it is not complete. `to_head` is true for the response to HEAD.
    pub(crate) fn take(
        &mut self,
        buffer: &mut BytesMut,
        to_head: bool,
    ) -> Result<Option<ResponseHead>, HeadError> {
        while let Some(length) = self.find_end(buffer)? {
            self.searched = 0;
            let head = parse(&buffer.split_to(length).freeze(), to_head)?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some(head));
            }
            self.informational += 1;
            if self.informational == MAX_INFORMATIONAL {
                return Err(HeadError::Flood);
            }
        }
        Ok(None)
    }

    /// The length of the first head: up to its empty line. Bytes that were searched are not searched again.
    fn find_end(&mut self, buffer: &[u8]) -> Result<Option<usize>, Malformed> {
        for newline in memchr_iter(b'\n', &buffer[self.searched..]) {
            let end = self.searched + newline;
            if !buffer[..end].ends_with(b"\r") {
                return Err(Malformed("a line of the head ends without a carriage return"));
            }
            if buffer[..end].ends_with(b"\r\n\r") {
                return Ok(Some(end + 1));
            }
        }
        self.searched = buffer.len();
        if buffer.len() >= MAX_HEAD {
            return Err(Malformed("the head is too large"));
        }
        Ok(None)
    }
}

fn parse(head: &Bytes, to_head: bool) -> Result<ResponseHead, Malformed> {
    // What comes before a status line belongs to no response; httparse would skip empty lines.
    if !head.starts_with(b"HTTP/1.") {
        return Err(NO_HEAD);
    }
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let status = config.parse_response_with_uninit_headers(&mut parsed, head, &mut headers);
    let (Ok(httparse::Status::Complete(_)), Some(version), Some(code)) =
        (status, parsed.version, parsed.code)
    else {
        return Err(NO_HEAD);
    };
    let status = StatusCode::from_u16(code).map_err(|_| Malformed("the status is no status"))?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len() + EXTRA_HEADERS);
    let mut body = DeclaredBody::default();
    let (mut stays_open, mut closes) = (version == 1, false);
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| INVALID_HEADER)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(header.value));
        let value = value.map_err(|_| INVALID_HEADER)?;
        if name == CONTENT_LENGTH {
            body.length(header.value)?;
        } else if name == TRANSFER_ENCODING {
            body.coding(header.value)?;
        } else if name == CONNECTION {
            stays_open |= has_option(header.value, b"keep-alive");
            closes |= has_option(header.value, b"close");
        }
        headers.append(name, value);
    }
    let framing = body.framing(status, version, to_head)?;
    closes |= !stays_open || framing == Framing::UntilClose || status == StatusCode::SWITCHING_PROTOCOLS;
    Ok(ResponseHead { status, headers, framing, closes })
}

/// Room for the headers that are added to those of a response on its way to the client.
const EXTRA_HEADERS: usize = 4;

/// The body as the headers declare it.
#[derive(Debug, Default)]
struct DeclaredBody {
    length: Option<u64>,
    is_chunked: bool,
}

impl DeclaredBody {
    fn length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let is_number = !value.is_empty() && value.len() < 19 && value.iter().all(u8::is_ascii_digit);
        if !is_number || self.length.is_some() {
            return Err(Malformed(LENGTH));
        }
        self.length = Some(value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if !value.eq_ignore_ascii_case(b"chunked") || self.is_chunked {
            return Err(Malformed(CODING));
        }
        self.is_chunked = true;
        Ok(())
    }

    fn framing(&self, status: StatusCode, version: u8, to_head: bool) -> Result<Framing, Malformed> {
        if self.is_chunked && (self.length.is_some() || version == 0) {
            return Err(Malformed(CONTRADICTION));
        }
        let has_none = to_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match self.length {
            _ if has_none => Framing::EMPTY,
            Some(length) => Framing::Length(length),
            None if self.is_chunked => Framing::Chunked(Chunks::Size),
            None => Framing::UntilClose,
        })
    }
}

/// Returns true if a `Connection` header has an option.
fn has_option(value: &[u8], option: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|given| given.trim_ascii().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, to_head: bool, piece: usize) -> Result<Option<(ResponseHead, String)>, HeadError> {
        let (mut reader, mut buffer) = (HeadReader::default(), BytesMut::new());
        let mut pieces = text.as_bytes().chunks(piece);
        while let Some(piece) = pieces.next() {
            buffer.extend_from_slice(piece);
            if let Some(head) = reader.take(&mut buffer, to_head)? {
                let rest = [&buffer, pieces.next().unwrap_or_default()].concat();
                return Ok(Some((head, String::from_utf8(rest).unwrap())));
            }
        }
        Ok(None)
    }

    /// Framing of the response to GET, and true if the connection closes after it.
    fn framing(head: &str) -> Result<(Framing, bool), HeadError> {
        let (head, _) = read(&format!("{head}\r\n\r\n"), false, 1 << 20)?.expect("complete");
        Ok((head.framing, head.closes))
    }

    #[test]
    fn a_head_is_read_however_it_is_cut() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-A: b c \r\nx-a:\r\n\r\n";
        for piece in 1..=text.len() {
            let (head, rest) = read(text, false, piece).unwrap().unwrap();
            assert_eq!((head.status, head.framing, head.closes), (StatusCode::OK, Framing::Length(2), false));
            let headers: Vec<_> = head.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
            let expected: [(&str, &[u8]); 3] = [("content-length", b"2"), ("x-a", b"b c"), ("x-a", b"")];
            assert_eq!(headers, expected, "pieces of {piece}");
            assert_eq!(rest, "");
        }
        assert!(read(&text[..text.len() - 1], false, 7).unwrap().is_none());
    }

    #[test]
    fn the_end_of_the_body_follows_from_status_and_headers() {
        let until_close = (Framing::UntilClose, true);
        let chunked = Framing::Chunked(Chunks::Size);
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 7", (Framing::Length(7), false)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", (chunked, false)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x, Close", (chunked, true)),
            ("HTTP/1.1 200", until_close),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive", until_close),
            ("HTTP/1.0 200 OK\r\nContent-Length: 7", (Framing::Length(7), true)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 7\r\nConnection: Keep-Alive", (Framing::Length(7), false)),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 7", (Framing::EMPTY, false)),
            ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked", (Framing::EMPTY, false)),
            ("HTTP/1.1 101 Switching\r\nUpgrade: x", (Framing::EMPTY, true)),
        ] {
            assert_eq!(framing(head), Ok(expected), "{head}");
        }
        let (head, _) = read("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", true, 99).unwrap().unwrap();
        assert_eq!((head.framing, head.closes), (Framing::EMPTY, false));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (head, reason) in [
            ("\r\nHTTP/1.1 200 OK", NO_HEAD.0),
            ("HTTP/2 200 OK", NO_HEAD.0),
            ("HTTP/1.1 2000 OK", NO_HEAD.0),
            ("HTTP/1.1 200 OK\r\nx : y", NO_HEAD.0),
            ("HTTP/1.1 200 OK\r\nx: y\r\n z", NO_HEAD.0),
            ("HTTP/1.1 200 OK\r\nno colon", NO_HEAD.0),
            ("HTTP/1.1 200 OK\nx: y", "a line of the head ends without a carriage return"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1", LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1", LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1", LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length:", LENGTH),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999", LENGTH),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", CODING),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CODING),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1", CONTRADICTION),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", CONTRADICTION),
        ] {
            assert_eq!(framing(head), Err(HeadError::Malformed(Malformed(reason))), "{head}");
        }
        let many = format!("HTTP/1.1 200 OK{}", "\r\nx: y".repeat(MAX_HEADERS + 1));
        assert_eq!(framing(&many), Err(NO_HEAD.into()));
        let large = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        let too_large = Err(HeadError::Malformed(Malformed("the head is too large")));
        assert_eq!(read(&large, false, 1000).map(|head| head.is_some()), too_large);
    }

    #[test]
    fn informational_heads_are_skipped_up_to_a_limit() {
        let hints = "HTTP/1.1 103 Hints\r\nx: HTTP/1.1 200\r\n\r\n";
        let text = format!("{}HTTP/1.1 200 OK\r\n\r\nbody", hints.repeat(99));
        for piece in [1, 7, 1 << 20] {
            let (head, _) = read(&text, false, piece).unwrap().unwrap();
            assert_eq!(head.status, StatusCode::OK);
        }
        for piece in [1, 7, 1 << 20] {
            assert_eq!(
                read(&hints.repeat(100), false, piece).map(|head| head.is_some()),
                Err(HeadError::Flood)
            );
        }
    }
}
