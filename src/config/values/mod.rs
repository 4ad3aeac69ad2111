//! Values and their rules: units, addresses, names, secrets, paths.

pub(crate) mod base_url;
pub(crate) mod meant;
pub(crate) mod names;
pub(crate) mod paths;
pub(crate) mod secrets;
pub(crate) mod units;
