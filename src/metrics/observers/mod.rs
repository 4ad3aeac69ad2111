//! Observers of one request: at the client's side and at the provider's.

pub(crate) mod dispatch;
pub(crate) mod http;
