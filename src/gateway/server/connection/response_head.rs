//! The head of a response to a client, as it is written.

use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use http::{HeaderMap, Method, Response, StatusCode, Version};

/// What the head depends on besides the response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// Version of the request.
    pub(super) version: Version,
    pub(super) to_head: bool,
    /// The connection is kept for another request.
    pub(super) is_kept: bool,
}

/// How a client finds the end of a body (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// There is none.
    Empty,
    Length(u64),
    Chunked,
    /// It ends with the connection.
    Close,
}

impl Exchange {
    pub(super) fn new(version: Version, method: &Method) -> Self {
        Self { version, to_head: *method == Method::HEAD, is_kept: true }
    }

    /// The end of a body whose length is known, or not.
    pub(super) fn body_end(self, status: StatusCode, length: Option<u64>) -> BodyEnd {
        let has_none = self.to_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match length {
            _ if has_none => BodyEnd::Empty,
            Some(length) => BodyEnd::Length(length),
            None if self.version == Version::HTTP_11 => BodyEnd::Chunked,
            None => BodyEnd::Close,
        }
    }

    /// Writes the head of a response.
    pub(super) fn write_head<T>(self, response: &Response<T>, end: BodyEnd, into: &mut Vec<u8>) {
        let status = response.status();
        let version: &[u8] = if self.version == Version::HTTP_11 { b"HTTP/1.1 " } else { b"HTTP/1.0 " };
        extend(into, &[version, status.as_str().as_bytes(), b" "]);
        extend(into, &[status.canonical_reason().unwrap_or("Unknown").as_bytes(), b"\r\n"]);
        write_headers(response.headers(), end, into);
        match end {
            BodyEnd::Length(length) => {
                let mut digits = itoa::Buffer::new();
                extend(into, &[b"content-length: ", digits.format(length).as_bytes(), b"\r\n"]);
            }
            BodyEnd::Chunked => into.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            BodyEnd::Empty | BodyEnd::Close => {}
        }
        if !self.is_kept {
            into.extend_from_slice(b"connection: close\r\n");
        } else if self.version == Version::HTTP_10 {
            into.extend_from_slice(b"connection: keep-alive\r\n");
        }
        if !response.headers().contains_key(DATE) {
            extend(into, &[b"date: ", &date(), b"\r\n"]);
        }
        into.extend_from_slice(b"\r\n");
    }
}

/// The headers that are the response's, not the connection's.
fn write_headers(headers: &HeaderMap, end: BodyEnd, into: &mut Vec<u8>) {
    for (name, value) in headers {
        // The length of what the response to HEAD leaves out is its own.
        let is_ours = name == CONNECTION || name == CONTENT_LENGTH && end != BodyEnd::Empty;
        if !is_ours {
            extend(into, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
    }
}

fn extend(into: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        into.extend_from_slice(part);
    }
}

/// Length of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE_LENGTH: usize = 29;

thread_local! {
    /// The second of the last date, and the date.
    static LAST_DATE: Cell<(u64, [u8; DATE_LENGTH])> = const { Cell::new((0, [b' '; DATE_LENGTH])) };
}

/// The time as `Date` has it, written once a second.
fn date() -> [u8; DATE_LENGTH] {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (last, date) = LAST_DATE.get();
    if last == second {
        return date;
    }
    let mut date = [b' '; DATE_LENGTH];
    let time = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
    // A date after the year 9999 has no room, and is not written.
    let written = write!(&mut date[..], "{time}");
    debug_assert!(written.is_ok());
    LAST_DATE.set((second, date));
    date
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The head without its date.
    fn head(response: &Response<()>, exchange: Exchange, length: Option<u64>) -> String {
        let mut written = Vec::new();
        exchange.write_head(response, exchange.body_end(response.status(), length), &mut written);
        let head = String::from_utf8(written).unwrap();
        let date = head.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        httpdate::parse_http_date(date).unwrap();
        head.replace(&format!("date: {date}\r\n"), "")
    }

    fn response(status: u16, headers: &[(&'static str, &'static str)]) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        response
    }

    #[test]
    fn the_end_of_the_body_follows_from_status_version_and_method() {
        let exchange = |version, method| Exchange::new(version, &method);
        let new = exchange(Version::HTTP_11, Method::GET);
        let old = exchange(Version::HTTP_10, Method::GET);
        let ok = response(200, &[("x", "a"), ("x", "b")]);
        let cases = [
            (&ok, new, Some(7), "HTTP/1.1 200 OK\r\nx: a\r\nx: b\r\ncontent-length: 7\r\n\r\n"),
            (&ok, new, None, "HTTP/1.1 200 OK\r\nx: a\r\nx: b\r\ntransfer-encoding: chunked\r\n\r\n"),
            (
                &ok,
                Exchange { is_kept: false, ..old },
                None,
                "HTTP/1.0 200 OK\r\nx: a\r\nx: b\r\nconnection: close\r\n\r\n",
            ),
            (
                &ok,
                old,
                Some(0),
                "HTTP/1.0 200 OK\r\nx: a\r\nx: b\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
            ),
            (
                &ok,
                Exchange { is_kept: false, ..new },
                Some(1),
                "HTTP/1.1 200 OK\r\nx: a\r\nx: b\r\ncontent-length: 1\r\nconnection: close\r\n\r\n",
            ),
            (&response(204, &[]), new, Some(0), "HTTP/1.1 204 No Content\r\n\r\n"),
            (&response(304, &[]), new, None, "HTTP/1.1 304 Not Modified\r\n\r\n"),
            (
                &response(299, &[("content-length", "3"), ("connection", "x")]),
                exchange(Version::HTTP_11, Method::HEAD),
                Some(0),
                "HTTP/1.1 299 Unknown\r\ncontent-length: 3\r\n\r\n",
            ),
            (
                &response(404, &[("content-length", "3")]),
                new,
                Some(4),
                "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\n",
            ),
        ];
        for (response, exchange, length, expected) in cases {
            assert_eq!(head(response, exchange, length), expected);
        }
    }

    #[test]
    fn a_date_of_the_response_is_kept() {
        let given = response(200, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let exchange = Exchange::new(Version::HTTP_11, &Method::GET);
        assert_eq!(
            head(&given, exchange, Some(0)),
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "the one date is taken out by the test"
        );
    }
}
