//! HTTP as every handler needs it: authentication, errors, headers, paths, the socket with the body.

pub(crate) mod auth;
pub(crate) mod body_memory;
pub(crate) mod client_socket;
pub(crate) mod cross_site;
pub(crate) mod error;
pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod negotiation;
pub(crate) mod path;
