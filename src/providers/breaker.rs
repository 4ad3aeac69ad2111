//! A provider's circuit breaker: after enough failed requests in a row nothing is asked of it for a while, then one
//! request at a time until enough of them succeed.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::CircuitBreaker;
use crate::metrics::BreakerState;

/// Shared by all workers. While it is closed and nothing fails, a request costs two loads.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failed requests in a row while it is closed.
    failures: AtomicU32,
    /// It is not closed.
    tripped: AtomicBool,
    course: Mutex<Course>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Course {
    #[default]
    Closed,
    Open {
        since: Instant,
    },
    HalfOpen {
        probing: bool,
        successes: u32,
    },
}

/// What a request was let through as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// One of many.
    Freely,
    /// The one that shows whether the provider is back.
    AsProbe,
}

/// Shortest time after which it is worth asking again.
const SOON: Duration = Duration::from_secs(1);

impl Breaker {
    /// Lets a request through, or says how long nothing will be let through. `tell` hears of a change of state.
    pub(super) fn admit(
        &self,
        settings: &CircuitBreaker,
        now: Instant,
        tell: impl FnOnce(BreakerState),
    ) -> Result<Admitted, Duration> {
        if !self.tripped.load(Ordering::Acquire) {
            return Ok(Admitted::Freely);
        }
        let mut course = self.course();
        if settings.failure_threshold == 0 {
            self.close(&mut course, tell);
            return Ok(Admitted::Freely);
        }
        match *course {
            Course::Closed => Ok(Admitted::Freely),
            Course::Open { since } => {
                let left = (since + settings.timeout).saturating_duration_since(now);
                if !left.is_zero() {
                    return Err(left);
                }
                *course = Course::HalfOpen { probing: true, successes: 0 };
                tell(BreakerState::HalfOpen);
                Ok(Admitted::AsProbe)
            }
            Course::HalfOpen { probing: true, .. } => Err(SOON),
            Course::HalfOpen { probing: false, successes } => {
                *course = Course::HalfOpen { probing: true, successes };
                Ok(Admitted::AsProbe)
            }
        }
    }

    /// An admitted request got an answer.
    pub(super) fn succeeded(
        &self,
        settings: &CircuitBreaker,
        admitted: Admitted,
        tell: impl FnOnce(BreakerState),
    ) {
        if admitted == Admitted::Freely {
            if self.failures.load(Ordering::Relaxed) != 0 {
                self.failures.store(0, Ordering::Relaxed);
            }
            return;
        }
        let mut course = self.course();
        if let Course::HalfOpen { successes, .. } = *course {
            let successes = successes + 1;
            if successes >= settings.success_threshold {
                self.close(&mut course, tell);
            } else {
                *course = Course::HalfOpen { probing: false, successes };
            }
        }
    }

    /// An admitted request failed.
    pub(super) fn failed(
        &self,
        settings: &CircuitBreaker,
        admitted: Admitted,
        now: Instant,
        tell: impl FnOnce(BreakerState),
    ) {
        if settings.failure_threshold == 0 {
            return;
        }
        // Requests that were let through before it opened say nothing new.
        let from = match admitted {
            Admitted::AsProbe => |course: Course| matches!(course, Course::HalfOpen { .. }),
            Admitted::Freely => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if failures < settings.failure_threshold {
                    return;
                }
                |course| course == Course::Closed
            }
        };
        let mut course = self.course();
        if from(*course) {
            *course = Course::Open { since: now };
            self.tripped.store(true, Ordering::Release);
            tell(BreakerState::Open);
        }
    }

    /// A probe ended without a word about the provider: the next request is one.
    pub(super) fn undecided(&self) {
        if let Course::HalfOpen { probing, .. } = &mut *self.course() {
            *probing = false;
        }
    }

    fn close(&self, course: &mut Course, tell: impl FnOnce(BreakerState)) {
        *course = Course::Closed;
        self.failures.store(0, Ordering::Relaxed);
        self.tripped.store(false, Ordering::Release);
        tell(BreakerState::Closed);
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
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

        fn admit(&mut self) -> Result<Admitted, Duration> {
            let now = self.now();
            self.breaker.admit(&SETTINGS, now, |state| self.told.push(state))
        }

        fn fails(&mut self, admitted: Admitted) {
            let now = self.now();
            self.breaker.failed(&SETTINGS, admitted, now, |state| self.told.push(state));
        }

        fn succeeds(&mut self, admitted: Admitted) {
            self.breaker.succeeded(&SETTINGS, admitted, |state| self.told.push(state));
        }

        fn opened() -> Self {
            let mut case = Self::new();
            for _ in 0..3 {
                case.fails(Admitted::Freely);
            }
            case
        }
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut case = Case::new();
        for _ in 0..2 {
            case.fails(Admitted::Freely);
            case.fails(Admitted::Freely);
            case.succeeds(Admitted::Freely);
        }
        assert_eq!(case.admit(), Ok(Admitted::Freely));
        for _ in 0..3 {
            case.fails(Admitted::Freely);
        }
        case.seconds = 12;
        assert_eq!(case.admit(), Err(Duration::from_secs(18)));
        // Those that were on their way do not change that.
        case.fails(Admitted::Freely);
        case.succeeds(Admitted::Freely);
        assert_eq!(case.admit(), Err(Duration::from_secs(18)));
        assert_eq!(case.told, [BreakerState::Open]);
    }

    #[test]
    fn one_probe_at_a_time_closes_it() {
        let mut case = Case::opened();
        case.seconds = 30;
        for _ in 0..2 {
            assert_eq!(case.admit(), Ok(Admitted::AsProbe));
            assert_eq!(case.admit(), Err(SOON));
            case.succeeds(Admitted::AsProbe);
        }
        assert_eq!(case.admit(), Ok(Admitted::Freely));
        assert_eq!(case.told, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed]);
        // It counts anew.
        case.fails(Admitted::Freely);
        assert_eq!(case.admit(), Ok(Admitted::Freely));
    }

    #[test]
    fn a_failed_probe_opens_it_again() {
        let mut case = Case::opened();
        case.seconds = 31;
        assert_eq!(case.admit(), Ok(Admitted::AsProbe));
        case.fails(Admitted::AsProbe);
        case.seconds = 60;
        assert_eq!(case.admit(), Err(SOON));
        case.seconds = 61;
        assert_eq!(case.admit(), Ok(Admitted::AsProbe));
        use BreakerState::{HalfOpen, Open};
        assert_eq!(case.told, [Open, HalfOpen, Open, HalfOpen]);
    }

    #[test]
    fn a_probe_without_a_result_leaves_its_place_to_the_next() {
        let mut case = Case::opened();
        case.seconds = 30;
        assert_eq!(case.admit(), Ok(Admitted::AsProbe));
        case.breaker.undecided();
        assert_eq!(case.admit(), Ok(Admitted::AsProbe));
    }

    #[test]
    fn a_threshold_of_zero_is_off() {
        let off = CircuitBreaker { failure_threshold: 0, ..SETTINGS };
        let mut case = Case::new();
        for _ in 0..100 {
            case.breaker.failed(&off, Admitted::Freely, case.now(), |_| unreachable!("it is off"));
        }
        assert_eq!(case.admit(), Ok(Admitted::Freely));
        // Switched off while it is open.
        let mut case = Case::opened();
        let mut told = Vec::new();
        let admitted = case.breaker.admit(&off, case.now(), |state| told.push(state));
        assert_eq!((admitted, told), (Ok(Admitted::Freely), vec![BreakerState::Closed]));
        assert_eq!(case.admit(), Ok(Admitted::Freely));
    }
}
