//! Members of a JSON object, found without building anything of the rest, also while its text is still arriving: a piece
//! that was just written is in the processor's cache.
//!
//! The strings of a body are nearly all of it, so they are searched 64 bytes at a time with the widest vectors of the
//! processor. A body of 128 KiB in few strings takes 0.4 instructions per byte, where checking UTF-8 and `serde_json`
//! take 2.7; beyond ASCII 1.2 against 9.3, in short messages 3.4 against 8.9 (`bench/RESULTS.md`).

mod numbers;
mod strings;

use std::ops::Range;

use fearless_simd::{Level, dispatch, prelude::*};

use numbers::scalar;

/// Bytes of a string that are searched at once: a bit of a word each.
const BLOCK: usize = 64;

/// [`Scan::open`] in the outermost object, and behind it.
const OUTERMOST: u64 = 0b11;
const OVER: u64 = 0b1;

/// Bytes that may be read again beside as many as the text has.
const READ_AGAIN: usize = 64 << 10;

/// Calls `found` with the name of each member of an object and the place of its value, in their order.
///
/// `None` where the bytes are not one JSON object, as `serde_json` reads one whose values are ignored, and where only a
/// parser can tell: a member whose name has an escape, or nesting below 62 levels.
pub(crate) fn members(bytes: &[u8], found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
    Scan::default().end(bytes, found)
}

/// The reading of an object whose text arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Bytes that had come at the last update.
    length: usize,
    /// The place at which the next update goes on: a name or a value of the innermost object or array.
    at: usize,
    /// The place behind the last name, at which a value begins.
    named: usize,
    /// Objects (1) and arrays (0) that are open, the innermost in the lowest bit, below a 1 that never ends. Zero before
    /// the outermost object.
    open: u64,
    /// Place of the name, and start of the value, of a member of the outermost object.
    name: Range<usize>,
    value: usize,
    string: Unended,
    has_escapes: bool,
    /// Bytes that are known to be UTF-8.
    characters: usize,
    /// Bytes that were read again, at most.
    again: usize,
    /// True if the rest is left to a parser.
    is_left: bool,
}

/// The last string that reached into a block that was not complete, and that block.
#[derive(Debug, Default, Clone, Copy)]
struct Unended {
    start: usize,
    block: usize,
    escaped_next: u64,
    digits_next: u64,
}

impl Scan {
    /// Reads on in `text`, all that has come; calls `found` as [`members`] does.
    ///
    /// A string goes on at its last block; numbers and white space begin again, so a text that has them longer than its
    /// pieces is left to a parser: the work stays in proportion to the text.
    pub(crate) fn update(&mut self, text: &[u8], found: &mut dyn FnMut(&[u8], Range<usize>)) {
        if self.is_left {
            return;
        }
        let is_ascii = dispatch!(Level::new(), simd => Scanner::new(simd, text, self).read_on(found));
        self.is_left = !self.checks_characters(text, is_ascii);
        if self.open != OVER {
            self.again += text.len().saturating_sub(self.at.max(self.string.block));
            self.is_left |= self.again > text.len() + READ_AGAIN;
        }
        self.length = text.len();
    }

    /// Reads the rest of a text that has come as a whole; `None` as of [`members`].
    pub(crate) fn end(mut self, text: &[u8], found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
        if self.length < text.len() {
            self.update(text, found);
        }
        let is_over = self.open == OVER && self.at == text.len() && self.characters == text.len();
        (is_over && !self.is_left).then_some(())
    }

    /// Returns true if what has come is UTF-8, up to a last character that is not complete. `is_ascii` is of what is new.
    fn checks_characters(&mut self, text: &[u8], is_ascii: bool) -> bool {
        if is_ascii && self.characters == self.length {
            self.characters = text.len();
            return true;
        }
        let characters = whole_characters(text.get(self.characters..).unwrap_or_default());
        self.characters += characters.len();
        simdutf8::basic::from_utf8(characters).is_ok()
    }
}

/// The text without a last character that is not complete.
fn whole_characters(text: &[u8]) -> &[u8] {
    for (index, byte) in text.iter().enumerate().rev().take(3) {
        if *byte >= 0xC0 {
            let is_whole = byte.leading_ones() as usize <= text.len() - index;
            return if is_whole { text } else { &text[..index] };
        }
    }
    text
}

/// A position in the text, and what is known of the block of a string that was searched last. All of its functions are
/// inlined into one for each kind of processor.
///
/// A word of 64 bits has one for each byte of the block, the first in the lowest.
struct Scanner<'a, S: Simd> {
    simd: S,
    bytes: &'a [u8],
    scan: &'a mut Scan,
    at: usize,
    /// Start of the block.
    block: usize,
    /// The places at which a string stops: quotes without a backslash, and control characters.
    stops: u64,
    /// Bytes of the next block that belong to an escape of this one: the one behind a backslash, the digits of `\u`.
    escaped_next: u64,
    digits_next: u64,
    /// All blocks, one over the other: a byte above 127 is among them where one is here.
    seen: S::u8s,
}

impl<'a, S: Simd> Scanner<'a, S> {
    #[inline(always)]
    fn new(simd: S, bytes: &'a [u8], scan: &'a mut Scan) -> Self {
        Self {
            simd,
            bytes,
            at: scan.at,
            // The first string begins behind it.
            block: scan.at.wrapping_sub(BLOCK),
            stops: 0,
            escaped_next: 0,
            digits_next: 0,
            seen: S::u8s::splat(simd, 0),
            scan,
        }
    }

    /// Reads on as far as the text goes. Returns true if all that was searched is ASCII.
    #[inline(always)]
    fn read_on(mut self, found: &mut dyn FnMut(&[u8], Range<usize>)) -> bool {
        // `None` where the text is wrong, and where it ends too early, which only more of it can tell apart.
        _ = self.read(found);
        !self.seen.simd_ge(0x80).any_true()
    }

    #[inline(always)]
    fn read(&mut self, found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
        if self.scan.open == 0 {
            self.expect(b'{')?;
            if self.token()? == b'}' {
                self.at += 1;
                self.mark(OVER);
            } else {
                self.mark(OUTERMOST);
            }
        }
        if self.scan.open != OVER {
            self.elements(found)?;
        }
        self.token();
        self.mark(OVER);
        Some(())
    }

    /// Marks this place as the one at which the next update goes on.
    #[inline(always)]
    fn mark(&mut self, open: u64) {
        self.scan.at = self.at;
        self.scan.open = open;
    }

    /// Reads on up to the end of the outermost object.
    #[inline(always)]
    fn elements(&mut self, found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
        let mut open = self.scan.open;
        let mut expects_name = open & 1 == 1 && self.scan.at != self.scan.named;
        loop {
            let byte = self.token()?;
            let mut start = self.at;
            self.at += 1;
            if byte == b'"' {
                self.strings(&mut start, &mut expects_name, open, found)?;
                if expects_name {
                    self.expect(b':')?;
                    self.space();
                    self.mark(open);
                    self.scan.named = self.at;
                    expects_name = false;
                    continue;
                }
            } else if expects_name {
                return None;
            }
            match byte {
                b'"' => {}
                b'{' | b'[' => {
                    if open == OUTERMOST {
                        self.scan.value = start;
                    }
                    // The closing bracket is two further in ASCII.
                    if self.token()? != byte + 2 {
                        if open.leading_zeros() == 0 {
                            return None;
                        }
                        expects_name = byte == b'{';
                        open = open << 1 | u64::from(expects_name);
                        self.mark(open);
                        continue;
                    }
                    self.at += 1;
                }
                _ => self.at = scalar(self.bytes, start)?,
            }
            self.after_value(start, &mut open, found)?;
            if open == OVER {
                return Some(());
            }
            expects_name = open & 1 == 1;
            self.space();
            self.mark(open);
        }
    }

    /// Passes strings, each the name or value behind the one before, as long as there is only a colon or a comma between
    /// them. `start` and `expects_name` are of the first, then of the last.
    #[inline(always)]
    fn strings(
        &mut self,
        start: &mut usize,
        expects_name: &mut bool,
        open: u64,
        found: &mut dyn FnMut(&[u8], Range<usize>),
    ) -> Option<()> {
        loop {
            self.string()?;
            let end = self.at;
            let next = self.separator()?;
            if *expects_name {
                self.set_name(*start + 1..end, open)?;
                if !self.passes(next, b':') {
                    break;
                }
                self.scan.named = self.at;
                *expects_name = false;
            } else {
                if !self.passes(next, b',') {
                    break;
                }
                if open == OUTERMOST {
                    found(self.bytes.get(self.scan.name.clone())?, *start..end + 1);
                }
                *expects_name = open & 1 == 1;
            }
            self.scan.at = self.at;
            *start = self.at;
            self.at += 1;
        }
        // Else a control character.
        let is_end = *self.bytes.get(self.at)? == b'"';
        self.at += 1;
        is_end.then_some(())
    }

    /// Passes the brackets that close behind a value, and a comma.
    #[inline(always)]
    fn after_value(
        &mut self,
        mut start: usize,
        open: &mut u64,
        found: &mut dyn FnMut(&[u8], Range<usize>),
    ) -> Option<()> {
        loop {
            let end = self.at;
            let byte = self.token()?;
            self.at += 1;
            let is_comma = byte == b',';
            if !is_comma && byte != closing_bracket(*open) {
                return None;
            }
            if *open == OUTERMOST {
                found(self.bytes.get(self.scan.name.clone())?, start..end);
            }
            if is_comma {
                return Some(());
            }
            *open >>= 1;
            if *open == OVER {
                return Some(());
            }
            start = self.scan.value;
        }
    }

    /// Notes the name of a member of the outermost object.
    #[inline(always)]
    fn set_name(&mut self, name: Range<usize>, open: u64) -> Option<()> {
        if open == OUTERMOST {
            if self.scan.has_escapes && self.bytes.get(name.clone())?.contains(&b'\\') {
                return None;
            }
            self.scan.name = name;
        }
        Some(())
    }

    /// The four bytes from the end of a string on; zeros where the text ends.
    #[inline(always)]
    fn separator(&self) -> Option<u32> {
        let rest = self.bytes.get(self.at..)?;
        Some(rest.first_chunk().map_or(0, |next| u32::from_le_bytes(*next)))
    }

    /// Passes from the end of a string to the next, if there is nothing but a comma or colon between them, and one space
    /// or none.
    #[inline(always)]
    fn passes(&mut self, next: u32, between: u8) -> bool {
        if next == u32::from_le_bytes([b'"', between, b' ', b'"']) {
            self.at += 3;
        } else if next << 8 == u32::from_le_bytes([0, b'"', between, b'"']) {
            self.at += 2;
        } else {
            return false;
        }
        true
    }

    /// The next byte that is no white space.
    #[inline(always)]
    fn token(&mut self) -> Option<u8> {
        let mut byte = *self.bytes.get(self.at)?;
        while byte <= b' ' && matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
            byte = *self.bytes.get(self.at)?;
        }
        Some(byte)
    }

    /// Passes the space that most programs write behind a comma or colon, in fewer instructions than white space.
    #[inline(always)]
    fn space(&mut self) {
        self.at += usize::from(self.bytes.get(self.at) == Some(&b' '));
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        let is_next = self.token()? == byte;
        self.at += 1;
        is_next.then_some(())
    }
}

/// The bracket that closes the innermost object or array.
#[inline(always)]
fn closing_bracket(open: u64) -> u8 {
    if open & 1 == 1 { b'}' } else { b']' }
}
