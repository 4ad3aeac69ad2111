//! Admission of model names as label values.
//!
//! A client can write anything into `model`, so a name becomes a label value only when the operator configured it, the
//! provider lists it, or the provider responded to it with a 2xx (at most `max_unlisted_models` names per provider);
//! and only `max_models` (provider, model) pairs get one.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::metrics::catalog::labels::{Label, OTHER, UNLISTED};

/// Longest unlisted name that is admitted, in bytes: as long as a configured one may be.
const LONGEST_UNLISTED: usize = 128;

/// The admitted (provider, model) pairs.
#[derive(Debug)]
pub(crate) struct AdmittedModels {
    max_models: usize,
    /// Most unlisted names per provider.
    max_unlisted: usize,
    pairs: Mutex<Pairs>,
}

#[derive(Debug, Default)]
struct Pairs {
    by_provider: HashMap<String, HashMap<String, Label>>,
    unlisted: HashMap<String, Unlisted>,
    admitted: usize,
}

/// Unlisted models of one provider that were admitted after a 2xx.
#[derive(Debug, Default)]
struct Unlisted {
    names: usize,
    /// Set once the log says that there are more than the limit.
    logged: bool,
}

/// Source from which a provider is known to serve a model; a name that one lists may become a label value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// The configuration: always admitted.
    Configured,
    /// The provider's own list of models.
    Discovered,
    /// None: the name is passed on as it came, and admitted only after a 2xx of the provider.
    Unlisted,
}

impl AdmittedModels {
    pub(crate) fn new(max_models: usize, max_unlisted: usize) -> Self {
        Self { max_models, max_unlisted, pairs: Mutex::default() }
    }

    /// The label value of a pair: admitted before, or admitted now where it is listed and the limits allow. `None`:
    /// the model counts as `unknown`.
    pub(crate) fn admit(&self, provider: &str, model: &str, listing: Listing) -> Option<Label> {
        let mut pairs = self.pairs.lock();
        if let Some(label) = pairs.get(provider, model) {
            return Some(label);
        }
        match listing {
            Listing::Unlisted => None,
            Listing::Discovered if pairs.admitted >= self.max_models => Some(OTHER),
            Listing::Discovered | Listing::Configured => Some(pairs.insert(provider, model)),
        }
    }

    /// The same for an unlisted model after a 2xx, which earns its name a label value within the limits.
    pub(crate) fn admit_unlisted(&self, provider: &str, model: &str) -> Option<Label> {
        let mut pairs = self.pairs.lock();
        if let Some(label) = pairs.get(provider, model) {
            return Some(label);
        }
        if model.len() > LONGEST_UNLISTED {
            return None;
        }
        if pairs.admitted >= self.max_models {
            return Some(OTHER);
        }
        let unlisted = pairs.unlisted.entry(provider.to_owned()).or_default();
        if unlisted.names >= self.max_unlisted {
            if !std::mem::replace(&mut unlisted.logged, true) {
                log_unlisted(provider, model, self.max_unlisted);
            }
            return Some(UNLISTED);
        }
        unlisted.names += 1;
        Some(pairs.insert(provider, model))
    }
}

/// Warns, once per provider, that its models are not shown by name.
fn log_unlisted(provider: &str, model: &str, limit: usize) {
    tracing::warn!(
        provider,
        model = Label::of_name(model).as_str(),
        limit,
        cure = "raise metrics.max_unlisted_models (METRICS_MAX_UNLISTED_MODELS), or list the models that are in use \
                under `models:` of the provider",
        "unlisted models beyond the limit count as `unknown` in the metrics"
    );
}

impl Pairs {
    fn get(&self, provider: &str, model: &str) -> Option<Label> {
        self.by_provider.get(provider)?.get(model).cloned()
    }

    fn insert(&mut self, provider: &str, model: &str) -> Label {
        let label = Label::of_name(model);
        self.admitted += 1;
        self.by_provider.entry(provider.to_owned()).or_default().insert(model.to_owned(), label.clone());
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog::labels::Overflow;

    fn text(label: Option<Label>) -> Option<String> {
        Some(label?.as_str().to_owned())
    }

    #[test]
    fn configured_models_keep_their_name_beyond_the_limit() {
        let models = AdmittedModels::new(1, 20);
        assert_eq!(text(models.admit("p", "a", Listing::Configured)), Some("a".into()));
        assert_eq!(text(models.admit("p", "b", Listing::Configured)), Some("b".into()));
        assert_eq!(text(models.admit("p", "c", Listing::Discovered)), Some("other".into()));
        assert_eq!(text(models.admit_unlisted("p", "c")), Some("other".into()));
        assert_eq!(text(models.admit_unlisted("p", "b")), Some("b".into()));
    }

    #[test]
    fn an_unlisted_name_over_128_bytes_stays_unknown() {
        let models = AdmittedModels::new(1, 20);
        let (fits, long) = ("x".repeat(128), "x".repeat(129));
        assert_eq!(models.admit_unlisted("p", &long), None);
        assert_eq!(text(models.admit_unlisted("p", &fits)), Some(fits));
        assert_eq!(models.admit_unlisted("p", &long), None, "not even `other`");
    }

    #[test]
    fn unlisted_models_beyond_the_limit_of_their_provider_count_as_unknown() {
        let models = AdmittedModels::new(200, 3);
        for i in 0..3 {
            assert!(models.admit_unlisted("p", &format!("m{i}")).is_some());
        }
        let beyond = models.admit_unlisted("p", "one-more").expect("a stand-in");
        assert_eq!(beyond.folded_by(), Some(Overflow::MaxUnlistedModels));
        assert_eq!((beyond.as_str(), models.admit("p", "one-more", Listing::Unlisted)), ("unknown", None));
        assert_eq!(text(models.admit("p", "listed", Listing::Discovered)), Some("listed".into()));
        assert_eq!(text(models.admit_unlisted("q", "one-more")), Some("one-more".into()));
    }
}
