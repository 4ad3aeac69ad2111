//! Recording of events in the cold families.

use std::time::SystemTime;

use super::unix_seconds;
use crate::metrics::Metrics;
use crate::metrics::catalog::labels::{
    AuthFailure, BreakerState, DisconnectStage, Endpoint, Format, Rejection, RetryReason, StatusType, Surface,
};

impl Metrics {
    /// Counts a refused credential.
    pub fn auth_failed(&self, surface: Surface, reason: AuthFailure) {
        self.cold.auth_failures.with_label_values(&[surface.as_str(), reason.as_str()]).inc();
    }

    /// Counts a request that was rejected before dispatch.
    pub fn rejected(&self, reason: Rejection) {
        self.cold.rejected.with_label_values(&[reason.as_str()]).inc();
    }

    pub(crate) fn disconnected(&self, endpoint: Endpoint, stage: DisconnectStage) {
        self.cold.disconnects.with_label_values(&[endpoint.as_str(), stage.as_str()]).inc();
    }

    pub(crate) fn retried(&self, provider: &str, reason: RetryReason) {
        self.cold.retries.with_label_values(&[provider, reason.as_str()]).inc();
    }

    /// Counts a fallback to another provider, once its outcome is known.
    pub fn fell_back(&self, from: &str, to: &str, outcome: StatusType) {
        self.cold.fallbacks.with_label_values(&[from, to, outcome.as_str()]).inc();
    }

    /// Records a new state of a circuit breaker; `model` is empty for the provider's own. One whose provider is not
    /// configured any more, or whose model was not admitted, has no state to show.
    pub fn breaker(&self, provider: &str, model: &str, state: BreakerState) {
        self.cold.breaker_transitions.with_label_values(&[provider, state.as_str()]).inc();
        let mut named = self.cold.named.lock();
        if let Some(shown) = named.breakers.get_mut(&(provider.to_owned(), model.to_owned())) {
            *shown = state;
            self.cold.breaker_is(provider, model, state);
        }
    }

    /// Shows the state of an admitted model's circuit breaker from now on.
    pub fn show_breaker_of(&self, provider: &str, model: &str, state: BreakerState) {
        let mut named = self.cold.named.lock();
        if named.providers.contains_key(provider) {
            named.breakers.insert((provider.to_owned(), model.to_owned()), state);
            self.cold.breaker_is(provider, model, state);
        }
    }

    /// Replaces the circuit breakers of a provider and its models by new ones, which are closed.
    pub fn breakers_anew(&self, provider: &str) {
        let mut named = self.cold.named.lock();
        for ((of, model), state) in &mut named.breakers {
            if of == provider {
                *state = BreakerState::Closed;
                self.cold.breaker_is(provider, model, *state);
            }
        }
    }

    /// Records that a provider listed its models.
    pub fn discovered(&self, provider: &str, at: SystemTime) {
        let named = self.cold.named.lock();
        if named.providers.contains_key(provider) {
            self.cold.discovery_time.with_label_values(&[provider]).set(unix_seconds(at));
        }
    }

    /// Records that a configuration was refused; the active one stays.
    pub fn reload_refused(&self) {
        self.cold.reload_successful.set(0);
    }

    /// Counts an authorized scrape.
    pub fn scraped(&self, format: Format, status: u16) {
        self.cold.scrapes.with_label_values(&[format.as_str(), &status.to_string()]).inc();
    }
}
