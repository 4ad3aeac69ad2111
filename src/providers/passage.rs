//! What the calls of a provider have shown so far, and what that means for the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Upstream;
use super::breaker::{Admitted, Breaker};
use super::budget::Budget;
use crate::metrics::BreakerState;

/// The record of a provider; it outlives changes of the configuration that leave its address and its key.
#[derive(Debug)]
pub(super) struct Record {
    breaker: Breaker,
    budget: Budget,
    /// Another one counts now; calls that are under way end on this one, and nobody hears of it.
    replaced: AtomicBool,
}

impl Record {
    pub(super) fn new() -> Self {
        let budget = Budget::new(Instant::now());
        Self { breaker: Breaker::default(), budget, replaced: AtomicBool::new(false) }
    }
}

/// A request that the breaker let through. Dropped without a word, it says nothing about its provider.
#[derive(Debug)]
pub struct Passage<'a> {
    upstream: &'a Upstream,
    admitted: Admitted,
}

impl Upstream {
    /// Lets a request through to the provider; the error is for how long its breaker will not.
    ///
    /// # Errors
    /// When the breaker is open, or half open with a probe on its way.
    pub fn admit(&self, now: Instant) -> Result<Passage<'_>, Duration> {
        let settings = &self.provider.resilience;
        let tell = |state| self.tell(state);
        let admitted = self.record.breaker.admit(&settings.circuit_breaker, now, tell)?;
        if settings.retry.max_retries > 0 {
            self.record.budget.request(now);
        }
        Ok(Passage { upstream: self, admitted })
    }

    /// An answer that had begun came whole, or broke.
    pub fn ended(&self, whole: bool) {
        let passage = Passage { upstream: self, admitted: Admitted::Freely };
        if whole {
            passage.succeeded();
        } else {
            passage.failed(Instant::now());
        }
    }

    /// Takes a retry out of the provider's budget; false when it is used up.
    #[must_use]
    pub fn may_retry(&self, now: Instant) -> bool {
        self.record.budget.take(now)
    }

    /// Its record counts from now on, in the place of the one that `before` has.
    pub(super) fn take_over(&self, before: &Self) {
        if Arc::ptr_eq(&self.record, &before.record) {
            return;
        }
        before.record.replaced.store(true, Ordering::Release);
        if let Some(metrics) = &self.metrics {
            metrics.breaker_anew(&self.provider.name);
        }
    }

    fn tell(&self, state: BreakerState) {
        if self.record.replaced.load(Ordering::Acquire) {
            return;
        }
        let provider = self.provider.name.as_str();
        if let Some(metrics) = &self.metrics {
            metrics.breaker(provider, state);
        }
        match state {
            BreakerState::Open => tracing::warn!(provider, "circuit breaker opened"),
            BreakerState::HalfOpen => {
                tracing::info!(provider, "circuit breaker half open: one request probes");
            }
            BreakerState::Closed => tracing::info!(provider, "circuit breaker closed"),
        }
    }
}

impl Passage<'_> {
    /// The provider answered.
    pub fn succeeded(mut self) {
        let (upstream, admitted) = self.settled();
        let settings = &upstream.provider.resilience.circuit_breaker;
        upstream.record.breaker.succeeded(settings, admitted, |state| upstream.tell(state));
    }

    /// The provider began to answer. That is enough of a probe; for the others [`Upstream::ended`] tells.
    pub fn begun(self) {
        if self.admitted == Admitted::AsProbe {
            self.succeeded();
        }
    }

    /// The provider failed.
    pub fn failed(mut self, now: Instant) {
        let (upstream, admitted) = self.settled();
        let settings = &upstream.provider.resilience.circuit_breaker;
        upstream.record.breaker.failed(settings, admitted, now, |state| upstream.tell(state));
    }
}

impl<'a> Passage<'a> {
    fn settled(&mut self) -> (&'a Upstream, Admitted) {
        (self.upstream, std::mem::replace(&mut self.admitted, Admitted::Freely))
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.admitted == Admitted::AsProbe {
            self.upstream.record.breaker.undecided();
        }
    }
}
