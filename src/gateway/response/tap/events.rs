//! Framing of server-sent events. A line ends with LF, CR or both, in any mix.

use std::borrow::Cow;

use memchr::memchr2;

/// Byte order mark that may precede the first event of a stream.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// End of the first piece of a stream: a comment line, an empty line, or an event with the empty line after it.
/// The first `seen` bytes are known to hold no end. A piece ends at its CR where that is the last byte; the LF that may
/// belong to it is then an empty line of its own.
pub(crate) fn end_of_piece(bytes: &[u8], seen: usize) -> Option<usize> {
    match bytes.first()? {
        b'\n' | b'\r' => Some(line_end(bytes)),
        b':' => end_of_line(bytes, seen),
        _ => end_of_event(bytes, seen),
    }
}

/// End of the first empty line. The first `seen` bytes are known to hold no end of one.
pub(crate) fn end_of_event(bytes: &[u8], seen: usize) -> Option<usize> {
    let mut from = seen.saturating_sub(2);
    loop {
        let next = end_of_line(bytes, from)?;
        match bytes.get(next)? {
            b'\n' | b'\r' => return Some(next + line_end(&bytes[next..])),
            _ => from = next,
        }
    }
}

/// End of the first line from `from` on.
fn end_of_line(bytes: &[u8], from: usize) -> Option<usize> {
    let at = from + memchr2(b'\n', b'\r', bytes.get(from..)?)?;
    Some(at + line_end(&bytes[at..]))
}

/// Length of the line end that these bytes begin with.
fn line_end(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") { 2 } else { 1 }
}

/// The first line without its end, which may be missing, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr2(b'\n', b'\r', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + line_end(&bytes[at..])..]),
        None => (bytes, &[]),
    }
}

/// The bytes without a byte order mark before them.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// An event that has data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Empty where it has none.
    pub(crate) name: &'a [u8],
    /// Its lines joined by line feeds.
    pub(crate) data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// Reads an event's lines, of which the last may be unfinished.
    pub(crate) fn of(piece: &'a [u8]) -> Option<Self> {
        let (mut name, mut data): (&[u8], Option<Cow<[u8]>>) = (b"", None);
        let mut rest = without_mark(piece);
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            rest = after;
            if let Some(value) = value_of(line, b"data:") {
                match &mut data {
                    None => data = Some(value.into()),
                    Some(data) => {
                        data.to_mut().push(b'\n');
                        data.to_mut().extend_from_slice(value);
                    }
                }
            } else if let Some(value) = value_of(line, b"event:") {
                name = value;
            }
        }
        Some(Self { name, data: data? })
    }
}

fn value_of<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(field)?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}
