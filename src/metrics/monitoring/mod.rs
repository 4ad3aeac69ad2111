//! The monitoring that ships with Aurora: recording rules, alerts and their runbook, a dashboard and the stanza that
//! scrapes it.
//!
//! The rules are the files of `monitoring/rules/` and the runbook is `docs/runbook.md`, both carried in the binary; the
//! dashboard is made from [`panels`]. This module knows neither HTTP nor where a configuration comes from.

mod dashboard;
mod palette;
mod panels;
mod rules;
mod runbook;
mod scrape;

pub use dashboard::dashboard;
pub(crate) use palette::Meaning;
pub use rules::Rules;
pub use runbook::{Section, sections};
pub use scrape::{Access, Scrape};

/// The job that the files are written for.
pub const JOB: &str = "aurora";
