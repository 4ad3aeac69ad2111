//! `routes`: model names that clients may request, with their targets.

use std::collections::BTreeSet;
use std::fmt;

use crate::config::problem::{Fault, Place, Problems};
use crate::config::providers::build::Built;
use crate::config::raw::given::{Content, Given, RawEntry};
use crate::config::values::names;
use crate::config::{EffectiveSetting, Key, Provider};

/// A model route: a name that clients may request, with its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Model name in the client's request.
    pub model: String,
    /// In the order of preference; never empty.
    pub targets: Vec<RouteTarget>,
    /// Choice of the first target.
    pub strategy: Strategy,
}

/// A model of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTarget {
    /// Name of the provider.
    pub provider: String,
    /// The model by the provider's own name.
    pub model: String,
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// Choice of the first target of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The first; the others are fallbacks.
    First,
    /// Each in turn; the others are fallbacks, in their order from there.
    RoundRobin,
}

impl Strategy {
    /// As written in `strategy:`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::RoundRobin => "round_robin",
        }
    }
}

/// Input and output of reading routes.
pub(crate) struct RouteReader<'a> {
    pub(crate) built: &'a Built,
    pub(crate) problems: &'a mut Problems,
    pub(crate) settings: &'a mut Vec<EffectiveSetting>,
}

impl<'a> RouteReader<'a> {
    /// Every route that has a target, in the order of the file.
    pub(crate) fn read(mut self, raw: &[RawEntry]) -> Vec<Route> {
        let models: BTreeSet<&str> = raw.iter().map(|entry| entry.name.as_str()).collect();
        raw.iter().filter_map(|entry| self.route(entry, &models)).collect()
    }

    fn route(&mut self, entry: &RawEntry, routes: &BTreeSet<&str>) -> Option<Route> {
        if let Err(fault) = names::check_model(&entry.name) {
            self.problems.error(&entry.place, &entry.key, fault);
        }
        let strategy = entry.read("strategy", Key::RouteStrategy, strategy, self.problems);
        let strategy = strategy.unwrap_or(Strategy::First);
        let (given, place) = match entry.fields.get("targets") {
            Some(Given { content: Content::List(given), place }) => (given.as_slice(), place),
            Some(Given { place, .. }) => {
                self.show(entry, "targets", "taken for set".to_owned(), place);
                return None;
            }
            None if entry.refused.contains("targets") => return None,
            None => (&[][..], &entry.place),
        };
        if given.is_empty() {
            let fix = "list one as provider/model, or remove the route";
            self.problems.error(place, &entry.key, Fault::new("no-target", "no target", fix));
            return None;
        }
        let mut targets = Vec::new();
        for text in given {
            match self.target(text, entry, place, routes) {
                Some(target) if targets.contains(&target) => {
                    let what = format!("{text} is listed twice");
                    let fault = Fault::new("duplicate-target", what, "keep one of them");
                    self.problems.error(place, &entry.key, fault);
                }
                Some(target) => {
                    if routes.contains(text.as_str()) {
                        let what =
                            format!("{text} is also a route, but a target is always a model of a provider");
                        let fix = "list the targets of that route here, or rename it";
                        self.problems.warn(place, &entry.key, Fault::new("target-is-route", what, fix));
                    }
                    targets.push(target);
                }
                None => {}
            }
        }
        if targets.is_empty() {
            return None;
        }
        let shown = targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        self.show(entry, "targets", shown, place);
        let (key, source) = (entry.path("strategy"), entry.provenance("strategy"));
        self.settings.push(EffectiveSetting { key, value: strategy.as_str().to_owned(), source });
        Some(Route { model: entry.name.clone(), targets, strategy })
    }

    /// `provider/model`: the provider ends at the first slash. `None` is already a problem.
    fn target(
        &mut self,
        text: &str,
        entry: &RawEntry,
        place: &Place,
        routes: &BTreeSet<&str>,
    ) -> Option<RouteTarget> {
        if text == entry.name {
            let what = format!("is its own target (got {text:?}, expected provider/model)");
            let fix = "list other targets, or remove the route: provider/model works without one";
            self.problems.error(place, &entry.key, Fault::new("route-to-itself", what, fix));
            return None;
        }
        let parts = text
            .split_once('/')
            .filter(|(name, model)| !name.is_empty() && names::check_model(model).is_ok());
        let Some((name, model)) = parts else {
            let what = format!("not a target (got {text:?}, expected provider/model)");
            let fix = match self.built.providers.first() {
                _ if routes.contains(text) => {
                    format!("a route cannot lead to another: list the targets of {text} here")
                }
                Some(provider) if names::check_model(text).is_ok() && !text.contains('/') => {
                    format!("write for example {}/{text}", provider.name)
                }
                _ => "write for example openai/gpt-4.1".to_owned(),
            };
            self.problems.error(place, &entry.key, Fault::new("bad-target", what, fix));
            return None;
        };
        let provider = self.provider(name, text, entry, place)?;
        if !provider.models.is_empty() && !provider.models.iter().any(|listed| listed == model) {
            let what = format!("{text}: not among the models of provider {name}");
            let fix = match names::similar(model, provider.models.iter().map(String::as_str)) {
                Some(near) => {
                    format!("did you mean {name}/{near}? Otherwise add {model} to providers.{name}.models")
                }
                None => format!("add {model} to providers.{name}.models, or correct the target"),
            };
            self.problems.error(place, &entry.key, Fault::new("unlisted-target", what, fix));
            return None;
        }
        if let Err(fault) = provider.check_deployment(model) {
            // Already reported for its own list.
            if provider.models.is_empty() {
                self.problems.error(place, &entry.key, fault);
            }
            return None;
        }
        Some(RouteTarget { provider: name.to_owned(), model: model.to_owned() })
    }

    fn provider(&mut self, name: &str, text: &str, entry: &RawEntry, place: &Place) -> Option<&'a Provider> {
        let Built { providers, left_out } = self.built;
        if let Some(provider) = providers.iter().find(|provider| provider.name == name) {
            return Some(provider);
        }
        if left_out.iter().any(|left_out| left_out == name) {
            if !self.problems.refused_below(&format!("providers.{name}")) {
                let what = format!("{text} is left out because its provider is");
                let fix = format!("see the problem of provider {name}");
                self.problems.warn(place, &entry.key, Fault::new("target-left-out", what, fix));
            }
            return None;
        }
        let known = providers.iter().map(|provider| provider.name.as_str());
        let fix = match (names::nearest(name, known.clone()), providers.is_empty()) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, true) => format!("add {name} to providers"),
            (None, false) => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
        };
        let what = format!("{text}: there is no provider {name}");
        self.problems.error(place, &entry.key, Fault::new("dangling-target", what, fix));
        None
    }

    fn show(&mut self, entry: &RawEntry, field: &str, value: String, place: &Place) {
        let (key, source) = (entry.path(field), place.provenance());
        self.settings.push(EffectiveSetting { key, value, source });
    }
}

fn strategy(text: &str) -> Option<Strategy> {
    [Strategy::First, Strategy::RoundRobin].into_iter().find(|strategy| strategy.as_str() == text)
}
