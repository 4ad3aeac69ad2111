//! Support code of the tests: the binary under test, clients, scripted upstreams, real programs, readers of an
//! exposition.

pub(crate) mod async_client;
pub(crate) mod aurora;
#[cfg(feature = "real-software")]
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod exposition;
pub(crate) mod fixtures;
#[cfg(feature = "real-software")]
pub(crate) mod programs;
pub(crate) mod raw_server;
#[cfg(feature = "real-software")]
pub(crate) mod sdk;
pub(crate) mod servers;
pub(crate) mod totals;
pub(crate) mod upstream;
