//! Providers: each draft is checked, field by field, and becomes one or is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::drafts::{Draft, drafts};
use super::{prices, resilience};
use crate::config::problem::{Fault, Layer, Place, Problems, Severity};
use crate::config::raw::given::{Content, Given, RawEntry, references};
use crate::config::sources::files::SecretFiles;
use crate::config::sources::variables::Variables;
use crate::config::values::{base_url, names, secrets, units};
use crate::config::{Config, EffectiveSetting, Key, Provider, Secret};

/// Input and output of checking providers.
pub(crate) struct Builder<'a, 'f> {
    /// Everything but providers and routes, which is read already.
    pub(crate) config: &'a Config,
    pub(crate) files: &'a mut SecretFiles<'f>,
    pub(crate) assume_set: bool,
    pub(crate) problems: &'a mut Problems,
    pub(crate) settings: &'a mut Vec<EffectiveSetting>,
}

/// Result of checking the drafts.
pub(crate) struct Built {
    /// Those that are complete, in the order of the file, then by name.
    pub(crate) providers: Vec<Arc<Provider>>,
    /// The names of the others.
    pub(crate) left_out: Vec<String>,
}

impl Builder<'_, '_> {
    /// Checks every provider that the file or a variable describes.
    pub(crate) fn build(mut self, raw: Vec<RawEntry>, variables: &Variables) -> Built {
        let mut built = Built { providers: Vec::new(), left_out: Vec::new() };
        for draft in drafts(raw, variables, self.problems) {
            match self.finish(&draft) {
                Some(provider) => built.providers.push(Arc::new(provider)),
                None => built.left_out.push(draft.entry.name),
            }
        }
        built
    }

    fn finish(&mut self, draft: &Draft) -> Option<Provider> {
        let entry = &draft.entry;
        let base_url = self.base_url(draft);
        let api_key = self.api_key(draft);
        let models = self.models(entry);
        let api_version = match entry.text("api_version") {
            Some((version, place)) => self.api_version(entry, version, place),
            None => draft.kind.default_api_version.map(str::to_owned),
        };
        let inject_usage = entry.read("inject_usage", Key::ProviderInjectUsage, units::flag, self.problems);
        let resilience = resilience::of_provider(entry, self.config.resilience, self.problems);
        let mut provider = Provider {
            name: entry.name.clone(),
            kind: draft.kind,
            base_url: base_url?,
            api_key: api_key?,
            api_version,
            organization: self.account(entry, "organization"),
            project: self.account(entry, "project"),
            models,
            inject_usage: inject_usage.unwrap_or(draft.kind.inject_usage),
            resilience: resilience.effective,
            prices: BTreeMap::new(),
        };
        if draft.kind.models_path.is_none() && !entry.fields.contains_key("models") {
            self.unlisted(draft);
        }
        if let Some(Given { place, .. }) = entry.fields.get("models") {
            for model in &provider.models {
                if let Err(fault) = provider.check_deployment(model) {
                    self.problems.error(place, entry.path("models"), fault);
                }
            }
        }
        self.show(draft, &provider);
        self.settings.extend(resilience.settings);
        provider.prices = prices::read(entry, &provider.models, self.problems, self.settings);
        Some(provider)
    }

    /// Reports a missing field: an error in the file, otherwise a warning, and the provider is left out.
    fn incomplete(&mut self, draft: &Draft, id: &'static str, what: &str, field: &str) {
        let entry = &draft.entry;
        if entry.refused.contains(field) {
            return;
        }
        let variable = draft.variable(field);
        if draft.in_file {
            let fix = format!("add {field}, or set {variable}");
            self.problems.error(&entry.place, &entry.key, Fault::new(id, what, fix));
        } else {
            let what = format!("{what}, so it is left out");
            let fix = format!("set {variable}, or unset its other variables");
            self.problems.warn(&entry.place, &entry.key, Fault::new(id, what, fix));
        }
    }

    fn base_url(&mut self, draft: &Draft) -> Option<Url> {
        let entry = &draft.entry;
        let key = entry.path("base_url");
        let (given, place) = match entry.fields.get("base_url") {
            Some(Given { content: Content::Text(text), place }) => (text.as_str(), place.clone()),
            Some(_) => ("https://assumed.invalid", entry.place.clone()),
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
        if let Some(fault) = base_url::doubled(&url) {
            self.problems.warn(&place, &key, fault);
        }
        match base_url::check(&url, self.config) {
            Some((Severity::Error, fault)) => {
                self.problems.error(&place, &key, fault);
                return None;
            }
            Some((Severity::Warning, fault)) => self.problems.warn(&place, &key, fault),
            None => {}
        }
        Some(url)
    }

    /// `Some(None)` where a provider goes without; `None` where it is left out.
    fn api_key(&mut self, draft: &Draft) -> Option<Option<Secret>> {
        let entry = &draft.entry;
        if !self.assume_set
            && let Some((names, place)) = entry.missing("api_key")
        {
            let what = format!("{} not set, so the provider is left out", references(names));
            let fault = Fault::new("unset-key", what, "set it to use the provider");
            self.problems.warn(place, entry.path("api_key"), fault);
            return None;
        }
        let secret = entry.secret("api_key", self.files, self.problems)?;
        let fix = "write the key that the provider issued";
        if let Some(secret) = &secret
            && let Some(fault) = secrets::mistake(secret, fix)
        {
            let place = entry.place_of(key_field(entry));
            self.problems.warn(place, entry.path("api_key"), fault);
        }
        if secret.is_none() && draft.kind.needs_key {
            let what = format!("no key, which type {} requires", draft.kind.name);
            self.incomplete(draft, "no-key", &what, "api_key");
            return None;
        }
        let only_models = !draft.in_file && secret.is_none() && !entry.fields.contains_key("base_url");
        if only_models && draft.kind.default_base_url.is_some() {
            self.incomplete(draft, "no-base-url", "neither a base_url nor a key", "base_url");
            return None;
        }
        Some(secret)
    }

    /// A name that goes into a header.
    fn account(&mut self, entry: &RawEntry, field: &str) -> Option<String> {
        let (name, place) = entry.text(field)?;
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain {
            let what = format!("not an id (got {name:?}, expected visible ASCII characters)");
            let fault = Fault::new("bad-value", what, "write it as the provider shows it");
            self.problems.error(place, entry.path(field), fault);
            return None;
        }
        Some(name.to_owned())
    }

    fn api_version(&mut self, entry: &RawEntry, version: &str, place: &Place) -> Option<String> {
        let plain =
            !version.is_empty() && version.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !plain {
            let what = format!("not a version (got {version:?}, expected letters, digits, '-', '.' and '_')");
            let fault = Fault::new("bad-value", what, "write for example 2024-10-21");
            self.problems.error(place, entry.path("api_version"), fault);
            return None;
        }
        Some(version.to_owned())
    }

    fn models(&mut self, entry: &RawEntry) -> Vec<String> {
        let Some(Given { content: Content::List(given), place }) = entry.fields.get("models") else {
            return Vec::new();
        };
        let key = entry.path("models");
        let mut models: Vec<String> = Vec::new();
        for model in given {
            if let Err(fault) = names::check_model(model) {
                self.problems.error(place, &key, fault);
            } else if models.contains(model) {
                let fault =
                    Fault::new("duplicate-model", format!("{model:?} is listed twice"), "keep one of them");
                self.problems.warn(place, &key, fault);
            } else {
                if place.layer >= Layer::DotEnv && model.contains(' ') {
                    let fix = "separate models by commas";
                    self.problems.warn(
                        place,
                        &key,
                        Fault::new("spaced-model", format!("a space in {model:?}"), fix),
                    );
                }
                models.push(model.clone());
            }
        }
        models
    }

    /// Warns of a provider without models whose type has no list of models.
    fn unlisted(&mut self, draft: &Draft) {
        let Draft { entry, kind, .. } = draft;
        let what = format!("no models, and type {} has no list of models, so none is known", kind.name);
        let fix = format!("list them in models or {}", draft.variable("models"));
        self.problems.warn(&entry.place, &entry.key, Fault::new("no-models", what, fix));
    }

    fn show(&mut self, draft: &Draft, provider: &Provider) {
        let entry = &draft.entry;
        let type_source = if draft.in_file { entry.provenance("type") } else { entry.place.provenance() };
        self.add(entry, "type", provider.kind.name.to_owned(), type_source);
        let key_source = entry.provenance(key_field(entry));
        self.add(entry, "api_key", secrets::show(provider.api_key.as_ref()), key_source);
        let base_url = provider.base_url.as_str().trim_end_matches('/').to_owned();
        self.add(entry, "base_url", base_url, entry.provenance("base_url"));
        for (field, text) in [
            ("api_version", &provider.api_version),
            ("organization", &provider.organization),
            ("project", &provider.project),
        ] {
            if let Some(text) = text {
                self.add(entry, field, text.clone(), entry.provenance(field));
            }
        }
        let models = match (provider.models.is_empty(), provider.kind.models_path) {
            (true, Some(_)) => "asks the upstream".to_owned(),
            (true, None) => "none is known".to_owned(),
            (false, _) => provider.models.join(", "),
        };
        self.add(entry, "models", models, entry.provenance("models"));
        let inject_usage = provider.inject_usage.to_string();
        self.add(entry, "inject_usage", inject_usage, entry.provenance("inject_usage"));
    }

    fn add(&mut self, entry: &RawEntry, field: &str, value: String, source: String) {
        let value = if entry.missing(field).is_some() { "taken for set".to_owned() } else { value };
        self.settings.push(EffectiveSetting { key: entry.path(field), value, source });
    }
}

/// The field that gives the key; both at once are an error.
fn key_field(entry: &RawEntry) -> &'static str {
    if entry.fields.contains_key("api_key_file") { "api_key_file" } else { "api_key" }
}
