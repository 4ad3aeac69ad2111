//! The commands below `aurora metrics`.

pub mod dashboard;
pub mod list;
pub mod probe;
pub mod rules;
pub mod runbook;
pub mod scrape_config;
