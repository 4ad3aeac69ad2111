//! Providers: types, Gemini, passthrough, stored resources.

pub(crate) mod gemini;
pub(crate) mod passthrough;
pub(crate) mod stored;
pub(crate) mod table;
