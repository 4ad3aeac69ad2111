//! Deadlines of a client's connection: for the next request and its head, and for a write.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::lazy_timer::LazyTimer;
use crate::config::ServerTimeouts;
use crate::gateway::state::connection_state::{ConnectionState, Order, Stage};

/// Longest wait for a request on a connection of a gateway that drains: long enough for a load balancer to send one and
/// learn from its response that the connection closes, or to see that new connections are refused.
const DRAINING_WAIT: Duration = Duration::from_secs(5);
/// Time for what a closing connection has sent already to be read and refused.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(super) struct Deadlines {
    timeouts: ServerTimeouts,
    read_timer: LazyTimer,
    /// Time by which bytes must come in a stage, by an order; `None` where they may take any time.
    read_by: Option<(Stage, Order, Instant)>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl Deadlines {
    pub(super) fn new(timeouts: ServerTimeouts) -> Self {
        Self { timeouts, read_timer: LazyTimer::default(), read_by: None, write_timer: None }
    }

    /// A request is being served: the wait for the next one begins after it.
    pub(super) fn served(&mut self) {
        self.read_by = None;
    }

    /// Ready when a connection has waited too long for a request or the rest of its head.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, state: &ConnectionState) -> Poll<()> {
        let (stage, order) = (state.stage(), state.order());
        let limit = match stage {
            Stage::FirstByte => self.timeouts.first_byte,
            Stage::Head => self.timeouts.header,
            Stage::Idle => self.timeouts.idle,
            Stage::Request | Stage::Lingering => return Poll::Pending,
        };
        let limit = match order {
            Order::Serve => limit,
            Order::Drain => limit.min(DRAINING_WAIT),
            Order::Close => limit.min(LAST_LOOK),
        };
        let at = match self.read_by {
            Some((same_stage, same_order, at)) if (same_stage, same_order) == (stage, order) => at,
            // An order never gives a connection more time.
            Some((same_stage, _, at)) if same_stage == stage => at.min(Instant::now() + limit),
            _ => Instant::now() + limit,
        };
        self.read_by = Some((stage, order, at));
        self.read_timer.poll_at(at, cx)
    }

    /// Bounds the time without progress of a write.
    pub(super) fn bound_write(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if progress.is_ready() {
            self.write_timer = None;
            return progress;
        }
        let limit = self.timeouts.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
