//! The one loader of every command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Fault, Layer, Place, Problems};
use super::{Config, EffectiveSetting, Key, Loaded};
use crate::config::providers::build::{Builder, Built};
use crate::config::raw::given::RawConfig;
use crate::config::raw::layers::Layers;
use crate::config::raw::reader::Reader;
use crate::config::sections::keys::KeyReader;
use crate::config::sections::routes::RouteReader;
use crate::config::sections::{demo, lookalikes, proxy, warnings};
use crate::config::sources::environment::Sources;
use crate::config::sources::files::{self, SecretFiles};
use crate::config::sources::texts::{Text, Texts};
use crate::config::sources::variables::{self, Variables};
use crate::config::sources::yaml;
use crate::config::table::setting::Slot;
use crate::config::table::settings::{self, SETTINGS};

/// Loads what `sources` names; never fails, the problems say what is wrong.
#[must_use]
pub fn load(sources: &Sources) -> Loaded {
    let mut problems = Problems::default();
    let mut needs = BTreeSet::new();
    let env = variables::dotenv_text(sources, &mut problems);
    let variables = Variables::new(sources, env.as_ref(), &mut problems);
    let path = config_path(sources, &variables);
    let text = config_text(sources, path.as_deref(), &mut problems);
    let texts = Texts { config: text.clone().flatten(), env };
    let raw = match text {
        Some(Some(text)) => parse(&text, sources, &variables, &mut problems, &mut needs),
        Some(None) => Some(RawConfig::default()),
        None => None,
    };
    let is_known = raw.is_some();
    let raw = raw.unwrap_or_default();

    let mut files = SecretFiles { directory: &sources.directory, read: Vec::new() };
    let mut layers =
        Layers { sources, variables: &variables, raw: &raw, files: &mut files, problems: &mut problems };
    let Applied { mut config, mut effective, places } = apply_settings(&mut layers);
    check_ca_file(&mut config, sources, &places, &mut problems);
    let facts = warnings::Facts {
        places: &places,
        environment: &sources.environment,
        file_limit: sources.file_limit,
        readable_key_file: readable_key_file(&raw, &texts, sources),
    };
    let mut entries = Entries {
        sources,
        variables: &variables,
        files: &mut files,
        problems: &mut problems,
        settings: &mut effective,
    };
    entries.read(raw, &mut config);
    // A setting that seems to be missing may be in a file that could not be read.
    if is_known {
        warnings::check(&config, &facts, &mut problems);
    }
    lookalikes::check(&config, &variables, &texts, &mut problems);
    let mut secret_files = BTreeMap::new();
    for (key, place) in &places {
        if let Some(file) = files.named_at(place) {
            secret_files.insert(*key, file.to_owned());
        }
    }
    config.secret_files = files.into_paths();
    let files = looked_at(sources, path, &config);
    Loaded {
        config: (!problems.has_errors()).then_some(config),
        problems: problems.into_sorted(),
        settings: effective,
        needs: needs.into_iter().collect(),
        secret_files,
        texts,
        files,
    }
}

/// Every file that was read or looked for.
fn looked_at(sources: &Sources, path: Option<PathBuf>, config: &Config) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = variables::dotenv_path(sources).map(Path::to_owned).into_iter().collect();
    files.extend(path);
    files.extend(files::SEARCH.map(PathBuf::from));
    for file in &mut files {
        *file = sources.directory.join(&*file);
    }
    files.extend(config.http.ca_file.clone());
    files.extend(config.secret_files.iter().cloned());
    files
}

/// Result of reading the rows of the settings table.
struct Applied {
    config: Config,
    effective: Vec<EffectiveSetting>,
    places: BTreeMap<Key, Place>,
}

/// Reads every setting that is no entry of its own.
fn apply_settings(layers: &mut Layers<'_, '_>) -> Applied {
    let mut config = settings::blank();
    let mut effective = Vec::new();
    let mut places = BTreeMap::new();
    for setting in SETTINGS {
        let (value, place) = match setting.slot {
            Slot::Entry(_) => continue,
            Slot::Proxy => proxy::read(layers, &mut config),
            _ => layers.apply(setting, &mut config),
        };
        let (key, source) = (setting.key.as_str().to_owned(), place.provenance());
        effective.push(EffectiveSetting { key, value, source });
        places.insert(setting.key, place);
    }
    Applied { config, effective, places }
}

fn check_ca_file(
    config: &mut Config,
    sources: &Sources,
    places: &BTreeMap<Key, Place>,
    problems: &mut Problems,
) {
    let Some(path) = &mut config.http.ca_file else { return };
    *path = sources.directory.join(&*path);
    if let Err(fault) = files::check_certificates(path) {
        problems.error(&places[&Key::HttpCaFile], Key::HttpCaFile, fault);
    }
}

/// Input and output of reading keys, providers and routes.
struct Entries<'a, 'f> {
    sources: &'a Sources,
    variables: &'a Variables,
    files: &'a mut SecretFiles<'f>,
    problems: &'a mut Problems,
    settings: &'a mut Vec<EffectiveSetting>,
}

impl Entries<'_, '_> {
    fn read(&mut self, raw: RawConfig, config: &mut Config) {
        let Self { sources, variables, files, problems, settings } = self;
        config.server.keys = KeyReader { config, files, problems, settings }.read(&raw.keys);
        let built = match &sources.demo {
            Some(demo) => {
                let mut left_out = Vec::new();
                for provider in raw.providers {
                    let fault =
                        Fault::new("demo-provider-only", "ignored by --demo", "drop --demo to use it");
                    problems.warn(&provider.place, &provider.key, fault);
                    left_out.push(provider.name);
                }
                Built { providers: vec![Arc::new(demo::provider(demo, settings))], left_out }
            }
            None => Builder { config, files, assume_set: sources.assume_set, problems, settings }
                .build(raw.providers, variables),
        };
        config.routes = RouteReader { built: &built, problems, settings }.read(&raw.routes);
        config.providers = built.providers;
    }
}

/// The configuration file: named by flag or variable, else the first that exists.
fn config_path(sources: &Sources, variables: &Variables) -> Option<PathBuf> {
    if sources.config_file.is_some() || sources.demo.is_some() {
        return sources.config_file.clone();
    }
    if let Some(path) = variables.get("AURORA_CONFIG_PATH") {
        return Some(PathBuf::from(path));
    }
    files::find(&sources.directory)
}

/// The text of the configuration file, `Some(None)` where there is none; `None` when it cannot be read.
fn config_text(sources: &Sources, path: Option<&Path>, problems: &mut Problems) -> Option<Option<Text>> {
    if let Some(texts) = &sources.texts {
        return Some(texts.config.clone());
    }
    let Some(path) = path else { return Some(None) };
    let place = Place::new(Layer::File, path.display().to_string());
    match files::read(&sources.directory.join(path), &place) {
        Ok(Some(text)) => return Some(Some(Text { path: path.to_owned(), text })),
        Ok(None) => {
            let fault =
                Fault::new("no-config-file", "does not exist", "create it, or name another with --config");
            problems.error(&place, "", fault);
        }
        Err(misread) => problems.error(&misread.0, "", misread.1),
    }
    None
}

fn file_place(text: &Text) -> Place {
    Place::new(Layer::File, text.path.display().to_string())
}

/// Place of the configuration file, when it contains a key and is world-readable.
fn readable_key_file(raw: &RawConfig, texts: &Texts, sources: &Sources) -> Option<Place> {
    let text = texts.config.as_ref()?;
    let is_readable = raw.has_inline_key && files::is_world_readable(&sources.directory.join(&text.path));
    if is_readable { Some(file_place(text)) } else { None }
}

/// Content of the file; `None` when it is not YAML.
fn parse(
    text: &Text,
    sources: &Sources,
    variables: &Variables,
    problems: &mut Problems,
    needs: &mut BTreeSet<String>,
) -> Option<RawConfig> {
    let file = file_place(text);
    let document = match yaml::parse(&text.text, &file) {
        Ok(document) => document,
        Err(misread) => {
            problems.error(&misread.0, "", misread.1);
            return None;
        }
    };
    let (raw, assume_set) = (RawConfig::default(), sources.assume_set);
    Some(Reader { file: &file, variables, assume_set, problems, needs, raw }.read(&document))
}

impl Loaded {
    /// Source of a setting's value, such as `environment PORT`.
    #[must_use]
    pub fn source_of(&self, key: Key) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.key == key.as_str())?;
        Some(&setting.source)
    }

    /// The file that a secret setting's value was read from.
    #[must_use]
    pub fn secret_file_of(&self, key: Key) -> Option<&Path> {
        self.secret_files.get(&key).map(PathBuf::as_path)
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
