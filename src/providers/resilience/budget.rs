//! Retry budget of a provider: retries help against a few failures and add to an outage.
//! Our own, since the larger of a minimum and a share of the requests is allowed; tower's budget adds the two up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time that a budget is for, sliding.
const WINDOW: Duration = Duration::from_secs(10);
/// Retries that any provider gets in that time.
const FEW: u64 = 10;
/// One retry for so many requests in that time.
const REQUESTS_PER_RETRY: u64 = 10;
/// One for each second of the window, and one for the second that begins.
const SLOTS: usize = 11;

/// Shared by all workers. A request costs one addition; retries are kept one by one.
#[derive(Debug)]
pub(crate) struct Budget {
    started: Instant,
    /// Requests by the second: its number in the upper half, their count in the lower.
    requests: [AtomicU64; SLOTS],
    retries: Mutex<VecDeque<Instant>>,
}

impl Budget {
    pub(crate) fn new(started: Instant) -> Self {
        Self { started, requests: Default::default(), retries: Mutex::default() }
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs()
    }

    /// Counts a request; its retries are none.
    pub(crate) fn request(&self, now: Instant) {
        let second = self.second(now);
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 11")]
        let slot = &self.requests[(second % SLOTS as u64) as usize];
        let seen = slot.load(Ordering::Relaxed);
        let is_first = seen >> 32 != second;
        // The loser of a race for the first request of a second adds to the winner's count.
        if !is_first
            || slot.compare_exchange(seen, second << 32 | 1, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            slot.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a retry out of the budget; false when it is used up.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut retries = self.retries.lock();
        while retries.front().is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW) {
            retries.pop_front();
        }
        let allowed = FEW.max(self.requests_until(now) / REQUESTS_PER_RETRY);
        let is_allowed = (retries.len() as u64) < allowed;
        if is_allowed {
            retries.push_back(now);
        }
        is_allowed
    }

    /// Requests of the window that ends now, without the part of its first second that is already over.
    fn requests_until(&self, now: Instant) -> u64 {
        let second = self.second(now);
        let mut requests = 0;
        for slot in &self.requests {
            let slot = slot.load(Ordering::Relaxed);
            let at = slot >> 32;
            if at <= second && second - at < WINDOW.as_secs() {
                requests += slot & u64::from(u32::MAX);
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(budget: &Budget, seconds: f64) -> Instant {
        budget.started + Duration::from_secs_f64(seconds)
    }

    /// Number of retries available at a time.
    fn taken(budget: &Budget, seconds: f64) -> usize {
        (0..10_000).take_while(|_| budget.take(at(budget, seconds))).count()
    }

    #[test]
    fn any_provider_gets_ten_retries_in_any_ten_seconds() {
        let budget = Budget::new(Instant::now());
        for tenth in 0..10 {
            assert!(budget.take(at(&budget, f64::from(tenth) / 2.0)));
        }
        assert_eq!(taken(&budget, 9.9), 0);
        assert_eq!(taken(&budget, 10.0), 1);
        assert_eq!(taken(&budget, 14.5), 9);
        assert_eq!(taken(&budget, 19.9), 0);
        assert_eq!(taken(&budget, 3600.0), 10);
    }

    #[test]
    fn a_busy_provider_gets_a_tenth_of_its_requests() {
        let budget = Budget::new(Instant::now());
        for second in 0..30 {
            for _ in 0..100 {
                budget.request(at(&budget, f64::from(second)));
            }
        }
        assert_eq!(taken(&budget, 29.9), 100);
        assert_eq!(taken(&budget, 39.0), 0);
        // The requests are forgotten by then, the retries not yet.
        assert_eq!(taken(&budget, 39.95), 10);
    }

    #[test]
    fn requests_of_all_threads_count() {
        let budget = Budget::new(Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        budget.request(at(&budget, 5.0));
                    }
                });
            }
        });
        assert_eq!(budget.requests_until(at(&budget, 5.0)), 20_000);
        assert_eq!(taken(&budget, 14.9), 2000);
    }
}
