//! A circuit breaker: after enough failed requests in a row no request passes for a while, then one probe after another
//! until enough of them succeed. Our own, since all workers share it at the cost of two loads per request and tower has
//! none.

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
    /// Time until another request is worth it.
    pub left: Duration,
    /// The failure that opened the breaker, in words for the client.
    pub last_error: String,
}

/// Shortest time after which it is worth asking again.
const SOON: Duration = Duration::from_secs(1);

/// Time after which a probe that has not failed no longer keeps the next one back: a long generation is no failure.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

impl Breaker {
    /// Lets a request through, or says for how long nothing will be let through. `tell` is told of a change of state.
    pub(crate) fn admit(
        &self,
        settings: &CircuitBreaker,
        now: Instant,
        tell: impl FnOnce(BreakerState),
    ) -> Result<Permitted, Refused> {
        if !self.is_tripped() {
            return Ok(Permitted::Normally);
        }
        let mut health = self.health();
        if settings.failure_threshold == 0 {
            self.close(&mut health.state, tell);
            return Ok(Permitted::Normally);
        }
        match health.state {
            State::Closed => Ok(Permitted::Normally),
            State::Open { since } => {
                let left = (since + settings.timeout).saturating_duration_since(now);
                if !left.is_zero() {
                    return Err(Refused { left, last_error: health.last_error.clone() });
                }
                health.state = State::HalfOpen { probe: Some(now), successes: 0 };
                tell(BreakerState::HalfOpen);
                Ok(Permitted::AsProbe(now))
            }
            State::HalfOpen { probe: Some(since), .. } if now < since + PROBE_LIMIT => {
                Err(Refused { left: SOON, last_error: health.last_error.clone() })
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
        tell: impl FnOnce(BreakerState),
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
                self.close(&mut health.state, tell);
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
        tell: impl FnOnce(BreakerState),
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
        // Requests that were let through before it opened say nothing new.
        let opens = match permitted {
            Permitted::Normally => health.state == State::Closed,
            Permitted::AsProbe(_) => matches!(health.state, State::HalfOpen { .. }),
        };
        if opens {
            *health = Health { state: State::Open { since: now }, last_error: reason.to_owned() };
            self.tripped.store(true, Ordering::Release);
            tell(BreakerState::Open);
        }
    }

    /// A probe ended without saying anything about the provider: the next request is one.
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

    /// Tells the present state; it does not change meanwhile.
    pub(crate) fn observe(&self, tell: impl FnOnce(BreakerState)) {
        let health = self.health();
        tell(match health.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        });
    }

    fn close(&self, state: &mut State, tell: impl FnOnce(BreakerState)) {
        *state = State::Closed;
        self.failures.store(0, Ordering::Relaxed);
        self.tripped.store(false, Ordering::Release);
        tell(BreakerState::Closed);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: CircuitBreaker =
        CircuitBreaker { failure_threshold: 3, success_threshold: 2, timeout: Duration::from_secs(30) };

    /// A breaker with what it told, at a clock that the test sets.
    struct Case {
        breaker: Breaker,
        told: Vec<BreakerState>,
        start: Instant,
        seconds: u64,
    }

    impl Case {
        fn new() -> Self {
            Self { breaker: Breaker::default(), told: Vec::new(), start: Instant::now(), seconds: 0 }
        }

        fn now(&self) -> Instant {
            self.start + Duration::from_secs(self.seconds)
        }

        fn admit(&mut self) -> Result<Permitted, Duration> {
            let now = self.now();
            let permitted = self.breaker.admit(&SETTINGS, now, |state| self.told.push(state));
            permitted.map_err(|refused| refused.left)
        }

        /// Lets a probe through.
        fn probe(&mut self) -> Permitted {
            assert_eq!(self.admit(), Ok(Permitted::AsProbe(self.now())));
            Permitted::AsProbe(self.now())
        }

        fn fails(&mut self, permitted: Permitted) {
            let now = self.now();
            self.breaker.failed(&SETTINGS, permitted, now, "it failed", |state| self.told.push(state));
        }

        fn succeeds(&mut self, permitted: Permitted) {
            self.breaker.succeeded(&SETTINGS, permitted, |state| self.told.push(state));
        }

        fn opened() -> Self {
            let mut case = Self::new();
            for _ in 0..3 {
                case.fails(Permitted::Normally);
            }
            case
        }
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut case = Case::new();
        for _ in 0..2 {
            case.fails(Permitted::Normally);
            case.fails(Permitted::Normally);
            case.succeeds(Permitted::Normally);
        }
        assert_eq!(case.admit(), Ok(Permitted::Normally));
        for _ in 0..3 {
            case.fails(Permitted::Normally);
        }
        case.seconds = 12;
        assert_eq!(case.admit(), Err(Duration::from_secs(18)));
        // Those that were on their way do not change that.
        case.fails(Permitted::Normally);
        case.succeeds(Permitted::Normally);
        assert_eq!(case.admit(), Err(Duration::from_secs(18)));
        assert_eq!(case.told, [BreakerState::Open]);
    }

    #[test]
    fn one_probe_at_a_time_closes_it() {
        let mut case = Case::opened();
        case.seconds = 30;
        for _ in 0..2 {
            let probe = case.probe();
            assert_eq!(case.admit(), Err(SOON));
            case.succeeds(probe);
        }
        assert_eq!(case.admit(), Ok(Permitted::Normally));
        assert_eq!(case.told, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed]);
        // It counts anew.
        case.fails(Permitted::Normally);
        assert_eq!(case.admit(), Ok(Permitted::Normally));
    }

    #[test]
    fn a_failed_probe_opens_it_again() {
        let mut case = Case::opened();
        case.seconds = 31;
        let probe = case.probe();
        case.fails(probe);
        case.seconds = 60;
        assert_eq!(case.admit(), Err(SOON));
        case.seconds = 61;
        case.probe();
        use BreakerState::{HalfOpen, Open};
        assert_eq!(case.told, [Open, HalfOpen, Open, HalfOpen]);
    }

    #[test]
    fn a_probe_without_a_result_leaves_its_place_to_the_next() {
        let mut case = Case::opened();
        case.seconds = 30;
        case.probe();
        case.breaker.undecided(case.now());
        case.probe();
    }

    #[test]
    fn a_probe_keeps_the_next_one_back_for_five_seconds_at_most() {
        let mut case = Case::opened();
        case.seconds = 30;
        let slow = case.probe();
        case.seconds = 34;
        assert_eq!(case.admit(), Err(SOON));
        case.seconds = 35;
        let next = case.probe();
        // The slow one no longer has a say about whose turn it is, but its result counts.
        let Permitted::AsProbe(started) = slow else { unreachable!("a probe") };
        case.breaker.undecided(started);
        assert_eq!(case.admit(), Err(SOON));
        case.succeeds(slow);
        assert_eq!(case.admit(), Err(SOON));
        case.succeeds(next);
        assert_eq!(case.admit(), Ok(Permitted::Normally));
    }

    #[test]
    fn a_refusal_names_the_failure_that_opened_it() {
        let mut case = Case::opened();
        case.breaker.failed(&SETTINGS, Permitted::Normally, case.now(), "a straggler", |_| {});
        let refused = case.breaker.admit(&SETTINGS, case.now(), |_| {});
        let last_error = "it failed".to_owned();
        assert_eq!(refused, Err(Refused { left: SETTINGS.timeout, last_error }));
        case.seconds = 30;
        let probe = case.probe();
        case.breaker.failed(&SETTINGS, probe, case.now(), "it failed again", |_| {});
        let refused = case.breaker.admit(&SETTINGS, case.now(), |_| {});
        assert_eq!(refused.map_err(|refused| refused.last_error), Err("it failed again".to_owned()));
    }

    #[test]
    fn a_threshold_of_zero_is_off() {
        let off = CircuitBreaker { failure_threshold: 0, ..SETTINGS };
        let mut case = Case::new();
        for _ in 0..100 {
            case.breaker.failed(&off, Permitted::Normally, case.now(), "x", |_| unreachable!("it is off"));
        }
        assert_eq!(case.admit(), Ok(Permitted::Normally));
        // Switched off while it is open.
        let mut case = Case::opened();
        let mut told = Vec::new();
        let permitted = case.breaker.admit(&off, case.now(), |state| told.push(state));
        assert_eq!((permitted, told), (Ok(Permitted::Normally), vec![BreakerState::Closed]));
        assert_eq!(case.admit(), Ok(Permitted::Normally));
    }
}
