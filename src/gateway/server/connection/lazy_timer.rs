//! A timer that costs nothing to postpone, as each request postpones those of its connection: it fires at the time that
//! it was set for first, and is set again then.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// See the module. One task polls it.
#[derive(Debug, Default)]
pub(crate) struct LazyTimer {
    /// `None` until it is first set.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    /// Ready at this time, which may be another one at each call.
    pub(crate) fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = match &mut self.sleep {
            // It was polled when it was set, and wakes the task in time.
            Some(sleep) if sleep.deadline() <= at && !sleep.is_elapsed() => return Poll::Pending,
            Some(sleep) => sleep,
            None => self.sleep.insert(Box::pin(sleep_until(at))),
        };
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        // A poll that the budget of the task turned away would not have set it, and it is not polled again.
        pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::task::coop::consume_budget;
    use tokio::time::timeout;

    use super::*;

    /// True if the timer is not due at this time.
    async fn waits(timer: &mut LazyTimer, at: Instant) -> bool {
        poll_fn(|cx| Poll::Ready(timer.poll_at(at, cx).is_pending())).await
    }

    /// True if it becomes due, long before the hours that the test sets.
    async fn is_due(timer: &mut LazyTimer, at: Instant) -> bool {
        timeout(Duration::from_secs(60), poll_fn(|cx| timer.poll_at(at, cx))).await.is_ok()
    }

    #[tokio::test]
    async fn a_timer_is_due_at_the_last_time_it_was_given() {
        let (mut timer, start) = (LazyTimer::default(), Instant::now());
        let hour = Duration::from_secs(3600);
        assert!(waits(&mut timer, start + hour).await);
        assert!(waits(&mut timer, start + 2 * hour).await, "postponed");
        assert!(is_due(&mut timer, start).await, "brought forward");
        assert!(waits(&mut timer, start + hour).await, "set again");
        // Fires at the first of these times, and is due at the second.
        let (soon, later) = (start + Duration::from_millis(20), start + Duration::from_millis(40));
        waits(&mut timer, soon).await;
        assert!(is_due(&mut timer, later).await);
        assert!(Instant::now() >= later);
    }

    #[tokio::test]
    async fn a_timer_is_set_by_a_task_without_a_budget() {
        let (mut timer, start) = (LazyTimer::default(), Instant::now());
        let soon = start + Duration::from_millis(20);
        let mut has_budget = true;
        let due = poll_fn(|cx| {
            while has_budget {
                has_budget = pin!(consume_budget()).poll(cx).is_ready();
            }
            timer.poll_at(soon, cx)
        });
        assert!(timeout(Duration::from_secs(60), due).await.is_ok());
        assert!((soon..start + Duration::from_secs(50)).contains(&Instant::now()));
    }
}
