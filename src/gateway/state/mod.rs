//! State that requests are served with: the active configuration, its reload, the state of each worker, the lifecycle.

pub(crate) mod active;
pub(crate) mod connection_state;
pub(crate) mod connections;
pub(crate) mod lifecycle;
mod limits;
pub(crate) mod listener_state;
mod metrics_setup;
pub(crate) mod reload;
pub(crate) mod renders;
pub(crate) mod worker;
