//! Limits for the log lines that clients can cause as often as they like: a flood of them must neither fill a disk nor
//! drive the lines of failures out of the queue. Above its limit a line is a sample, and says of how many.

use std::cell::RefCell;
use std::thread::LocalKey;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::logging;
use crate::metrics::Time;

const WINDOW: Duration = Duration::from_secs(1);

thread_local! {
    static REFUSALS: RefCell<Window> = const { RefCell::new(Window::NEW) };
    static SUCCESSES: RefCell<Window> = const { RefCell::new(Window::NEW) };
}

/// Lines of refused requests, which anybody can send without a key.
pub(super) static REFUSAL_LINES: LineLimit =
    LineLimit { window: &REFUSALS, report: |count| tracing::warn!(count, "refusals not logged") };
/// Lines of successful requests.
pub(super) static SUCCESS_LINES: LineLimit =
    LineLimit { window: &SUCCESSES, report: |count| tracing::info!(count, "successful requests not logged") };

/// A limit of which each worker has its share, so that the workers do not meet at a lock. A worker's thread drops the
/// records of its requests.
#[derive(Debug)]
pub(super) struct LineLimit {
    window: &'static LocalKey<RefCell<Window>>,
    /// Logs how many lines were left out and have no other line that stands for them.
    report: fn(u64),
}

/// Lines of the current second.
#[derive(Debug)]
struct Window {
    began: Option<Time>,
    /// Requests.
    seen: u64,
    written: u32,
    /// Requests for each line, by the number of requests in the second before.
    stride: u64,
    /// Requests since the last line or report.
    left_out: u64,
    has_report: bool,
}

impl LineLimit {
    /// Decides whether a request that ended now gets a line, of which this worker may write so many in a second, and
    /// returns the number of requests that it stands for. Those behind the last line are counted in a report at the end
    /// of the second.
    pub(super) fn admit(&'static self, now: Time, lines: u32) -> Option<u64> {
        let (stands_for, report_in) = self.window.with_borrow_mut(|window| {
            let left = window.at(now, lines);
            let stands_for = window.admit(lines);
            let begins_report = stands_for.is_none() && !std::mem::replace(&mut window.has_report, true);
            (stands_for, begins_report.then_some(left))
        });
        if let Some(left) = report_in {
            self.report_after(left);
        }
        if let Some(stands_for @ 2..) = stands_for {
            logging::suppress(stands_for - 1);
        }
        stands_for
    }

    /// Without a runtime, or when it ends before, the report is made at once.
    fn report_after(&'static self, time: Duration) {
        let report = Report(self);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _report = report;
                tokio::time::sleep(time).await;
            });
        }
    }
}

impl Window {
    const NEW: Self = Self { began: None, seen: 0, written: 0, stride: 1, left_out: 0, has_report: false };

    /// Goes on to the window of this time, if it is another one; returns the rest of it.
    fn at(&mut self, now: Time, lines: u32) -> Duration {
        let age = self.began.map(|began| Duration::from_nanos(began.nanos_to(now)));
        match age {
            Some(age) if age < WINDOW => return WINDOW - age,
            Some(age) if age < 2 * WINDOW => self.stride = self.seen.div_ceil(lines.into()).max(1),
            _ => self.stride = 1,
        }
        (self.began, self.seen, self.written) = (Some(now), 0, 0);
        WINDOW
    }

    fn admit(&mut self, lines: u32) -> Option<u64> {
        self.seen += 1;
        self.left_out += 1;
        if self.written >= lines || self.left_out < self.stride {
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Logs, when it is dropped, how many lines were left out.
struct Report(&'static LineLimit);

impl Drop for Report {
    fn drop(&mut self) {
        let left_out = self.0.window.with_borrow_mut(|window| {
            window.has_report = false;
            std::mem::take(&mut window.left_out)
        });
        if left_out > 0 {
            logging::suppress(left_out);
            (self.0.report)(left_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a second with so many requests, each with the number it stands for. `end` is five seconds after the
    /// beginning of second 0.
    fn second(window: &mut Window, end: Time, number: u32, requests: u32) -> Vec<u64> {
        let left = (5 - number) * WINDOW;
        let admit = |request: u32| {
            window.at(end - (left - WINDOW / 2 * request / requests), 10);
            window.admit(10)
        };
        (0..requests).filter_map(admit).collect()
    }

    #[test]
    fn lines_above_the_limit_are_samples_that_say_of_how_many() {
        let (mut window, end) = (Window::NEW, Time::now());
        assert_eq!(second(&mut window, end, 0, 10), [1; 10], "none is left out");
        assert_eq!(second(&mut window, end, 1, 95), [1; 10], "the first of a flood");
        assert_eq!(window.left_out, 85);
        let sampled = second(&mut window, end, 2, 95);
        assert_eq!(sampled, [86, 10, 10, 10, 10, 10, 10, 10, 10, 10], "every tenth of it");
        assert_eq!(window.left_out, 4);
        assert_eq!(sampled.iter().sum::<u64>() + window.left_out, 85 + 95);
        window.left_out = 0;
        assert_eq!(second(&mut window, end, 4, 3), [1; 3], "a second of silence ends it");
    }
}
