//! The clock of request records. Unit tests count its reads.

use crate::metrics::Time;

#[cfg(test)]
thread_local! {
    /// Reads of the clock by this thread.
    pub(super) static READS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

pub(super) fn now() -> Time {
    #[cfg(test)]
    READS.set(READS.get() + 1);
    Time::now()
}
