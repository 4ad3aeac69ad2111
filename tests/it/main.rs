//! The integration tests: one binary, one module per subject.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test ends where its ground gives way")]

mod aurora;
mod caller;
mod cli;
mod config;
mod demo;
mod generated;
mod health;
mod logging;
#[cfg(feature = "real-software")]
mod openai_sdk;
mod probe;
mod probe_command;
mod scripted;
mod tls_upstream;
