//! Reads a `usage` object, which every response and the last event of a stream have.

use serde_json::value::RawValue;

use super::{Count, Lenient, Usage};
use crate::api::json;

impl Usage {
    /// Reads a `usage` object of an event.
    pub(crate) fn of_raw(usage: &RawValue) -> Option<Self> {
        Self::read(usage.get().as_bytes())
    }

    /// Reads a `usage` object.
    pub(crate) fn read(usage: &[u8]) -> Option<Self> {
        if let Some(read) = Self::scanned(usage) {
            return Some(read);
        }
        let read = Self::parsed(usage);
        if read.is_some() || memchr::memchr2(b'N', b'I', usage).is_none() {
            return read;
        }
        Self::parsed(repaired(usage).as_bytes())
    }

    /// Reads an object with the scanner, in less than half the instructions of a parser; `None` where only a
    /// parser can tell.
    pub(crate) fn scanned(usage: &[u8]) -> Option<Self> {
        let (mut read, mut seen, mut is_twice) = (Self::default(), 0_u32, false);
        json::members(usage, &mut |name, at| {
            if let Some(bit) = read.set(name, usage.get(at).unwrap_or_default()) {
                is_twice |= seen & (1 << bit) != 0;
                seen |= 1 << bit;
            }
        })?;
        if is_twice { None } else { Some(read) }
    }

    /// The same by `serde_json`.
    pub(crate) fn parsed(usage: &[u8]) -> Option<Self> {
        serde_json::from_slice(usage).ok()
    }

    /// Sets the member of this name; returns its number.
    fn set(&mut self, name: &[u8], value: &[u8]) -> Option<u32> {
        let (number, count) = match name {
            b"prompt_tokens" | b"promptTokenCount" => (0, &mut self.prompt_tokens),
            b"input_tokens" => (1, &mut self.input_tokens),
            b"completion_tokens" | b"candidatesTokenCount" => (2, &mut self.completion_tokens),
            b"output_tokens" => (3, &mut self.output_tokens),
            b"total_tokens" | b"totalTokenCount" => (4, &mut self.total_tokens),
            b"cache_read_input_tokens" => (5, &mut self.cache_read_input_tokens),
            b"cache_creation_input_tokens" => (6, &mut self.cache_creation_input_tokens),
            b"prompt_cache_hit_tokens" => (7, &mut self.prompt_cache_hit_tokens),
            b"cached_tokens" | b"cachedContentTokenCount" => (8, &mut self.cached_tokens),
            b"toolUsePromptTokenCount" => (9, &mut self.tool_tokens),
            b"thoughtsTokenCount" => (10, &mut self.thought_tokens),
            _ => return self.set_details(name, value),
        };
        *count = Count::of(value);
        Some(number)
    }

    fn set_details(&mut self, name: &[u8], value: &[u8]) -> Option<u32> {
        let number = match name {
            b"prompt_tokens_details" => {
                self.prompt_tokens_details = Lenient::of(value);
                11
            }
            b"input_tokens_details" => {
                self.input_tokens_details = Lenient::of(value);
                12
            }
            b"input_token_details" => {
                self.input_token_details = Lenient::of(value);
                13
            }
            b"completion_tokens_details" => {
                self.completion_tokens_details = Lenient::of(value);
                14
            }
            b"output_tokens_details" => {
                self.output_tokens_details = Lenient::of(value);
                15
            }
            b"promptTokensDetails" => {
                self.prompt_modalities = Lenient::of(value);
                16
            }
            b"candidatesTokensDetails" => {
                self.candidate_modalities = Lenient::of(value);
                17
            }
            _ => return None,
        };
        Some(number)
    }
}

/// A text with null for NaN and Infinity outside of strings, and without a byte order mark and invalid UTF-8.
pub(super) fn repaired(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut repaired = String::with_capacity(rest.len());
    while !rest.is_empty() {
        let (between, string) = rest.split_at(rest.find('"').unwrap_or(rest.len()));
        if between.contains(['N', 'I']) {
            let between =
                between.replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null");
            repaired.push_str(&between);
        } else {
            repaired.push_str(between);
        }
        let (string, after) = string.split_at(string_length(string.as_bytes()));
        repaired.push_str(string);
        rest = after;
    }
    repaired
}

/// Length of the string that a text begins with, its quotes included; all of the text where it does not end.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(next) = memchr::memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += next + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    text.len()
}
