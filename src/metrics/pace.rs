//! The pace of a render: short slices of work with pauses in between.

use std::time::{Duration, Instant};

/// See the module. Where no core is idle, a thread that renders 86,000 samples at once holds one for up to 4 ms at a
/// time, and requests wait as long. A lower priority does not bound that: at nice 19 it was 8 ms, and a scrape took up
/// to 1.4 s (bench/RESULTS.md).
#[derive(Debug)]
pub struct Pace {
    slice: Duration,
    pause: fn(),
    begun: Instant,
}

impl Pace {
    /// Calls `pause` whenever a slice of work has taken its time.
    #[must_use]
    pub fn new(slice: Duration, pause: fn()) -> Self {
        Self { slice, pause, begun: Instant::now() }
    }

    /// Without pauses.
    #[must_use]
    pub fn unbroken() -> Self {
        Self::new(Duration::MAX, || ())
    }

    /// A point at which the work may pause.
    pub(crate) fn step(&mut self) {
        if self.begun.elapsed() >= self.slice {
            (self.pause)();
            self.begun = Instant::now();
        }
    }
}
