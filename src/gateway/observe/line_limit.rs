//! Limits for the log lines that clients can cause as often as they like: a flood of them must neither fill a disk nor
//! drive the lines of failures out of the queue. Above its limit a line is a sample, and says of how many.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;

const WINDOW: Duration = Duration::from_secs(1);

/// Lines of refused requests, which anybody can send without a key.
pub(super) static REFUSAL_LINES: LineLimit =
    LineLimit::new(|count| tracing::warn!(count, "refusals not logged"));
/// Lines of successful requests.
pub(super) static SUCCESS_LINES: LineLimit =
    LineLimit::new(|count| tracing::info!(count, "successful requests not logged"));

/// A limit of the process, whose lines all go to its one log.
#[derive(Debug)]
pub(super) struct LineLimit {
    window: Mutex<Window>,
    /// Logs how many lines were left out and have no other line that stands for them.
    report: fn(u64),
}

/// Lines of the current second.
#[derive(Debug)]
struct Window {
    ends: Option<Instant>,
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
    const fn new(report: fn(u64)) -> Self {
        let window = Window { ends: None, seen: 0, written: 0, stride: 1, left_out: 0, has_report: false };
        Self { window: Mutex::new(window), report }
    }

    /// Decides whether one more request gets a line, of which there are at most so many in a second, and returns the
    /// number of requests that it stands for. Those behind the last line are counted in a report at the end of the second.
    pub(super) fn admit(&'static self, lines: u32) -> Option<u64> {
        let now = Instant::now();
        let mut window = self.window.lock();
        let ends = window.at(now, lines);
        let stands_for = window.admit(lines);
        let begins_report = stands_for.is_none() && !std::mem::replace(&mut window.has_report, true);
        drop(window);
        if begins_report {
            self.report_at(ends);
        }
        stands_for
    }

    /// Without a runtime, or when it ends before, the report is made at once.
    fn report_at(&'static self, time: Instant) {
        let report = Report(self);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _report = report;
                tokio::time::sleep_until(time.into()).await;
            });
        }
    }
}

impl Window {
    /// Goes on to the window of this time, if it is another one; returns its end.
    fn at(&mut self, now: Instant, lines: u32) -> Instant {
        match self.ends {
            Some(ends) if now < ends => return ends,
            Some(ends) if now < ends + WINDOW => self.stride = self.seen.div_ceil(lines.into()).max(1),
            _ => self.stride = 1,
        }
        (self.seen, self.written) = (0, 0);
        *self.ends.insert(now + WINDOW)
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
        let mut window = self.0.window.lock();
        window.has_report = false;
        let left_out = std::mem::take(&mut window.left_out);
        drop(window);
        if left_out > 0 {
            (self.0.report)(left_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of one second, and the lines that they get, each with the number it stands for.
    fn second(window: &mut Window, begins: Instant, requests: u32) -> Vec<u64> {
        let admit = |number: u32| {
            window.at(begins + WINDOW / 2 * number / requests, 10);
            window.admit(10)
        };
        (0..requests).filter_map(admit).collect()
    }

    #[test]
    fn lines_above_the_limit_are_samples_that_say_of_how_many() {
        let LineLimit { window, .. } = LineLimit::new(|_| {});
        let mut window = window.into_inner();
        let begins = Instant::now();
        assert_eq!(second(&mut window, begins, 10), [1; 10], "none is left out");
        assert_eq!(second(&mut window, begins + WINDOW, 95), [1; 10], "the first of a flood");
        assert_eq!(window.left_out, 85);
        let sampled = second(&mut window, begins + 2 * WINDOW, 95);
        assert_eq!(sampled, [86, 10, 10, 10, 10, 10, 10, 10, 10, 10], "every tenth of it");
        assert_eq!(window.left_out, 4);
        assert_eq!(sampled.iter().sum::<u64>() + window.left_out, 85 + 95);
        window.left_out = 0;
        assert_eq!(second(&mut window, begins + 4 * WINDOW, 3), [1; 3], "a second of silence ends it");
    }
}
