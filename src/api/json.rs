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
struct Scanner<'a, S: Simd> {
    simd: S,
    bytes: &'a [u8],
    at: usize,
    /// Start of the block.
    block: usize,
    /// Bytes of the block at which a string stops: quotes, backslashes and control characters, the first in the lowest bit.
    stops: u64,
    /// All blocks, one over the other: a byte above 127 is among them where one is here.
    seen: S::u8s,
}

impl<'a, S: Simd> Scanner<'a, S> {
    #[inline(always)]
    fn new(simd: S, bytes: &'a [u8]) -> Self {
        let mut scanner = Self { simd, bytes, at: 0, block: 0, stops: 0, seen: S::u8s::splat(simd, 0) };
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
                let (name, is_plain) = self.name()?;
                if !is_plain {
                    return None;
                }
                self.token()?;
                let start = self.at;
                self.value()?;
                found(self.bytes.get(name)?, start..self.at);
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

    /// Passes the name of a member and its colon; returns its place, and true if it has no escapes.
    #[inline(always)]
    fn name(&mut self) -> Option<(Range<usize>, bool)> {
        self.expect(b'"')?;
        let start = self.at;
        let is_plain = self.string()?;
        let end = self.at - 1;
        self.expect(b':')?;
        Some((start..end, is_plain))
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

    /// Passes what follows the quote that begins a string; returns true if it has no escapes.
    #[inline(always)]
    fn string(&mut self) -> Option<bool> {
        let mut is_plain = true;
        loop {
            let byte = self.stop()?;
            self.at += 1;
            match byte {
                b'"' => return Some(is_plain),
                b'\\' => {
                    is_plain = false;
                    self.at += escape(self.bytes.get(self.at..)?)?;
                }
                _ => return None,
            }
        }
    }

    /// Goes to the next byte at which a string stops.
    #[inline(always)]
    fn stop(&mut self) -> Option<u8> {
        let inside = self.at - self.block;
        if inside < BLOCK && self.stops >> inside != 0 {
            self.at += (self.stops >> inside).trailing_zeros() as usize;
        } else {
            self.block = if inside < BLOCK { self.block + BLOCK } else { self.at };
            self.search();
            self.at = self.block + self.stops.trailing_zeros() as usize;
        }
        self.bytes.get(self.at).copied()
    }

    /// Searches blocks up to the first at which a string stops.
    #[inline(always)]
    fn search(&mut self) {
        let rest = self.bytes.get(self.block..).unwrap_or_default();
        for block in rest.as_chunks().0 {
            self.stops = self.stops_of(block);
            if self.stops != 0 {
                return;
            }
            self.block += BLOCK;
        }
        let tail = last_block(self.bytes, self.block);
        self.stops = self.stops_of(&tail);
    }

    #[inline(always)]
    fn stops_of(&mut self, block: &[u8; BLOCK]) -> u64 {
        let mut stops = 0;
        for (index, part) in block.chunks_exact(S::u8s::LEN).enumerate() {
            let part = S::u8s::from_slice(self.simd, part);
            self.seen |= part;
            // With the second bit changed, a quote comes right after the control characters.
            let part = (part ^ 2).simd_le(b'"' ^ 2) | part.simd_eq(b'\\');
            stops |= part.to_bitmask() << (index * S::u8s::LEN);
        }
        stops
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

/// Length of what follows a backslash. Whether surrogates are paired does not matter where nothing is made of them.
#[inline(always)]
fn escape(text: &[u8]) -> Option<usize> {
    match text {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(1),
        [b'u', digits @ ..] => digits.first_chunk::<4>()?.iter().all(u8::is_ascii_hexdigit).then_some(5),
        _ => None,
    }
}
