//! Recognition of an event that only declares usage: `choices: []` beside a `usage` object. Its beginning shows that an
//! event is another one, mostly long before its end.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::events::Event;
use super::filled::Filled;

/// Decision about an event that the client did not request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is another event.
    Passes,
    /// Undecided by what has come so far.
    Open,
    /// It declares use and nothing else.
    Withheld,
}

impl Decision {
    /// On an event, or on the beginning of one.
    pub(crate) fn on(piece: &[u8]) -> Self {
        if piece.starts_with(b":") {
            return Self::Passes;
        }
        let Some(event) = Event::of(piece) else { return Self::Open };
        match event.data.trim_ascii_start().first() {
            None => return Self::Open,
            Some(b'{') => {}
            Some(_) => return Self::Passes,
        }
        match serde_json::from_slice::<Declaration>(&event.data) {
            Ok(Declaration { choices: Some(NoChoices), usage: Some(AnObject), error: Filled(false) }) => {
                Self::Withheld
            }
            Err(error) if error.is_eof() || (error.is_syntax() && is_cut_in_a_number(&event.data)) => {
                Self::Open
            }
            _ => Self::Passes,
        }
    }
}

/// Returns true if the data may be sound up to a number whose end has not come, such as `1.`.
fn is_cut_in_a_number(data: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let Some(last) = data.iter().rposition(|byte| !is_part(byte)) else { return false };
    serde_json::from_slice::<Declaration>(&data[..=last]).is_err_and(|error| error.is_eof())
}

/// Fails to be read as soon as it cannot be a declaration.
#[derive(serde::Deserialize)]
struct Declaration {
    choices: Option<NoChoices>,
    usage: Option<AnObject>,
    #[serde(default)]
    error: Filled,
}

struct NoChoices;

impl<'de> Deserialize<'de> for NoChoices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EmptyVisitor;
        impl<'de> Visitor<'de> for EmptyVisitor {
            type Value = NoChoices;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("no choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NoChoices, A::Error> {
                seq.next_element::<Refused>()?;
                Ok(NoChoices)
            }
        }
        deserializer.deserialize_seq(EmptyVisitor)
    }
}

/// Refused unread.
struct Refused;

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("a choice"))
    }
}

struct AnObject;

impl<'de> Deserialize<'de> for AnObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = AnObject;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnObject, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(AnObject)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}
