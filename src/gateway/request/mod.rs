//! The operation that a client requests: its route, its JSON or form, and the targets that can carry it out.

mod fields;
pub(crate) mod json;
pub(crate) mod members;
pub(crate) mod multipart;
pub(crate) mod operation;
pub(crate) mod router;
pub(crate) mod targets;
