//! A YAML document as a tree that keeps duplicate keys and the position of every node.
//!
//! The values come from `serde_yaml`, their positions from `saphyr_parser`; [`parse`] joins the two.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::files::Misread;
use super::outline::{Mark, Outline, Refused};
use super::syntax;
use crate::config::problem::Place;

/// A value and where it starts, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) value: Value,
}

/// A YAML value; numbers keep only their text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(String),
    Float(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// Its type in words.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a section",
        }
    }
}

/// Reads one document; an empty one is [`Value::Null`].
///
/// # Errors
/// Bad syntax, a second document, a tag, or more nodes than a configuration can have.
pub(crate) fn parse(text: &str, file: &Place) -> Result<Node, Misread> {
    let marks = match Outline::read(text) {
        Ok(marks) => marks,
        Err(Refused::Syntax(error)) => {
            let place = file.at(error.marker().line(), Some(error.marker().col() + 1));
            return Err(syntax::fault(text, place, error.info()));
        }
        Err(Refused::At(line, column, fault)) => return Err(Box::new((file.at(line, Some(column)), fault))),
    };
    let Some(marks) = marks else { return Ok(Node { line: 1, column: 1, value: Value::Null }) };
    let mut node: Node = match serde_yaml::from_str(text) {
        Ok(node) => node,
        Err(error) => {
            let place = match error.location() {
                Some(at) => file.at(at.line(), Some(at.column())),
                None => file.at(1, Some(1)),
            };
            return Err(syntax::fault(text, place, "its structure cannot be read"));
        }
    };
    node.mark(&marks);
    Ok(node)
}

impl Node {
    /// Takes over the positions.
    fn mark(&mut self, mark: &Mark) {
        (self.line, self.column) = (mark.line, mark.column);
        match &mut self.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.mark(mark.child(index));
                }
            }
            Value::Map(entries) => {
                for (index, (key, value)) in entries.iter_mut().enumerate() {
                    key.mark(mark.child(2 * index));
                    value.mark(mark.child(2 * index + 1));
                }
            }
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(AnyValue)?;
        Ok(Self { line: 0, column: 0, value })
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.to_string()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Integer(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Layer;

    fn places(text: &str) -> Vec<(String, usize, usize)> {
        fn walk(node: &Node, out: &mut Vec<(String, usize, usize)>) {
            match &node.value {
                Value::Map(entries) => {
                    for (key, value) in entries {
                        walk(key, out);
                        walk(value, out);
                    }
                }
                Value::List(items) => {
                    for item in items {
                        walk(item, out);
                    }
                }
                Value::Text(text) | Value::Integer(text) => out.push((text.clone(), node.line, node.column)),
                other => out.push((other.noun().to_owned(), node.line, node.column)),
            }
        }
        let node = parse(text, &Place::new(Layer::File, "test.yaml")).expect("valid");
        let mut out = Vec::new();
        walk(&node, &mut out);
        out
    }

    #[test]
    fn every_node_has_its_position() {
        let found = places("a:\n  b: 1\n  b: \"é\"\nc: &x [p, {q: r}]\nd: *x\n");
        let found: Vec<_> =
            found.iter().map(|(text, line, column)| (text.as_str(), *line, *column)).collect();
        assert_eq!(
            found,
            [
                ("a", 1, 1),
                ("b", 2, 3),
                ("1", 2, 6),
                ("b", 3, 3),
                ("é", 3, 6),
                ("c", 4, 1),
                ("p", 4, 8),
                ("q", 4, 12),
                ("r", 4, 15),
                ("d", 5, 1),
                ("p", 5, 4),
                ("q", 5, 4),
                ("r", 5, 4),
            ]
        );
    }

    #[test]
    fn an_empty_document_is_nothing() {
        for text in ["", "# only a comment\n", "---\n"] {
            assert_eq!(places(text).first().map(|found| found.0.as_str()), Some("nothing"), "{text:?}");
        }
    }
}
