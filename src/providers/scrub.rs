//! Removes the provider's key from what it sends back, wherever and however JSON may spell it there.
//!
//! Every byte of the key becomes `*`, so that no length changes. Bodies are searched, not copied: once for the key, once
//! for the escape of a visible ASCII character, and byte by byte only where such an escape is found.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use memchr::{memchr, memchr2_iter, memmem};

use crate::config::Secret;

/// A shorter key is no secret (`EMPTY`, `none`, `ollama`): to remove it would damage text that holds the word.
const MIN_IN_ERRORS: usize = 8;
/// The same for the bodies of successful responses, which hold any text (`no-key-required`).
const MIN_IN_CONTENT: usize = 16;

/// Most backslashes of one escape: a JSON string two levels inside other JSON strings.
const MAX_BACKSLASHES: usize = 4;
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Longest spelling of one byte: those backslashes and `uXXXX`.
const MAX_SPELLING: usize = MAX_BACKSLASHES + 5;

/// The search for one key; made once for each provider.
pub struct Scrubber {
    key: Box<[u8]>,
    plain: memmem::Finder<'static>,
    /// Beginning of every escape of a visible ASCII character.
    unicode: memmem::Finder<'static>,
    /// `/` is the only other such character that JSON may escape and a key may hold.
    has_slash: bool,
}

/// Comparison of the bytes at one place with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Differs,
    /// Equal up to the end of the bytes.
    Begins,
    /// Equal, in so many bytes.
    Equals(usize),
}

impl Scrubber {
    /// `None` where the key is too short to be one.
    #[must_use]
    pub fn new(key: &Secret) -> Option<Self> {
        let key = key.expose().as_bytes();
        if key.len() < MIN_IN_ERRORS {
            return None;
        }
        Some(Self {
            key: key.into(),
            plain: memmem::Finder::new(key).into_owned(),
            unicode: memmem::Finder::new(br"\u00").into_owned(),
            has_slash: key.contains(&b'/'),
        })
    }

    /// Returns true if the key is long enough to be searched for in successful responses.
    #[must_use]
    pub fn is_for_content(&self) -> bool {
        self.key.len() >= MIN_IN_CONTENT
    }

    /// Removes the headers that hold the key.
    pub fn remove_from_headers(&self, headers: &mut HeaderMap) {
        let mut names = Vec::new();
        for (name, value) in headers.iter() {
            if value.len() >= self.key.len() && self.find(value.as_bytes()).is_some() {
                names.push(name.clone());
            }
        }
        for name in names {
            headers.remove(name);
        }
    }

    /// A whole body without the key.
    #[must_use]
    pub fn scrubbed(&self, body: Bytes) -> Bytes {
        let Some(first) = self.find(&body) else { return body };
        let mut scrubbed = BytesMut::from(body);
        let mut from = first.end;
        scrubbed[first].fill(b'*');
        while let Some(found) = self.find(&scrubbed[from..]) {
            let rest = &mut scrubbed[from..];
            from += found.end;
            rest[found].fill(b'*');
        }
        scrubbed.freeze()
    }

    /// The next part of a body without the key. Its last bytes stay in `held` where they may be the beginning of the
    /// key, unless the part `is_last`.
    #[must_use]
    pub fn part(&self, held: &mut BytesMut, part: Bytes, is_last: bool) -> Bytes {
        let mut part = if held.is_empty() {
            part
        } else {
            let mut whole = std::mem::take(held);
            whole.extend_from_slice(&part);
            whole.freeze()
        };
        part = self.scrubbed(part);
        if !is_last {
            let begun = part.split_off(self.begins_at(&part));
            held.extend_from_slice(&begun);
        }
        part
    }

    fn find(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let has_escape = memchr(b'\\', bytes).is_some()
            && (self.unicode.find(bytes).is_some()
                || self.has_slash && memmem::find(bytes, br"\/").is_some());
        if !has_escape {
            let at = self.plain.find(bytes)?;
            return Some(at..at + self.key.len());
        }
        for at in self.places(bytes) {
            if let Comparison::Equals(length) = self.compare(&bytes[at..]) {
                return Some(at..at + length);
            }
        }
        None
    }

    /// Start of the beginning of a key that the bytes end in; their end where they end in none.
    fn begins_at(&self, bytes: &[u8]) -> usize {
        let Some(last) = bytes.last() else { return 0 };
        if !(self.key.contains(last) || last.is_ascii_hexdigit() || b"\\u".contains(last)) {
            return bytes.len();
        }
        let from = bytes.len().saturating_sub(self.key.len() * MAX_SPELLING);
        let tail = &bytes[from..];
        for at in self.places(tail) {
            if self.compare(&tail[at..]) == Comparison::Begins {
                return from + at;
            }
        }
        bytes.len()
    }

    /// Positions at which a spelling of the key may start.
    fn places<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = usize> + use<'a> {
        memchr2_iter(self.key[0], b'\\', bytes)
    }

    fn compare(&self, bytes: &[u8]) -> Comparison {
        let mut length = 0;
        for byte in &self.key {
            match spelled(*byte, &bytes[length..]) {
                Comparison::Equals(spelling) => length += spelling,
                other => return other,
            }
        }
        Comparison::Equals(length)
    }
}

/// Compares bytes with one byte of the key, plain or escaped.
fn spelled(byte: u8, bytes: &[u8]) -> Comparison {
    if bytes.first() == Some(&byte) {
        return Comparison::Equals(1);
    }
    let backslashes = bytes.iter().take_while(|byte| **byte == b'\\').count();
    if bytes.len() == backslashes && backslashes <= MAX_BACKSLASHES {
        return Comparison::Begins;
    }
    if !(1..=MAX_BACKSLASHES).contains(&backslashes) {
        return Comparison::Differs;
    }
    let rest = &bytes[backslashes..];
    if byte == b'/' && rest[0] == byte {
        return Comparison::Equals(backslashes + 1);
    }
    let escape = [b'u', b'0', b'0', HEX_DIGITS[usize::from(byte >> 4)], HEX_DIGITS[usize::from(byte & 15)]];
    let equal =
        rest.iter().zip(escape).take_while(|(given, ours)| given.to_ascii_lowercase() == *ours).count();
    if equal == escape.len() {
        Comparison::Equals(backslashes + equal)
    } else if equal == rest.len() {
        Comparison::Begins
    } else {
        Comparison::Differs
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrubber")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-test/0123456789";

    fn scrubber() -> Scrubber {
        Scrubber::new(&Secret::new(KEY)).unwrap()
    }

    fn scrubbed(body: &str) -> String {
        String::from_utf8(scrubber().scrubbed(Bytes::copy_from_slice(body.as_bytes())).to_vec()).unwrap()
    }

    #[test]
    fn every_spelling_is_removed_and_nothing_else() {
        let slash = KEY.replace('/', r"\/");
        let nested = KEY.replace('-', r"\\u002D").replace('/', r"\\\/");
        for spelling in [KEY, &slash, &nested, &KEY.replace('s', r"\u0073")] {
            let body = format!("s\\n{spelling}sk-{spelling}\\u00e9 {KEY}");
            let expected =
                body.replace(spelling, &"*".repeat(spelling.len())).replace(KEY, &"*".repeat(KEY.len()));
            assert_eq!(scrubbed(&body), expected);
        }
        for kept in
            ["", "sk-test", r"sk-test\/012345678", r"sk\u002e", r"\\\\\\\\", r"\u00", "sk-test/012345678x"]
        {
            assert_eq!(scrubbed(kept), kept);
        }
    }

    #[test]
    fn short_keys_are_not_searched_for() {
        assert!(Scrubber::new(&Secret::new("EMPTY")).is_none());
        assert!(!Scrubber::new(&Secret::new("lm-studio")).unwrap().is_for_content());
        assert!(scrubber().is_for_content());
    }

    /// The key and its parts, spelled in many ways, with other text.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just(KEY.to_owned()),
            (0..KEY.len()).prop_map(|at| KEY[..at].to_owned()),
            (0..KEY.len()).prop_map(|at| KEY[at..].to_owned()),
            Just(KEY.bytes().map(|byte| format!("\\u{byte:04x}")).collect()),
            Just(KEY.replace('-', "\\u002D").replace('/', "\\/")),
            "[a-z\\\\u0/-]{0,6}",
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn parts_are_scrubbed_like_the_whole(text in text(), cuts in proptest::collection::vec(0..200_usize, 0..6)) {
            let scrubber = scrubber();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let (mut held, mut out, mut from) = (BytesMut::new(), Vec::new(), 0);
            for (index, cut) in cuts.iter().enumerate() {
                let part = Bytes::copy_from_slice(&text.as_bytes()[from..*cut]);
                out.extend_from_slice(&scrubber.part(&mut held, part, index + 1 == cuts.len()));
                prop_assert!(held.len() <= KEY.len() * MAX_SPELLING);
                from = *cut;
            }
            prop_assert_eq!(String::from_utf8(out).unwrap(), scrubbed(&text));
            prop_assert!(held.is_empty());
        }
    }
}
