//! Lifecycle of the gateway (serving, draining, gone), and the number of requests in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::connection_state::Stage;
use super::connections::Connections;
use crate::gateway::http::body_memory::BodyMemory;

/// State of the process that a reload keeps: draining, connections, requests in flight, memory of bodies.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    leaving: AtomicBool,
    /// Listeners close, and each connection after its next response.
    pub(crate) draining: CancellationToken,
    /// Connections without a request close.
    pub(crate) closing: CancellationToken,
    /// The grace period is over: what is still open ends with a last word.
    pub(crate) cut: CancellationToken,
    open: AtomicUsize,
    /// The connections of each accept loop.
    accept_loops: Mutex<Vec<Arc<Connections>>>,
    in_flight: AtomicUsize,
    in_flight_limit: AtomicUsize,
    /// Memory that the bodies of requests take.
    pub(crate) bodies: Arc<BodyMemory>,
}

impl Lifecycle {
    /// Returns true if load balancers should send requests here.
    pub(crate) fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Relaxed)
    }

    /// Not ready any more, though served as ever.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Requests in flight now.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Limit of requests in flight, by the active configuration.
    pub(crate) fn in_flight_limit(&self) -> usize {
        self.in_flight_limit.load(Ordering::Relaxed)
    }

    /// So many may be from here on.
    pub(crate) fn limit_in_flight(&self, limit: usize) {
        self.in_flight_limit.store(limit, Ordering::Relaxed);
    }

    /// Counts a request in flight; `None` when `limit` are.
    pub(crate) fn enter(self: &Arc<Self>, limit: usize) -> Option<InFlight> {
        Slot::take(self, limit, |lifecycle| &lifecycle.in_flight).map(InFlight)
    }

    /// Counts an open connection; `None` when `limit` are.
    pub(crate) fn connect(self: &Arc<Self>, limit: usize) -> Option<Connected> {
        Slot::take(self, limit, |lifecycle| &lifecycle.open).map(Connected)
    }

    /// The registry of one accept loop.
    pub(crate) fn accept_loop(&self) -> Arc<Connections> {
        let connections = Arc::<Connections>::default();
        self.accept_loops.lock().push(Arc::clone(&connections));
        connections
    }

    /// Evicts up to `most` connections: those that have sent nothing, then idle ones, each oldest first,
    /// those of `own` accept loop before others'. Returns the numbers of its own and of another's evicted connections.
    pub(crate) fn evict(&self, own: &Arc<Connections>, most: usize) -> (usize, usize) {
        let accept_loops = self.accept_loops.lock();
        for rank in Stage::EVICTION_RANKS {
            let evicted = own.evict(rank, most);
            if evicted > 0 {
                return (evicted, 0);
            }
            for other in accept_loops.iter() {
                let evicted = if Arc::ptr_eq(other, own) { 0 } else { other.evict(rank, most) };
                if evicted > 0 {
                    return (0, evicted);
                }
            }
        }
        (0, 0)
    }

    /// Connections with a request now.
    pub(crate) fn active(&self) -> usize {
        self.accept_loops.lock().iter().map(|connections| connections.active()).sum()
    }

    /// Open connections now.
    pub(crate) fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(#[expect(dead_code, reason = "held for its drop")] Slot);

/// An open connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connected(#[expect(dead_code, reason = "held for its drop")] Slot);

#[derive(Debug)]
struct Slot {
    lifecycle: Arc<Lifecycle>,
    count: fn(&Lifecycle) -> &AtomicUsize,
}

impl Slot {
    fn take(lifecycle: &Arc<Lifecycle>, limit: usize, count: fn(&Lifecycle) -> &AtomicUsize) -> Option<Self> {
        let slot = Self { lifecycle: Arc::clone(lifecycle), count };
        let before = count(lifecycle).fetch_add(1, Ordering::Relaxed);
        (before < limit).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        (self.count)(&self.lifecycle).fetch_sub(1, Ordering::Relaxed);
    }
}
