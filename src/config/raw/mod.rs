//! Settings as they are given, before they are checked.

mod advice;
mod foreign;
pub(crate) mod given;
pub(crate) mod layers;
mod path;
pub(crate) mod reader;
