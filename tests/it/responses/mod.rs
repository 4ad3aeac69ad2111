//! Responses that are not streams: relayed bytes, validation, compression, conditional requests.

pub(crate) mod compression;
pub(crate) mod conditional;
pub(crate) mod relay;
pub(crate) mod shapes;
pub(crate) mod validation;
