//! An event that is too long to be held, read as it passes.

use memchr::{memchr2, memchr3};

use super::events;
use super::excerpt::Excerpt;

/// Longest field name or event name that is kept; those that matter are shorter.
const MAX_NAME: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LongEvent {
    /// The event's name; empty where it has none.
    pub(crate) name: Vec<u8>,
    /// Of its data.
    pub(crate) excerpt: Excerpt,
    /// The name of the field whose line is being read.
    field: Vec<u8>,
    line: Line,
}

/// Part of a line that comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    #[default]
    Field,
    Data,
    Name,
    Other,
}

impl LongEvent {
    /// Reads the next part.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = match self.line {
                Line::Field => memchr3(b':', b'\n', b'\r', bytes),
                _ => memchr2(b'\n', b'\r', bytes),
            };
            let part = &bytes[..end.unwrap_or(bytes.len())];
            match self.line {
                Line::Field => keep(&mut self.field, part),
                Line::Data => self.excerpt.read(part),
                Line::Name => keep(&mut self.name, part),
                Line::Other => {}
            }
            let Some(end) = end else { return };
            self.line = if bytes[end] == b':' { self.begin_value() } else { Line::Field };
            self.field.clear();
            bytes = &bytes[end + 1..];
        }
    }

    /// Returns true if it is an event of this name.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.name.trim_ascii_start() == name
    }

    fn begin_value(&mut self) -> Line {
        match events::without_mark(&self.field) {
            b"data" => {
                // Lines of data are joined by line feeds.
                self.excerpt.read(b"\n");
                Line::Data
            }
            b"event" => {
                self.name.clear();
                Line::Name
            }
            _ => Line::Other,
        }
    }
}

fn keep(kept: &mut Vec<u8>, part: &[u8]) {
    let room = MAX_NAME.saturating_sub(kept.len());
    kept.extend_from_slice(&part[..part.len().min(room)]);
}
