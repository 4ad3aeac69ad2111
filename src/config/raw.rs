//! The YAML file, every key known, single and of the right shape; nothing here leaves this module's parent.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Fault, Place, Problems};
use super::settings::{SETTINGS, Setting, Slot};
use super::substitute::{Substituted, substitute};
use super::variables::Variables;
use super::yaml::{Node, Value};

/// Sections of upstream Aurora that this build has not got.
const UNSUPPORTED: &[&str] = &[
    "admin",
    "budgets",
    "cache",
    "cli_tools",
    "combos",
    "edition",
    "guardrails",
    "logging",
    "storage",
    "token_saver",
    "usage",
];

/// What a file says.
#[derive(Default)]
pub(super) struct RawConfig {
    pub(super) settings: Vec<(&'static Setting, Given)>,
    pub(super) providers: Vec<RawProvider>,
    /// Whether a key stands in the file itself.
    pub(super) has_inline_key: bool,
}

/// One entry of `providers`.
#[derive(Debug)]
pub(super) struct RawProvider {
    pub(super) name: String,
    pub(super) place: Place,
    /// By the name of the field, such as `base_url`.
    pub(super) fields: BTreeMap<&'static str, Given>,
}

/// A value and where it was given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) content: Content,
    pub(super) place: Place,
}

/// A value after substitution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(String),
    List(Vec<String>),
    /// These variables are not set.
    Missing(Vec<String>),
}

/// Walks a document.
pub(super) struct Reader<'a> {
    pub(super) file: &'a Place,
    pub(super) variables: &'a Variables,
    pub(super) assume_set: bool,
    pub(super) problems: &'a mut Problems,
    pub(super) needs: &'a mut BTreeSet<String>,
    pub(super) raw: RawConfig,
}

/// A path as people read it and as the settings table has it, where names of providers are `NAME`.
#[derive(Clone)]
struct Path {
    shown: String,
    row: String,
}

impl Path {
    fn root() -> Self {
        Self { shown: String::new(), row: String::new() }
    }

    fn child(&self, key: &str) -> Self {
        let row_key = if self.row == "providers" { "NAME" } else { key };
        let join =
            |path: &str, key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        Self { shown: join(&self.shown, key), row: join(&self.row, row_key) }
    }

    /// The rows below it.
    fn rows(&self) -> impl Iterator<Item = (&'static Setting, &'static str)> {
        let prefix = if self.row.is_empty() { String::new() } else { format!("{}.", self.row) };
        SETTINGS.iter().filter_map(move |setting| Some((setting, setting.key.strip_prefix(prefix.as_str())?)))
    }
}

impl Reader<'_> {
    /// Reads the whole document.
    pub(super) fn read(mut self, document: &Node) -> RawConfig {
        self.section(document, &Path::root());
        self.raw
    }

    fn place(&self, node: &Node) -> Place {
        self.file.at(node.line, Some(node.column))
    }

    fn section(&mut self, node: &Node, path: &Path) {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => return,
            other => {
                let what = format!("the wrong type (got {}, expected a section)", other.noun());
                let fix = "write the settings below it, indented";
                return self.problems.error(
                    &self.place(node),
                    &path.shown,
                    Fault::new("wrong-type", what, fix),
                );
            }
        };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (key, value) in entries {
            let place = self.place(key);
            let Some(name) = key_text(key) else {
                let fault = Fault::new(
                    "wrong-type",
                    format!("a key that is {}", key.value.noun()),
                    "write a plain name",
                );
                self.problems.error(&place, &path.shown, fault);
                continue;
            };
            let child = path.child(&name);
            if let Some(line) = seen.get(&name) {
                let what = format!("set twice (first on line {line})");
                self.problems.error(
                    &place,
                    &child.shown,
                    Fault::new("duplicate-key", what, "keep one of them"),
                );
                continue;
            }
            seen.insert(name.clone(), key.line);
            self.entry(&name, place, value, path, &child);
        }
    }

    fn entry(&mut self, name: &str, place: Place, value: &Node, parent: &Path, path: &Path) {
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == path.row && !setting.is_later())
        {
            return self.leaf(setting, value, path);
        }
        let mut below = path.rows().map(|(setting, _)| setting).peekable();
        let exact = SETTINGS.iter().find(|setting| setting.key == path.row);
        if exact.is_some() || (below.peek().is_some() && below.all(Setting::is_later)) {
            return self.problems.error(&place, &path.shown, not_yet());
        }
        if parent.row.is_empty() && UNSUPPORTED.contains(&name) {
            let fault = Fault::new(
                "unsupported-section",
                "not supported, ignored",
                "remove it when you no longer need it",
            );
            return self.problems.warn(&place, &path.shown, fault);
        }
        if path.row == "providers.NAME" {
            self.raw.providers.push(RawProvider { name: name.to_owned(), place, fields: BTreeMap::new() });
            return self.section(value, path);
        }
        if path.rows().next().is_some() {
            return self.section(value, path);
        }
        self.problems.error(&place, &path.shown, unknown(name, parent));
    }

    fn leaf(&mut self, setting: &'static Setting, node: &Node, path: &Path) {
        let is_list = matches!(setting.slot, Slot::ProviderList);
        let content = match &node.value {
            Value::List(items) if is_list => {
                let items: Vec<_> =
                    items.iter().filter_map(|item| self.scalar(setting, item, path)).collect();
                Some(join(items))
            }
            _ => {
                self.scalar(setting, node, path).map(|content| if is_list { split(content) } else { content })
            }
        };
        let Some(content) = content else { return };
        let given = Given { content, place: self.place(node) };
        match setting.key.strip_prefix("providers.NAME.") {
            Some(field) => {
                if let Some(provider) = self.raw.providers.last_mut() {
                    provider.fields.insert(field, given);
                }
            }
            None => self.raw.settings.push((setting, given)),
        }
    }

    /// One scalar, substituted; `None` when it is refused or empty.
    fn scalar(&mut self, setting: &'static Setting, node: &Node, path: &Path) -> Option<Content> {
        let text = match (&node.value, &setting.slot) {
            (Value::Text(text), _) => text,
            (Value::Bool(true), Slot::Flag(_)) => "true",
            (Value::Bool(false), Slot::Flag(_)) => "false",
            (
                Value::Integer(text),
                Slot::Flag(_) | Slot::Port(_) | Slot::Count { .. } | Slot::Size { .. } | Slot::Time { .. },
            ) => text,
            (other, _) => {
                let got = other.noun();
                let what = format!("the wrong type (got {got}, expected {})", setting.expected());
                let fix = match other {
                    Value::Null => "write a value, or remove the line",
                    Value::Map(_) | Value::List(_) => "write one value",
                    _ => "write it in quotes if it is meant as text",
                };
                self.problems.error(&self.place(node), &path.shown, Fault::new("wrong-type", what, fix));
                return None;
            }
        };
        match substitute(text, |name| self.variables.get(name)) {
            Ok(Substituted::Literal(text)) => {
                self.raw.has_inline_key |= setting.is_secret() && !text.is_empty();
                Some(Content::Text(text))
            }
            Ok(Substituted::Resolved(text)) => (!text.is_empty()).then_some(Content::Text(text)),
            Ok(Substituted::Missing(names)) => self.missing(setting, names, node, path),
            Err(fault) => {
                self.problems.error(&self.place(node), &path.shown, fault);
                None
            }
        }
    }

    /// A provider's key may be missing: `providers.rs` then leaves the provider out.
    fn missing(
        &mut self,
        setting: &Setting,
        names: Vec<String>,
        node: &Node,
        path: &Path,
    ) -> Option<Content> {
        if self.assume_set {
            self.needs.extend(names.iter().cloned());
        } else if !matches!(setting.slot, Slot::ProviderSecret) {
            let what = format!("{} not set", references(&names));
            let fix = match setting.slot {
                Slot::Secret(_) => format!("set it, or write ${{{}:-}} to run without a key", names[0]),
                _ => format!("set it, or write ${{{}:-default}}", names[0]),
            };
            self.problems.error(&self.place(node), &path.shown, Fault::new("unset-variable", what, fix));
            return None;
        }
        Some(Content::Missing(names))
    }
}

/// `${A} is`, `${A}, ${B} are`.
pub(super) fn references(names: &[String]) -> String {
    let list = names.iter().map(|name| format!("${{{name}}}")).collect::<Vec<_>>().join(", ");
    format!("{list} {}", if names.len() == 1 { "is" } else { "are" })
}

/// The refusal of a setting that a later build brings.
pub(super) fn not_yet() -> Fault {
    Fault::new("not-in-this-build", "not in this build yet", "remove it")
}

fn key_text(key: &Node) -> Option<String> {
    match &key.value {
        Value::Text(text) | Value::Integer(text) | Value::Float(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn unknown(name: &str, parent: &Path) -> Fault {
    let mut known: Vec<&str> = Vec::new();
    for (setting, rest) in parent.rows().filter(|(setting, _)| !setting.is_later()) {
        let segment = rest.split('.').next().unwrap_or(setting.key);
        if !known.contains(&segment) {
            known.push(segment);
        }
    }
    let near = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4);
    let fix = match near {
        Some((_, candidate)) => format!("did you mean {candidate}?"),
        None => format!("known here: {}", known.join(", ")),
    };
    Fault::new("unknown-key", "unknown key", fix)
}

/// A comma-separated list.
pub(super) fn list_of(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn split(content: Content) -> Content {
    match content {
        Content::Text(text) => Content::List(list_of(&text)),
        other => other,
    }
}

fn join(items: Vec<Content>) -> Content {
    let mut list = Vec::new();
    let mut missing = Vec::new();
    for item in items {
        match item {
            Content::Text(text) => list.push(text),
            Content::List(texts) => list.extend(texts),
            Content::Missing(names) => missing.extend(names),
        }
    }
    if missing.is_empty() { Content::List(list) } else { Content::Missing(missing) }
}
