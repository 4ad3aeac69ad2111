//! Configuration: loading, refusals, warnings, reloads.

pub(crate) mod loading;
pub(crate) mod misconfigurations;
pub(crate) mod reload;
pub(crate) mod reload_refused;
pub(crate) mod warnings;
