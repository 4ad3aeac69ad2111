//! Providers of the configuration and the table of provider types.

pub(crate) mod build;
pub(crate) mod deployments;
mod discovery;
mod drafts;
mod prices;
pub(crate) mod provider;
pub(crate) mod resilience;
pub(crate) mod types;
