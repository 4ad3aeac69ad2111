//! Logs: request lines, outputs, lost lines.

pub(crate) mod output;
pub(crate) mod queue;
pub(crate) mod request_lines;
pub(crate) mod schema;
