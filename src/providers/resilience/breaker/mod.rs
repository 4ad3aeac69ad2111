//! A circuit breaker: after enough failed requests in a row it refuses requests for a while, then admits one probe after
//! another until enough of them succeed. Our own, since all workers share it at the cost of two loads per request and
//! tower has none.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::config::CircuitBreaker;
use crate::metrics::BreakerState;

/// Shared by all workers. While it is closed and nothing fails, a request costs two loads.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Failed requests in a row while it is closed.
    failures: AtomicU32,
    /// It is not closed.
    tripped: AtomicBool,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    state: State,
    /// The failure that opened it last, in words for the client.
    last_error: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        since: Instant,
    },
    HalfOpen {
        /// Start of the latest probe, while it is under way.
        probe: Option<Instant>,
        successes: u32,
    },
}

/// Kind of permission that a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permitted {
    /// The breaker is closed.
    Normally,
    /// The breaker is half open; the probe started then.
    AsProbe(Instant),
}

/// A request that the breaker did not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Remaining time until the breaker may admit a request.
    pub remaining: Duration,
    /// The failure that opened the breaker, in words for the client.
    pub last_error: String,
}

/// Remaining time that is reported while a probe is under way.
const SOON: Duration = Duration::from_secs(1);

/// Time after which a probe that has not failed no longer delays the next one: a long generation is no failure.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

impl Breaker {
    /// Admits a request, or refuses it with the remaining time. `report` gets a change of state.
    pub(crate) fn admit(
        &self,
        settings: &CircuitBreaker,
        now: Instant,
        report: impl FnOnce(BreakerState),
    ) -> Result<Permitted, Refused> {
        if !self.is_tripped() {
            return Ok(Permitted::Normally);
        }
        let mut health = self.health();
        if settings.failure_threshold == 0 {
            self.close(&mut health.state, report);
            return Ok(Permitted::Normally);
        }
        match health.state {
            State::Closed => Ok(Permitted::Normally),
            State::Open { since } => {
                let remaining = (since + settings.timeout).saturating_duration_since(now);
                if !remaining.is_zero() {
                    return Err(Refused { remaining, last_error: health.last_error.clone() });
                }
                health.state = State::HalfOpen { probe: Some(now), successes: 0 };
                report(BreakerState::HalfOpen);
                Ok(Permitted::AsProbe(now))
            }
            State::HalfOpen { probe: Some(since), .. } if now < since + PROBE_LIMIT => {
                Err(Refused { remaining: SOON, last_error: health.last_error.clone() })
            }
            State::HalfOpen { successes, .. } => {
                health.state = State::HalfOpen { probe: Some(now), successes };
                Ok(Permitted::AsProbe(now))
            }
        }
    }

    /// A request that was let through succeeded.
    pub(crate) fn succeeded(
        &self,
        settings: &CircuitBreaker,
        permitted: Permitted,
        report: impl FnOnce(BreakerState),
    ) {
        let Permitted::AsProbe(started) = permitted else {
            if self.failures.load(Ordering::Relaxed) != 0 {
                self.failures.store(0, Ordering::Relaxed);
            }
            return;
        };
        let mut health = self.health();
        if let State::HalfOpen { probe, successes } = health.state {
            let successes = successes + 1;
            if successes >= settings.success_threshold {
                self.close(&mut health.state, report);
            } else {
                let probe = probe.filter(|latest| *latest != started);
                health.state = State::HalfOpen { probe, successes };
            }
        }
    }

    /// A request that was let through failed, for this reason.
    pub(crate) fn failed(
        &self,
        settings: &CircuitBreaker,
        permitted: Permitted,
        now: Instant,
        reason: &str,
        report: impl FnOnce(BreakerState),
    ) {
        if settings.failure_threshold == 0 {
            return;
        }
        if permitted == Permitted::Normally {
            let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            if failures < settings.failure_threshold {
                return;
            }
        }
        let mut health = self.health();
        // Requests that were admitted before it opened do not count again.
        let opens = match permitted {
            Permitted::Normally => health.state == State::Closed,
            Permitted::AsProbe(_) => matches!(health.state, State::HalfOpen { .. }),
        };
        if opens {
            *health = Health { state: State::Open { since: now }, last_error: reason.to_owned() };
            self.tripped.store(true, Ordering::Release);
            report(BreakerState::Open);
        }
    }

    /// A probe ended without a result: the next request is a probe.
    pub(crate) fn undecided(&self, started: Instant) {
        if let State::HalfOpen { probe, .. } = &mut self.health().state
            && *probe == Some(started)
        {
            *probe = None;
        }
    }

    /// Returns true if it is not closed.
    pub(crate) fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Acquire)
    }

    /// Reports the present state, under the lock, so that no change overtakes it.
    pub(crate) fn observe(&self, report: impl FnOnce(BreakerState)) {
        let health = self.health();
        report(match health.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        });
    }

    fn close(&self, state: &mut State, report: impl FnOnce(BreakerState)) {
        *state = State::Closed;
        self.failures.store(0, Ordering::Relaxed);
        self.tripped.store(false, Ordering::Release);
        report(BreakerState::Closed);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock()
    }
}

#[cfg(test)]
mod tests;
