//! Places of the members of a JSON body that Aurora reads. Everything else is only checked to be JSON.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::json;
use crate::gateway::http::error::GatewayError;

/// The reading of a body that comes in pieces. One that comes at once, as most do, keeps nothing here.
#[derive(Debug, Default)]
pub(crate) struct Reading(Option<Box<(json::Scan, Members)>>);

/// Place of each value in the body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub(super) model: Option<Range<usize>>,
    pub(super) stream: Option<Range<usize>>,
    pub(super) stream_options: Option<Range<usize>>,
    /// A name that the body has twice.
    pub(super) duplicate: Option<&'static str>,
}

impl Reading {
    /// Reads on in `body`, all that has come of it.
    pub(crate) fn update(&mut self, body: &[u8]) {
        let (scan, members) = &mut **self.0.get_or_insert_default();
        scan.update(body, &mut |name, at| members.add(name, at));
    }

    /// Reads the rest of a whole body, which must be one JSON object. Only where the scanner cannot tell does `serde_json`
    /// read it, for the text of the error.
    pub(super) fn end(self, body: &[u8]) -> Result<Members, GatewayError> {
        match self.scanned(body) {
            Some(members) => Ok(members),
            None => Members::parsed(body),
        }
    }

    /// `None` where the body is no JSON object, or where only a parser can tell.
    pub(crate) fn scanned(self, body: &[u8]) -> Option<Members> {
        let (scan, mut members) = self.0.map(|read| *read).unwrap_or_default();
        scan.end(body, &mut |name, at| members.add(name, at))?;
        Some(members)
    }
}

impl Members {
    /// The members of a whole body by `serde_json`.
    pub(crate) fn parsed(body: &[u8]) -> Result<Self, GatewayError> {
        let text = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("The body is not UTF-8 (byte {}).", error.valid_up_to());
                return Err(GatewayError::invalid(message, None, "invalid_json"));
            }
        };
        let values: Values = match serde_json::from_str(text) {
            Ok(values) => values,
            Err(error) => {
                let message = format!("The body is not a JSON object: {error}.");
                return Err(GatewayError::invalid(message, None, "invalid_json"));
            }
        };
        let mut members = Self::default();
        for (name, value) in values.0 {
            members.set(name, place(text, value));
        }
        Ok(members)
    }

    /// Adds a member, if it is [`known`].
    fn add(&mut self, name: &[u8], at: Range<usize>) {
        if let Some(name) = known(name) {
            self.set(name, at);
        }
    }

    fn set(&mut self, name: &'static str, at: Range<usize>) {
        let member = match name {
            "model" => &mut self.model,
            "stream" => &mut self.stream,
            _ => &mut self.stream_options,
        };
        if member.replace(at).is_some() {
            self.duplicate.get_or_insert(name);
        }
    }
}

/// The name of a member that Aurora reads.
fn known(name: &[u8]) -> Option<&'static str> {
    match name {
        b"model" => Some("model"),
        b"stream" => Some("stream"),
        b"stream_options" => Some("stream_options"),
        _ => None,
    }
}

/// Position of a value in the text that it was borrowed from.
pub(super) fn place(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

/// The values of the members, in their order.
struct Values<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            match name {
                Some(name) => values.push((name, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Values(values))
    }
}

/// A member's name, if it is [`known`]; escapes in it are undone first.
struct Name(Option<&'static str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(known(name.as_bytes())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::json_members;

    #[test]
    fn the_scanner_leaves_only_names_with_escapes_and_deep_nesting_to_the_parser() {
        let nested = |depth: usize| format!(r#"{{"model":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        for (body, is_scanned) in [
            (r#"{"n\u0061me":1}"#, false),
            (r#"{"x":{"n\u0061me":1}}"#, true),
            (&nested(62), true),
            (&nested(63), false),
        ] {
            assert_eq!(Reading::default().scanned(body.as_bytes()).is_some(), is_scanned, "{body}");
            Members::parsed(body.as_bytes()).unwrap();
        }
    }

    #[test]
    fn every_byte_and_escape_is_judged_alike_at_each_place_of_a_block() {
        for length in 0..140 {
            let fill = "x".repeat(length);
            for byte in 0..=u8::MAX {
                let mut body = format!(r#"{{"{fill}":"#).into_bytes();
                body.extend([b'"', byte, b'"', b'}']);
                json_members(&body);
                let mut body = format!(r#"{{"stream":"{fill}\"#).into_bytes();
                body.extend([byte, b'"', b'}']);
                json_members(&body);
            }
            let rows = (1..6).map(|row| r"\".repeat(row));
            let ends = [r"\u12aF", r"\ud800", r"\u12g4", r"\u123", r"\\u12g4", r#"\\\""#, "é", "漢🙂"];
            for end in ends.map(str::to_owned).into_iter().chain(rows) {
                for fill in [fill.as_str(), &fill.replace('x', r"\\"), &format!("{fill}{}", r"\n".repeat(40))]
                {
                    json_members(format!(r#"{{"stream":"{fill}{end}","model":"m"}}"#).as_bytes());
                    json_members(format!(r#"{{"stream":"{fill}{end}"#).as_bytes());
                }
            }
        }
    }

    #[test]
    fn a_body_is_judged_alike_wherever_its_pieces_end() {
        let long = "x".repeat(70);
        let text = format!(
            r#"{{"a":[-1.5e+3,true,{{}}],"{long}": "{long}\"\u00e9漢🙂","s":{{"{long}\\":[["\n"]]}}, "model" :"m" }} "#
        );
        let mut bodies = vec![text.clone().into_bytes()];
        for (before, after) in
            [("\\u00e9", "\\u00g9"), ("true", "tru"), (":[[", "[["), ("]]}", "]}"), (" }", "}}")]
        {
            bodies.push(text.replace(before, after).into_bytes());
        }
        // The second byte of a character, and its last.
        for (index, _) in text.bytes().enumerate().filter(|(_, byte)| *byte >= 0xE0) {
            for at in [index + 1, index + 2] {
                let mut body = text.clone().into_bytes();
                body[at] = b'x';
                bodies.push(body);
            }
        }
        for (index, body) in bodies.iter().enumerate() {
            let whole = Reading::default().scanned(body);
            assert_eq!(whole.is_some(), index == 0);
            for first in 0..=body.len() {
                for second in (first..=body.len()).step_by(if index == 0 { 1 } else { 5 }) {
                    let mut reading = Reading::default();
                    reading.update(&body[..first]);
                    reading.update(&body[..second]);
                    assert_eq!(reading.scanned(body), whole, "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn a_long_string_is_read_in_small_pieces_and_a_long_number_is_left_to_the_parser() {
        for (value, is_scanned) in
            [(format!(r#""{}""#, "x".repeat(1 << 20)), true), ("1".repeat(1 << 20), false)]
        {
            let body = format!(r#"{{"stream":{value},"model":"m"}}"#).into_bytes();
            let read = || {
                let mut reading = Reading::default();
                for end in (0..body.len()).step_by(1 << 10) {
                    reading.update(&body[..end]);
                }
                reading
            };
            assert_eq!(read().scanned(&body).is_some(), is_scanned);
            assert_eq!(read().end(&body).unwrap(), Members::parsed(&body).unwrap());
        }
    }

    /// Texts that are JSON for the most part.
    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned()),
            r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            string(),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            let member = (name(), inner.clone()).prop_map(|(name, value)| format!("{name}: {value}"));
            prop_oneof![
                vec(inner, 0..5).prop_map(|values| format!("[{}]", values.join(", "))),
                vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",\n"))),
            ]
        })
    }

    fn string() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[ -!#-\\[\\]-~]{0,90}",
            1 => r#"\\["\\/bfnrt]"#,
            1 => r"\\u[0-9a-fA-F]{4}",
            1 => r"\PC{0,20}".prop_map(|text| text.replace(['"', '\\'], "_")),
        ];
        vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
    }

    fn name() -> impl Strategy<Value = String> {
        const KNOWN: &[&str] = &[
            "\"model\"",
            "\"stream\"",
            "\"stream_options\"",
            "\"usage\"",
            "\"meta\"",
            "\"usageMetadata\"",
            "\"prompt_tokens\"",
            "\"promptTokenCount\"",
            "\"input_tokens_details\"",
        ];
        prop_oneof![2 => proptest::sample::select(KNOWN).prop_map(str::to_owned), 1 => string()]
    }

    proptest! {
        #[test]
        fn the_scanner_agrees_with_the_parser(
            members in vec((name(), value()), 0..6), at in any::<prop::sample::Index>(), instead in vec(any::<u8>(), 0..3),
            changes in 0..3_usize,
        ) {
            let members = members.iter().map(|(name, value)| format!("{name} :{value}")).collect::<Vec<_>>();
            let mut body = format!("{{ {} }}", members.join(" ,")).into_bytes();
            json_members(&body);
            if changes > 0 {
                let at = at.index(body.len());
                let end = (at + changes).min(body.len());
                body.splice(at..end, instead);
                json_members(&body);
                body.truncate(at);
                json_members(&body);
            }
        }
    }
}
