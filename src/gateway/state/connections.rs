//! The open connections of one accept loop: orders to all of them, and room for new ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::connection_state::{ConnectionState, Order};

/// See the module. In cache lines of its own: every request of its worker counts here.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Connections {
    /// Connections with a request.
    active: AtomicUsize,
    /// Orders the connections by the time at which they began to wait, without a clock.
    sequence: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    ordered: Option<Order>,
    next: u64,
    by_number: BTreeMap<u64, Arc<ConnectionState>>,
}

/// A connection in the registry, until it is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    number: u64,
    pub(crate) state: Arc<ConnectionState>,
    connections: Arc<Connections>,
}

impl Connections {
    pub(crate) fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// One more has a request.
    pub(crate) fn begin(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    /// One has none any more.
    pub(crate) fn end(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().by_number.len()
    }

    /// Adds an accepted connection.
    pub(crate) fn register(self: &Arc<Self>) -> Registered {
        let mut open = self.open.lock();
        let order = open.ordered.unwrap_or(Order::Serve);
        let state = Arc::new(ConnectionState::new(Arc::clone(self), order));
        let number = open.next;
        open.next += 1;
        open.by_number.insert(number, Arc::clone(&state));
        Registered { number, state, connections: Arc::clone(self) }
    }

    /// Gives an order to every connection, and to those that come.
    pub(crate) fn order_all(&self, order: Order) {
        let mut open = self.open.lock();
        open.ordered = Some(order);
        for state in open.by_number.values() {
            state.give_order(order);
        }
    }

    /// Evicts up to `most` connections of an eviction rank, oldest first; returns how many were evicted.
    pub(crate) fn evict(&self, rank: u8, most: usize) -> usize {
        let open = self.open.lock();
        let waiting = open.by_number.values().filter(|state| state.stage().eviction_rank() == Some(rank));
        let mut waiting: Vec<_> = waiting.map(|state| (state.waiting_since(), state)).collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        waiting.iter().filter(|(_, state)| state.evict()).take(most).count()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.open.lock().by_number.remove(&self.number);
        self.state.closed();
    }
}
