//! Security: keys, cross-site requests, provider keys in responses.

pub(crate) mod auth;
pub(crate) mod cross_site;
pub(crate) mod keys;
pub(crate) mod scrubbing;
