//! Trace context (W3C Recommendation of 23 November 2021): the id under which client, gateway and upstream each record
//! one request.

use std::num::NonZeroU128;

use http::{HeaderMap, HeaderName};

use crate::metrics::TraceId;

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: &str = "tracestate";

/// Length of a `traceparent` of version 00: version, trace id, parent id and flags with their dashes.
const LENGTH: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;
/// The version that must not be used.
const INVALID_VERSION: u128 = 0xff;

/// The caller records the trace. Upstreams follow this flag by default (`ParentBased` of OpenTelemetry): without it a
/// trace that begins here would end their own recording.
const SAMPLED: u8 = 0b01;
/// The flags with a meaning, sampled and random; the others must be sent as zero.
const KNOWN_FLAGS: u8 = 0b11;

/// Longest `tracestate` that is passed on, all its headers together: the length that the recommendation requires.
const MAX_STATE: usize = 512;

/// Trace context of one request. All its attempts have the same: they are one span of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// Chosen by the client where it sent one.
    pub(crate) trace_id: TraceId,
    /// Of the gateway's own span, the parent of the upstream's.
    span_id: u64,
    flags: u8,
    /// True if the client's `tracestate` goes upstream.
    pub(super) keeps_state: bool,
}

impl TraceContext {
    /// The trace that the client names, if its only `traceparent` is valid, otherwise a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let span_id = fastrand::u64(1..);
        let mut given = headers.get_all(TRACEPARENT).iter();
        let only = given.next().filter(|_| given.next().is_none());
        match only.and_then(|text| parse(text.as_bytes())) {
            Some((trace_id, flags)) => {
                Self { trace_id, span_id, flags, keeps_state: is_state_passed(headers) }
            }
            None => Self { trace_id: new_trace_id(), span_id, flags: SAMPLED, keeps_state: false },
        }
    }

    /// The `traceparent` to the upstream.
    pub(super) fn parent_of_upstream(&self) -> [u8; LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write(&self.trace_id.0.get().to_be_bytes(), &mut text[3..35]);
        write(&self.span_id.to_be_bytes(), &mut text[36..52]);
        text[53..].copy_from_slice(&digits(self.flags.into())[6..]);
        text
    }
}

fn new_trace_id() -> TraceId {
    TraceId(NonZeroU128::new(fastrand::u128(1..)).unwrap_or(NonZeroU128::MIN))
}

/// Trace id and flags of a `traceparent`. A later version begins as version 00 does and may go on after a dash.
fn parse(text: &[u8]) -> Option<(TraceId, u8)> {
    let (known, rest) = text.split_first_chunk::<LENGTH>()?;
    let version = number(&known[..2])?;
    let ends_well = rest.is_empty() || version > 0 && rest[0] == b'-';
    let has_dashes = [known[2], known[35], known[52]] == *b"---";
    if version == INVALID_VERSION || !ends_well || !has_dashes {
        return None;
    }
    let (trace_id, parent_id) = (number(&known[3..35])?, number(&known[36..52])?);
    let flags = u8::try_from(number(&known[53..])?).ok()?;
    let trace_id = TraceId(NonZeroU128::new(trace_id)?);
    (parent_id != 0).then_some((trace_id, flags & KNOWN_FLAGS))
}

/// Number in hexadecimal digits, of which letters must be in lower case.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Writes eight digits for every four bytes.
fn write(bytes: &[u8], text: &mut [u8]) {
    for (four, eight) in bytes.as_chunks().0.iter().zip(text.as_chunks_mut().0) {
        *eight = digits(u32::from_be_bytes(*four));
    }
}

/// Eight hexadecimal digits, all computed at once as the bytes of one word: half the instructions of one by one.
fn digits(value: u32) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut word = u64::from(value);
    word = (word << 16 | word) & 0x0000_ffff_0000_ffff;
    word = (word << 8 | word) & 0x00ff_00ff_00ff_00ff;
    word = (word << 4 | word) & 0x0f0f_0f0f_0f0f_0f0f;
    // Six more than ten or above carries into the upper half of its byte.
    let letters = ((word + 6 * EACH) >> 4) & EACH;
    (word + u64::from(b'0') * EACH + letters * u64::from(b'a' - 10 - b'0')).to_be_bytes()
}

/// Returns true if a client's `tracestate` is passed on: it is text, and not too long.
fn is_state_passed(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TRACESTATE);
    // One more for the comma with which several headers are joined.
    let length: usize = values.iter().map(|value| value.len() + 1).sum();
    length <= MAX_STATE + 1 && values.iter().all(|value| value.as_bytes().is_ascii())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn headers(traceparents: &[&str], tracestates: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in [("traceparent", traceparents), (TRACESTATE, tracestates)] {
            for value in values {
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
        }
        headers
    }

    fn text(context: TraceContext) -> String {
        String::from_utf8(context.parent_of_upstream().to_vec()).unwrap()
    }

    #[test]
    fn a_valid_traceparent_is_continued_with_another_parent_id() {
        for (given, flags) in [
            (format!("00-{TRACE}-{PARENT}-00"), "00"),
            (format!("00-{TRACE}-{PARENT}-01"), "01"),
            (format!("00-{TRACE}-{PARENT}-02"), "02"),
            (format!("00-{TRACE}-{PARENT}-ff"), "03"),
            (format!("01-{TRACE}-{PARENT}-01"), "01"),
            (format!("cc-{TRACE}-{PARENT}-01-what the future will be like"), "01"),
            (format!("cc-{TRACE}-{PARENT}-01-"), "01"),
        ] {
            let context = TraceContext::of(&headers(&[&given], &[]));
            let sent = text(context);
            assert_eq!(context.trace_id.to_string(), TRACE, "{given}");
            assert_eq!(sent, format!("00-{TRACE}-{:016x}-{flags}", context.span_id), "{given}");
            assert!(context.span_id != 0 && !sent.contains(PARENT), "{sent}");
        }
    }

    #[test]
    fn an_invalid_traceparent_is_replaced() {
        let (upper, zeros) = (TRACE.to_uppercase(), "0".repeat(32));
        for given in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("ff-{TRACE}-{PARENT}-01-x"),
            format!("0x-{TRACE}-{PARENT}-01"),
            format!("00-{upper}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
            format!("00-{TRACE}-{PARENT}-0A"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{TRACE}-{PARENT}-01-x"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("00-{TRACE}-{PARENT}-0"),
            format!("00-{TRACE}-{PARENT}"),
            format!("01-{TRACE}-{PARENT}-01.x"),
            format!("01-{TRACE}-{PARENT}-011"),
            format!("00_{TRACE}_{PARENT}_01"),
            format!("00-{}-{PARENT}-01", TRACE.replace('4', "+")),
            format!("00-{}-{PARENT}-01", "é".repeat(16)),
            format!("00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01"),
            format!("{}-{TRACE}-{PARENT}-01", "0".repeat(60_000)),
        ] {
            let context = TraceContext::of(&headers(&[&given], &["a=1"]));
            let expected = TraceContext { trace_id: context.trace_id, span_id: context.span_id, ..MADE };
            assert_eq!(context, expected, "{given}");
            assert!(!text(context).contains(TRACE), "{given}");
        }
    }

    /// Each byte of a valid one replaced by each that a header may have: what remains valid is what the grammar says.
    #[test]
    fn every_other_byte_is_read_as_the_grammar_says() {
        let grammar = regex_lite::Regex::new("^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$").unwrap();
        let valid = format!("f0-{TRACE}-{PARENT}-01");
        let mut accepted = 0;
        for place in 0..valid.len() {
            for byte in b' '..=b'~' {
                let mut text = valid.clone();
                text.replace_range(place..=place, &char::from(byte).to_string());
                let expected = grammar.is_match(&text) && !text.starts_with("ff");
                assert_eq!(parse(text.as_bytes()).is_some(), expected, "{text}");
                accepted += u32::from(expected);
            }
        }
        assert_eq!(accepted, 52 * 16 - 1 + 3, "16 digits at 52 places, but version ff, and the dashes");
    }

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for value in [0, 1, 0x0123_4567, 0x89ab_cdef, 0x9a9a_a9a9, u32::MAX] {
            assert_eq!(String::from_utf8_lossy(&digits(value)), format!("{value:08x}"));
        }
    }

    /// A new trace, but for its ids.
    const MADE: TraceContext =
        TraceContext { trace_id: TraceId(NonZeroU128::MIN), span_id: 0, flags: SAMPLED, keeps_state: false };

    #[test]
    fn several_traceparents_are_none() {
        let valid = format!("00-{TRACE}-{PARENT}-01");
        let context = TraceContext::of(&headers(&[&valid, &valid], &["a=1"]));
        assert!(context.trace_id.to_string() != TRACE && !context.keeps_state);
    }

    #[test]
    fn every_request_has_ids_of_its_own() {
        let contexts: Vec<_> = (0..1000).map(|_| TraceContext::of(&HeaderMap::new())).collect();
        let trace_ids: std::collections::HashSet<_> =
            contexts.iter().map(|context| context.trace_id).collect();
        let span_ids: std::collections::HashSet<_> = contexts.iter().map(|context| context.span_id).collect();
        assert_eq!((trace_ids.len(), span_ids.len()), (1000, 1000));
        let made = text(TraceContext { span_id: 0xaf, ..MADE });
        assert_eq!(made, "00-00000000000000000000000000000001-00000000000000af-01");
    }

    #[test]
    fn a_tracestate_is_passed_up_to_its_length() {
        let valid = format!("00-{TRACE}-{PARENT}-01");
        let passes = |states: &[&str]| TraceContext::of(&headers(&[&valid], states)).keeps_state;
        let (longest, half) = ("x".repeat(512), "x".repeat(256));
        assert!(passes(&[]) && passes(&[""]) && passes(&["a=1, b=2", "c=3"]));
        assert!(passes(&[&longest]) && passes(&[&half, &half[1..]]));
        assert!(!passes(&[&format!("{longest}x")]) && !passes(&[&half, &half]));
        assert!(!passes(&["a=é"]));
    }
}
