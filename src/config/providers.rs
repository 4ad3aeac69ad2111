//! Providers: the file's, overlaid by their variables, then those that only variables describe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use super::discovery::{Discovered, discover};
use super::problem::{Fault, Layer, Place, Problems, Severity};
use super::provider_types::{OPENAI_COMPATIBLE, PROVIDER_TYPES, provider_type};
use super::raw::{Content, Given, RawProvider, references};
use super::variables::Variables;
use super::{EffectiveSetting, Provider, ProviderType, Secret, Server, base_url, files, setting, settings};

/// A provider before it is checked.
struct Draft {
    name: String,
    kind: &'static ProviderType,
    place: Place,
    /// Whether the file names it; then it must be complete.
    in_file: bool,
    fields: BTreeMap<&'static str, Given>,
    /// Fields that are given but wrong, which is already said.
    refused: BTreeSet<&'static str>,
}

/// What checking providers works with.
pub(super) struct Builder<'a> {
    pub(super) server: &'a Server,
    pub(super) directory: &'a Path,
    pub(super) assume_set: bool,
    pub(super) problems: &'a mut Problems,
    pub(super) settings: &'a mut Vec<EffectiveSetting>,
}

impl Builder<'_> {
    /// Every provider that is complete, in the order of the file, then by name.
    pub(super) fn build(mut self, raw: Vec<RawProvider>, variables: &Variables) -> Vec<Arc<Provider>> {
        let mut drafts: Vec<Draft> = raw.into_iter().map(|provider| self.draft(provider)).collect();
        let count = drafts.len();
        for (name, found) in discover(variables) {
            self.overlay(&mut drafts, count, name, found);
        }
        drafts.into_iter().filter_map(|draft| self.finish(&draft)).map(Arc::new).collect()
    }

    fn draft(&mut self, raw: RawProvider) -> Draft {
        let key = format!("providers.{}", raw.name);
        if !is_name(&raw.name) {
            let what =
                format!("not a provider name (got {:?}, expected [a-z0-9][a-z0-9._-]{{0,63}})", raw.name);
            self.problems.error(
                &raw.place,
                &key,
                Fault::new("bad-provider-name", what, "write it in lower case, such as openai-east"),
            );
        }
        let mut refused = raw.refused.clone();
        let kind = self.kind(&raw, &key).unwrap_or_else(|| {
            refused.insert("base_url");
            OPENAI_COMPATIBLE
        });
        Draft { name: raw.name, kind, place: raw.place, in_file: true, fields: raw.fields, refused }
    }

    /// The row that `type` names; `None` is already a problem.
    fn kind(&mut self, raw: &RawProvider, key: &str) -> Option<&'static ProviderType> {
        let types = || PROVIDER_TYPES.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let Some(Given { content: Content::Text(name), place }) = raw.fields.get("type") else {
            if !raw.refused.contains("type") && !raw.fields.contains_key("type") {
                let fault =
                    Fault::new("no-type", format!("no type (expected one of {})", types()), "add a type");
                self.problems.error(&raw.place, key, fault);
            }
            return None;
        };
        let kind = provider_type(name);
        if kind.is_none() {
            let what = format!("unknown provider type (got {name:?}, expected one of {})", types());
            let fix = "for any other OpenAI-shaped API write openai_compatible and its base_url";
            self.problems.error(
                place,
                &format!("{key}.type"),
                Fault::new("unknown-provider-type", what, fix),
            );
        }
        kind
    }

    /// Lays variables over the file's provider that they mean, or makes a provider of them.
    fn overlay(&mut self, drafts: &mut Vec<Draft>, in_file: usize, name: String, found: Discovered) {
        let yaml = &drafts[..in_file];
        let same_type = |draft: &Draft| draft.kind.name == found.kind.name;
        let namesake = yaml.iter().position(|draft| draft.name == name);
        let of_type: Vec<usize> = (0..in_file).filter(|index| same_type(&yaml[*index])).collect();
        let target = match (namesake, of_type.as_slice()) {
            (Some(index), _) if same_type(&yaml[index]) => Some(index),
            (_, [only]) if !found.is_named => Some(*only),
            (Some(_), _) => {
                let what = format!("ignored: the file's provider {name} is of another type");
                let fix = format!("write ${{{}_API_KEY}} and the like where it belongs", found.prefix);
                return self.problems.warn(&found.place, "", Fault::new("ambiguous-variables", what, fix));
            }
            (None, [_, _, ..]) if !found.is_named => {
                let what = format!("ignored: several providers are of type {name} and none is named {name}");
                let fix = format!("write ${{{}_API_KEY}} and the like where it belongs", found.prefix);
                return self.problems.warn(&found.place, "", Fault::new("ambiguous-variables", what, fix));
            }
            _ => None,
        };
        let Some(index) = target else {
            let Discovered { kind, place, fields, .. } = found;
            return drafts.push(Draft {
                name,
                kind,
                place,
                in_file: false,
                fields,
                refused: BTreeSet::new(),
            });
        };
        let fields = &mut drafts[index].fields;
        if found.fields.contains_key("api_key") {
            fields.remove("api_key_file");
        }
        fields.extend(found.fields);
    }

    fn finish(&mut self, draft: &Draft) -> Option<Provider> {
        let base_url = self.base_url(draft);
        let api_key = self.api_key(draft);
        let models = self.models(draft);
        let api_version = match text(draft, "api_version") {
            Some((version, place)) => self.api_version(draft, version, place),
            None => draft.kind.default_api_version.map(str::to_owned),
        };
        let provider = Provider {
            name: draft.name.clone(),
            kind: draft.kind,
            base_url: base_url?,
            api_key: api_key?,
            api_version,
            models,
            inject_usage: draft.kind.inject_usage,
            resilience: settings::RESILIENCE,
            prices: BTreeMap::new(),
        };
        self.show(draft, &provider);
        Some(provider)
    }

    /// What is missing: an error in the file, otherwise a warning and the provider is left out.
    fn incomplete(&mut self, draft: &Draft, id: &'static str, what: &str, field: &str) {
        if draft.refused.contains(field) {
            return;
        }
        let key = format!("providers.{}", draft.name);
        let variable = variable(draft, field);
        if draft.in_file {
            let fix = format!("add {field}, or set {variable}");
            self.problems.error(&draft.place, &key, Fault::new(id, what, fix));
        } else {
            let fix = format!("set {variable}, or unset its other variables");
            self.problems.warn(&draft.place, &key, Fault::new(id, format!("{what}, so it is left out"), fix));
        }
    }

    fn base_url(&mut self, draft: &Draft) -> Option<Url> {
        let key = field_key(draft, "base_url");
        let (given, place) = match draft.fields.get("base_url") {
            Some(Given { content: Content::Text(text), place }) => (text.as_str(), place.clone()),
            Some(_) => ("https://assumed.invalid", draft.place.clone()),
            None => {
                let Some(default) = draft.kind.default_base_url else {
                    let what = format!("no base_url, which type {} requires", draft.kind.name);
                    self.incomplete(draft, "no-base-url", &what, "base_url");
                    return None;
                };
                (default, Place::default_value())
            }
        };
        let mut url = match base_url::read(given) {
            Ok(url) => url,
            Err(fault) => {
                self.problems.error(&place, &key, fault);
                return None;
            }
        };
        if draft.kind.name == "anthropic" && place.layer >= Layer::DotEnv && !url.path().ends_with("/v1") {
            url.set_path(&format!("{}/v1", url.path().trim_end_matches('/')));
            let fix = format!("write {url}");
            self.problems.warn(
                &place,
                &key,
                Fault::new("anthropic-base-url", "does not end in /v1, which was added", fix),
            );
        }
        match base_url::judge(&url, self.server) {
            Some((Severity::Error, fault)) => self.problems.error(&place, &key, fault),
            Some((Severity::Warning, fault)) => self.problems.warn(&place, &key, fault),
            None => {}
        }
        Some(url)
    }

    /// `Some(None)` where a provider goes without; `None` where it is left out.
    fn api_key(&mut self, draft: &Draft) -> Option<Option<Secret>> {
        let file = text(draft, "api_key_file");
        let key = field_key(draft, "api_key");
        let found = match (draft.fields.get("api_key"), file) {
            (Some(Given { place, .. }), Some(_)) => {
                let fault =
                    Fault::new("two-keys", "api_key and api_key_file are both given", "keep one of them");
                self.problems.error(place, &key, fault);
                return None;
            }
            (Some(Given { content: Content::Missing(names), place }), None) => {
                if self.assume_set {
                    return Some(Some(setting::assumed_secret()));
                }
                let what = format!("{} not set, so the provider is left out", references(names));
                self.problems.warn(place, &key, Fault::new("unset-key", what, "set it to use the provider"));
                return None;
            }
            (Some(Given { content: Content::Text(text), place }), None) => Some((Ok(text.clone()), place)),
            (None, Some((path, place))) => {
                Some((files::read_secret(&self.directory.join(PathBuf::from(path))), place))
            }
            _ => None,
        };
        let secret = match found {
            Some((found, place)) => match found.and_then(|text| setting::secret(&text)) {
                Ok(secret) => secret,
                Err(fault) => {
                    self.problems.error(place, &key, fault);
                    return None;
                }
            },
            None => None,
        };
        let only_models = !draft.in_file && secret.is_none() && !draft.fields.contains_key("base_url");
        if secret.is_none() && draft.kind.needs_key {
            let what = format!("no key, which type {} needs", draft.kind.name);
            self.incomplete(draft, "no-key", &what, "api_key");
            return None;
        }
        if only_models && draft.kind.default_base_url.is_some() {
            self.incomplete(draft, "no-base-url", "neither a base_url nor a key", "base_url");
            return None;
        }
        Some(secret)
    }

    fn api_version(&mut self, draft: &Draft, version: &str, place: &Place) -> Option<String> {
        let plain =
            !version.is_empty() && version.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !plain {
            let what = format!("not a version (got {version:?}, expected letters, digits, '-', '.' and '_')");
            let fault = Fault::new("bad-value", what, "write for example 2024-10-21");
            self.problems.error(place, &field_key(draft, "api_version"), fault);
        }
        plain.then(|| version.to_owned())
    }

    fn models(&mut self, draft: &Draft) -> Vec<String> {
        let Some(Given { content: Content::List(given), place }) = draft.fields.get("models") else {
            return Vec::new();
        };
        let key = field_key(draft, "models");
        let mut models: Vec<String> = Vec::new();
        for model in given {
            let bad = model.is_empty()
                || model.len() > 128
                || model.chars().any(char::is_control)
                || model.trim() != model;
            if bad {
                let what =
                    "not a model name (expected 1 to 128 bytes without control characters and outer spaces)";
                self.problems.error(
                    place,
                    &key,
                    Fault::new("bad-model-name", what, "write it as the upstream does"),
                );
            } else if models.contains(model) {
                let fault =
                    Fault::new("duplicate-model", format!("{model:?} is listed twice"), "keep one of them");
                self.problems.warn(place, &key, fault);
            } else {
                models.push(model.clone());
            }
        }
        models
    }

    fn show(&mut self, draft: &Draft, provider: &Provider) {
        let source = |field: &str| {
            let key = if field == "api_key" && draft.fields.contains_key("api_key_file") {
                "api_key_file"
            } else {
                field
            };
            draft.fields.get(key).map_or_else(|| "default".to_owned(), |given| given.place.provenance())
        };
        let mut add = |field: &str, value: String, source: String| {
            let assumed = matches!(draft.fields.get(field), Some(Given { content: Content::Missing(_), .. }));
            let value = if assumed { "taken for set".to_owned() } else { value };
            self.settings.push(EffectiveSetting { key: field_key(draft, field), value, source });
        };
        let type_source = if draft.in_file { source("type") } else { draft.place.provenance() };
        add("type", provider.kind.name.to_owned(), type_source);
        let key =
            provider.api_key.as_ref().map_or_else(|| "not set".to_owned(), |secret| format!("{secret:?}"));
        add("api_key", key, source("api_key"));
        add("base_url", provider.base_url.as_str().trim_end_matches('/').to_owned(), source("base_url"));
        if let Some(version) = &provider.api_version {
            add("api_version", version.clone(), source("api_version"));
        }
        let models = if provider.models.is_empty() {
            "asks the upstream".to_owned()
        } else {
            provider.models.join(", ")
        };
        add("models", models, source("models"));
    }
}

fn field_key(draft: &Draft, field: &str) -> String {
    format!("providers.{}.{field}", draft.name)
}

/// The variable that gives a field of this provider.
fn variable(draft: &Draft, field: &str) -> String {
    let kind = draft.kind.name;
    let suffix = draft.name.strip_prefix(kind).filter(|_| !draft.in_file).unwrap_or_default();
    let suffix = suffix.to_ascii_uppercase().replace('-', "_");
    format!("{}{suffix}_{}", draft.kind.env_prefix, field.to_ascii_uppercase())
}

fn text<'d>(draft: &'d Draft, field: &str) -> Option<(&'d str, &'d Place)> {
    match draft.fields.get(field) {
        Some(Given { content: Content::Text(text), place }) => Some((text, place)),
        _ => None,
    }
}

/// `[a-z0-9][a-z0-9._-]{0,63}`
fn is_name(name: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 64
        && name.bytes().next().is_some_and(lower)
        && name.bytes().all(|byte| lower(byte) || b"._-".contains(&byte))
}
