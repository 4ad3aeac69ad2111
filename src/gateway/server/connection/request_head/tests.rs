use super::*;

/// The head of a request that comes in pieces of this size, and what follows it.
fn read(text: &[u8], piece: usize) -> Result<Option<(RequestHead, Vec<u8>)>, HeadError> {
    let (mut reader, mut buffer, mut taken) = (HeadReader::default(), BytesMut::new(), 0);
    for piece in text.chunks(piece) {
        buffer.extend_from_slice(piece);
        taken += piece.len();
        if let Some(head) = reader.take(&mut buffer)? {
            return Ok(Some((head, [&buffer, &text[taken..]].concat())));
        }
    }
    Ok(None)
}

/// The head of a request with these headers, however it is cut.
fn head(text: &str) -> Result<RequestHead, HeadError> {
    let text = format!("{text}\r\n\r\n");
    let whole = read(text.as_bytes(), text.len()).map(|head| head.expect("complete").0);
    let cut = read(text.as_bytes(), 1).map(|head| head.expect("complete").0);
    assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
    whole
}

fn error(text: &str) -> Option<HeadError> {
    head(text).err()
}

fn listed(head: &RequestHead) -> Vec<(&str, &[u8])> {
    head.parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

#[test]
fn a_head_is_read_however_it_is_cut() {
    let text = b"\r\n\n\r\n\r\nPOST /v1/x?y HTTP/1.1\r\nExpect: 100-Continue\r\ncontent-length: 2\nX-A: b \xff \r\nx-a:\n\r\nokGET";
    for piece in 1..=text.len() {
        let (head, rest) = read(text, piece).unwrap().unwrap();
        let RequestHead { parts, framing, is_plain, is_kept, awaits_continue } = &head;
        assert_eq!((parts.method.as_str(), parts.uri.to_string()), ("POST", "/v1/x?y".to_owned()));
        assert_eq!((*framing, *is_kept, *awaits_continue), (Framing::Length(2), true, true));
        assert!(is_plain);
        assert_eq!(parts.version, Version::HTTP_11);
        let expected: [(&str, &[u8]); 4] =
            [("expect", b"100-Continue"), ("content-length", b"2"), ("x-a", b"b \xff"), ("x-a", b"")];
        assert_eq!(listed(&head), expected, "pieces of {piece}");
        assert_eq!(rest, b"okGET", "pieces of {piece}");
    }
    for length in 0..text.len() - 5 {
        assert!(read(&text[..length], 7).unwrap().is_none(), "the first {length}");
    }
}

#[test]
fn successive_heads_are_read_from_one_buffer() {
    let text = b"GET /a HTTP/1.1\r\n\r\n\r\nGET /b HTTP/1.1\n\nGET /c HTTP/1.0\r\n\r\n\r";
    let (mut reader, mut buffer) = (HeadReader::default(), BytesMut::from(&text[..]));
    for path in ["/a", "/b", "/c"] {
        assert_eq!(reader.take(&mut buffer).unwrap().unwrap().parts.uri.path(), path);
    }
    assert!(reader.take(&mut buffer).unwrap().is_none());
    buffer.extend_from_slice(b"\nGET /d HTTP/1.1\r\n\r\n");
    assert_eq!(reader.take(&mut buffer).unwrap().unwrap().parts.uri.path(), "/d");
    assert!(buffer.is_empty());
}

#[test]
fn the_end_of_the_body_and_of_the_connection_follow_from_version_and_headers() {
    let (empty, chunked) = (Framing::EMPTY, Framing::Chunked(Chunks::Size));
    for (text, expected) in [
        ("GET / HTTP/1.1", (empty, true, false)),
        ("GET / HTTP/1.0", (empty, false, false)),
        ("GET / HTTP/1.1\r\nConnection: x,\tClose ", (empty, false, false)),
        ("GET / HTTP/1.1\r\nConnection: close\r\nConnection: keep-alive", (empty, false, false)),
        ("GET / HTTP/1.1\r\nConnection: closed, not close", (empty, true, false)),
        ("GET / HTTP/1.0\r\nConnection: x, Keep-Alive", (empty, true, false)),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close", (empty, false, false)),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close", (empty, false, false)),
        ("POST / HTTP/1.1\r\nContent-Length: 007", (Framing::Length(7), true, false)),
        ("POST / HTTP/1.1\r\nContent-Length: 7\r\nContent-Length: 07", (Framing::Length(7), true, false)),
        ("POST / HTTP/1.0\r\nContent-Length: 7", (Framing::Length(7), false, false)),
        ("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615", (Framing::Length(u64::MAX), true, false)),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED", (chunked, true, false)),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip,\tchunked", (chunked, true, false)),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked", (chunked, true, false)),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 7", (chunked, false, false)),
        (
            "POST / HTTP/1.1\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue",
            (chunked, false, true),
        ),
        ("POST / HTTP/1.1\r\nContent-Length: 7\r\nExpect: 100-continue", (Framing::Length(7), true, true)),
        ("POST / HTTP/1.1\r\nContent-Length: 7\r\nExpect: a-miracle", (Framing::Length(7), true, false)),
        ("POST / HTTP/1.1\r\nContent-Length: 0\r\nExpect: 100-continue", (empty, true, false)),
        ("GET / HTTP/1.1\r\nExpect: 100-continue", (empty, true, false)),
        ("POST / HTTP/1.0\r\nContent-Length: 7\r\nExpect: 100-continue", (Framing::Length(7), false, false)),
    ] {
        let head = head(text).unwrap();
        assert_eq!((head.framing, head.is_kept, head.awaits_continue), expected, "{text}");
        assert_eq!(head.is_plain, !text.contains("gzip"), "{text}");
        let has_length = head.parts.headers.contains_key(CONTENT_LENGTH);
        assert_eq!(has_length, text.contains("Content-Length") && head.framing != chunked, "{text}");
    }
    let twice = head("POST / HTTP/1.1\r\nContent-Length: 7\r\nContent-Length: 7").unwrap();
    assert_eq!(listed(&twice), [("content-length", &b"7"[..])]);
}

#[test]
fn what_is_no_request_or_can_be_read_in_two_ways_is_refused() {
    for text in [
        "GET /",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET  / HTTP/1.1",
        "GET v1/models HTTP/1.1",
        "G(T / HTTP/1.1",
        "PRI * HTTP/2.0",
        "HELP",
        "GET / HTTP/1.1\r\nno colon",
        "GET / HTTP/1.1\r\n: x",
        "GET / HTTP/1.1\r\nx : y",
        "GET / HTTP/1.1\r\nx: y\r\n z",
        "GET / HTTP/1.1\r\nx: y\rz: a",
        "GET / HTTP/1.1\r\nx: y\r\r",
        "GET / HTTP/1.1\r\nx: \0",
        "POST / HTTP/1.1\r\nContent-Length:",
        "POST / HTTP/1.1\r\nContent-Length: +1",
        "POST / HTTP/1.1\r\nContent-Length: -1",
        "POST / HTTP/1.1\r\nContent-Length: 0x1",
        "POST / HTTP/1.1\r\nContent-Length: 1,1",
        "POST / HTTP/1.1\r\nContent-Length: 1 1",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616",
        "POST / HTTP/1.1\r\nTransfer-Encoding:",
        "POST / HTTP/1.1\r\nTransfer-Encoding: identity",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\nContent-Length: 1",
        "POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked;q=1",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked",
    ] {
        assert_eq!(error(text), Some(HeadError::Malformed), "{text}");
    }
}

#[test]
fn a_first_byte_that_begins_no_method_is_refused_at_once() {
    for first in (0..=255).filter(|first: &u8| !first.is_ascii_graphic() && !b"\r\n".contains(first)) {
        assert_eq!(read(&[first], 1).err(), Some(HeadError::Malformed), "{first}");
        assert_eq!(read(&[b'\n', b'\r', b'\n', first], 1).err(), Some(HeadError::Malformed), "{first}");
    }
    assert_eq!(read(b"\rG", 1).err(), Some(HeadError::Malformed));
}

#[test]
fn a_head_has_limits() {
    let headers = |count| format!("GET / HTTP/1.1{}", "\r\nx: y".repeat(count));
    assert_eq!(error(&headers(MAX_HEADERS)), None);
    assert_eq!(error(&headers(MAX_HEADERS + 1)), Some(HeadError::TooLarge));
    // The size of a head with its last empty line, and the limit of a target.
    let of_size = |size: usize| format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(size - 23));
    let target = |length: usize| format!("GET /{} HTTP/1.1", "x".repeat(length - 1));
    for (text, expected) in [
        (of_size(MAX_HEAD), None),
        (of_size(MAX_HEAD + 1), Some(HeadError::TooLarge)),
        (of_size(3 * MAX_HEAD), Some(HeadError::TooLarge)),
        (target(MAX_TARGET - 20), None),
        (target(MAX_TARGET + 1), Some(HeadError::TargetTooLong)),
        (target(70_000), Some(HeadError::TargetTooLong)),
        ("G".repeat(70_000), Some(HeadError::TargetTooLong)),
    ] {
        for piece in [1, 1000, MAX_HEAD - 1, MAX_HEAD, MAX_HEAD + 1, 4 * MAX_HEAD] {
            let text = format!("\r\n{text}\r\n\r\n");
            assert_eq!(read(text.as_bytes(), piece).err(), expected, "{} in {piece}", text.len());
        }
    }
    assert_eq!(of_size(MAX_HEAD).len() + 4, MAX_HEAD);
}

#[test]
fn no_byte_is_searched_twice() {
    let (mut reader, mut buffer) = (HeadReader::default(), BytesMut::from(&b"\nGET / HTTP/1.1\r\nx: "[..]));
    for _ in 0..1000 {
        assert!(reader.take(&mut buffer).unwrap().is_none());
        assert_eq!(reader.searched, buffer.len());
        buffer.extend_from_slice(b"y");
    }
}
