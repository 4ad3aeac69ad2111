//! Timeout of reading an upstream's body, which does not run while the client does not read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A shorter pause between two reads of the client says more about our own scheduling than about the client.
const CLIENT_PAUSE: Duration = Duration::from_millis(10);

/// Time that an upstream may take: for each event of a stream from where it is waited for, for any other body as a
/// whole. It does not run while the client does not read, since nothing is read from the upstream then.
pub(crate) struct ReadTimeout {
    /// Longest silence inside a stream; `None` for any other body.
    idle: Option<Duration>,
    until: Instant,
    is_waiting: bool,
    /// Time at which the client was given bytes, until it wants more.
    handed_over: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl ReadTimeout {
    pub(crate) fn new(idle: Option<Duration>, until: Instant) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(until));
        Self { idle, until, is_waiting: false, handed_over: None, timer }
    }

    /// Waits for the upstream; ready when it has taken too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_waiting {
            self.is_waiting = true;
            if let Some(idle) = self.idle {
                self.until = Instant::now() + idle;
            }
            self.timer.as_mut().reset(self.until);
        }
        self.timer.as_mut().poll(cx)
    }

    /// Returns true if a body that is no stream has taken too long, however much of it comes.
    pub(crate) fn is_over(&self) -> bool {
        self.idle.is_none() && Instant::now() >= self.until
    }

    /// The upstream sent something.
    pub(crate) fn waited(&mut self) {
        self.is_waiting = false;
    }

    pub(crate) fn handed_over(&mut self) {
        self.handed_over = self.idle.is_none().then(Instant::now);
    }

    /// The client wants more.
    pub(crate) fn client_reads(&mut self) {
        let Some(handed_over) = self.handed_over.take() else { return };
        let pause = handed_over.elapsed();
        if pause >= CLIENT_PAUSE {
            self.until += pause;
        }
    }
}
