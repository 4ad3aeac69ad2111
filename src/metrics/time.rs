//! The clock of what is measured per request.

use std::ops::Sub;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A reading of the monotonic clock, in nanoseconds. To read it and to subtract two of them takes a quarter of the
/// instructions that [`std::time::Instant`] does, and a request has ten (`bench/instructions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    /// The time now.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        let (seconds, nanoseconds) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
        Self(seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds))
    }

    /// Nanoseconds from here to another time; 0 where that is earlier. They fit for 584 years.
    #[must_use]
    pub fn nanos_to(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(earlier.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn time_passes_as_it_does_for_the_standard_library() {
        let (outer, first) = (Instant::now(), Time::now());
        let inner = Instant::now();
        while inner.elapsed() < Duration::from_millis(2) {}
        let shortest = inner.elapsed();
        let last = Time::now();
        let measured = Duration::from_nanos(first.nanos_to(last));
        assert!((shortest..=outer.elapsed()).contains(&measured), "{measured:?}");
        assert_eq!((last.nanos_to(first), last.nanos_to(last)), (0, 0));
        assert_eq!((last - Duration::from_millis(3)).nanos_to(last), 3_000_000);
    }
}
