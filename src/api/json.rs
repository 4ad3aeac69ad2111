//! Members of a JSON object, found without building anything of the rest, also while its text is still arriving: a piece
//! that was just written is in the processor's cache.
//!
//! The strings of a body are nearly all of it, so they are searched 64 bytes at a time with the widest vectors of the
//! processor. A body of 128 KiB in few strings takes 0.37 instructions per byte, where checking UTF-8 and `serde_json`
//! take 2.7; beyond ASCII 1.2 against 9.3, in short messages 3.7 against 8.9 (`bench/RESULTS.md`).

use std::ops::Range;

use fearless_simd::{Level, dispatch, prelude::*};

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
    expects_name: bool,
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
    /// The places at which a string stops: quotes without a backslash, control characters, and what is wrong.
    stops: u64,
    /// The places at which an escape is none of JSON.
    wrong: u64,
    /// Bytes of the next block that belong to an escape of this one: the one behind a backslash, the digits of `\u`.
    escaped_next: u64,
    digits_next: u64,
    has_escapes: bool,
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
            wrong: 0,
            escaped_next: 0,
            digits_next: 0,
            has_escapes: scan.has_escapes,
            seen: S::u8s::splat(simd, 0),
            scan,
        }
    }

    /// Reads on as far as the text goes. Returns true if all that was searched is ASCII.
    #[inline(always)]
    fn read_on(mut self, found: &mut dyn FnMut(&[u8], Range<usize>)) -> bool {
        // `None` where the text is wrong, and where it ends too early, which only more of it can tell apart.
        _ = self.read(found);
        self.scan.has_escapes = self.has_escapes;
        !self.seen.simd_ge(0x80).any_true()
    }

    #[inline(always)]
    fn read(&mut self, found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
        if self.scan.open == 0 {
            self.expect(b'{')?;
            if self.token()? == b'}' {
                self.at += 1;
                self.mark(OVER, false);
            } else {
                self.mark(OUTERMOST, true);
            }
        }
        if self.scan.open != OVER {
            self.elements(found)?;
        }
        self.token();
        self.mark(OVER, false);
        Some(())
    }

    /// Marks this place as the one at which the next update goes on.
    #[inline(always)]
    fn mark(&mut self, open: u64, expects_name: bool) {
        self.scan.at = self.at;
        self.scan.open = open;
        self.scan.expects_name = expects_name;
    }

    /// Reads on up to the end of the outermost object.
    #[inline(always)]
    fn elements(&mut self, found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
        let (mut open, mut expects_name) = (self.scan.open, self.scan.expects_name);
        loop {
            if expects_name {
                let name = self.name()?;
                if open == OUTERMOST {
                    if self.has_escapes && self.bytes.get(name.clone())?.contains(&b'\\') {
                        return None;
                    }
                    self.scan.name = name;
                }
                self.mark(open, false);
            }
            let byte = self.token()?;
            if open == OUTERMOST {
                self.scan.value = self.at;
            }
            self.at += 1;
            if byte == b'"' {
                self.string()?;
            } else if byte == b'{' || byte == b'[' {
                // The closing bracket is two further in ASCII.
                if self.token()? != byte + 2 {
                    if open.leading_zeros() == 0 {
                        return None;
                    }
                    expects_name = byte == b'{';
                    open = open << 1 | u64::from(expects_name);
                    self.mark(open, expects_name);
                    continue;
                }
                self.at += 1;
            } else {
                self.at = scalar(self.bytes, self.at - 1)?;
            }
            loop {
                let end = self.at;
                expects_name = open & 1 == 1;
                let has_next = self.has_next(if expects_name { b'}' } else { b']' })?;
                if open == OUTERMOST {
                    found(self.bytes.get(self.scan.name.clone())?, self.scan.value..end);
                }
                if has_next {
                    break;
                }
                open >>= 1;
                if open == OVER {
                    return Some(());
                }
            }
            self.mark(open, expects_name);
        }
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

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        let is_next = self.token()? == byte;
        self.at += 1;
        is_next.then_some(())
    }

    /// Passes a comma or the end of an object or array; returns true for a comma.
    #[inline(always)]
    fn has_next(&mut self, end: u8) -> Option<bool> {
        let byte = self.token()?;
        self.at += 1;
        (byte == b',' || byte == end).then_some(byte == b',')
    }

    /// Passes the name of a member and its colon; returns its place.
    #[inline(always)]
    fn name(&mut self) -> Option<Range<usize>> {
        self.expect(b'"')?;
        let start = self.at;
        self.string()?;
        let end = self.at - 1;
        self.expect(b':')?;
        Some(start..end)
    }

    /// Passes what follows the quote that begins a string.
    #[inline(always)]
    fn string(&mut self) -> Option<()> {
        let inside = self.at.wrapping_sub(self.block);
        if inside < BLOCK && self.stops >> inside != 0 {
            self.at += (self.stops >> inside).trailing_zeros() as usize;
        } else {
            if inside < BLOCK {
                self.block += BLOCK;
            } else if self.at == self.scan.string.start {
                let string = self.scan.string;
                self.block = string.block;
                (self.escaped_next, self.digits_next) = (string.escaped_next, string.digits_next);
            } else {
                self.block = self.at;
                (self.escaped_next, self.digits_next) = (0, 0);
            }
            self.search();
            self.at = self.block + self.stops.trailing_zeros() as usize;
        }
        let is_end = *self.bytes.get(self.at)? == b'"' && self.wrong >> (self.at - self.block) & 1 == 0;
        self.at += 1;
        is_end.then_some(())
    }

    /// Searches blocks up to the first at which a string stops.
    #[inline(always)]
    fn search(&mut self) {
        let rest = self.bytes.get(self.block..).unwrap_or_default();
        for block in rest.as_chunks().0 {
            self.examine(block);
            if self.stops != 0 {
                return;
            }
            self.block += BLOCK;
        }
        self.scan.string = Unended {
            start: self.at,
            block: self.block,
            escaped_next: self.escaped_next,
            digits_next: self.digits_next,
        };
        let tail = last_block(self.bytes, self.block);
        self.examine(&tail);
    }

    #[inline(always)]
    fn examine(&mut self, block: &[u8; BLOCK]) {
        self.stops = 0;
        for (index, part) in block.chunks_exact(S::u8s::LEN).enumerate() {
            let part = S::u8s::from_slice(self.simd, part);
            self.seen |= part;
            // With the second bit changed, a quote comes right after the control characters.
            let stops = (part ^ 2).simd_le(b'"' ^ 2) | part.simd_eq(b'\\');
            self.stops |= stops.to_bitmask() << (index * S::u8s::LEN);
        }
        if self.stops | self.escaped_next | self.digits_next != 0 {
            self.escapes(block);
        }
    }

    /// Takes backslashes, and the quotes behind them, from the stops, and adds escapes that are wrong. There is no branch for
    /// each escape, which the processor could not predict: prose and code have one every 20 to 60 bytes.
    ///
    /// Surrogates need no pair, because nothing is made of them.
    #[inline(always)]
    fn escapes(&mut self, block: &[u8; BLOCK]) {
        self.wrong = 0;
        let backslashes = self.backslashes(block);
        if backslashes | self.escaped_next | self.digits_next == 0 {
            return;
        }
        self.has_escapes = true;
        let escaped = self.escaped(backslashes);
        let (mut known, mut unicode) = (0, 0);
        for (index, part) in block.chunks_exact(S::u8s::LEN).enumerate() {
            let part = S::u8s::from_slice(self.simd, part);
            let is_unicode = part.simd_eq(b'u');
            let is_known = is_unicode
                | part.simd_eq(b'"')
                | part.simd_eq(b'\\')
                | part.simd_eq(b'/')
                | part.simd_eq(b'b')
                | part.simd_eq(b'f')
                | part.simd_eq(b'n')
                | part.simd_eq(b'r')
                | part.simd_eq(b't');
            known |= is_known.to_bitmask() << (index * S::u8s::LEN);
            unicode |= is_unicode.to_bitmask() << (index * S::u8s::LEN);
        }
        self.wrong = escaped & !known;
        let unicode = unicode & escaped;
        if unicode | self.digits_next != 0 {
            let digits = self.digits_next | unicode << 1 | unicode << 2 | unicode << 3 | unicode << 4;
            self.digits_next = unicode >> 63 | unicode >> 62 | unicode >> 61 | unicode >> 60;
            self.wrong |= digits & !self.hexadecimal(block);
        }
        self.stops = self.stops & !(backslashes | escaped) | self.wrong;
    }

    #[inline(always)]
    fn backslashes(&self, block: &[u8; BLOCK]) -> u64 {
        let mut found = 0;
        for (index, part) in block.chunks_exact(S::u8s::LEN).enumerate() {
            let part = S::u8s::from_slice(self.simd, part);
            found |= part.simd_eq(b'\\').to_bitmask() << (index * S::u8s::LEN);
        }
        found
    }

    /// The bytes behind each first, third, fifth backslash of a row, by one subtraction that carries through the rows, as
    /// simdjson does ("Parsing Gigabytes of JSON per Second", <https://arxiv.org/abs/1902.08318>, section 3.1.1).
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let begins = backslashes & !self.escaped_next;
        let escapes_and_ends = ((begins << 1 | ODD).wrapping_sub(begins)) ^ ODD;
        let escaped = escapes_and_ends ^ (backslashes | self.escaped_next);
        self.escaped_next = (escapes_and_ends & backslashes) >> 63;
        escaped
    }

    #[inline(always)]
    fn hexadecimal(&self, block: &[u8; BLOCK]) -> u64 {
        let mut found = 0;
        for (index, part) in block.chunks_exact(S::u8s::LEN).enumerate() {
            let part = S::u8s::from_slice(self.simd, part);
            let is_digit = (part - b'0').simd_le(9) | ((part | 0x20) - b'a').simd_le(5);
            found |= is_digit.to_bitmask() << (index * S::u8s::LEN);
        }
        found
    }
}

/// The rest of the text, filled up with zeros, at which strings stop.
#[cold]
fn last_block(bytes: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = bytes.get(at..).unwrap_or_default();
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Position after a number, `true`, `false` or `null`.
#[inline(never)]
fn scalar(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => Some(at + 4),
        [b'f', b'a', b'l', b's', b'e', ..] => Some(at + 5),
        text => Some(bytes.len() - after_number(text)?.len()),
    }
}

fn after_number(text: &[u8]) -> Option<&[u8]> {
    let number = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = if let [b'0', rest @ ..] = number { rest } else { after_digits(number)? };
    if let [b'.', fraction @ ..] = rest {
        rest = after_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = after_digits(if let [b'+' | b'-', digits @ ..] = exponent { digits } else { exponent })?;
    }
    Some(rest)
}

/// The rest behind one or more digits, which are searched eight at a time: embeddings are lists of long numbers.
#[inline(always)]
fn after_digits(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let values = u64::from_le_bytes(*eight) ^ u64::from_le_bytes([b'0'; 8]);
        // The highest bit of each byte over 9; a carry comes only from one of these.
        let others =
            (values.wrapping_add(u64::from_le_bytes([0x76; 8])) | values) & u64::from_le_bytes([0x80; 8]);
        if others != 0 {
            let digits = others.trailing_zeros() as usize / 8;
            rest = &rest[digits..];
            return (rest.len() < text.len()).then_some(rest);
        }
        rest = after;
    }
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    (rest.len() < text.len()).then_some(rest)
}
