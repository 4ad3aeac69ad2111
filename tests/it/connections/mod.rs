//! Connections: clients, upstreams, limits, TLS, proxies, shutdown, their spread over the workers.

pub(crate) mod clients;
pub(crate) mod disconnects;
#[cfg(feature = "real-software")]
pub(crate) mod hanging_lookups;
pub(crate) mod keep_alive;
pub(crate) mod limits;
pub(crate) mod proxy;
pub(crate) mod shutdown;
pub(crate) mod spread;
pub(crate) mod tls;
pub(crate) mod upstreams;
