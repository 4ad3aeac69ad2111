//! Sections of the configuration that are no plain setting: keys, routes, proxies, warnings.

pub(crate) mod demo;
mod digest;
pub(crate) mod keys;
pub(crate) mod lookalikes;
pub(crate) mod proxy;
pub(crate) mod routes;
pub(crate) mod warnings;
