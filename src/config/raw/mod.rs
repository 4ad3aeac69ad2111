//! Settings as they are given, before they are checked.

pub(crate) mod given;
pub(crate) mod layers;
pub(crate) mod reader;
