//! Providers before they are checked: the file's, overlaid by their variables, then those that only variables describe.

use super::discovery::{Discovered, discover};
use super::types::{OPENAI_COMPATIBLE, PROVIDER_TYPES, provider_type};
use crate::config::ProviderType;
use crate::config::problem::{Fault, Problems};
use crate::config::raw::given::{Content, Given, RawEntry};
use crate::config::sources::variables::Variables;
use crate::config::values::names;

/// A provider before it is checked.
pub(crate) struct Draft {
    pub(crate) entry: RawEntry,
    pub(crate) kind: &'static ProviderType,
    /// True when the file names it; then it must be complete.
    pub(crate) in_file: bool,
}

/// Every provider, in the order of the file, then by name.
pub(crate) fn drafts(raw: Vec<RawEntry>, variables: &Variables, problems: &mut Problems) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = raw.into_iter().map(|entry| of_file(entry, problems)).collect();
    let count = drafts.len();
    for (name, found) in discover(variables) {
        overlay(&mut drafts, count, name, found, problems);
    }
    drafts
}

impl Draft {
    /// The variable that gives a field of this provider.
    pub(crate) fn variable(&self, field: &str) -> String {
        self.kind.variable(if self.in_file { self.kind.name } else { &self.entry.name }, field)
    }
}

fn of_file(mut entry: RawEntry, problems: &mut Problems) -> Draft {
    if !names::is_name(&entry.name) {
        let what =
            format!("not a provider name (got {:?}, expected [a-z0-9][a-z0-9._-]{{0,63}})", entry.name);
        problems.error(
            &entry.place,
            &entry.key,
            Fault::new("bad-provider-name", what, "write it in lower case, such as openai-east"),
        );
    }
    let kind = kind(&entry, problems);
    if kind.is_none() {
        entry.refused.insert("base_url".to_owned());
    }
    Draft { entry, kind: kind.unwrap_or(OPENAI_COMPATIBLE), in_file: true }
}

fn known_types() -> String {
    let mut names = Vec::new();
    for row in PROVIDER_TYPES {
        names.push(row.name);
    }
    names.join(", ")
}

/// The row that `type` names; `None` is already a problem.
fn kind(entry: &RawEntry, problems: &mut Problems) -> Option<&'static ProviderType> {
    let Some(Given { content: Content::Text(name), place }) = entry.fields.get("type") else {
        if !entry.has("type") {
            let what = format!("no type (expected one of {})", known_types());
            let namesake = provider_type(&entry.name);
            let fix = match namesake {
                Some(row) => format!("add `type: {}`", row.name),
                None => "add a type".to_owned(),
            };
            problems.error(&entry.place, &entry.key, Fault::new("no-type", what, fix));
            return namesake;
        }
        return None;
    };
    let kind = provider_type(name);
    if kind.is_none() {
        let what = format!("unknown provider type (got {name:?}, expected one of {})", known_types());
        let fix = match names::nearest(name, PROVIDER_TYPES.iter().map(|row| row.name)) {
            Some(near) => format!("did you mean {near}?"),
            None => "for any other OpenAI-compatible API write openai_compatible and its base_url".to_owned(),
        };
        problems.error(place, entry.path("type"), Fault::new("unknown-provider-type", what, fix));
    }
    kind
}

/// Warns of variables that could belong to several providers of the file, or to none.
fn ignore(found: &Discovered, what: String, problems: &mut Problems) {
    let fix = format!("write ${{{}_API_KEY}} and the like in the provider that it belongs to", found.prefix);
    problems.warn(&found.place, "", Fault::new("ambiguous-variables", what, fix));
}

/// Lays variables over the file's provider that they mean, or makes a provider of them.
fn overlay(
    drafts: &mut Vec<Draft>,
    in_file: usize,
    name: String,
    found: Discovered,
    problems: &mut Problems,
) {
    let yaml = &drafts[..in_file];
    let namesake = yaml.iter().position(|draft| draft.entry.name == name);
    let of_type: Vec<usize> =
        (0..in_file).filter(|index| yaml[*index].kind.name == found.kind.name).collect();
    let target = match (namesake, of_type.as_slice()) {
        (Some(index), _) if of_type.contains(&index) => Some(index),
        (_, [only]) if !found.is_named => Some(*only),
        (Some(_), _) => {
            let what = format!("ignored: the file's provider {name} is of another type");
            return ignore(&found, what, problems);
        }
        (None, [_, _, ..]) if !found.is_named => {
            let what = format!("ignored: several providers are of type {name} and none is named {name}");
            return ignore(&found, what, problems);
        }
        _ => None,
    };
    let Some(index) = target else {
        let key = format!("providers.{name}");
        let entry = RawEntry { fields: found.fields, ..RawEntry::new(name, key, found.place) };
        return drafts.push(Draft { entry, kind: found.kind, in_file: false });
    };
    let fields = &mut drafts[index].entry.fields;
    if ["api_key", "api_key_file"].iter().any(|field| found.fields.contains_key(*field)) {
        fields.remove("api_key");
        fields.remove("api_key_file");
    }
    fields.extend(found.fields);
}
