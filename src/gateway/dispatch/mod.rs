//! Carries one operation out at its targets: attempts, retries, fallback, and the response that comes of them.

pub(crate) mod call;
mod classify;
mod deadline;
mod upstream_response;
mod validation;
