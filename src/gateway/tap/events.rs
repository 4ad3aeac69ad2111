//! Where events begin and end, and what they say.

use std::borrow::Cow;

use memchr::memchr;

/// Where the first piece of a stream ends: a comment line, an empty line, or an event with the empty line after it.
/// The first `seen` bytes are known to hold no end.
pub(super) fn end_of_piece(bytes: &[u8], seen: usize) -> Option<usize> {
    match bytes.first()? {
        b'\n' => Some(1),
        b'\r' if *bytes.get(1)? == b'\n' => Some(2),
        b':' => memchr(b'\n', &bytes[seen..]).map(|at| seen + at + 1),
        _ => end_of_event(bytes, seen),
    }
}

/// Where the first empty line ends. The first `seen` bytes are known to hold no end of one.
pub(super) fn end_of_event(bytes: &[u8], seen: usize) -> Option<usize> {
    let mut from = seen.saturating_sub(2);
    loop {
        let next = from + memchr(b'\n', bytes.get(from..)?)? + 1;
        match bytes.get(next..)? {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => from = next,
        }
    }
}

/// An event that has data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    /// Empty where it has none.
    pub(super) name: &'a [u8],
    /// Its lines joined by line feeds.
    pub(super) data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// Reads an event's lines, of which the last may be unfinished.
    pub(super) fn of(piece: &'a [u8]) -> Option<Self> {
        let (mut name, mut data): (&[u8], Option<Cow<[u8]>>) = (b"", None);
        let mut rest = piece;
        while !rest.is_empty() {
            let (line, after) =
                memchr(b'\n', rest).map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + 1..]));
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
        data.map(|data| Self { name, data })
    }
}

fn value_of<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(field)?;
    let value = value.strip_prefix(b" ").unwrap_or(value);
    Some(value.strip_suffix(b"\r").unwrap_or(value))
}
