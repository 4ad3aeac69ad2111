//! Bodies of HTTP/1.1, as both the server and the client read them: no I/O, and nothing that can be read in two ways.

pub(crate) mod chunks;
pub(crate) mod framing;

/// Bytes that are not HTTP/1.1, or can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);
