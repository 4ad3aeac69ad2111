//! The settings, a row each.

pub(crate) mod setting;
pub(crate) mod settings;
