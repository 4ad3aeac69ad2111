//! The integration tests: one binary, one module per subject.

mod health;
mod probe;
mod scripted;
