//! Which model names become label values.
//!
//! A caller can write anything into `model`, so a name is a label value only when the operator configured it, the
//! provider listed it, or a provider answered it with a 2xx, which earns at most `max_unlisted_models` names of a
//! provider theirs; and only `max_models` (provider, model) pairs get one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::metrics::catalog::labels::{Label, OTHER, UNLISTED};

/// Longest of these names, in bytes: as long as a configured one may be.
const LONGEST_EARNED: usize = 128;

/// The admitted (provider, model) pairs.
#[derive(Debug)]
pub(crate) struct AdmittedModels {
    max_models: usize,
    /// Names per provider that are admitted by nothing but an answer.
    max_unlisted: usize,
    pairs: Mutex<Pairs>,
}

#[derive(Debug, Default)]
struct Pairs {
    by_provider: HashMap<String, HashMap<String, Label>>,
    earned: HashMap<String, Earned>,
    admitted: usize,
}

/// The names of one provider that were admitted by nothing but an answer.
#[derive(Debug, Default)]
struct Earned {
    names: usize,
    /// That there are more was logged.
    logged: bool,
}

/// Why a name may become a label value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It stands in the configuration: always admitted.
    Configured,
    /// The provider listed it.
    Discovered,
    /// The provider answered it with a 2xx.
    Earned,
}

impl AdmittedModels {
    pub(crate) fn new(max_models: usize, max_unlisted: usize) -> Self {
        Self { max_models, max_unlisted, pairs: Mutex::default() }
    }

    /// The label value of a pair that was admitted before.
    pub(crate) fn find(&self, provider: &str, model: &str) -> Option<Label> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).get(provider, model)
    }

    /// The label value of a pair, admitting it where its claim and the caps allow; `None` leaves it `unknown`.
    pub(crate) fn admit(&self, provider: &str, model: &str, claim: Claim) -> Option<Label> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(label) = pairs.get(provider, model) {
            return Some(label);
        }
        if claim == Claim::Earned && model.len() > LONGEST_EARNED {
            return None;
        }
        if claim != Claim::Configured && pairs.admitted >= self.max_models {
            return Some(OTHER);
        }
        if claim == Claim::Earned {
            let earned = pairs.earned.entry(provider.to_owned()).or_default();
            if earned.names >= self.max_unlisted {
                if !std::mem::replace(&mut earned.logged, true) {
                    log_unlisted(provider, model, self.max_unlisted);
                }
                return Some(UNLISTED);
            }
            earned.names += 1;
        }
        let label = Label::of_name(model);
        pairs.admitted += 1;
        pairs.by_provider.entry(provider.to_owned()).or_default().insert(model.to_owned(), label.clone());
        Some(label)
    }
}

/// Says once per provider why its models are not shown by name, and what to do.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog::labels::Overflow;

    fn text(label: Option<Label>) -> Option<String> {
        label.map(|label| label.as_str().to_owned())
    }

    #[test]
    fn configured_names_are_never_folded() {
        let models = AdmittedModels::new(1, 20);
        assert_eq!(text(models.admit("p", "a", Claim::Configured)), Some("a".into()));
        assert_eq!(text(models.admit("p", "b", Claim::Configured)), Some("b".into()));
        assert_eq!(text(models.admit("p", "c", Claim::Discovered)), Some("other".into()));
        assert_eq!(text(models.admit("p", "c", Claim::Earned)), Some("other".into()));
        assert_eq!(text(models.admit("p", "b", Claim::Earned)), Some("b".into()));
    }

    #[test]
    fn a_long_name_earns_nothing() {
        let models = AdmittedModels::new(1, 20);
        let [fits, long] = [128, 129].map(|length| "x".repeat(length));
        assert_eq!(models.admit("p", &long, Claim::Earned), None);
        assert_eq!(text(models.admit("p", &fits, Claim::Earned)), Some(fits));
        assert_eq!(models.admit("p", &long, Claim::Earned), None, "not even `other`");
    }

    #[test]
    fn a_provider_earns_at_most_as_many_names_as_it_may() {
        let models = AdmittedModels::new(200, 3);
        for i in 0..3 {
            assert!(models.admit("p", &format!("m{i}"), Claim::Earned).is_some());
        }
        let beyond = models.admit("p", "one-more", Claim::Earned).expect("a stand-in");
        assert_eq!(beyond.folded_by(), Some(Overflow::MaxUnlistedModels));
        assert_eq!((beyond.as_str(), models.find("p", "one-more")), ("unknown", None));
        assert_eq!(text(models.admit("p", "listed", Claim::Discovered)), Some("listed".into()));
        assert_eq!(text(models.admit("q", "one-more", Claim::Earned)), Some("one-more".into()));
    }
}
