//! The command line: commands, output, exit codes.

pub(crate) mod command_line;
pub(crate) mod demo;
pub(crate) mod health;
pub(crate) mod probe;
pub(crate) mod probe_command;
