//! Differences between two configurations, as the log line of a reload names them: never the value of a secret.

use std::collections::{BTreeMap, BTreeSet};

use super::table::settings::Key;
use super::{Config, EffectiveSetting, Secret};

/// Most characters of a name or value.
const MAX_TEXT: usize = 80;
/// Most changes that are named; the rest is counted.
const MAX_CHANGES: usize = 20;

/// A configuration, and its settings as text.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its settings.
    pub settings: &'a [EffectiveSetting],
}

/// Differences of `new`, such as `providers.west: added; log.level: info → debug`; `none` if it has none.
#[must_use]
pub fn changes(old: Described, new: Described) -> String {
    let entries = Entries::new(old.settings, new.settings);
    let mut changes = entries.changes();
    changes.extend(secret_changes(&secrets(old.config), &secrets(new.config), &entries));
    changes.extend(value_changes(old, new, &entries));
    if changes.is_empty() {
        let is_same = old.config.digest() == new.config.digest();
        return if is_same { "none" } else { "order of the entries" }.to_owned();
    }
    let left_out = changes.len().saturating_sub(MAX_CHANGES);
    changes.truncate(MAX_CHANGES);
    let mut text = changes.join("; ");
    if left_out > 0 {
        text += &format!("; and {left_out} more");
    }
    text
}

/// Entries that have a name: clients' keys, providers, routes.
struct Entries<'a> {
    old: BTreeSet<&'a str>,
    new: BTreeSet<&'a str>,
}

impl<'a> Entries<'a> {
    fn new(old: &'a [EffectiveSetting], new: &'a [EffectiveSetting]) -> Self {
        let of = |settings: &'a [EffectiveSetting]| settings.iter().filter_map(|setting| entry(&setting.key));
        Self { old: of(old).collect(), new: of(new).collect() }
    }

    fn changes(&self) -> Vec<String> {
        let removed = self.old.difference(&self.new).map(|name| format!("{}: removed", cut(name)));
        let added = self.new.difference(&self.old).map(|name| format!("{}: added", cut(name)));
        removed.chain(added).collect()
    }

    /// True if the setting is one of an entry that was added or removed. The name of an entry may have dots.
    fn has_news_of(&self, key: &str) -> bool {
        let is_owner = |name: &&&str| {
            key.strip_prefix(**name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let owner = self.old.union(&self.new).filter(is_owner).max_by_key(|name| name.len());
        owner.is_some_and(|name| self.old.contains(name) != self.new.contains(name))
    }
}

/// The entry that a setting stands for: each provider has a type, each route its targets.
fn entry(key: &str) -> Option<&str> {
    if key.starts_with("server.keys.") {
        return Some(key);
    }
    let field = if key.starts_with("providers.") { ".type" } else { ".targets" };
    key.strip_suffix(field)
}

/// Every secret by the key of its setting.
fn secrets(config: &Config) -> BTreeMap<String, &Secret> {
    let mut secrets = BTreeMap::new();
    let single =
        [(Key::ServerMasterKey, &config.server.master_key), (Key::MetricsToken, &config.metrics.token)];
    for (key, secret) in single {
        secrets.extend(secret.as_ref().map(|secret| (key.as_str().to_owned(), secret)));
    }
    for key in &config.server.keys {
        secrets.insert(format!("server.keys.{}", key.name), &key.key);
    }
    for provider in &config.providers {
        let key = format!("providers.{}.api_key", provider.name);
        secrets.extend(provider.api_key.as_ref().map(|secret| (key, secret)));
    }
    secrets
}

fn secret_changes(
    old: &BTreeMap<String, &Secret>,
    new: &BTreeMap<String, &Secret>,
    entries: &Entries,
) -> Vec<String> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for key in keys.into_iter().filter(|key| !entries.has_news_of(key)) {
        let change = match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) if old == new => continue,
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
            (None, _) => "set",
        };
        changes.push(format!("{}: {change}", cut(key)));
    }
    changes
}

/// Settings whose text differs.
fn value_changes(old: Described, new: Described, entries: &Entries) -> Vec<String> {
    let (before, after) = (texts(old.settings), texts(new.settings));
    let secret = [secrets(old.config), secrets(new.config)];
    let gone = old.settings.iter().filter(|setting| !after.contains_key(&*setting.key));
    let mut changes = Vec::new();
    for EffectiveSetting { key, .. } in new.settings.iter().chain(gone) {
        let is_secret = secret.iter().any(|secrets| secrets.contains_key(key));
        if is_secret || entries.has_news_of(key) {
            continue;
        }
        let [from, to] = [&before, &after].map(|texts| texts.get(&**key).copied().unwrap_or("none"));
        if from != to {
            changes.push(format!("{}: {} → {}", cut(key), cut(from), cut(to)));
        } else if key == Key::HttpProxy.as_str() && has_other_proxy(old.config, new.config) {
            changes.push(format!("{key}: changed"));
        }
    }
    changes
}

fn texts(settings: &[EffectiveSetting]) -> BTreeMap<&str, &str> {
    settings.iter().map(|setting| (&*setting.key, &*setting.value)).collect()
}

/// True even where only a credential differs, which no text shows.
fn has_other_proxy(old: &Config, new: &Config) -> bool {
    let (old, new) = (&old.http.proxy, &new.http.proxy);
    (&old.http, &old.https) != (&new.http, &new.https)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Loaded, Sources, load};

    fn loaded(yaml: &str) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        load(&Sources {
            environment: Environment::default(),
            directory: folder.path().to_owned(),
            ..Sources::default()
        })
    }

    fn between(old: &str, new: &str) -> String {
        let [old, new] = [old, new].map(loaded);
        let [old, new] = [&old, &new].map(|Loaded { config, problems, settings, .. }| {
            let config = config.as_ref().unwrap_or_else(|| panic!("{problems:?}"));
            Described { config, settings }
        });
        changes(old, new)
    }

    const SECRET: &str = "canary-of-the-changes-0123456789";

    #[test]
    fn changes_are_named_and_secrets_are_not_shown() {
        let old = format!(
            "server: {{master_key: {SECRET}-1, keys: [{{name: a, key: {SECRET}-2}}, {{name: b, key: {SECRET}-3}}]}}\n\
             http: {{proxy: \"http://user:{SECRET}@proxy:1\"}}\n\
             providers:\n  west: {{type: openai, api_key: {SECRET}-4, models: [m]}}\n  \
             west.two: {{type: ollama, models: [m]}}\n  gone: {{type: ollama, models: [m]}}\n\
             routes: {{smart: [west/m], old: [west/m]}}\n"
        );
        let new = format!(
            "server: {{master_key: {SECRET}-5, keys: [{{name: a, key: {SECRET}-6}}, {{name: c, key: {SECRET}-7}}]}}\n\
             http: {{proxy: \"http://user:{SECRET}-8@proxy:1\"}}\n\
             metrics: {{token: {SECRET}-9}}\n\
             log: {{level: debug}}\n\
             providers:\n  west: {{type: openai, api_key: {SECRET}-10, models: [m, n], organization: org-1}}\n  \
             west.two: {{type: ollama, models: [m], resilience: {{retry: {{max_retries: 1}}}}}}\n  \
             west.three: {{type: openai, api_key: {SECRET}-11, models: [m]}}\n\
             routes: {{smart: [west/n, west.two/m]}}\n"
        );
        let text = between(&old, &new);
        assert_eq!(
            text.split("; ").collect::<Vec<_>>(),
            [
                "providers.gone: removed",
                "routes.old: removed",
                "server.keys.b: removed",
                "providers.west.three: added",
                "server.keys.c: added",
                "metrics.token: set",
                "providers.west.api_key: changed",
                "server.keys.a: changed",
                "server.master_key: changed",
                "log.level: info → debug",
                "http.proxy: changed",
                "providers.west.organization: none → org-1",
                "providers.west.models: m → m, n",
                "providers.west.two.resilience.retry.max_retries: none → 1",
                "routes.smart.targets: west/m → west/n, west.two/m",
            ]
        );
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn the_text_is_bounded() {
        let providers = |count: usize| {
            let entry = |number| format!("  p{number:02}: {{type: ollama, models: [m]}}\n");
            format!("providers:\n{}", (0..count).map(entry).collect::<String>())
        };
        let text = between(&providers(1), &providers(30));
        assert!(
            text.starts_with("providers.p01: added; ")
                && text.ends_with("; providers.p20: added; and 9 more")
        );
        let many =
            |name: &str| format!("providers: {{p: {{type: ollama, models: [{}]}}}}\n", name.repeat(100));
        assert_eq!(
            between(&many("m"), &many("n")),
            format!("providers.p.models: {0}… → {1}…", "m".repeat(80), "n".repeat(80))
        );
        assert_eq!(between(&many("m"), &many("m")), "none");
    }

    #[test]
    fn a_changed_order_is_a_change() {
        let (a, b) = ("  a: {type: ollama, models: [m]}\n", "  b: {type: ollama, models: [m]}\n");
        let text = between(&format!("providers:\n{a}{b}"), &format!("providers:\n{b}{a}"));
        assert_eq!(text, "order of the entries");
    }
}
