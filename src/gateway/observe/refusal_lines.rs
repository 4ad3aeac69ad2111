//! A limit for the log lines that any client can cause without a key: a flood of refusals must not fill a disk, nor drive
//! other lines out of the queue.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;

/// Lines in one window at most.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// The lines of this process; they all go to its one log.
pub(crate) static REFUSAL_LINES: RefusalLines =
    RefusalLines(Mutex::new(Window { ends: None, written: 0, left_out: 0 }));

/// Counts lines by the second.
#[derive(Debug)]
pub(crate) struct RefusalLines(Mutex<Window>);

#[derive(Debug)]
struct Window {
    ends: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl RefusalLines {
    /// Decides whether one more line is written; one that is not is counted in a line at the end of the second.
    pub(crate) fn admit(&'static self) -> bool {
        let mut window = self.0.lock();
        let now = Instant::now();
        let ends = match window.ends {
            Some(ends) if now < ends => ends,
            _ => {
                window.written = 0;
                *window.ends.insert(now + WINDOW)
            }
        };
        if window.written < LINES {
            window.written += 1;
            return true;
        }
        window.left_out += 1;
        let first = window.left_out == 1;
        drop(window);
        if first {
            self.report_at(ends);
        }
        false
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

/// Logs, when it is dropped, how many lines were omitted.
struct Report(&'static RefusalLines);

impl Drop for Report {
    fn drop(&mut self) {
        let mut window = self.0.0.lock();
        let count = std::mem::take(&mut window.left_out);
        drop(window);
        tracing::warn!(count, "refusals not logged");
    }
}
