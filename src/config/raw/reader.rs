//! Walks the YAML file: every key is known, single and of the right shape.

use std::collections::{BTreeMap, BTreeSet};

use super::given::{Content, Given, RawConfig, RawEntry, references};
use super::path::{List, Path};
use super::{advice, foreign};
use crate::config::Key;
use crate::config::problem::{Fault, Place, Problems};
use crate::config::sources::substitution::{Substituted, substitute};
use crate::config::sources::variables::Variables;
use crate::config::sources::yaml::{Node, Value};
use crate::config::table::setting::{Setting, Shape, Slot};
use crate::config::table::settings;
use crate::config::values::secrets;

/// Walks a document.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a Place,
    pub(crate) variables: &'a Variables,
    pub(crate) assume_set: bool,
    pub(crate) problems: &'a mut Problems,
    pub(crate) needs: &'a mut BTreeSet<String>,
    pub(crate) raw: RawConfig,
}

impl Reader<'_> {
    /// Reads the whole document.
    pub(crate) fn read(mut self, document: &Node) -> RawConfig {
        let Value::Map(entries) = &document.value else {
            self.section(document, &Path::default());
            return self.raw;
        };
        let names = || entries.iter().filter_map(|(key, _)| Some((key, key_text(key)?)));
        if let Some((key, name)) = names().find(|(_, name)| foreign::is_of_litellm(name)) {
            self.problems.error(&self.place(key), &name, foreign::litellm());
            return self.raw;
        }
        let unsupported: Vec<_> = names().filter(|(_, name)| foreign::is_unsupported(name)).collect();
        if let [(key, name), rest @ ..] = unsupported.as_slice() {
            let rest: Vec<&str> = rest.iter().map(|(_, name)| name.as_str()).collect();
            self.problems.warn(&self.place(key), name, foreign::unsupported(&rest));
        }
        self.section(document, &Path::default());
        self.raw
    }

    fn place(&self, node: &Node) -> Place {
        self.file.at(node.line, Some(node.column))
    }

    fn list(&mut self, list: List) -> &mut Vec<RawEntry> {
        match list {
            List::Providers => &mut self.raw.providers,
            List::Keys => &mut self.raw.keys,
            List::Routes => &mut self.raw.routes,
        }
    }

    fn section(&mut self, node: &Node, path: &Path) {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => return,
            other => {
                let fault = advice::not_a_section(other, path);
                return self.problems.error(&self.place(node), &path.shown, fault);
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
                self.problems.error(&place, &child.shown, advice::duplicate(*line, value));
                continue;
            }
            seen.insert(name.clone(), key.line);
            if let Some(fault) = advice::dotted(&name, path) {
                self.problems.error(&place, &child.shown, fault);
                continue;
            }
            self.entry(&name, place, value, path, &child);
        }
    }

    fn entry(&mut self, name: &str, place: Place, value: &Node, parent: &Path, path: &Path) {
        if let Some(setting) = settings::find(&path.row) {
            return self.leaf(setting, value, path);
        }
        if parent.row.is_empty() && foreign::is_unsupported(name) {
            return;
        }
        if path.row == "server.keys" {
            return self.items(value, path);
        }
        if let Some(list) = List::of(&path.row) {
            return self.listed(list, RawEntry::new(name, &path.shown, place), value, path);
        }
        if path.rows().next().is_some() {
            return self.section(value, path);
        }
        self.problems.error(&place, &path.shown, advice::unknown(name, parent));
    }

    /// A list of sections.
    fn items(&mut self, node: &Node, path: &Path) {
        match &node.value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = path.item(index);
                    if let Some((list, _)) = path.within {
                        let entry = RawEntry::new("", &path.shown, self.place(item));
                        self.listed(list, entry, item, &path);
                    }
                }
            }
            Value::Null => {}
            other => {
                self.problems.error(&self.place(node), &path.shown, advice::not_a_list(other));
            }
        }
    }

    /// An entry of a list; a route may be its targets alone.
    fn listed(&mut self, list: List, entry: RawEntry, value: &Node, path: &Path) {
        let targets = path.child("targets");
        match (&value.value, settings::find(&targets.row)) {
            (Value::List(_) | Value::Text(_), Some(setting)) => {
                self.list(list).push(entry);
                self.leaf(setting, value, &Path { shown: path.shown.clone(), ..targets });
            }
            (Value::Map(_) | Value::Null, _) => {
                self.list(list).push(entry);
                self.section(value, path);
            }
            _ => self.section(value, path),
        }
    }

    fn leaf(&mut self, setting: &'static Setting, node: &Node, path: &Path) {
        let is_list = matches!(setting.slot, Slot::Entry(Shape::List));
        let reported = self.problems.len();
        let content = match &node.value {
            Value::List(items) if is_list => {
                let items = items.iter().filter_map(|item| self.scalar(setting, item, path)).collect();
                Some(Content::join(items))
            }
            _ => match self.scalar(setting, node, path) {
                Some(Content::Text(text)) if is_list => Some(Content::list(&text)),
                other => other,
            },
        };
        let place = self.place(node);
        let Some((list, field)) = path.within.clone() else {
            if let Some(content) = content {
                self.raw.settings.push((setting, Given { content, place }));
            }
            return;
        };
        let is_refused = self.problems.len() > reported;
        let Some(entry) = self.list(list).last_mut() else { return };
        match content {
            Some(content) => drop(entry.fields.insert(field, Given { content, place })),
            None if is_refused => drop(entry.refused.insert(field)),
            None => {}
        }
    }

    /// One scalar, substituted; `None` when it is refused or empty.
    fn scalar(&mut self, setting: &'static Setting, node: &Node, path: &Path) -> Option<Content> {
        let Some(text) = text_of(&node.value, &setting.slot) else {
            self.problems.error(&self.place(node), &path.shown, advice::not_a_value(setting, &node.value));
            return None;
        };
        match self.substituted(setting, text) {
            Ok(Substituted::Literal(text)) => {
                let may_hold_password = matches!(setting.slot, Slot::Proxy) && text.contains('@');
                self.raw.has_inline_key |= setting.is_secret() && !text.is_empty() || may_hold_password;
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

    fn substituted(&self, setting: &Setting, text: &str) -> Result<Substituted, Fault> {
        let substituted = substitute(text, |name| self.variables.get(name))?;
        match &substituted {
            Substituted::Literal(_) if setting.is_secret() => secrets::check_in_yaml(text)?,
            Substituted::Resolved(text) if setting.is_secret() => secrets::check_in_variable(text)?,
            _ => {}
        }
        Ok(substituted)
    }

    /// A provider's key may be missing: the provider is then left out.
    fn missing(
        &mut self,
        setting: &Setting,
        names: Vec<String>,
        node: &Node,
        path: &Path,
    ) -> Option<Content> {
        if self.assume_set {
            self.needs.extend(names.iter().cloned());
        } else if setting.key != Key::ProviderApiKey {
            let what = format!("{} not set", references(&names));
            let fix = match setting.slot {
                Slot::Secret(_) => format!("set it, or write ${{{}:-}} to run without a key", names[0]),
                Slot::Entry(Shape::Secret) => "set it, or remove the entry".to_owned(),
                _ => format!(
                    "set {}, or write ${{{}:-default}}",
                    if names.len() == 1 { "it" } else { "them" },
                    names[0]
                ),
            };
            self.problems.error(&self.place(node), &path.shown, Fault::new("unset-variable", what, fix));
            return None;
        }
        Some(Content::Missing(names))
    }
}

/// The text of a scalar, where the setting takes one of its type.
fn text_of<'n>(value: &'n Value, slot: &Slot) -> Option<&'n str> {
    let takes_fractions = matches!(slot, Slot::Factor { .. } | Slot::Entry(Shape::Price));
    let takes_flags = matches!(slot, Slot::Flag(_) | Slot::Entry(Shape::Flag));
    let takes_numbers = takes_fractions
        || takes_flags
        || matches!(slot, Slot::Port(_) | Slot::Count { .. } | Slot::Size { .. } | Slot::Time { .. });
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(text) if takes_numbers => Some(text),
        Value::Float(text) if takes_fractions => Some(text),
        Value::Bool(value) if takes_flags => Some(if *value { "true" } else { "false" }),
        _ => None,
    }
}

fn key_text(key: &Node) -> Option<String> {
    match &key.value {
        Value::Text(text) | Value::Integer(text) | Value::Float(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}
