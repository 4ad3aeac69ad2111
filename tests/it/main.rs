//! The integration tests: one binary, one module per subject.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test ends where its ground gives way")]

mod aurora;
mod auth;
mod caller;
mod cli;
mod config;
mod demo;
mod exposition;
mod generated;
mod health;
mod http_surface;
mod limits;
mod logging;
mod metrics_truth;
mod probe;
mod probe_command;
mod relay;
mod request_lines;
mod scripted;
mod shutdown;
mod streams;
mod upstream;
