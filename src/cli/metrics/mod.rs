//! The commands below `aurora metrics`.

pub mod dashboard;
mod endpoints;
pub mod list;
pub mod probe;
pub mod rules;
pub mod runbook;
pub mod scrape_config;
pub mod watch;
