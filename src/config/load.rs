//! The one loader of every command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::problem::{Fault, Layer, Place, Problems};
use super::providers::Builder;
use super::raw::{Content, Given, RawConfig, Reader, not_yet};
use super::setting::{self, Default as RowDefault, Setting, Slot};
use super::settings::{self, SETTINGS};
use super::source::Sources;
use super::variables::Variables;
use super::{Config, Demo, EffectiveSetting, Loaded, Provider, files, provider_types, warnings, yaml};

/// Loads what `sources` names; never fails, the problems say what is wrong.
#[must_use]
pub fn load(sources: &Sources) -> Loaded {
    let mut problems = Problems::default();
    let mut needs = BTreeSet::new();
    let variables = Variables::read(sources, &mut problems);
    let (raw, file) = read_file(sources, &variables, &mut problems, &mut needs);
    later_variables(&variables, &mut problems);

    let mut config = settings::blank();
    let mut effective = Vec::new();
    let mut places = BTreeMap::new();
    for setting in SETTINGS.iter().filter(|setting| !setting.is_later() && !setting.is_of_provider()) {
        let layers = Layers { sources, variables: &variables, raw: &raw };
        let (shown, place) = layers.apply(setting, &mut config, &mut problems);
        effective.push(EffectiveSetting {
            key: setting.key.to_owned(),
            value: shown,
            source: place.provenance(),
        });
        places.insert(setting.key, place);
    }
    config.providers = match &sources.demo {
        Some(demo) => {
            for provider in &raw.providers {
                let fault = Fault::new("demo-provider-only", "ignored by --demo", "drop --demo to use it");
                problems.warn(&provider.place, &format!("providers.{}", provider.name), fault);
            }
            vec![Arc::new(demo_provider(demo, &mut effective))]
        }
        None => Builder {
            server: &config.server,
            directory: &sources.directory,
            assume_set: sources.assume_set,
            problems: &mut problems,
            settings: &mut effective,
        }
        .build(raw.providers, &variables),
    };
    let facts = warnings::Facts {
        places: &places,
        environment: &sources.environment,
        readable_key_file: file
            .filter(|(path, _)| raw.has_inline_key && files::is_world_readable(path))
            .map(|(_, place)| place),
    };
    warnings::check(&config, &facts, &mut problems);
    let config = (!problems.has_errors()).then_some(config);
    Loaded {
        config,
        problems: problems.into_sorted(),
        settings: effective,
        needs: needs.into_iter().collect(),
    }
}

/// The file that counts: by flag, by variable, or the first that exists.
fn config_path(sources: &Sources, variables: &Variables) -> Option<PathBuf> {
    let named = sources.config_file.clone();
    if sources.demo.is_some() {
        return named;
    }
    named
        .or_else(|| variables.get("AURORA_CONFIG_PATH").map(PathBuf::from))
        .or_else(|| files::find(&sources.directory))
}

fn read_file(
    sources: &Sources,
    variables: &Variables,
    problems: &mut Problems,
    needs: &mut BTreeSet<String>,
) -> (RawConfig, Option<(PathBuf, Place)>) {
    let Some(path) = config_path(sources, variables) else { return (RawConfig::default(), None) };
    let file = Place::new(Layer::File, path.display().to_string());
    let full = sources.directory.join(&path);
    let text = match files::read(&full, &file) {
        Ok(Some(text)) => text,
        Ok(None) => {
            let fault =
                Fault::new("no-config-file", "does not exist", "create it, or name another with --config");
            problems.error(&file, "", fault);
            return (RawConfig::default(), None);
        }
        Err(misread) => {
            problems.error(&misread.0, "", misread.1);
            return (RawConfig::default(), None);
        }
    };
    let document = match yaml::parse(&text, &file) {
        Ok(document) => document,
        Err(misread) => {
            problems.error(&misread.0, "", misread.1);
            return (RawConfig::default(), None);
        }
    };
    let raw = RawConfig::default();
    let assume_set = sources.assume_set;
    let raw = Reader { file: &file, variables, assume_set, problems, needs, raw }.read(&document);
    (raw, Some((full, file)))
}

fn later_variables(variables: &Variables, problems: &mut Problems) {
    for setting in SETTINGS {
        let Slot::Later(severity) = setting.slot else { continue };
        for name in setting.environment {
            if let Some((_, place)) = variables.find(name) {
                let fault = Fault { fix: format!("unset {name}"), ..not_yet() };
                problems.add(severity, place, setting.key, fault);
            }
        }
    }
}

/// Everything that may give a setting.
struct Layers<'a> {
    sources: &'a Sources,
    variables: &'a Variables,
    raw: &'a RawConfig,
}

impl Layers<'_> {
    /// Reads a setting from every layer that gives it, the lowest first; each bad value is reported. Returns what stands, as it is shown,
    /// and its place.
    fn apply(
        &self,
        setting: &'static Setting,
        config: &mut Config,
        problems: &mut Problems,
    ) -> (String, Place) {
        let mut value = match setting.default {
            RowDefault::Derived(_) => derived(setting, config),
            RowDefault::Text(_) => String::new(),
        };
        let mut source = Place::default_value();
        for Given { content, place } in self.given(setting, problems) {
            let text = match (content, &setting.slot) {
                (Content::Text(text), _) => text,
                (Content::Missing(_), slot) => {
                    if let Slot::Secret(set) = slot {
                        set(config, Some(setting::assumed_secret()));
                    }
                    (value, source) = ("taken for set".to_owned(), place);
                    continue;
                }
                (Content::List(_), _) => continue,
            };
            match setting.store(config, &text, place.layer == Layer::Flag) {
                Ok(stored) => {
                    if let Some(notice) = stored.notice {
                        problems.warn(&place, setting.key, notice);
                    }
                    (value, source) = (stored.shown, place);
                }
                Err(fault) => problems.error(&place, setting.key, fault),
            }
        }
        (value, source)
    }

    fn given(&self, setting: &'static Setting, problems: &mut Problems) -> Vec<Given> {
        let text = |text: &str, place: Place| Given { content: Content::Text(text.to_owned()), place };
        let mut given = Vec::new();
        if let RowDefault::Text(default) = setting.default {
            given.push(text(default, Place::default_value()));
        }
        if self.sources.demo.is_some()
            && let Some(default) = demo_default(setting.key)
        {
            given.push(text(default, Place::new(Layer::Default, "--demo")));
        }
        let in_file = self.raw.settings.iter().filter(|(row, _)| row.key == setting.key);
        given.extend(in_file.map(|(_, given)| given.clone()));
        given.extend(self.variables_of(setting, problems));
        let flags = self.sources.flags.iter().filter(|flag| flag.key == setting.key);
        given.extend(flags.map(|flag| text(&flag.value, Place::new(Layer::Flag, flag.name))));
        given
    }

    /// The variables of a setting; one that ends in `_FILE` names the file that holds the value.
    fn variables_of(&self, setting: &Setting, problems: &mut Problems) -> Vec<Given> {
        let mut given: Vec<Given> = Vec::new();
        for name in setting.environment {
            let Some((value, place)) = self.variables.find(name) else { continue };
            let text = if name.ends_with("_FILE") {
                match files::read_secret(&self.sources.directory.join(value)) {
                    Ok(text) => text,
                    Err(fault) => {
                        problems.error(place, setting.key, fault);
                        continue;
                    }
                }
            } else {
                value.to_owned()
            };
            given.push(Given { content: Content::Text(text), place: place.clone() });
        }
        given.sort_by_key(|given| given.place.layer);
        if let [first, second] = given.as_slice()
            && first.place.layer == second.place.layer
        {
            let what = format!("{} are both set", setting.environment.join(" and "));
            problems.error(&second.place, setting.key, Fault::new("two-keys", what, "keep one of them"));
        }
        given
    }
}

fn derived(setting: &Setting, config: &Config) -> String {
    match (setting.key, &setting.default) {
        ("server.workers", _) => config.server.workers.to_string(),
        ("server.master_key", _) => "not set".to_owned(),
        (_, RowDefault::Derived(words) | RowDefault::Text(words)) => (*words).to_owned(),
    }
}

fn demo_default(key: &str) -> Option<&'static str> {
    match key {
        "server.host" => Some("127.0.0.1"),
        "metrics.enabled" => Some("true"),
        _ => None,
    }
}

fn demo_provider(demo: &Demo, settings: &mut Vec<EffectiveSetting>) -> Provider {
    let kind = provider_types::OPENAI_COMPATIBLE;
    let rows = [
        ("type", kind.name.to_owned()),
        ("base_url", demo.base_url.as_str().trim_end_matches('/').to_owned()),
        ("models", demo.models.join(", ")),
    ];
    settings.extend(rows.map(|(field, value)| EffectiveSetting {
        key: format!("providers.demo.{field}"),
        value,
        source: "--demo".to_owned(),
    }));
    Provider {
        name: "demo".to_owned(),
        kind,
        base_url: demo.base_url.clone(),
        api_key: None,
        api_version: None,
        models: demo.models.clone(),
        inject_usage: false,
        resilience: settings::RESILIENCE,
        prices: BTreeMap::new(),
    }
}

impl Loaded {
    /// Where a setting's value came from, such as `environment PORT`.
    #[must_use]
    pub fn source_of(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.key == key).map(|setting| setting.source.as_str())
    }

    /// Every problem as a warning: for a command that needs little or nothing of the configuration.
    #[must_use]
    pub fn demoted(mut self) -> Self {
        for problem in &mut self.problems {
            problem.severity = super::Severity::Warning;
        }
        self
    }
}
