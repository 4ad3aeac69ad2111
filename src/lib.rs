//! Aurora, an LLM gateway you can see through.

pub mod cli;
pub mod config;
pub mod demo;
pub mod gateway;
pub mod logging;
pub mod metrics;
pub mod probe;
pub mod providers;
pub mod terminal;
pub mod tls;
pub mod version;
