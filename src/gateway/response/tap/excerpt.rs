//! Short copy of a JSON object that passes in parts: long strings are cut to `"x"`, nested values that the tap does not
//! read to `[]` or `[0]`, and NaN and Infinity become null. What is too long to be held or cannot be parsed as it is,
//! is read from its excerpt.

use std::borrow::Cow;

use memchr::memchr2;
use serde::de::IgnoredAny;

use super::MAX_EVENT;

/// Longest string that is kept. Names, types and finish reasons are shorter.
const MAX_STRING: usize = 64;
/// Most objects and arrays within each other whose members are kept, as in `choices[].delta` and
/// `response.usage.input_tokens_details`.
const MAX_DEPTH: usize = 6;

/// See the module. An excerpt is at most [`MAX_EVENT`] bytes long.
#[derive(Debug, Default)]
pub(crate) struct Excerpt {
    text: Vec<u8>,
    /// Objects and arrays that are open and copied, the outermost first.
    open: Vec<Container>,
    /// Part of the next value that is kept.
    keep: Keep,
    /// The next string is the name of a member.
    at_name: bool,
    /// The string or literal that is being read.
    token: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// Objects and arrays that are open inside of a value that is not copied, that value included.
    skipped: usize,
    /// Nothing has come inside of that value.
    skipped_is_empty: bool,
    state: State,
}

#[derive(Debug, Clone, Copy)]
struct Container {
    is_object: bool,
    keep: Keep,
}

/// Part of an object or array that is kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Its members, each by its name.
    #[default]
    Members,
    /// All of it.
    All,
    /// Whether it is empty.
    Emptiness,
}

impl Keep {
    fn of(name: &[u8]) -> Self {
        match name {
            b"candidates" | b"choices" | b"content" | b"delta" | b"message" | b"response" | b"x_groq" => {
                Self::Members
            }
            b"usage" | b"usageMetadata" => Self::All,
            _ => Self::Emptiness,
        }
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Whole,
    /// It is no JSON object, or its excerpt is too long.
    Unreadable,
}

impl Excerpt {
    /// The excerpt, once the object is whole.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        (self.state == State::Whole).then(|| String::from_utf8_lossy(&self.text))
    }

    /// Reads the next part.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.state == State::Open {
            bytes = if self.in_string { self.read_string(bytes) } else { self.read_structure(bytes) };
            if self.text.len() > MAX_EVENT {
                self.state = State::Unreadable;
            }
        }
    }

    /// Reads on in a string, up to its end.
    fn read_string<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if std::mem::take(&mut self.escaped) {
            self.keep_token(&bytes[..1]);
            return &bytes[1..];
        }
        let special = memchr2(b'"', b'\\', bytes);
        self.keep_token(&bytes[..special.unwrap_or(bytes.len())]);
        let Some(at) = special else { return &[] };
        if bytes[at] == b'\\' {
            self.keep_token(b"\\");
            self.escaped = true;
        } else {
            self.in_string = false;
            if self.skipped == 0 && !self.at_name {
                self.write_string();
            }
        }
        &bytes[at + 1..]
    }

    /// Reads on outside of strings, through the next byte that matters.
    fn read_structure<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        if self.skipped > 0 && !self.skipped_is_empty {
            let matters = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
            let Some(at) = bytes.iter().position(matters) else { return &[] };
            bytes = &bytes[at..];
        }
        let byte = bytes[0];
        if self.skipped_is_empty && !byte.is_ascii_whitespace() {
            self.skipped_is_empty = false;
            if !matches!(byte, b'}' | b']') {
                self.text.push(b'0');
            }
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.token.clear();
            }
            b'{' | b'[' => self.open(byte == b'{'),
            b'}' | b']' => self.close(byte == b'}'),
            _ if self.skipped > 0 => {}
            b':' => self.end_name(),
            b',' => {
                self.write_literal();
                self.at_name = self.open.last().is_some_and(|container| container.is_object);
            }
            _ if byte.is_ascii_whitespace() => self.write_literal(),
            _ if self.open.is_empty() => self.state = State::Unreadable,
            _ => self.keep_token(&bytes[..1]),
        }
        &bytes[1..]
    }

    fn open(&mut self, is_object: bool) {
        if self.skipped > 0 {
            self.skipped += 1;
            return;
        }
        if self.open.is_empty() && !is_object {
            self.state = State::Unreadable;
            return;
        }
        self.separate();
        if self.keep == Keep::Emptiness || self.open.len() == MAX_DEPTH {
            self.text.push(b'[');
            (self.skipped, self.skipped_is_empty) = (1, true);
        } else {
            self.text.push(if is_object { b'{' } else { b'[' });
            self.open.push(Container { is_object, keep: self.keep });
            self.at_name = is_object;
        }
    }

    fn close(&mut self, is_object: bool) {
        if self.skipped > 0 {
            self.skipped -= 1;
            if self.skipped == 0 {
                self.text.push(b']');
            }
            return;
        }
        self.write_literal();
        match self.open.pop() {
            Some(closed) if closed.is_object == is_object => {
                self.text.push(if is_object { b'}' } else { b']' });
            }
            _ => self.state = State::Unreadable,
        }
        match self.open.last() {
            // The next element of an array is as the last one.
            Some(container) => self.keep = container.keep,
            None if self.state == State::Open => self.state = State::Whole,
            None => {}
        }
    }

    fn end_name(&mut self) {
        let within = self.open.last().map_or(Keep::Members, |container| container.keep);
        self.keep = if within == Keep::All { Keep::All } else { Keep::of(&self.token) };
        self.write_string();
        self.text.push(b':');
        self.at_name = false;
    }

    fn keep_token(&mut self, part: &[u8]) {
        if self.skipped == 0 {
            let room = (MAX_STRING + 1).saturating_sub(self.token.len());
            self.token.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    fn write_string(&mut self) {
        self.separate();
        self.text.push(b'"');
        if self.token.len() > MAX_STRING {
            self.text.push(b'x');
        } else {
            // A string may not hold a control character as it is.
            self.text.extend(self.token.iter().map(|byte| if *byte < b' ' { b' ' } else { *byte }));
        }
        self.text.push(b'"');
        self.token.clear();
    }

    fn write_literal(&mut self) {
        if self.token.is_empty() || self.at_name {
            return;
        }
        self.separate();
        let is_json = serde_json::from_slice::<IgnoredAny>(&self.token).is_ok();
        self.text.extend_from_slice(if is_json { &self.token } else { b"null" });
        self.token.clear();
    }

    fn separate(&mut self) {
        if !matches!(self.text.last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(b',');
        }
    }
}
