//! The search for the end of a string, a block at a time.

use fearless_simd::prelude::*;

use super::{BLOCK, Scanner, Unended};

impl<'a, S: Simd> Scanner<'a, S> {
    /// Goes on from behind the quote that begins a string to its end, or to a control character.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<()> {
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
            self.search()?;
            self.at = self.block + self.stops.trailing_zeros() as usize;
        }
        Some(())
    }

    /// Searches blocks up to the first at which a string stops; `None` where an escape is wrong.
    #[inline(always)]
    fn search(&mut self) -> Option<()> {
        loop {
            let tail;
            let block = match self.next_stop() {
                Some(block) => block,
                None => {
                    self.scan.string = Unended {
                        start: self.at,
                        block: self.block,
                        escaped_next: self.escaped_next,
                        digits_next: self.digits_next,
                    };
                    tail = last_block(self.bytes, self.block);
                    self.look(&tail);
                    &tail
                }
            };
            self.escapes(block)?;
            if self.stops != 0 {
                return Some(());
            }
            self.block += BLOCK;
        }
    }

    /// The next whole block that has a backslash, or at which a string stops.
    #[inline(always)]
    fn next_stop(&mut self) -> Option<&'a [u8; BLOCK]> {
        for block in self.bytes.get(self.block..)?.as_chunks().0 {
            self.look(block);
            if self.stops | self.escaped_next | self.digits_next != 0 {
                return Some(block);
            }
            self.block += BLOCK;
        }
        None
    }

    /// Notes backslashes, quotes and control characters as stops.
    #[inline(always)]
    fn look(&mut self, block: &[u8; BLOCK]) {
        self.stops = 0;
        for (index, part) in block.chunks_exact(S::u8s::LEN).enumerate() {
            let part = S::u8s::from_slice(self.simd, part);
            self.seen |= part;
            // With the second bit changed, a quote comes right after the control characters.
            let stops = (part ^ 2).simd_le(b'"' ^ 2) | part.simd_eq(b'\\');
            self.stops |= stops.to_bitmask() << (index * S::u8s::LEN);
        }
    }

    /// Takes backslashes, and the quotes behind them, from the stops; `None` where an escape is none of JSON. There is no
    /// branch for each escape, which the processor could not predict: prose and code have one every 20 to 60 bytes.
    ///
    /// Surrogates need no pair, because nothing is made of them. That an escape may lie behind the end of the string makes
    /// no difference: a backslash outside of strings is wrong as well.
    #[inline(always)]
    fn escapes(&mut self, block: &[u8; BLOCK]) -> Option<()> {
        let backslashes = self.backslashes(block);
        if backslashes | self.escaped_next | self.digits_next == 0 {
            return Some(());
        }
        self.scan.has_escapes = true;
        let escaped = self.escaped(backslashes);
        // A mask of backslashes in here too would be kept from above, which LLVM does byte by byte.
        let (mut known, mut unicode) = (backslashes, 0);
        for (index, part) in block.chunks_exact(S::u8s::LEN).enumerate() {
            let part = S::u8s::from_slice(self.simd, part);
            let is_unicode = part.simd_eq(b'u');
            let is_known = is_unicode
                | part.simd_eq(b'"')
                | part.simd_eq(b'/')
                | part.simd_eq(b'b')
                | part.simd_eq(b'f')
                | part.simd_eq(b'n')
                | part.simd_eq(b'r')
                | part.simd_eq(b't');
            known |= is_known.to_bitmask() << (index * S::u8s::LEN);
            unicode |= is_unicode.to_bitmask() << (index * S::u8s::LEN);
        }
        let mut wrong = escaped & !known;
        let unicode = unicode & escaped;
        if unicode | self.digits_next != 0 {
            let digits = self.digits_next | unicode << 1 | unicode << 2 | unicode << 3 | unicode << 4;
            self.digits_next = unicode >> 63 | unicode >> 62 | unicode >> 61 | unicode >> 60;
            wrong |= digits & !self.hexadecimal(block);
        }
        self.stops &= !(backslashes | escaped);
        (wrong == 0).then_some(())
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
