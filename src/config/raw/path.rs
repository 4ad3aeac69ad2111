//! Paths within the YAML file, and the entries they lead into.

use crate::config::table::setting::Setting;
use crate::config::table::settings::SETTINGS;

/// Sections whose entries have names of the owner's choice.
#[derive(Clone, Copy)]
pub(crate) enum List {
    Providers,
    Keys,
    Routes,
}

impl List {
    /// The list that the row of an entry belongs to.
    pub(crate) fn of(row: &str) -> Option<Self> {
        match row {
            "providers.NAME" => Some(Self::Providers),
            "server.keys[]" => Some(Self::Keys),
            "routes.MODEL" => Some(Self::Routes),
            _ => None,
        }
    }
}

/// A path as it is shown and as the settings table has it, where names are `NAME`, `MODEL` and `[]`.
#[derive(Clone, Default)]
pub(crate) struct Path {
    pub(crate) shown: String,
    pub(crate) row: String,
    /// The list of the entry it is in, and its rest within that.
    pub(crate) within: Option<(List, String)>,
}

impl Path {
    /// The path of a key of this section.
    pub(crate) fn child(&self, key: &str) -> Self {
        let row = match (self.row.as_str(), key) {
            ("providers", _) => "providers.NAME".to_owned(),
            // A provider overrides the settings of all by the very same rows.
            ("providers.NAME", "resilience") => key.to_owned(),
            ("routes" | "providers.NAME.prices", _) => join(&self.row, "MODEL"),
            (row, key) => join(row, key),
        };
        let within = match (List::of(&row), &self.within) {
            (Some(list), _) => Some((list, String::new())),
            (None, Some((list, field))) => Some((*list, join(field, key))),
            (None, None) => None,
        };
        Self { shown: join(&self.shown, key), row, within }
    }

    /// The path of an item of this list, counted from 0.
    pub(crate) fn item(&self, index: usize) -> Self {
        let row = format!("{}[]", self.row);
        let within = List::of(&row).map(|list| (list, String::new()));
        Self { shown: format!("{}[{index}]", self.shown), row, within }
    }

    /// The rows below it.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static Setting, &'static str)> {
        let prefix = if self.row.is_empty() { String::new() } else { format!("{}.", self.row) };
        SETTINGS
            .iter()
            .filter_map(move |setting| Some((setting, setting.key.as_str().strip_prefix(prefix.as_str())?)))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
