//! Recognition of an event that is the one before it again, but for the text of its token. Most events of a stream are:
//! to compare and skip one takes about 200 instructions, to parse it about 7,000 (`benches/tap.rs`).

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Members whose strings differ from event to event, or whose numbers do. Of no string more matters than whether it is
/// empty, and of no number anything.
static MEMBERS: LazyLock<[(Finder<'_>, bool); 5]> = LazyLock::new(|| {
    let texts = ["\"content\":", "\"text\":", "\"delta\":", "\"obfuscation\":"];
    let [content, text, delta, obfuscation] = texts.map(|name| (Finder::new(name), true));
    [content, text, delta, obfuscation, (Finder::new("\"sequence_number\":"), false)]
});
/// Most places at which events may differ.
const MAX_GAPS: usize = 3;
/// Longest event that is kept.
const MAX_LENGTH: usize = 2 << 10;
/// Events that are kept without one that repeats them, before the stream counts as one without repetition.
const PATIENCE: u8 = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Repeated {
    /// An event with its end, which changes nothing when it is read again.
    event: Vec<u8>,
    /// The values in it that may differ, in their order.
    gaps: Vec<Gap>,
    patience: u8,
}

#[derive(Debug)]
struct Gap {
    at: Range<usize>,
    is_text: bool,
}

impl Gap {
    /// The value of a member whose name ends at `from`; `None` where it is another kind of value.
    fn of(event: &[u8], from: usize, is_text: bool) -> Option<Self> {
        let value = event.get(from..)?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = if is_text { value.strip_prefix(b"\"")? } else { value };
        let length = if is_text { text(value)? } else { number(value)? };
        let start = event.len() - value.len();
        Some(Self { at: start..start + length, is_text })
    }
}

impl Repeated {
    pub(super) const fn new() -> Self {
        Self { event: Vec::new(), gaps: Vec::new(), patience: PATIENCE }
    }

    /// Keeps an event that changes nothing when it is read again.
    pub(super) fn keep(&mut self, event: &[u8]) {
        self.event.clear();
        self.gaps.clear();
        if event.len() > MAX_LENGTH || self.patience == 0 {
            return;
        }
        self.patience -= 1;
        for (name, is_text) in &*MEMBERS {
            let Some(at) = name.find(event) else { continue };
            let from = at + name.needle().len();
            if let Some(gap) = Gap::of(event, from, *is_text)
                && self.gaps.len() < MAX_GAPS
            {
                self.gaps.push(gap);
            }
        }
        self.gaps.sort_unstable_by_key(|gap| gap.at.start);
        self.event.extend_from_slice(event);
    }

    /// Length of the first event of these bytes, where it is the kept one again.
    pub(super) fn length(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.event.is_empty() {
            return None;
        }
        let (mut rest, mut from) = (bytes, 0);
        for gap in &self.gaps {
            rest = rest.strip_prefix(&self.event[from..gap.at.start])?;
            let length = if gap.is_text { text(rest) } else { number(rest) };
            rest = &rest[length?..];
            from = gap.at.end;
        }
        rest = rest.strip_prefix(&self.event[from..])?;
        self.patience = PATIENCE;
        Some(bytes.len() - rest.len())
    }
}

/// Length of the text up to its quote; `None` where it is empty, does not end here, or is not as plain as most.
fn text(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
    (end > 0 && bytes[end] == b'"').then_some(end)
}

/// Length of the number; `None` where it does not end here, or has a zero before it.
fn number(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    (end > 0 && (end == 1 || bytes[0] != b'0')).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "data: {\"id\":\"1\",\"delta\":{\"content\": \"Hi\"},\"obfuscation\":\"a9\",\"sequence_number\":7}\r\n\r\n";

    fn again(event: &str) -> Option<usize> {
        let mut repeated = Repeated::new();
        repeated.keep(EVENT.as_bytes());
        repeated.length(event.as_bytes())
    }

    #[test]
    fn an_event_is_the_same_but_for_its_token() {
        for event in [
            EVENT.to_owned(),
            EVENT.replace("Hi", " thére, {x: 1}"),
            EVENT.replace("a9", "-").replace('7', "810"),
        ] {
            assert_eq!(again(&event), Some(event.len()));
            assert_eq!(again(&format!("{event}data: x")), Some(event.len()));
        }
    }

    #[test]
    fn what_may_mean_something_else_is_another_event() {
        for (part, other) in [
            ("Hi", ""),
            ("Hi", "a\\n"),
            ("Hi", "a\u{1}"),
            ("Hi", "a\n"),
            ("\"Hi\"", "null"),
            ("a9", ""),
            ("7", "07"),
            ("7", "-7"),
            ("7", "7.1"),
            ("7}", "7 }"),
            ("\"1\"", "\"2\""),
            ("\r\n\r\n", "\n\n"),
            ("\r\n\r\n", "\r\n"),
        ] {
            assert_eq!(again(&EVENT.replace(part, other)), None, "{part:?} as {other:?}");
        }
        for end in 0..EVENT.len() {
            assert_eq!(again(&EVENT[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn a_stream_without_repetition_costs_a_few_copies() {
        let mut repeated = Repeated::new();
        for _ in 0..PATIENCE {
            repeated.keep(EVENT.as_bytes());
            assert_eq!(repeated.length(b"data: {}\n\n"), None);
        }
        repeated.keep(EVENT.as_bytes());
        assert_eq!(repeated.length(EVENT.as_bytes()), None);
    }
}
