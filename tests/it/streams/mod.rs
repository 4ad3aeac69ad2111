//! Streams: events, ends, errors, usage.

pub(crate) mod outcomes;
pub(crate) mod relay;
