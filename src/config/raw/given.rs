//! Content of the YAML file before it is checked; nothing here leaves `config`.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::problem::{Fault, Layer, Place, Problems};
use crate::config::sources::files::SecretFiles;
use crate::config::table::setting::Setting;
use crate::config::values::secrets;
use crate::config::{Key, Secret};

/// Content of a file.
#[derive(Default)]
pub(crate) struct RawConfig {
    pub(crate) settings: Vec<(&'static Setting, Given)>,
    pub(crate) providers: Vec<RawEntry>,
    pub(crate) keys: Vec<RawEntry>,
    pub(crate) routes: Vec<RawEntry>,
    /// True when the file itself contains a key.
    pub(crate) has_inline_key: bool,
}

/// One entry of `providers`, `server.keys` or `routes`.
pub(crate) struct RawEntry {
    /// Its name, the model of a route; empty in a list.
    pub(crate) name: String,
    /// Its path as it is shown, such as `providers.openai`.
    pub(crate) key: String,
    pub(crate) place: Place,
    /// By their path within the entry, such as `base_url` or `prices.MODEL.input`.
    pub(crate) fields: BTreeMap<String, Given>,
    /// Fields that are given but invalid, which is already reported.
    pub(crate) refused: BTreeSet<String>,
}

impl RawEntry {
    pub(crate) fn new(name: impl Into<String>, key: impl Into<String>, place: Place) -> Self {
        let (name, key) = (name.into(), key.into());
        Self { name, key, place, fields: BTreeMap::new(), refused: BTreeSet::new() }
    }

    /// The path of a field as it is shown.
    pub(crate) fn path(&self, field: &str) -> String {
        format!("{}.{field}", self.key)
    }

    /// True when a field is given, valid or not.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field) || self.refused.contains(field)
    }

    pub(crate) fn text(&self, field: &str) -> Option<(&str, &Place)> {
        match self.fields.get(field) {
            Some(Given { content: Content::Text(text), place }) => Some((text, place)),
            _ => None,
        }
    }

    /// Reads a field, or reports what its row of the table expects.
    pub(crate) fn read<T>(
        &self,
        field: &str,
        row: Key,
        read: impl Fn(&str) -> Option<T>,
        problems: &mut Problems,
    ) -> Option<T> {
        let (text, place) = self.text(field)?;
        let found = read(text);
        if found.is_none() {
            problems.error(place, self.path(field), row.setting().refuse(text));
        }
        found
    }

    /// The key that the entry gives by value in `field`, or by the file that `field` with `_file` names; `Some(None)`
    /// where it gives neither, `None` where what is wrong is already reported.
    pub(crate) fn secret(
        &self,
        field: &str,
        files: &mut SecretFiles<'_>,
        problems: &mut Problems,
    ) -> Option<Option<Secret>> {
        let file_field = format!("{field}_file");
        if self.refused.contains(field) || self.refused.contains(&file_field) {
            return None;
        }
        if let (Some(given), true) = (self.fields.get(field), self.fields.contains_key(&file_field)) {
            let what = format!("{field} and {file_field} are both given");
            problems.error(&given.place, self.path(field), Fault::new("two-keys", what, "keep one of them"));
            return None;
        }
        if self.missing(field).or(self.missing(&file_field)).is_some() {
            return Some(Some(secrets::assumed()));
        }
        let (place, secret) = match (self.text(field), self.text(&file_field)) {
            (Some((text, place)), _) => (place, secret_by_value(text, place)),
            (None, Some((path, place))) => (place, secret_in_file(path, place, files)),
            (None, None) => return Some(None),
        };
        match secret {
            Ok(secret) => Some(secret),
            Err(fault) => {
                problems.error(place, self.path(field), fault);
                None
            }
        }
    }

    /// The place of a field, or of the entry that does not have it.
    pub(crate) fn place_of(&self, field: &str) -> &Place {
        match self.fields.get(field) {
            Some(given) => &given.place,
            None => &self.place,
        }
    }

    /// The source of a field's value, such as `config.yaml:12`, or `default`.
    pub(crate) fn provenance(&self, field: &str) -> String {
        match self.fields.get(field) {
            Some(given) => given.place.provenance(),
            None => "default".to_owned(),
        }
    }

    /// The unset variables that a field names.
    pub(crate) fn missing(&self, field: &str) -> Option<(&[String], &Place)> {
        match self.fields.get(field) {
            Some(Given { content: Content::Missing(names), place }) => Some((names, place)),
            _ => None,
        }
    }
}

/// A key as it is written; in a variable nothing is expanded, so that a reference is a mistake.
fn secret_by_value(text: &str, place: &Place) -> Result<Option<Secret>, Fault> {
    if place.layer >= Layer::DotEnv {
        secrets::check_in_variable(text)?;
    }
    secrets::read(text)
}

fn secret_in_file(path: &str, place: &Place, files: &mut SecretFiles<'_>) -> Result<Option<Secret>, Fault> {
    let text = files.read(path, place)?;
    secrets::read(&text)
}

/// A value and its place.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) content: Content,
    pub(crate) place: Place,
}

impl Given {
    pub(crate) fn text(text: impl Into<String>, place: Place) -> Self {
        Self { content: Content::Text(text.into()), place }
    }
}

/// A value after substitution.
#[derive(Clone)]
pub(crate) enum Content {
    Text(String),
    List(Vec<String>),
    /// These variables are not set.
    Missing(Vec<String>),
}

impl Content {
    /// A comma-separated list.
    pub(crate) fn list(text: &str) -> Self {
        Self::List(Self::items(text))
    }

    /// The items of a comma-separated list.
    pub(crate) fn items(text: &str) -> Vec<String> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// One list of all items; one that is missing makes it missing.
    pub(crate) fn join(items: Vec<Self>) -> Self {
        let mut list = Vec::new();
        let mut missing = Vec::new();
        for item in items {
            match item {
                Self::Text(text) => list.push(text),
                Self::List(texts) => list.extend(texts),
                Self::Missing(names) => missing.extend(names),
            }
        }
        if missing.is_empty() { Self::List(list) } else { Self::Missing(missing) }
    }
}

/// `${A} is`, `${A}, ${B} are`.
pub(crate) fn references(names: &[String]) -> String {
    let list = names.iter().map(|name| format!("${{{name}}}")).collect::<Vec<_>>().join(", ");
    format!("{list} {}", if names.len() == 1 { "is" } else { "are" })
}
