//! The record of one request, and its two sinks: metrics and log.

mod error_names;
mod log;
pub(crate) mod record;
mod refusal_lines;
pub(crate) mod stream_error;
