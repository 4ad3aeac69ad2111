//! Permission to call a provider: its own circuit breaker, the one of the model, and the record of both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::breaker::{Breaker, Permitted, Refused};
use super::budget::Budget;
use super::model_breakers::{ModelBreaker, ModelBreakers};
use crate::metrics::BreakerState;
use crate::providers::Upstream;

/// Health of a provider; it outlives changes of the configuration that leave its address and its key.
#[derive(Debug)]
pub(crate) struct Record {
    /// Failures to connect, whatever the model.
    connecting: Breaker,
    /// Failed and missing responses, by model.
    models: ModelBreakers,
    budget: Budget,
    /// True once another record replaced this one: calls that are under way end here, and no metric shows it any more.
    replaced: AtomicBool,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            connecting: Breaker::default(),
            models: ModelBreakers::default(),
            budget: Budget::new(Instant::now()),
            replaced: AtomicBool::new(false),
        }
    }
}

/// Breaker that refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerScope {
    /// The provider's own, which counts failures to connect.
    Provider,
    /// The model's.
    Model,
}

/// Outcome of a request as it counts for the breakers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The provider responded as it should.
    Good,
    /// A good response has begun; [`Upstream::ended`] reports its end.
    Begun,
    /// Not attributable to the provider.
    Neutral,
    /// There was no connection, for this reason.
    Unreachable(String),
    /// The model's response was a failure or missing, for this reason.
    Failed(String),
}

/// A request that the breakers admitted. Dropped unsettled, it does not count for them.
#[derive(Debug)]
pub struct Permit<'a> {
    connecting: Admission<'a>,
    model: Option<Admission<'a>>,
}

/// One breaker's part of a permit.
#[derive(Debug)]
struct Admission<'a> {
    upstream: &'a Upstream,
    breaker: &'a Breaker,
    /// Label of the model, empty for the provider's own breaker.
    model: &'a str,
    permitted: Permitted,
}

impl Upstream {
    /// The breaker of one of its models. A model without a label value of its own may have none, since clients choose
    /// these names.
    #[must_use]
    pub fn model_breaker(&self, model: &Arc<str>, is_admitted: bool) -> Option<Arc<ModelBreaker>> {
        self.record.models.get(model, is_admitted)
    }

    /// Shows the state of a model's breaker from now on.
    pub fn show(&self, model: &ModelBreaker) {
        if let Some(metrics) = &self.metrics
            && !self.record.replaced.load(Ordering::Acquire)
        {
            model.breaker.observe(|state| metrics.show_breaker_of(&self.provider.name, &model.label, state));
        }
    }

    /// Admits a request to the provider, and to the model where it has a breaker.
    ///
    /// # Errors
    /// When a breaker is open, or half open with a probe under way.
    pub fn admit<'a>(
        &'a self,
        model: Option<&'a ModelBreaker>,
        now: Instant,
    ) -> Result<Permit<'a>, (BreakerScope, Refused)> {
        let connecting = match Admission::new(self, &self.record.connecting, "", now) {
            Ok(admission) => admission,
            Err(refused) => return Err((BreakerScope::Provider, refused)),
        };
        let model = match model {
            Some(model) => match Admission::new(self, &model.breaker, &model.label, now) {
                Ok(admission) => Some(admission),
                Err(refused) => return Err((BreakerScope::Model, refused)),
            },
            None => None,
        };
        if self.provider.resilience.retry.max_retries > 0 {
            self.record.budget.request(now);
        }
        Ok(Permit { connecting, model })
    }

    /// Counts the end of a response that had begun: complete, or broken for this reason.
    pub fn ended(&self, model: &ModelBreaker, result: Result<(), &str>) {
        let permitted = Permitted::Normally;
        let mut admission =
            Admission { upstream: self, breaker: &model.breaker, model: &model.label, permitted };
        match result {
            Ok(()) => admission.succeeded(),
            Err(reason) => admission.failed(reason),
        }
    }

    /// Takes a retry out of the provider's budget; false when it is used up.
    #[must_use]
    pub fn may_retry(&self, now: Instant) -> bool {
        self.record.budget.take(now)
    }

    /// Replaces the record of `before`: the metrics show this one from now on.
    pub(crate) fn take_over(&self, before: &Self) {
        if Arc::ptr_eq(&self.record, &before.record) {
            return;
        }
        before.record.replaced.store(true, Ordering::Release);
        if let Some(metrics) = &self.metrics {
            metrics.breakers_anew(&self.provider.name);
        }
    }

    /// Reports a change of state of a breaker; `model` is empty for the provider's own.
    fn report(&self, model: &str, state: BreakerState) {
        if self.record.replaced.load(Ordering::Acquire) {
            return;
        }
        let provider = self.provider.name.as_str();
        if let Some(metrics) = &self.metrics {
            metrics.breaker(provider, model, state);
        }
        match state {
            BreakerState::Open => tracing::warn!(provider, model, "circuit breaker opened"),
            BreakerState::HalfOpen => {
                tracing::info!(provider, model, "circuit breaker half open: one request probes");
            }
            BreakerState::Closed => tracing::info!(provider, model, "circuit breaker closed"),
        }
    }
}

impl Permit<'_> {
    /// The provider was reached: a status line came.
    pub fn connected(&mut self) {
        self.connecting.succeeded();
    }

    /// Returns true if it probes a model's breaker.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.model.as_ref().is_some_and(|model| matches!(model.permitted, Permitted::AsProbe(_)))
    }

    /// The first byte of a good response came. That is enough of a probe; of other requests the end counts.
    pub fn begun(&mut self) {
        if self.is_probe()
            && let Some(model) = &mut self.model
        {
            model.succeeded();
        }
    }

    /// Counts the outcome.
    pub fn settle(mut self, health: &Health) {
        match (health, &mut self.model) {
            (Health::Unreachable(reason), _) => self.connecting.failed(reason),
            (Health::Begun, _) => self.begun(),
            (Health::Good, Some(model)) => model.succeeded(),
            (Health::Failed(reason), Some(model)) => model.failed(reason),
            (Health::Good | Health::Failed(_), None) | (Health::Neutral, _) => {}
        }
    }
}

impl<'a> Admission<'a> {
    fn new(
        upstream: &'a Upstream,
        breaker: &'a Breaker,
        model: &'a str,
        now: Instant,
    ) -> Result<Self, Refused> {
        let settings = &upstream.provider.resilience.circuit_breaker;
        let permitted = breaker.admit(settings, now, |state| upstream.report(model, state))?;
        Ok(Self { upstream, breaker, model, permitted })
    }

    fn succeeded(&mut self) {
        let permitted = self.settled();
        let settings = &self.upstream.provider.resilience.circuit_breaker;
        self.breaker.succeeded(settings, permitted, |state| self.upstream.report(self.model, state));
    }

    fn failed(&mut self, reason: &str) {
        let permitted = self.settled();
        let settings = &self.upstream.provider.resilience.circuit_breaker;
        let report = |state| self.upstream.report(self.model, state);
        self.breaker.failed(settings, permitted, Instant::now(), reason, report);
    }

    /// A probe counts once.
    fn settled(&mut self) -> Permitted {
        std::mem::replace(&mut self.permitted, Permitted::Normally)
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Permitted::AsProbe(started) = self.permitted {
            self.breaker.undecided(started);
        }
    }
}
