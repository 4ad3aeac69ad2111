//! The settings, a row each.

#[cfg(test)]
mod coverage;
pub(crate) mod setting;
pub(crate) mod settings;
