//! The circuit breakers of one provider's models, bounded in number.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::breaker::Breaker;
use crate::metrics::catalog::labels::Label;
use crate::providers::LONGEST_MODEL;

/// Most models per provider that have a breaker without a label value of their own: clients choose these names.
const MAX_UNADMITTED: usize = 64;

/// Circuit breaker of one model of a provider.
#[derive(Debug)]
pub struct ModelBreaker {
    pub(crate) breaker: Breaker,
    /// The model as a label value.
    pub(crate) label: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ModelBreakers(Mutex<ByModel>);

#[derive(Debug, Default)]
struct ByModel {
    /// Bounded by what is configured, listed or admitted.
    admitted: HashMap<Arc<str>, Arc<ModelBreaker>>,
    others: HashMap<Arc<str>, Arc<ModelBreaker>>,
}

impl ModelBreakers {
    /// The breaker of a model. Where there are too many names that were not admitted, closed breakers are removed first;
    /// if all are open, a new name has none.
    pub(crate) fn get(&self, model: &Arc<str>, is_admitted: bool) -> Option<Arc<ModelBreaker>> {
        let mut models = self.0.lock();
        let ByModel { admitted, others } = &mut *models;
        if let Some(breaker) = admitted.get(model) {
            return Some(Arc::clone(breaker));
        }
        if is_admitted {
            let breaker = match others.remove(model) {
                Some(breaker) => breaker,
                None => ModelBreaker::new(model),
            };
            admitted.insert(Arc::clone(model), Arc::clone(&breaker));
            return Some(breaker);
        }
        if let Some(breaker) = others.get(model) {
            return Some(Arc::clone(breaker));
        }
        if others.len() >= MAX_UNADMITTED {
            others.retain(|_, model| model.breaker.is_tripped());
        }
        if others.len() >= MAX_UNADMITTED || model.len() > LONGEST_MODEL {
            return None;
        }
        let breaker = ModelBreaker::new(model);
        others.insert(Arc::clone(model), Arc::clone(&breaker));
        Some(breaker)
    }
}

impl ModelBreaker {
    fn new(model: &str) -> Arc<Self> {
        let label = Label::of_name(model).as_str().to_owned();
        Arc::new(Self { breaker: Breaker::default(), label })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::breaker::Permitted;
    use super::*;
    use crate::config::CircuitBreaker;

    fn open(model: &ModelBreaker) {
        let settings =
            CircuitBreaker { failure_threshold: 1, success_threshold: 1, timeout: Duration::from_secs(1) };
        model.breaker.failed(&settings, Permitted::Normally, Instant::now(), "it failed", |_| {});
    }

    fn name(number: usize) -> Arc<str> {
        Arc::from(format!("m{number}"))
    }

    #[test]
    fn names_that_were_not_admitted_are_bounded_and_open_breakers_stay() {
        let models = ModelBreakers::default();
        open(&models.get(&name(0), false).expect("there is room"));
        for n in 1..1000 {
            assert!(models.get(&name(n), false).is_some(), "closed ones make room");
        }
        assert!(models.get(&name(0), false).is_some_and(|model| model.breaker.is_tripped()));
        for n in 1000..2000 {
            if let Some(model) = models.get(&name(n), false) {
                open(&model);
            }
        }
        assert_eq!(models.0.lock().others.len(), MAX_UNADMITTED);
        assert!(models.get(&name(9999), false).is_none());
        assert!(models.get(&name(9999), true).is_some(), "an admitted one always has its own");
        assert!(models.get(&Arc::from("x".repeat(LONGEST_MODEL + 1)), false).is_none());
    }

    #[test]
    fn a_model_keeps_its_breaker_when_it_is_admitted() {
        let models = ModelBreakers::default();
        let name = Arc::from("m");
        let before = models.get(&name, false).expect("there is room");
        for is_admitted in [true, false] {
            let after = models.get(&name, is_admitted).expect("there is room");
            assert!(Arc::ptr_eq(&before, &after));
        }
    }
}
