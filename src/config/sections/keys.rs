//! `server.keys`: the clients' own keys, all valid at once.

use std::collections::BTreeMap;

use crate::config::problem::{Fault, Problems};
use crate::config::raw::given::RawEntry;
use crate::config::sources::files::SecretFiles;
use crate::config::values::{names, secrets};
use crate::config::{Config, EffectiveSetting, Key, NamedKey};

/// Most keys; each is compared with the client's.
const MAX_KEYS: usize = 1000;

/// Client name of the master key in metrics and logs.
pub const MASTER: &str = "master";

/// Input and output of reading keys.
pub(crate) struct KeyReader<'a, 'f> {
    pub(crate) config: &'a Config,
    pub(crate) files: &'a mut SecretFiles<'f>,
    pub(crate) problems: &'a mut Problems,
    pub(crate) settings: &'a mut Vec<EffectiveSetting>,
}

impl KeyReader<'_, '_> {
    /// Every valid key, in the order of the file.
    pub(crate) fn read(mut self, raw: &[RawEntry]) -> Vec<NamedKey> {
        if let Some(entry) = raw.get(MAX_KEYS) {
            let what = format!("{} keys (expected {MAX_KEYS} or fewer)", raw.len());
            let fix = "remove those that are not used";
            self.problems.error(&entry.place, "server.keys", Fault::new("too-many-keys", what, fix));
        }
        let mut names = BTreeMap::new();
        let mut values = BTreeMap::new();
        for (owner, secret) in [
            (Key::ServerMasterKey, &self.config.server.master_key),
            (Key::MetricsToken, &self.config.metrics.token),
        ] {
            if let Some(secret) = secret {
                values.insert(secret.expose().to_owned(), owner.as_str().to_owned());
            }
        }
        values.remove(secrets::assumed().expose());
        raw.iter().take(MAX_KEYS).filter_map(|entry| self.key(entry, &mut names, &mut values)).collect()
    }

    fn key(
        &mut self,
        entry: &RawEntry,
        names: &mut BTreeMap<String, Option<usize>>,
        values: &mut BTreeMap<String, String>,
    ) -> Option<NamedKey> {
        let name = self.name(entry, names);
        let secret = entry.secret("key", self.files, self.problems)?;
        let Some(key) = secret else {
            let fault = Fault::new("no-key", "no key", "add key or key_file");
            self.problems.error(&entry.place, &entry.key, fault);
            return None;
        };
        let field = if entry.fields.contains_key("key_file") { "key_file" } else { "key" };
        let name = name?;
        let place = entry.place_of(field);
        if let Some(owner) = values.get(key.expose()) {
            let what = format!("the same key as {owner}");
            let fault = Fault::new("duplicate-key-value", what, secrets::MAKE_ONE);
            self.problems.error(place, entry.path(field), fault);
            return None;
        }
        if let Some(fault) = secrets::weakness(&key, "short-key") {
            self.problems.warn(place, entry.path(field), fault);
        }
        if key != secrets::assumed() {
            values.insert(key.expose().to_owned(), format!("that of {name}"));
        }
        self.settings.push(EffectiveSetting {
            key: format!("server.keys.{name}"),
            value: secrets::show(Some(&key)),
            source: place.provenance(),
        });
        Some(NamedKey { name, key })
    }

    fn name(&mut self, entry: &RawEntry, names: &mut BTreeMap<String, Option<usize>>) -> Option<String> {
        let Some((name, place)) = entry.text("name") else {
            if !entry.has("name") {
                let fault = Fault::new("no-name", "no name", "add a name, such as that of the client");
                self.problems.error(&entry.place, &entry.key, fault);
            }
            return None;
        };
        let fault = if !names::is_name(name) {
            let what = format!("not a key's name (got {name:?}, expected [a-z0-9][a-z0-9._-]{{0,63}})");
            Fault::new("bad-key-name", what, "write it in lower case, such as team-a")
        } else if name == MASTER {
            Fault::new("bad-key-name", "master is the name of server.master_key", "write another name")
        } else if let Some(line) = names.insert(name.to_owned(), place.line) {
            let line = match line {
                Some(line) => format!(" (first on line {line})"),
                None => String::new(),
            };
            let what = format!("{name} is given twice{line}");
            Fault::new("duplicate-key-name", what, "give each a name of its own")
        } else {
            return Some(name.to_owned());
        };
        self.problems.error(place, entry.path("name"), fault);
        None
    }
}
