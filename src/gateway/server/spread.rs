//! Spreads the connections of an address over its accept loops by their number. The kernel spreads them by a hash, which
//! of 32 connections leaves some of 16 workers without any and gives others five. The loop that accepts a connection
//! serves it unless another has fewer; then it hands it over. Requests cost nothing more.

use std::net::TcpStream;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::gateway::state::connections::{Connections, Registered};
use crate::gateway::state::lifecycle::Connected;

/// An accepted connection on its way to another thread, whose runtime watches its socket.
pub(crate) type Accepted = (TcpStream, Place);

/// The place of a connection among those that are counted.
pub(crate) struct Place {
    pub(crate) within_cap: bool,
    pub(crate) registered: Registered,
    pub(crate) counted: Connected,
}

/// One accept loop's part: the way to the others, and what they hand over to it.
pub(crate) struct Share {
    pub(crate) spread: Spread,
    /// Ends once every loop has dropped its way to the others. Holds no more than the caps let in.
    pub(crate) handed_over: UnboundedReceiver<Accepted>,
}

/// The accept loops of one address. Locked while a connection is registered, so that two loops that accept at the same
/// time do not both choose the same one.
#[derive(Clone)]
pub(crate) struct Spread(Arc<Mutex<Vec<AcceptLoop>>>);

struct AcceptLoop {
    connections: Arc<Connections>,
    hand_over: UnboundedSender<Accepted>,
}

impl Spread {
    /// A share for each of the accept loops that count here, in the same order.
    pub(crate) fn over<'a>(registries: impl IntoIterator<Item = &'a Arc<Connections>>) -> Vec<Share> {
        let spread = Self(Arc::default());
        let share = |connections: &Arc<Connections>| {
            let (hand_over, handed_over) = unbounded_channel();
            spread.0.lock().push(AcceptLoop { connections: Arc::clone(connections), hand_over });
            Share { spread: spread.clone(), handed_over }
        };
        registries.into_iter().map(share).collect()
    }

    /// Registers a connection with the loop that has the fewest; gives the way there unless it is `own`.
    pub(crate) fn register(&self, own: &Arc<Connections>) -> (Registered, Option<UnboundedSender<Accepted>>) {
        let accept_loops = self.0.lock();
        let mut fewest = own.open();
        let mut other = None;
        for accept_loop in accept_loops.iter() {
            let open = accept_loop.connections.open();
            if open < fewest {
                (fewest, other) = (open, Some(accept_loop));
            }
        }
        match other {
            Some(other) => (other.connections.register(), Some(other.hand_over.clone())),
            None => (own.register(), None),
        }
    }
}
