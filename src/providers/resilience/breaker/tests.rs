use super::*;

const SETTINGS: CircuitBreaker =
    CircuitBreaker { failure_threshold: 3, success_threshold: 2, timeout: Duration::from_secs(30) };

/// A breaker with the states that it reported, at a clock that the test sets.
struct Case {
    breaker: Breaker,
    states: Vec<BreakerState>,
    start: Instant,
    seconds: u64,
}

impl Case {
    fn new() -> Self {
        Self { breaker: Breaker::default(), states: Vec::new(), start: Instant::now(), seconds: 0 }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.seconds)
    }

    fn admit(&mut self) -> Result<Permitted, Duration> {
        let now = self.now();
        let permitted = self.breaker.admit(&SETTINGS, now, |state| self.states.push(state));
        permitted.map_err(|refused| refused.remaining)
    }

    /// Lets a probe through.
    fn probe(&mut self) -> Permitted {
        assert_eq!(self.admit(), Ok(Permitted::AsProbe(self.now())));
        Permitted::AsProbe(self.now())
    }

    fn fails(&mut self, permitted: Permitted) {
        let now = self.now();
        self.breaker.failed(&SETTINGS, permitted, now, "it failed", |state| self.states.push(state));
    }

    fn succeeds(&mut self, permitted: Permitted) {
        self.breaker.succeeded(&SETTINGS, permitted, |state| self.states.push(state));
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
    // Requests that were under way do not change that.
    case.fails(Permitted::Normally);
    case.succeeds(Permitted::Normally);
    assert_eq!(case.admit(), Err(Duration::from_secs(18)));
    assert_eq!(case.states, [BreakerState::Open]);
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
    assert_eq!(case.states, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed]);
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
    assert_eq!(case.states, [Open, HalfOpen, Open, HalfOpen]);
}

#[test]
fn a_probe_without_a_result_is_followed_by_another() {
    let mut case = Case::opened();
    case.seconds = 30;
    case.probe();
    case.breaker.undecided(case.now());
    case.probe();
}

#[test]
fn a_probe_delays_the_next_one_by_five_seconds_at_most() {
    let mut case = Case::opened();
    case.seconds = 30;
    let slow = case.probe();
    case.seconds = 34;
    assert_eq!(case.admit(), Err(SOON));
    case.seconds = 35;
    let next = case.probe();
    // The slow probe no longer delays others, but its result counts.
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
    assert_eq!(refused, Err(Refused { remaining: SETTINGS.timeout, last_error }));
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
    let mut states = Vec::new();
    let permitted = case.breaker.admit(&off, case.now(), |state| states.push(state));
    assert_eq!((permitted, states), (Ok(Permitted::Normally), vec![BreakerState::Closed]));
    assert_eq!(case.admit(), Ok(Permitted::Normally));
}
