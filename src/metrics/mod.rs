//! Metrics.

pub mod parser;
