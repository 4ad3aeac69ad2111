//! A YAML document as a tree that keeps duplicate keys and knows where everything stands.
//!
//! `serde_yaml` says what the values are, `saphyr_parser` where they are; [`parse`] zips the two.

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScanError, Span};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::files::Misread;
use crate::config::problem::{Fault, Place};

/// Nodes of a document after its aliases are followed; a real configuration has some hundreds.
const MAX_NODES: usize = 50_000;

/// Sections and lists within each other; a real configuration has four.
const MAX_DEPTH: usize = 32;

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
    let syntax = |line: usize, column: usize, message: &str| match tab_in_indentation(text) {
        Some((line, column)) => {
            let fault = Fault::new("yaml-tab", "a tab in the indentation", "indent with spaces");
            Box::new((file.at(line, Some(column)), fault))
        }
        None => {
            let fix = "check the indentation and quotes on and above this line";
            Box::new((
                file.at(line, Some(column)),
                Fault::new("yaml-syntax", format!("not YAML ({message})"), fix),
            ))
        }
    };
    let marks = match Outline::read(text) {
        Ok(marks) => marks,
        Err(Refused::Syntax(error)) => {
            return Err(syntax(error.marker().line(), error.marker().col() + 1, error.info()));
        }
        Err(Refused::At(line, column, fault)) => return Err(Box::new((file.at(line, Some(column)), fault))),
    };
    let Some(marks) = marks else { return Ok(Node { line: 1, column: 1, value: Value::Null }) };
    let mut node: Node = serde_yaml::from_str(text).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        syntax(line, column, "its structure cannot be read")
    })?;
    node.mark(&marks);
    Ok(node)
}

fn tab_in_indentation(text: &str) -> Option<(usize, usize)> {
    text.lines().enumerate().find_map(|(index, line)| {
        let indentation = &line[..line.find(|c: char| !c.is_whitespace())?];
        let starts_comment = line[indentation.len()..].starts_with('#');
        let tab = indentation.find('\t').filter(|_| !starts_comment)?;
        Some((index + 1, tab + 1))
    })
}

impl Node {
    /// Takes over the positions; below an alias everything stands where the alias does.
    fn mark(&mut self, mark: &Mark) {
        (self.line, self.column) = (mark.line, mark.column);
        let below = |index: usize| mark.children.get(index).unwrap_or(mark);
        match &mut self.value {
            Value::List(items) => {
                items.iter_mut().enumerate().for_each(|(index, item)| item.mark(below(index)));
            }
            Value::Map(entries) => {
                for (index, (key, value)) in entries.iter_mut().enumerate() {
                    key.mark(below(2 * index));
                    value.mark(below(2 * index + 1));
                }
            }
            _ => {}
        }
    }
}

/// Position of a node; in a mapping, keys and values alternate.
#[derive(Debug, Default)]
struct Mark {
    line: usize,
    column: usize,
    anchor: usize,
    /// Nodes it stands for, itself included, aliases followed.
    size: usize,
    children: Vec<Mark>,
}

enum Refused {
    Syntax(ScanError),
    At(usize, usize, Fault),
}

/// The marks of a document under construction.
#[derive(Default)]
struct Outline {
    open: Vec<Mark>,
    root: Option<Mark>,
    documents: usize,
    sizes: HashMap<usize, usize>,
}

impl Outline {
    fn read(text: &str) -> Result<Option<Mark>, Refused> {
        let mut outline = Self::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(Refused::Syntax)?;
            outline.take(&event, span)?;
        }
        Ok(outline.root)
    }

    fn take(&mut self, event: &Event<'_>, span: Span) -> Result<(), Refused> {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        let refuse =
            |id, message: &str, fix: &str| Err(Refused::At(line, column, Fault::new(id, message, fix)));
        let mark = |anchor, size| Mark { line, column, anchor, size, children: Vec::new() };
        if let Event::Scalar(.., Some(_))
        | Event::SequenceStart(_, Some(_))
        | Event::MappingStart(_, Some(_)) = event
        {
            return refuse(
                "yaml-tag",
                "a YAML tag has no meaning here",
                "remove it; quote what must be a string",
            );
        }
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refuse("yaml-documents", "a second document", "keep one document in the file");
                }
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if self.open.len() == MAX_DEPTH {
                    let what = format!("more than {MAX_DEPTH} nested sections and lists");
                    return refuse("yaml-depth", &what, "write it flatter");
                }
                self.open.push(mark(*anchor, 1));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(closed) = self.open.pop() {
                    return self.close(closed);
                }
            }
            Event::Scalar(_, _, anchor, _) => return self.close(mark(*anchor, 1)),
            Event::Alias(anchor) => {
                let Some(size) = self.sizes.get(anchor).copied() else {
                    return refuse("yaml-bomb", "an alias that contains itself", "write the value out");
                };
                return self.close(mark(0, size));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn close(&mut self, mark: Mark) -> Result<(), Refused> {
        if mark.anchor > 0 {
            self.sizes.insert(mark.anchor, mark.size);
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(mark);
            return Ok(());
        };
        parent.size = parent.size.saturating_add(mark.size);
        if parent.size > MAX_NODES {
            let what = format!("more than {MAX_NODES} values after its aliases are expanded");
            let fault = Fault::new("yaml-bomb", what, "write the values out");
            return Err(Refused::At(mark.line, mark.column, fault));
        }
        parent.children.push(mark);
        Ok(())
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
                Value::Map(entries) => entries.iter().for_each(|(key, value)| {
                    walk(key, out);
                    walk(value, out);
                }),
                Value::List(items) => items.iter().for_each(|item| walk(item, out)),
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
    fn everything_knows_its_place() {
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
