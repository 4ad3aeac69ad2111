//! Remedies for unknown keys and for values of the wrong shape.

use super::foreign;
use super::path::Path;
use crate::config::problem::Fault;
use crate::config::providers::types::PROVIDER_TYPES;
use crate::config::sources::yaml::{Node, Value};
use crate::config::table::setting::{Setting, Shape, Slot};
use crate::config::table::settings::{self, SETTINGS};
use crate::config::values::names;

fn wrong_type(value: &Value, expected: &str, fix: impl Into<String>) -> Fault {
    let what = format!("wrong type (got {}, expected {expected})", value.noun());
    Fault::new("wrong-type", what, fix)
}

/// The fault of a value where a section is expected.
pub(super) fn not_a_section(value: &Value, path: &Path) -> Fault {
    let fix = match (value, path.row.as_str()) {
        (Value::List(_), "providers" | "routes") => {
            "write `NAME:` for each, without a dash, and what belongs to it below, indented"
        }
        (Value::Text(text), "") if text.contains('=') => {
            "name a file of variables with --env-file; here `section:` is expected, and its settings below, indented"
        }
        (Value::Text(text), _) if text.contains(':') && !text.contains(": ") => {
            "write a space after the colon that follows a name"
        }
        (_, "providers.NAME") => "write `type: …` and `api_key: …` below it, indented",
        (_, "server.keys[]") => "write `- name: NAME`, and `key: …` below `name`",
        (Value::Bool(_), row) if settings::find(&format!("{row}.enabled")).is_some() => {
            "write `enabled: …` below it, indented"
        }
        _ => "write the settings below it, indented",
    };
    wrong_type(value, "a section", fix)
}

/// The fault of a value where a list of sections is expected.
pub(super) fn not_a_list(value: &Value) -> Fault {
    wrong_type(value, "a list", "write one `- name: …` for each, and what belongs to it below")
}

/// The fault of a value that a setting cannot have.
pub(super) fn not_a_value(setting: &Setting, value: &Value) -> Fault {
    let fix = match (value, &setting.slot) {
        (Value::Null, _) => "write a value, or remove the line",
        (Value::Map(_), Slot::Entry(Shape::List)) => "write the names alone, each behind a dash",
        (Value::Map(_) | Value::List(_), _) => "write one value",
        _ => "write it in quotes if it is meant as text",
    };
    wrong_type(value, &setting.expected(), fix)
}

/// The fault of a key that is given twice.
pub(super) fn duplicate(first: usize, value: &Node) -> Fault {
    let fix = match value.value {
        Value::Map(_) => format!("move what is below it to line {first}"),
        _ => "keep one of them".to_owned(),
    };
    Fault::new("duplicate-key", format!("is given twice (first on line {first})"), fix)
}

/// The fault of a path in place of nested keys; `None` for any other key. Names of the owner's choice may have dots.
pub(super) fn dotted(name: &str, parent: &Path) -> Option<Fault> {
    if matches!(parent.row.as_str(), "providers" | "routes" | "providers.NAME.prices") {
        return None;
    }
    let (section, rest) = name.split_once('.')?;
    parent.child(section).rows().next()?;
    let below: Vec<&str> =
        if matches!(section, "routes" | "prices") { vec![rest] } else { rest.split('.').collect() };
    if below.contains(&"") {
        return None;
    }
    let nested = below.iter().rev().fold("…".to_owned(), |value, key| format!("{{{key}: {value}}}"));
    let fix = format!("write `{section}: {nested}`, or each name below the one before it, indented");
    Some(Fault::new("dotted-key", "dots do not nest keys", fix))
}

/// The fault of a key that no setting has.
pub(super) fn unknown(name: &str, parent: &Path) -> Fault {
    let mut known: Vec<&str> = Vec::new();
    for (setting, rest) in parent.rows() {
        let segment = rest.split('.').next().unwrap_or(setting.key.as_str()).trim_end_matches("[]");
        if !known.contains(&segment) {
            known.push(segment);
        }
    }
    let fix = foreign::remedy(name, &parent.row)
        .map(str::to_owned)
        .or_else(|| names::nearest(name, known.iter().copied()).map(|near| format!("did you mean {near}?")))
        .or_else(|| elsewhere(name, parent))
        .or_else(|| variable(name))
        .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
    Fault::new("unknown-key", "unknown key", fix)
}

/// The remedy for a setting of another section.
fn elsewhere(name: &str, parent: &Path) -> Option<String> {
    if parent.row.contains('.') || matches!(parent.row.as_str(), "providers" | "routes") {
        return None;
    }
    let section = SETTINGS.iter().find_map(|setting| {
        let (section, rest) = setting.key.as_str().split_once('.')?;
        (section != parent.row && rest.split('.').next() == Some(name)).then_some(section)
    })?;
    let verb = if parent.row.is_empty() { "indent" } else { "move" };
    Some(format!("{verb} it below `{section}:`"))
}

/// The remedy for the variable of a setting.
fn variable(name: &str) -> Option<String> {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.environment.contains(&name)) {
        return Some(format!("a variable of the environment or .env; in this file it is {}", setting.key));
    }
    let is_of_provider = PROVIDER_TYPES.iter().any(|row| {
        let rest = name.strip_prefix(row.env_prefix);
        rest.is_some_and(|rest| rest.starts_with('_'))
    });
    is_of_provider.then(|| "a variable: set it in the environment or in .env".to_owned())
}
