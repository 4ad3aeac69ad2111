//! Names that a configuration and the metric catalog contain, as candidates.

use std::collections::BTreeSet;

use regex_lite::Regex;

use super::candidates::Candidate;
use crate::config::Config;
use crate::metrics::catalog::families::FAMILIES;

pub(super) fn families() -> Vec<Candidate> {
    FAMILIES.iter().map(|family| Candidate::new(family.name, family.help)).collect()
}

pub(super) fn providers(config: &Config) -> Vec<Candidate> {
    let kind = |provider: &crate::config::Provider| format!("provider of type {}", provider.kind.name);
    config.providers.iter().map(|provider| Candidate::new(&provider.name, kind(provider))).collect()
}

/// Models that the configuration lists, and its routes, each once.
pub(super) fn models(config: &Config) -> Vec<Candidate> {
    let mut seen = BTreeSet::new();
    let mut models = Vec::new();
    for route in &config.routes {
        if seen.insert(&route.model) {
            models.push(Candidate::new(&route.model, "model route"));
        }
    }
    for provider in &config.providers {
        for model in &provider.models {
            if seen.insert(model) {
                models.push(Candidate::new(model, format!("model of {}", provider.name)));
            }
        }
    }
    models
}

/// Candidates of `--filter`: families, and values of the labels `provider` and `model`.
pub(super) fn patterns(config: Option<&Config>) -> Vec<Candidate> {
    let mut all = families();
    for mut candidate in config.into_iter().flat_map(|config| [providers(config), models(config)]).flatten() {
        candidate.text = as_regex(candidate.text);
        all.push(candidate);
    }
    all
}

/// The family of a requirement, or with `{` its series of one provider or model.
pub(super) fn requirements(current: &str, config: Option<&Config>) -> Vec<Candidate> {
    let Some((name, _)) = current.split_once('{') else { return families() };
    let Some(family) = FAMILIES.iter().find(|family| family.name == name) else { return Vec::new() };
    let mut all = Vec::new();
    for (label, values) in
        config.into_iter().flat_map(|config| [("provider", providers(config)), ("model", models(config))])
    {
        for value in values.into_iter().filter(|_| family.labels.contains(&label)) {
            let escaped = value.text.replace('\\', r"\\").replace('"', "\\\"");
            all.push(Candidate::new(format!("{name}{{{label}=\"{escaped}\"}}"), value.help));
        }
    }
    all
}

/// A name as it is where it matches itself.
fn as_regex(name: String) -> String {
    let matches_itself = Regex::new(&name).is_ok_and(|regex| regex.is_match(&name));
    if matches_itself { name } else { regex_lite::escape(&name) }
}
