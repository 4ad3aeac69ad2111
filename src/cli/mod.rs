//! The command line: clap's types and one line of dispatch per command.

pub mod completions;
pub mod config_check;
pub mod generated;
pub mod health;
pub mod metrics;
pub mod serve;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::Environment;
use crate::terminal::{ColorChoice, StdoutError, Terminal, Tone};
use crate::version;

const ABOUT: &str = "An LLM gateway you can see through: OpenAI API in, any provider out";

const EXAMPLES: &str = "\
Examples:
  aurora serve --demo     Try it: an embedded upstream, no key, no network
  aurora config check     Is my configuration right, and what follows from it?
  aurora metrics probe    Does the metrics endpoint answer? What does it say?";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "aurora", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 80)]
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
    /// Configuration file [default: config.yaml]
    #[arg(short, long, global = true, value_name = "PATH", display_order = 900)]
    pub config: Option<PathBuf>,
    /// File of environment variables [default: .env]
    #[arg(long, global = true, value_name = "PATH", display_order = 901)]
    pub env_file: Option<PathBuf>,
    /// When to colour: auto, always, never [default: auto]
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
    /// Run the gateway in the foreground; the default
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
    Probe(crate::cli::metrics::probe::Args),
    /// Print the metric contract
    List(crate::cli::metrics::list::Args),
    /// Print what Prometheus needs to scrape this configuration
    ScrapeConfig(crate::cli::metrics::scrape_config::Args),
    /// Print the recording rules and alerts
    Rules(crate::cli::metrics::rules::Args),
    /// Print the Grafana dashboard
    Dashboard(crate::cli::metrics::dashboard::Args),
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
    let parsed = Cli::command()
        .version(version::LINE)
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let Cli { global, command } = match parsed {
        Ok(cli) => cli,
        Err(reply) => return unparsed(&reply, Terminal::new(colour_asked(&arguments), &environment)),
    };
    let terminal = Terminal::new(global.color, &environment);
    let command = command.unwrap_or_else(|| Command::Serve(serve::Args::default()));
    match dispatch(&command, &Context { environment, terminal, global }) {
        Ok(outcome) => outcome.code(),
        Err(error) => failed(&error, terminal),
    }
}

fn dispatch(command: &Command, context: &Context) -> anyhow::Result<Outcome> {
    match command {
        Command::Serve(args) => serve::run(args, context),
        Command::Config(ConfigCommand::Check(args)) => config_check::run(args, context),
        Command::Metrics(MetricsCommand::Probe(args)) => crate::cli::metrics::probe::run(args, context),
        Command::Metrics(MetricsCommand::List(args)) => crate::cli::metrics::list::run(args, context),
        Command::Metrics(MetricsCommand::ScrapeConfig(args)) => {
            crate::cli::metrics::scrape_config::run(args, context)
        }
        Command::Metrics(MetricsCommand::Rules(args)) => crate::cli::metrics::rules::run(args, context),
        Command::Metrics(MetricsCommand::Dashboard(args)) => {
            crate::cli::metrics::dashboard::run(args, context)
        }
        Command::Health(args) => health::run(args, context),
        Command::Completions(args) => completions::run(args, context),
    }
}

/// Says why a command failed, with every cause. A reader who left (`| head`) is no failure.
fn failed(error: &anyhow::Error, terminal: Terminal) -> u8 {
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(StdoutError::is_closed) {
        return Outcome::Fine.code();
    }
    let label = terminal.paint_err(Tone::Bad, "error:");
    terminal.say(&format!("aurora: {label} {error}"));
    for cause in error.chain().skip(1) {
        terminal.say(&format!("  because: {cause}"));
    }
    Outcome::Failed.code()
}

/// Prints what clap answers instead of a command: help and version on stdout, wrong usage on stderr with code 2.
fn unparsed(reply: &clap::Error, terminal: Terminal) -> u8 {
    let text = |colour| if colour { reply.render().ansi().to_string() } else { reply.render().to_string() };
    if reply.use_stderr() {
        terminal.say(text(terminal.colours_stderr()).trim_end());
        return 2;
    }
    match terminal.print(&text(terminal.colours_stdout())) {
        Ok(()) => Outcome::Fine.code(),
        Err(error) => failed(&error.into(), terminal),
    }
}

/// `--color` as it stands among arguments that were not accepted.
fn colour_asked(arguments: &[OsString]) -> ColorChoice {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| OsStr::to_str(argument)).collect();
    let separate = texts.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = texts.iter().filter_map(|text| text.strip_prefix("--color="));
    separate.chain(joined).find_map(|when| ColorChoice::from_str(when, false).ok()).unwrap_or_default()
}
