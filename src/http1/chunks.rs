//! Decoding of the chunked transfer coding (RFC 9112, 7.1), in the buffer that it was read into.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use memchr::memchr;

use super::Malformed;

/// Longest line of a chunk's size with its extensions, and most bytes of all trailers.
const MAX_LINE: usize = 4 << 10;
/// Most hexadecimal digits of a size.
const MAX_DIGITS: usize = 15;

/// Place in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// Before the line with a chunk's size.
    Size,
    /// Inside a chunk, of which so many bytes are to come.
    Data(u64),
    /// Behind a chunk's data.
    DataEnd,
    /// Behind the last chunk; the trailers so far have so many bytes.
    Trailers(usize),
    /// Behind the empty line that ends the body.
    End,
    /// Somewhere in what are no chunks: where they would end is unknown, and stays so.
    Lost,
}

impl Chunks {
    /// Takes all data that is in the buffer, as one slice: that of later chunks moves to the end of the first one's.
    /// The rest in the buffer is the beginning of a line, or follows the body.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut) -> Result<Bytes, Malformed> {
        let taken = self.take_data(buffer);
        if taken.is_err() {
            *self = Self::Lost;
        }
        taken
    }

    fn take_data(&mut self, buffer: &mut BytesMut) -> Result<Bytes, Malformed> {
        let (mut start, mut end, mut read) = (0, 0, 0);
        loop {
            let rest = &buffer[read..];
            match *self {
                Self::Size => {
                    let Some(line) = line(rest)? else { break };
                    read += line.len() + 2;
                    *self = match size(line)? {
                        0 => Self::Trailers(0),
                        size => Self::Data(size),
                    };
                }
                Self::Data(remaining) => {
                    let here = usize::try_from(remaining).unwrap_or(usize::MAX).min(rest.len());
                    if here == 0 {
                        break;
                    }
                    if start == end {
                        (start, end) = (read, read);
                    } else {
                        buffer.copy_within(read..read + here, end);
                    }
                    end += here;
                    read += here;
                    let remaining = remaining - here as u64;
                    *self = if remaining == 0 { Self::DataEnd } else { Self::Data(remaining) };
                }
                Self::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        read += 2;
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => return Err(Malformed("a chunk is longer than its size")),
                },
                Self::Trailers(before) => {
                    let Some(line) = line(rest)? else { break };
                    read += line.len() + 2;
                    *self = match before + line.len() {
                        _ if line.is_empty() => Self::End,
                        size if size > MAX_LINE => return Err(Malformed("trailers too long")),
                        _ if !is_header(line) => return Err(Malformed("a trailer is no header")),
                        size => Self::Trailers(size),
                    };
                }
                Self::End => break,
                Self::Lost => return Err(Malformed("the chunks before were malformed")),
            }
        }
        buffer.advance(start);
        let data = buffer.split_to(end - start);
        buffer.advance(read - end);
        Ok(data.freeze())
    }
}

/// The first line, without its end; `None` while it is not complete.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    match memchr(b'\n', &bytes[..bytes.len().min(MAX_LINE)]) {
        Some(at) if at > 0 && bytes[at - 1] == b'\r' => Ok(Some(&bytes[..at - 1])),
        Some(_) => Err(Malformed("a line ends without a carriage return")),
        None if bytes.len() >= MAX_LINE => Err(Malformed("a line of the chunked coding is too long")),
        None => Ok(None),
    }
}

/// The size in a line; extensions behind it are skipped.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let extension = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    let is_plain = matches!(extension, None | Some(b';'));
    if !(1..=MAX_DIGITS).contains(&digits.len()) || !is_plain || rest.contains(&b'\r') {
        return Err(Malformed("the size of a chunk is no number"));
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map_or(0, u64::from);
    Ok(digits.iter().fold(0, |size, byte| size << 4 | digit(byte)))
}

/// Returns true if a line has the form of a header.
fn is_header(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    HeaderName::from_bytes(&line[..colon]).is_ok() && HeaderValue::from_bytes(&line[colon + 1..]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoded data, the state and what is left, of a body that comes in pieces of this size.
    fn decoded(body: &[u8], piece: usize) -> Result<(Vec<u8>, Chunks, Vec<u8>), Malformed> {
        let (mut chunks, mut buffer, mut data) = (Chunks::Size, BytesMut::new(), Vec::new());
        for piece in body.chunks(piece) {
            buffer.extend_from_slice(piece);
            data.extend_from_slice(&chunks.take(&mut buffer)?);
        }
        Ok((data, chunks, buffer.to_vec()))
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let body =
            b"4\r\nWiki\r\n5;x=\"y\"\r\npedia\r\n00E \t\r\n in\r\n\r\nchunks.\r\n0\r\nx: y\r\n\r\nnext";
        for piece in 1..=body.len() {
            let (data, chunks, rest) = decoded(body, piece).unwrap();
            assert_eq!(String::from_utf8(data).unwrap(), "Wikipedia in\r\n\r\nchunks.", "pieces of {piece}");
            assert_eq!((chunks, rest.as_slice()), (Chunks::End, &b"next"[..]), "pieces of {piece}");
        }
    }

    #[test]
    fn data_is_taken_before_its_chunk_is_complete() {
        assert_eq!(decoded(b"a\r\n01234", 99), Ok((b"01234".to_vec(), Chunks::Data(5), vec![])));
        assert_eq!(decoded(b"2\r\nab\r", 99), Ok((b"ab".to_vec(), Chunks::DataEnd, b"\r".to_vec())));
        assert_eq!(decoded(b"2\r\nab\r\n1", 99), Ok((b"ab".to_vec(), Chunks::Size, b"1".to_vec())));
        assert_eq!(decoded(b"0\r\na: b\r\n", 99), Ok((vec![], Chunks::Trailers(4), vec![])));
    }

    #[test]
    fn nothing_is_read_behind_malformed_chunks() {
        let (mut chunks, mut buffer) = (Chunks::Size, BytesMut::from(&b"6\r\na"[..]));
        assert_eq!(chunks.take(&mut buffer), Ok(Bytes::from_static(b"a")));
        // The rest of the data has the form of a last chunk.
        buffer.extend_from_slice(b"0\r\n\r\n\r\nx\r\n");
        assert_eq!(chunks.take(&mut buffer), Err(Malformed("the size of a chunk is no number")));
        assert_eq!(chunks.take(&mut buffer), Err(Malformed("the chunks before were malformed")));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (body, reason) in [
            ("\r\n", "the size of a chunk is no number"),
            ("g\r\n", "the size of a chunk is no number"),
            ("+1\r\n", "the size of a chunk is no number"),
            ("0x1\r\n", "the size of a chunk is no number"),
            ("1 1\r\n", "the size of a chunk is no number"),
            ("0\u{c}\r\n", "the size of a chunk is no number"),
            ("1;\r\r\n", "the size of a chunk is no number"),
            ("1000000000000000\r\n", "the size of a chunk is no number"),
            ("1\na\n", "a line ends without a carriage return"),
            ("\n", "a line ends without a carriage return"),
            ("1\r\nab\r\n", "a chunk is longer than its size"),
            ("1\r\na\n", "a chunk is longer than its size"),
            ("0\r\nx: y\n\r\n", "a line ends without a carriage return"),
            ("0\r\nHTTP/1.1 200 OK\r\n", "a trailer is no header"),
            ("0\r\nx : y\r\n", "a trailer is no header"),
            ("0\r\n x: y\r\n", "a trailer is no header"),
        ] {
            assert_eq!(decoded(body.as_bytes(), 99), Err(Malformed(reason)), "{body:?}");
            assert_eq!(decoded(body.as_bytes(), 1), Err(Malformed(reason)), "{body:?}");
        }
        let long = format!("1;{}", "x".repeat(MAX_LINE));
        let too_long = Err(Malformed("a line of the chunked coding is too long"));
        assert_eq!(decoded(long.as_bytes(), 1000), too_long);
        let trailers = format!("0\r\n{}", "x: y\r\n".repeat(MAX_LINE));
        assert_eq!(decoded(trailers.as_bytes(), 1000), Err(Malformed("trailers too long")));
    }
}
