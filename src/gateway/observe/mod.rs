//! The record of one request, and its two sinks: metrics and log.

mod clock;
mod dispatch_record;
mod failure;
mod line_limit;
mod log;
pub(crate) mod record;
pub(crate) mod stream_error;

#[cfg(test)]
mod tests;
