//! Responses to clients: our own, relayed ones, and the tap that reads streams on their way.

pub(crate) mod decode;
mod read_timeout;
pub(crate) mod relay_body;
pub(crate) mod reply;
pub mod tap;
