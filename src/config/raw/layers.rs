//! The layers of a setting: a later one wins.

use super::given::{Content, Given, RawConfig};
use crate::config::problem::{Fault, Layer, Place, Problems};
use crate::config::sections::demo;
use crate::config::sources::environment::Sources;
use crate::config::sources::files::SecretFiles;
use crate::config::sources::variables::Variables;
use crate::config::table::setting::{Default as RowDefault, Setting, Slot};
use crate::config::table::settings::SERIES_PER_MODEL;
use crate::config::values::secrets;
use crate::config::{Config, Key};

/// Shown in place of a value that was refused.
pub(crate) const REFUSED: &str = "refused";

/// Everything that may give a setting.
pub(crate) struct Layers<'a, 'f> {
    pub(crate) sources: &'a Sources,
    pub(crate) variables: &'a Variables,
    pub(crate) raw: &'a RawConfig,
    pub(crate) files: &'a mut SecretFiles<'f>,
    pub(crate) problems: &'a mut Problems,
}

impl Layers<'_, '_> {
    /// Reads a setting from every layer that gives it, the lowest first; each bad value is reported. Returns the
    /// effective value, as it is shown, and its place; a value that was refused is shown as such.
    pub(crate) fn apply(&mut self, setting: &'static Setting, config: &mut Config) -> (String, Place) {
        let mut value = match setting.default {
            RowDefault::Derived(_) => derived(setting, config),
            RowDefault::Text(_) => String::new(),
        };
        let mut source = Place::default_value();
        let reported = self.problems.len();
        for Given { content, place } in self.given(setting) {
            let text = match (content, &setting.slot) {
                (Content::Text(text), _) => text,
                (Content::Missing(_), slot) => {
                    if let Slot::Secret(set) = slot {
                        set(config, Some(secrets::assumed()));
                    }
                    (value, source) = ("taken for set".to_owned(), place);
                    continue;
                }
                (Content::List(_), _) => continue,
            };
            match setting.store(config, &text, place.layer == Layer::Flag) {
                Ok(stored) => {
                    if let Some(notice) = stored.notice {
                        self.problems.warn(&place, setting.key, notice);
                    }
                    (value, source) = (stored.shown, place);
                }
                Err(fault) => {
                    self.problems.error(&place, setting.key, fault);
                    (value, source) = (REFUSED.to_owned(), place);
                }
            }
        }
        // A variable whose file cannot be read, or two that contradict each other.
        if source.layer == Layer::Default && self.problems.refused_since(reported, setting.key) {
            REFUSED.clone_into(&mut value);
        }
        (value, source)
    }

    fn given(&mut self, setting: &'static Setting) -> Vec<Given> {
        let mut given = Vec::new();
        if let RowDefault::Text(default) = setting.default {
            given.push(Given::text(default, Place::default_value()));
        }
        if self.sources.demo.is_some()
            && let Some(default) = demo::default(setting.key)
        {
            given.push(Given::text(default, Place::new(Layer::Default, "--demo")));
        }
        given.extend(self.in_file(setting.key));
        given.extend(self.variables_of(setting));
        for flag in &self.sources.flags {
            if flag.key == setting.key {
                given.push(Given::text(flag.value.as_str(), Place::new(Layer::Flag, flag.name)));
            }
        }
        given
    }

    /// Values of the file.
    pub(crate) fn in_file(&self, key: Key) -> Vec<Given> {
        let in_file = self.raw.settings.iter().filter(|(row, _)| row.key == key);
        in_file.map(|(_, given)| given.clone()).collect()
    }

    /// The variables of a setting; one that ends in `_FILE` names the file that holds the value.
    fn variables_of(&mut self, setting: &Setting) -> Vec<Given> {
        let mut given: Vec<Given> = Vec::new();
        for name in setting.environment {
            let Some((value, place)) = self.variables.find(name) else { continue };
            let text = if name.ends_with("_FILE") {
                match self.files.read(value, place) {
                    Ok(text) => text,
                    Err(fault) => {
                        self.problems.error(place, setting.key, fault);
                        continue;
                    }
                }
            } else if setting.is_secret()
                && let Err(fault) = secrets::check_in_variable(value)
            {
                self.problems.error(place, setting.key, fault);
                continue;
            } else {
                value.to_owned()
            };
            given.push(Given::text(text, place.clone()));
        }
        given.sort_by_key(|given| given.place.layer);
        if let [first, second] = given.as_slice()
            && first.place.layer == second.place.layer
        {
            let what = format!("{} are both set", setting.environment.join(" and "));
            self.problems.error(&second.place, setting.key, Fault::new("two-keys", what, "keep one of them"));
        }
        given
    }
}

/// Default of a setting in words. The row that it is derived from comes before its own.
fn derived(setting: &Setting, config: &mut Config) -> String {
    match (setting.key, &setting.default) {
        (Key::ServerWorkers, _) => config.server.workers.to_string(),
        (Key::ServerMasterKey | Key::MetricsToken, _) => "not set".to_owned(),
        (Key::MetricsMaxSeries, RowDefault::Derived(words)) => {
            config.metrics.max_series = SERIES_PER_MODEL * config.metrics.max_models;
            format!("{} ({words})", config.metrics.max_series)
        }
        (_, RowDefault::Derived(words) | RowDefault::Text(words)) => (*words).to_owned(),
    }
}
