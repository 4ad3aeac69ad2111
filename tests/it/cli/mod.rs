//! The command line: commands, output, exit codes.

pub(crate) mod command_line;
pub(crate) mod config_init;
pub(crate) mod demo;
pub(crate) mod first_commands;
pub(crate) mod health;
pub(crate) mod probe;
pub(crate) mod probe_command;
pub(crate) mod watch;
#[cfg(feature = "real-software")]
pub(crate) mod watch_screen;
