//! Members of a JSON object that is in memory as a whole, found without building anything of the rest.
//!
//! The strings of a body are nearly all of it, so they are searched 64 bytes at a time with the widest vectors of the
//! processor. A body of 128 KiB in few strings takes 0.37 instructions per byte, where checking UTF-8 and `serde_json`
//! take 2.7; beyond ASCII 1.2 against 9.3, in short messages 3.7 against 8.9 (`bench/RESULTS.md`).

use std::ops::Range;

use fearless_simd::{Level, dispatch, prelude::*};

/// Bytes of a string that are searched at once: a bit of a word each.
const BLOCK: usize = 64;

/// Calls `found` with the name of each member of an object and the place of its value, in their order.
///
/// `None` where the bytes are not one JSON object, as `serde_json` reads one whose values are ignored, and where only a
/// parser can tell: a member whose name has an escape, or nesting below 62 levels.
pub(crate) fn members(bytes: &[u8], found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
    dispatch!(Level::new(), simd => Scanner::new(simd, bytes).read(found))
}

/// A position in the text, and what is known of the block of a string that was searched last. All of its functions are
/// inlined into one for each kind of processor.
///
/// A word of 64 bits has one for each byte of the block, the first in the lowest.
struct Scanner<'a, S: Simd> {
    simd: S,
    bytes: &'a [u8],
    at: usize,
    /// Start of the block.
    block: usize,
    /// Where a string stops: quotes without a backslash, control characters, and what is wrong.
    stops: u64,
    /// Where an escape is none of JSON.
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
    fn new(simd: S, bytes: &'a [u8]) -> Self {
        let mut scanner = Self {
            simd,
            bytes,
            at: 0,
            block: 0,
            stops: 0,
            wrong: 0,
            escaped_next: 0,
            digits_next: 0,
            has_escapes: false,
            seen: S::u8s::splat(simd, 0),
        };
        scanner.search();
        scanner
    }

    #[inline(always)]
    fn read(mut self, found: &mut dyn FnMut(&[u8], Range<usize>)) -> Option<()> {
        self.expect(b'{')?;
        if self.token()? == b'}' {
            self.at += 1;
        } else {
            loop {
                let name = self.name()?;
                let name = self.bytes.get(name)?;
                if self.has_escapes && name.contains(&b'\\') {
                    return None;
                }
                self.token()?;
                let start = self.at;
                self.value()?;
                found(name, start..self.at);
                if !self.has_next(b'}')? {
                    break;
                }
            }
        }
        let is_over = self.token().is_none();
        let is_ascii = !self.seen.simd_ge(0x80).any_true();
        (is_over && (is_ascii || simdutf8::basic::from_utf8(self.bytes).is_ok())).then_some(())
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

    #[inline(always)]
    fn value(&mut self) -> Option<()> {
        // Objects (1) and arrays (0) that are open, the innermost in the lowest bit, below a 1 that never ends.
        let mut open = 1_u64;
        loop {
            if open & 1 == 1 && open != 1 {
                self.name()?;
            }
            let byte = self.token()?;
            self.at += 1;
            if byte == b'"' {
                self.string()?;
            } else if byte == b'{' || byte == b'[' {
                open = open << 1 | u64::from(byte == b'{');
                // The closing bracket is two further in ASCII.
                if self.token()? != byte + 2 {
                    if open.leading_zeros() == 0 {
                        return None;
                    }
                    continue;
                }
                self.at += 1;
                open >>= 1;
            } else {
                self.at = scalar(self.bytes, self.at - 1)?;
            }
            loop {
                if open == 1 {
                    return Some(());
                }
                if self.has_next(if open & 1 == 1 { b'}' } else { b']' })? {
                    break;
                }
                open >>= 1;
            }
        }
    }

    /// Passes what follows the quote that begins a string.
    #[inline(always)]
    fn string(&mut self) -> Option<()> {
        let inside = self.at - self.block;
        if inside < BLOCK && self.stops >> inside != 0 {
            self.at += (self.stops >> inside).trailing_zeros() as usize;
        } else {
            if inside < BLOCK {
                self.block += BLOCK;
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
    /// Whether surrogates are paired does not matter where nothing is made of them.
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
