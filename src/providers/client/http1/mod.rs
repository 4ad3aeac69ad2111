//! HTTP/1.1 as a client writes and reads it: no I/O, and nothing that can be read in two ways.

pub(crate) mod chunks;
pub(crate) mod framing;
pub(crate) mod request_head;
pub(crate) mod response_head;

/// Bytes of a response that are not HTTP/1.1, or can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed response: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);
