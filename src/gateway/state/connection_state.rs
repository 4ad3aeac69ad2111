//! State of one client connection, shared by its socket, its service, its responses and the accept loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::connections::Connections;

/// Position of a connection in the course of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Accepted; the client has sent nothing.
    FirstByte,
    /// Part of a request head has arrived.
    Head,
    /// A request is being served, until the kernel has accepted the last byte of its response.
    Request,
    /// Kept for the next request.
    Idle,
    /// Our side is closed; what the client still sends is read and dropped.
    Lingering,
}

impl Stage {
    const ALL: [Self; 5] = [Self::FirstByte, Self::Head, Self::Request, Self::Idle, Self::Lingering];

    const fn is_active(self) -> bool {
        matches!(self, Self::Request)
    }

    /// Rank among the connections that make room for new ones, lowest first; `None` while a request is served.
    pub(crate) const fn eviction_rank(self) -> Option<u8> {
        match self {
            Self::FirstByte => Some(0),
            Self::Lingering => Some(1),
            Self::Idle => Some(2),
            Self::Head => Some(3),
            Self::Request => None,
        }
    }

    /// Every eviction rank.
    pub(crate) const EVICTION_RANKS: std::ops::Range<u8> = 0..4;
}

/// Order of the accept loop to its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Keep the connection between requests.
    Serve,
    /// Close after the next response, or after a short wait for a request.
    Drain,
    /// Close at once; a request that waits for a provider is refused, a stream ends with its last event.
    Close,
}

impl Order {
    const ALL: [Self; 3] = [Self::Serve, Self::Drain, Self::Close];
}

/// State of the current request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RequestBody {
    /// Read to its end, or there is none.
    Read,
    /// A handler reads it.
    Awaited,
    /// Dropped before its end.
    Dropped,
}

impl RequestBody {
    const ALL: [Self; 3] = [Self::Read, Self::Awaited, Self::Dropped];
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    stage: AtomicU8,
    order: AtomicU8,
    evicted: AtomicBool,
    /// Grows with the time at which the connection began to wait; compared within one accept loop.
    waiting_since: AtomicU64,
    body: AtomicU8,
    /// The client sent more after its request than is read ahead: the connection cannot serve another one.
    overrun: AtomicBool,
    /// The kernel did not accept all of the last write.
    write_blocked: AtomicBool,
    task: AtomicWaker,
    accepted: Instant,
    /// Time at which the task is to be woken, in nanoseconds since it was accepted; 0 where it is not.
    wake_at: AtomicU64,
    connections: Arc<Connections>,
}

impl ConnectionState {
    pub(crate) fn new(connections: Arc<Connections>, order: Order) -> Self {
        Self {
            stage: AtomicU8::new(Stage::FirstByte as u8),
            order: AtomicU8::new(order as u8),
            evicted: AtomicBool::new(false),
            waiting_since: AtomicU64::new(connections.next()),
            body: AtomicU8::new(RequestBody::Read as u8),
            overrun: AtomicBool::new(false),
            write_blocked: AtomicBool::new(false),
            task: AtomicWaker::new(),
            accepted: Instant::now(),
            wake_at: AtomicU64::new(0),
            connections,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::ALL[usize::from(self.stage.load(Ordering::Relaxed))]
    }

    /// Changes the stage; only the connection's own task does.
    pub(crate) fn set(&self, stage: Stage) {
        let before = self.stage();
        if stage == before {
            return;
        }
        if stage == Stage::Idle {
            self.waiting_since.store(self.connections.next(), Ordering::Relaxed);
        }
        self.stage.store(stage as u8, Ordering::Relaxed);
        match (before.is_active(), stage.is_active()) {
            (false, true) => self.connections.begin(),
            (true, false) => self.connections.end(),
            _ => {}
        }
    }

    /// A request's head was parsed.
    pub(crate) fn begin_request(&self, has_body: bool) {
        self.set(Stage::Request);
        self.set_body(if has_body { RequestBody::Awaited } else { RequestBody::Read });
    }

    pub(crate) fn set_body(&self, body: RequestBody) {
        self.body.store(body as u8, Ordering::Relaxed);
    }

    pub(crate) fn body(&self) -> RequestBody {
        RequestBody::ALL[usize::from(self.body.load(Ordering::Relaxed))]
    }

    pub(crate) fn overrun(&self) {
        self.overrun.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_overrun(&self) -> bool {
        self.overrun.load(Ordering::Relaxed)
    }

    /// Returns true if the response that begins now is the last of the connection.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_overrun() || self.order() > Order::Serve
    }

    pub(crate) fn order(&self) -> Order {
        Order::ALL[usize::from(self.order.load(Ordering::Acquire))]
    }

    /// Gives an order, from any thread.
    pub(crate) fn give_order(&self, order: Order) {
        self.order.store(order as u8, Ordering::Release);
        self.task.wake();
    }

    /// Orders the connection to make room, from any thread; false when it was evicted before.
    pub(crate) fn evict(&self) -> bool {
        let first = !self.evicted.swap(true, Ordering::AcqRel);
        if first {
            self.task.wake();
        }
        first
    }

    /// Returns true if it was evicted and still has nothing to serve.
    pub(crate) fn is_evicted(&self) -> bool {
        if !self.evicted.load(Ordering::Acquire) {
            return false;
        }
        let waits = self.stage().eviction_rank().is_some();
        if !waits {
            self.evicted.store(false, Ordering::Release);
        }
        waits
    }

    /// Returns true if what its request still waits for is given up.
    pub(crate) fn is_closing(&self) -> bool {
        self.order() == Order::Close
    }

    /// Has the task woken then, instead of at an earlier request of this; only the task itself does.
    pub(crate) fn wake_at(&self, at: Instant) {
        let nanos = at.saturating_duration_since(self.accepted).as_nanos();
        self.wake_at.store(u64::try_from(nanos).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// Time of [`Self::wake_at`].
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let nanos = self.wake_at.load(Ordering::Relaxed);
        (nanos > 0).then(|| self.accepted + Duration::from_nanos(nanos))
    }

    /// The time has come.
    pub(crate) fn woken(&self) {
        self.wake_at.store(0, Ordering::Relaxed);
    }

    pub(crate) fn waiting_since(&self) -> u64 {
        self.waiting_since.load(Ordering::Relaxed)
    }

    /// The task to wake when an order is given.
    pub(crate) fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    pub(crate) fn write_blocked(&self, blocked: bool) {
        self.write_blocked.store(blocked, Ordering::Relaxed);
    }

    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Ordering::Relaxed)
    }

    /// The connection is over.
    pub(crate) fn closed(&self) {
        self.set(Stage::Lingering);
    }
}
