//! The command line: clap's types and one line of dispatch per command.

mod complete;
pub mod completions;
pub mod config;
mod endpoint_page;
mod first_commands;
pub mod generated;
pub mod health;
mod man;
pub mod metrics;
pub mod program;
pub mod serve;
mod suggestions;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use self::program::Program;
use crate::config::Environment;
use crate::terminal::{ColorChoice, StdoutError, Terminal, Tone};
use crate::version;

const ABOUT: &str = "LLM gateway: one OpenAI API for any provider, with complete Prometheus metrics";

const EXAMPLES: &str = "\
Examples:
  aurora serve --demo     Run with an embedded upstream: no API key, no network
  aurora config check     Validate the configuration and print its settings
  aurora metrics probe    Check the metrics endpoint and summarise its metrics";

const CONFIG_EXAMPLES: &str = "\
Examples:
  aurora config init     Write config.yaml and .env for the keys that are set
  aurora config check    Validate them; problems first, each with its remedy";

const METRICS_EXAMPLES: &str = "\
Examples:
  aurora metrics probe               Check the endpoint that is configured
  aurora metrics probe --over 30s    Rates and latencies of the next 30 seconds
  aurora metrics watch               The same, live
  aurora metrics list                All families, with their labels
  aurora metrics rules > aurora.yml  Recording rules and alerts for Prometheus";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "aurora", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 80)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command; `serve` if there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Global {
    /// Configuration file [default: config.yaml]
    #[arg(short, long, global = true, value_name = "PATH", display_order = 900)]
    pub config: Option<PathBuf>,
    /// File of environment variables [default: .env]
    #[arg(long, global = true, value_name = "PATH", display_order = 901)]
    pub env_file: Option<PathBuf>,
    /// Coloured output: auto, always, never [default: auto]
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_default_value = true,
        hide_possible_values = true,
        value_name = "WHEN",
        display_order = 902
    )]
    pub color: ColorChoice,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway in the foreground (the default command)
    Serve(serve::Args),
    /// Validate the configuration, or write a first one
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(ConfigCommand),
    /// Probe and watch metrics; print rules, dashboard and scrape config
    #[command(subcommand, after_help = METRICS_EXAMPLES)]
    Metrics(MetricsCommand),
    /// Check whether the gateway at the configured address is ready
    Health(health::Args),
    /// Print a shell completion script
    Completions(completions::Args),
}

/// `aurora config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Validate the configuration that `serve` loads; print the effective settings
    Check(config::check::Args),
    /// Write a first configuration for the providers whose keys are set
    Init(config::init::Args),
}

/// `aurora metrics …`
#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Check that metrics endpoints work; summarise their metrics
    Probe(crate::cli::metrics::probe::Args),
    /// Watch metrics endpoints live: rates, errors, latency, tokens
    Watch(crate::cli::metrics::watch::Args),
    /// List every metric: type, unit, labels, buckets, help
    List(crate::cli::metrics::list::Args),
    /// Print the Prometheus scrape configuration of this gateway
    ScrapeConfig(crate::cli::metrics::scrape_config::Args),
    /// Print the recording rules and alerts
    Rules(crate::cli::metrics::rules::Args),
    /// Print what an alert means and what to do
    Runbook(crate::cli::metrics::runbook::Args),
    /// Print the Grafana dashboard
    Dashboard(crate::cli::metrics::dashboard::Args),
}

/// Inputs of a command; it reads nothing else from the process.
#[derive(Debug)]
pub struct Context {
    /// The process environment, read once.
    pub environment: Environment,
    /// Access to stdout and stderr.
    pub terminal: Terminal,
    /// Flags that every command takes.
    pub global: Global,
    /// The command that started this process.
    pub program: Program,
}

/// Result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Success: exit code 0.
    Fine,
    /// The command or the check failed: exit code 1.
    Failed,
    /// `serve` rejected the configuration: exit code 78 (`EX_CONFIG` of sysexits.h).
    Misconfigured,
}

impl Outcome {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Misconfigured => 78,
        }
    }
}

/// Parses the arguments, runs the command and returns the process's exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|argument| argument == complete::NAME) {
        return complete::run(&arguments[2..], &environment);
    }
    let parsed = Cli::command()
        .version(version::LINE)
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let Cli { global, command } = match parsed {
        Ok(cli) => cli,
        Err(mut output) => {
            suggestions::add(&mut output);
            return unparsed(&output, Terminal::new(requested_colour(&arguments), &environment));
        }
    };
    let program = Program::new(arguments.first());
    let terminal = Terminal::new(global.color, &environment);
    let command = command.unwrap_or(Command::Serve(serve::Args::default()));
    match dispatch(&command, &Context { environment, terminal, global, program }) {
        Ok(outcome) => outcome.code(),
        Err(error) => failed(&error, terminal),
    }
}

fn dispatch(command: &Command, context: &Context) -> anyhow::Result<Outcome> {
    match command {
        Command::Serve(args) => serve::run(args, context),
        Command::Config(ConfigCommand::Check(args)) => config::check::run(args, context),
        Command::Config(ConfigCommand::Init(args)) => config::init::run(args, context),
        Command::Metrics(MetricsCommand::Probe(args)) => crate::cli::metrics::probe::run(args, context),
        Command::Metrics(MetricsCommand::Watch(args)) => crate::cli::metrics::watch::run(args, context),
        Command::Metrics(MetricsCommand::List(args)) => crate::cli::metrics::list::run(args, context),
        Command::Metrics(MetricsCommand::ScrapeConfig(args)) => {
            crate::cli::metrics::scrape_config::run(args, context)
        }
        Command::Metrics(MetricsCommand::Rules(args)) => crate::cli::metrics::rules::run(args, context),
        Command::Metrics(MetricsCommand::Runbook(args)) => crate::cli::metrics::runbook::run(args, context),
        Command::Metrics(MetricsCommand::Dashboard(args)) => {
            crate::cli::metrics::dashboard::run(args, context)
        }
        Command::Health(args) => health::run(args, context),
        Command::Completions(args) => completions::run(args, context),
    }
}

/// Prints the error with every cause. A closed stdout (`| head`) is not a failure.
fn failed(error: &anyhow::Error, terminal: Terminal) -> u8 {
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(StdoutError::is_closed) {
        return Outcome::Fine.code();
    }
    let label = terminal.paint_err(Tone::Bad, "error:");
    terminal.say(&format!("aurora: {label} {error}"));
    for cause in error.chain().skip(1) {
        terminal.say(&format!("  caused by: {cause}"));
    }
    Outcome::Failed.code()
}

/// Prints clap's output in place of a command: help and version on stdout, usage errors on stderr with code 2.
fn unparsed(output: &clap::Error, terminal: Terminal) -> u8 {
    if output.use_stderr() {
        terminal.say(rendered(output, terminal.colours_stderr()).trim_end());
        return 2;
    }
    match terminal.print(&rendered(output, terminal.colours_stdout())) {
        Ok(()) => Outcome::Fine.code(),
        Err(error) => failed(&error.into(), terminal),
    }
}

fn rendered(output: &clap::Error, colour: bool) -> String {
    let text = output.render();
    if colour { text.ansi().to_string() } else { text.to_string() }
}

/// `--color` among arguments that clap rejected.
fn requested_colour(arguments: &[OsString]) -> ColorChoice {
    let texts: Vec<&str> = arguments.iter().map(OsString::as_os_str).filter_map(OsStr::to_str).collect();
    let separate = texts.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = texts.iter().filter_map(|text| text.strip_prefix("--color="));
    separate.chain(joined).find_map(|when| ColorChoice::from_str(when, false).ok()).unwrap_or_default()
}
