//! `aurora metrics probe`.

use std::time::Duration;

use anyhow::bail;
use regex_lite::Regex;
use url::Url;

use super::endpoints::{Endpoints, duration};
use super::watch;
use crate::cli::{Context, Outcome};
use crate::config::{Config, Key, Loaded, Secret, Severity, Sources, load};
use crate::probe::{self, Options, Report, Requirement, Settings, Token, render};
use crate::terminal::{Tone, printable};

/// Arguments of `aurora metrics probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    endpoints: Endpoints,
    /// Watch the endpoints live; `aurora metrics watch --help` has its keys and options
    #[arg(long, conflicts_with_all = ["over", "requirements", "filter", "all"])]
    watch: bool,
    /// Scrape twice, DURATION apart, and report the difference
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    over: Option<Duration>,
    /// Fail unless the sum of the matching series meets this condition: family{matchers} OP number. With --over,
    /// counters are compared by their increase. For a duration, compare a bucket: {le="5"} (repeatable)
    #[arg(long = "require", value_name = "EXPR", value_parser = requirement)]
    requirements: Vec<Requirement>,
    /// Show the series whose name{label="value"} matches
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,
    /// Show every model, not only the 20 with the most requests (json always has all)
    #[arg(long)]
    all: bool,
    /// Output format: text, json, or raw (the page itself; the result on stderr)
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  aurora metrics probe
  aurora metrics probe --over 30s
  aurora metrics probe --require 'aurora_tokens_total{direction=\"input\"} > 0'
  aurora metrics probe 10.0.0.1:8080 10.0.0.2:8080 --token-env AURORA_MASTER_KEY

A percentile is reported as the bucket that contains it, such as 5–10 s, because a histogram records nothing \
finer. Compare limits with the upper bound (upper_s in JSON). The mean is exact.";

/// Output format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Raw,
}

/// Runs it.
///
/// # Errors
/// There is nothing to probe, or a credential or URL is invalid. A failed probe is not an error: it is printed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let Endpoints { timeout, max_size, .. } = args.endpoints;
    let targets = args.endpoints.targets(context)?;
    if args.watch {
        return watch::watch(&targets, &args.watch_options()?, context);
    }
    let options = Options {
        timeout,
        max_size,
        over: args.over,
        requirements: args.requirements.clone(),
        filter: args.filter.clone(),
    };
    let reports = probe::block_on(probe::probe(&targets, &options))?;
    print(&reports, args, context)?;
    Ok(if reports.iter().all(|report| report.healthy) { Outcome::Fine } else { Outcome::Failed })
}

impl Args {
    /// Options of the view, with the interval of `metrics watch`.
    fn watch_options(&self) -> anyhow::Result<crate::watch::Options> {
        let json = match self.format {
            Format::Text => false,
            Format::Json => true,
            Format::Raw => bail!("--watch has no raw format; use text or json"),
        };
        let Endpoints { timeout, max_size, .. } = self.endpoints;
        Ok(crate::watch::Options { interval: watch::INTERVAL, count: None, timeout, max_size, json })
    }
}

/// Loads the configuration as `serve` does, without its flags.
pub(crate) fn load_settings(context: &Context) -> Loaded {
    load(&Sources {
        environment: context.environment.clone(),
        config_file: context.global.config.clone(),
        env_file: context.global.env_file.clone(),
        ..Sources::default()
    })
}

/// Prints every error of the configuration, as a warning if the command does not need the configuration.
pub(crate) fn say_errors(loaded: &Loaded, needed: bool, context: &Context) {
    let (tone, weight) = if needed { (Tone::Bad, "error:") } else { (Tone::Warning, "warning:") };
    let label = context.terminal.paint_err(tone, weight);
    for problem in &loaded.problems {
        if problem.severity == Severity::Error {
            context.terminal.say(&format!("aurora: {label} {}", printable(&problem.to_string())));
        }
    }
}

/// Keys that define the address of the metrics endpoint.
pub(super) fn metrics_address(config: &Config) -> &'static [Key] {
    if config.metrics.listen.is_some() { &[Key::MetricsListen] } else { SERVER_ADDRESS }
}

/// Keys that define the address of the server.
pub(crate) const SERVER_ADDRESS: &[Key] = &[Key::ServerHost, Key::ServerPort];

/// Settings of an endpoint: its URL and the keys that define its address; `None` if the configuration is invalid.
pub(crate) fn settings_of(
    loaded: &Loaded,
    url: impl Fn(&Config) -> String,
    address: impl Fn(&Config) -> &'static [Key],
) -> Option<Settings> {
    let config = loaded.config.as_ref()?;
    let credential = match (&config.metrics.token, &config.server.master_key) {
        (Some(token), _) => Some(configured_token(loaded, Key::MetricsToken, token)),
        (None, Some(key)) => Some(configured_token(loaded, Key::ServerMasterKey, key)),
        (None, None) => None,
    };
    let address: Vec<String> = address(config).iter().map(|key| origin(loaded, *key)).collect();
    Some(Settings {
        url: Url::parse(&url(config)).ok()?,
        address_from: address.join(", "),
        endpoint_from: origin(loaded, Key::MetricsEndpoint),
        enabled: config.metrics.enabled,
        enabled_from: origin(loaded, Key::MetricsEnabled),
        credential,
    })
}

/// A key and the source of its value.
fn origin(loaded: &Loaded, key: Key) -> String {
    format!("{key}: {}", loaded.source_of(key).unwrap_or("default"))
}

fn configured_token(loaded: &Loaded, key: Key, secret: &Secret) -> Token {
    let source = loaded.source_of(key).unwrap_or("default");
    Token { secret: secret.clone(), from: format!("{key} ({source})") }
}

fn print(reports: &[Report], args: &Args, context: &Context) -> anyhow::Result<()> {
    let terminal = &context.terminal;
    match args.format {
        Format::Text => terminal.print(&render::text(reports, args.all, terminal))?,
        Format::Json => terminal.print(&render::json(reports)?)?,
        Format::Raw => {
            for report in reports {
                terminal.say(render::result_line(report).trim_end());
            }
            terminal.print(&render::raw(reports))?;
        }
    }
    Ok(())
}

fn requirement(text: &str) -> Result<Requirement, String> {
    text.parse()
}
