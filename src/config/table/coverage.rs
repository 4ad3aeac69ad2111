//! Tests that every field of the configuration has its row, and that every row stores its own field.

use std::collections::BTreeMap;

use super::setting::{Setting, Slot};
use super::settings::{self, SETTINGS};
use crate::config::sources::texts::{Text, Texts};
use crate::config::{Config, Sources, load};

/// Fields that are no setting by their own path, each with the reason.
const NO_ROWS: &[(&str, &str)] = &[
    ("secret_files", "follows from the settings that name files"),
    ("providers.NAME.name", "is the NAME"),
    ("providers.NAME.kind", "is written as `type`"),
    ("routes.MODEL.model", "is the MODEL"),
];

/// A configuration with a provider, a price, a route and a key, so that their fields are there to be seen.
const ONE_OF_EACH: &str = "\
server: {keys: [{name: team, key: a-key-of-the-team}]}
providers: {up: {type: openai, api_key: k, models: [m], prices: {m: {input: 1, output: 2}}}}
routes: {fast: [up/m]}
";

/// Values of which every setting takes one that is not its default.
const VALUES: &[&str] = &[
    "true",
    "false",
    "/other",
    "192.0.2.1:9",
    "192.0.2.1",
    "7",
    "9",
    "150",
    "2K",
    "1.5",
    "0.5",
    "debug",
    "text",
    "all",
];

fn is_known(path: &str) -> bool {
    settings::find(path).is_some() || NO_ROWS.iter().any(|(field, _)| *field == path)
}

/// The fields of a configuration as `{:#?}` prints them, by their dotted path. One that has a row, or a reason to have
/// none, is not taken apart.
fn fields(config: &Config) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    for line in format!("{config:#?}").lines().skip(1) {
        let text = line.trim_start();
        if text.starts_with(['}', ']', ')']) {
            continue;
        }
        path.truncate((line.len() - text.len()) / 4 - 1);
        path.push(step(path.last(), text));
        let mut above = (1..=path.len()).map(|steps| path[..steps].join(".").replace(".[]", "[]"));
        if let Some(known) = above.find(|path| is_known(path)) {
            fields.entry(known).or_default().push_str(text);
        } else if !text.ends_with(['{', '[', '(']) {
            fields.insert(path.join("."), text.to_owned());
        }
    }
    fields
}

/// One step of a path. Items of a list and entries of a map are called as the settings table calls them.
fn step(owner: Option<&String>, text: &str) -> String {
    let name = match owner.map_or("", String::as_str) {
        "providers" => "NAME",
        "routes" | "prices" => "MODEL",
        "keys" => "[]",
        _ => text.split(": ").next().unwrap_or(text),
    };
    name.to_owned()
}

#[test]
fn every_field_of_the_configuration_has_a_row() {
    let text = Text { path: "config.yaml".into(), text: ONE_OF_EACH.to_owned() };
    let texts = Texts { config: Some(text), env: None };
    let loaded = load(&Sources { texts: Some(texts), ..Sources::default() });
    let fields = fields(&loaded.config.expect("a configuration without errors"));
    let without: Vec<&String> = fields.keys().filter(|path| !is_known(path)).collect();
    assert_eq!(without, Vec::<&String>::new());
    for path in ["server.keys[].key", "providers.NAME.prices.MODEL.cache_write", "routes.MODEL.strategy"] {
        assert!(fields.contains_key(path), "{path} in {fields:?}");
    }
}

/// The fields that a value of this setting changes; `None` where it is no value of it, or the default.
fn changed(setting: &Setting, value: &str, blank: &BTreeMap<String, String>) -> Option<String> {
    let mut config = settings::blank();
    setting.store(&mut config, value, false).ok()?;
    let stored = fields(&config);
    let mut changed: Vec<&str> = Vec::new();
    for (path, default) in blank {
        if stored[path] != *default {
            changed.push(path);
        }
    }
    if changed.is_empty() { None } else { Some(changed.join(", ")) }
}

#[test]
fn every_row_stores_the_field_of_its_path() {
    let blank = fields(&settings::blank());
    for setting in SETTINGS {
        if matches!(setting.slot, Slot::Entry(_) | Slot::Proxy) {
            continue;
        }
        let changed = VALUES.iter().find_map(|value| changed(setting, value, &blank));
        assert_eq!(changed.as_deref(), Some(setting.key.as_str()));
    }
}

#[test]
fn a_key_leads_to_its_row() {
    for setting in SETTINGS {
        assert!(std::ptr::eq(setting.key.setting(), setting), "{}", setting.key);
    }
}
