//! Carries one operation out at its targets: attempts, retries, fallback, and the response that comes of them.

pub(crate) mod attempts;
mod classify;
mod deadline;
pub(crate) mod upstream_response;
pub(crate) mod validation;
