//! Monitoring files: dashboard, rules, scrape configuration, and the commands that print them.

#[cfg(feature = "real-software")]
pub(crate) mod alerts;
#[cfg(feature = "real-software")]
pub(crate) mod commands;
pub(crate) mod files;
pub(crate) mod promql;
