//! A request to an upstream, before a connection is chosen for it.

use std::fmt;

use http::{HeaderName, HeaderValue, Method, Uri};

use super::request_body::RequestBody;

/// See the module. The connection adds `Host` and what frames the body.
#[derive(Debug)]
pub struct UpstreamRequest {
    /// Its method.
    pub method: Method,
    /// Its whole address.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderLines,
    /// Its body.
    pub body: RequestBody,
}

/// Headers as they are sent. They are written once, from the client's headers and ours, without a map in between.
#[derive(Default)]
pub struct HeaderLines(Vec<u8>);

impl HeaderLines {
    /// No headers yet, with room for this number of bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a header.
    pub fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        write(name, value.as_bytes(), &mut self.0);
    }

    /// Adds a header whose value the gateway wrote itself, without an end of line in it. It is not copied before.
    pub(crate) fn add_own(&mut self, name: &HeaderName, value: &[u8]) {
        write(name, value, &mut self.0);
    }

    /// All lines, each with its end.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// They hold credentials.
impl fmt::Debug for HeaderLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderLines({} bytes)", self.0.len())
    }
}

/// Writes one header with its end.
pub(crate) fn write(name: &HeaderName, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_str().as_bytes());
    into.extend_from_slice(b": ");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}
