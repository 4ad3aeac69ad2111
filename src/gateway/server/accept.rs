//! An accept loop: takes connections in, makes room for them, and lets them finish.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::task::TaskTracker;

use super::spread::{Accepted, Place, Share, Spread};
use super::{connection, listener};
use crate::gateway::state::connection_state::Order;
use crate::gateway::state::listener_state::ListenerState;

/// Pause after an accept failed for want of file descriptors or memory, or found no room.
const PAUSE: Duration = Duration::from_millis(20);
/// Checks whether a connection has made room, and the time between them where it is another worker's.
const MOST_HANDOVERS: usize = 50;
const HANDOVER: Duration = Duration::from_millis(1);
/// Time for handshakes that have begun to be completed before a listener closes: many times the round trip to a load
/// balancer.
const LAST_HANDSHAKES: Duration = Duration::from_millis(50);

/// Accepts until the gateway drains, then lets connections finish; without a share it serves all that it accepts.
pub(crate) async fn accept(listener: TcpListener, listener_state: Arc<ListenerState>, share: Option<Share>) {
    let lifecycle = &listener_state.lifecycle;
    let (tasks, mut spread) = (TaskTracker::new(), None);
    if let Some(share) = share {
        tasks.spawn(serve_handed_over(share.handed_over, tasks.clone(), Arc::clone(&listener_state)));
        spread = Some(share.spread);
    }
    let mut accepting = AcceptLoop { tasks, listener_state: &listener_state, spread, failing: false };
    accepting.accept_until(&listener, lifecycle.draining.cancelled()).await;
    listener_state.connections.order_all(Order::Drain);
    // The others can end once no loop can hand them a connection any more.
    accepting.spread = None;
    accepting.close(listener).await;
    let tasks = accepting.tasks;
    tasks.close();
    tokio::select! {
        () = tasks.wait() => return,
        () = lifecycle.closing.cancelled() => {}
    }
    listener_state.connections.order_all(Order::Close);
    tasks.wait().await;
}

/// Serves the connections that other accept loops hand over, until none of them can any more.
async fn serve_handed_over(
    mut handed_over: UnboundedReceiver<Accepted>,
    tasks: TaskTracker,
    listener_state: Arc<ListenerState>,
) {
    while let Some((socket, place)) = handed_over.recv().await {
        match TcpStream::from_std(socket) {
            Ok(socket) => serve(&tasks, &listener_state, socket, place),
            Err(error) => not_handed_over(&error),
        }
    }
}

/// Serves a connection in a task of this thread.
fn serve(tasks: &TaskTracker, listener_state: &Arc<ListenerState>, socket: TcpStream, place: Place) {
    let Place { within_cap, registered, counted } = place;
    let listener_state = Arc::clone(listener_state);
    tasks.spawn(connection::serve(socket, listener_state, within_cap, (registered, counted)));
}

fn not_handed_over(error: &io::Error) {
    tracing::warn!(error = error.to_string(), "a connection could not be handed to its worker");
}

struct AcceptLoop<'a> {
    tasks: TaskTracker,
    listener_state: &'a Arc<ListenerState>,
    /// The accept loops among which connections are spread, until the gateway drains.
    spread: Option<Spread>,
    /// The last accept failed, and the log says so.
    failing: bool,
}

impl AcceptLoop<'_> {
    async fn accept_until(&mut self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut end => return,
            };
            match accepted {
                Ok((socket, _)) => self.take_in(socket).await,
                Err(error) => self.failed(&error).await,
            }
        }
    }

    /// Accepts what has reached the listener, then closes it. A client that comes later is refused by the kernel and
    /// goes to another replica.
    async fn close(&mut self, listener: TcpListener) {
        if let Err(error) = listener::refuse_handshakes(&listener) {
            tracing::debug!(error = error.to_string(), "new handshakes could not be stopped");
        }
        self.accept_until(&listener, tokio::time::sleep(LAST_HANDSHAKES)).await;
        while let Some(Ok((socket, _))) = listener.accept().now_or_never() {
            self.take_in(socket).await;
        }
    }

    /// Serves a connection, once there is room.
    async fn take_in(&mut self, socket: TcpStream) {
        self.failing = false;
        let lifecycle = &self.listener_state.lifecycle;
        let (counted, within_cap) = loop {
            let within_cap = self.make_room().await;
            let draining = lifecycle.draining.is_cancelled();
            let most = if draining { usize::MAX } else { self.listener_state.most_connections() };
            if let Some(counted) = lifecycle.connect(most) {
                break (counted, within_cap);
            }
        };
        // Registered before it runs: one that was just accepted has sent nothing.
        let own = &self.listener_state.connections;
        let (registered, other) = match &self.spread {
            Some(spread) => spread.register(own),
            None => (own.register(), None),
        };
        let place = Place { within_cap, registered, counted };
        let Some(other) = other else { return serve(&self.tasks, self.listener_state, socket, place) };
        match socket.into_std() {
            // A worker that has ended, and with it the process, takes none.
            Ok(socket) => drop(other.send((socket, place))),
            Err(error) => not_handed_over(&error),
        }
    }

    /// Waits until one more connection may be served; false when only as one beyond the cap.
    async fn make_room(&self) -> bool {
        let lifecycle = &self.listener_state.lifecycle;
        loop {
            let (open, cap) = (lifecycle.connections(), self.listener_state.cap());
            // What has reached a listener that closes is served in any case.
            if open < cap || lifecycle.draining.is_cancelled() {
                return true;
            }
            // Some more at once where there are many, so that a flood does not look at all of them for each.
            if !self.evict(1 + cap / 128).await {
                if open < self.listener_state.most_connections() {
                    return false;
                }
                // The backlog holds the rest.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Makes connections that have nothing to serve close, and waits until one has; false when there are none.
    async fn evict(&self, most: usize) -> bool {
        let lifecycle = &self.listener_state.lifecycle;
        let open = lifecycle.connections();
        let (own, others) = lifecycle.evict(&self.listener_state.connections, most);
        if own + others == 0 {
            return false;
        }
        // A worker that does not get to run is no reason to close more of its connections at once.
        for _ in 0..MOST_HANDOVERS {
            if own > 0 {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(HANDOVER).await;
            }
            if lifecycle.connections() < open {
                break;
            }
        }
        true
    }

    async fn failed(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(error = error.to_string(), "connections cannot be accepted");
        }
        let no_descriptor = matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE));
        if !no_descriptor || !self.evict(1).await {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
