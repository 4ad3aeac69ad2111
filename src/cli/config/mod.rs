//! The commands below `aurora config`.

pub mod check;
pub mod init;
