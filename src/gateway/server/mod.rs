//! Sockets of clients: listeners, accept loops, connections with their deadlines, worker threads among which
//! connections are spread, shutdown.

mod accept;
pub(crate) mod connection;
pub(crate) mod listener;
pub(crate) mod metrics_listener;
pub(crate) mod shutdown;
pub(crate) mod spread;
pub(crate) mod threads;
