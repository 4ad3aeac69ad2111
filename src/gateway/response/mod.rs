//! Responses to clients: our own, relayed ones, and the tap that reads streams on their way.

pub(crate) mod body_reader;
pub(crate) mod client_response;
pub(crate) mod decode;
mod read_timeout;
pub(crate) mod recorded_body;
pub(crate) mod relay_body;
pub mod tap;
