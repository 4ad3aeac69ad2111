//! `aurora metrics probe`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use regex::Regex;
use url::Url;

use crate::cli::{Context, Outcome};
use crate::config::values::units;
use crate::config::{Config, Key, Loaded, Secret, Severity, Sources, load};
use crate::probe::{self, Given, Options, Report, Requirement, Settings, Token, render};
use crate::terminal::Tone;

/// Flags.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Endpoints to probe, one row each [default: the configured one]
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Send the bearer token in this environment variable
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// Send the bearer token in this file
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Send a header (repeatable)
    #[arg(long = "header", value_name = "'NAME: VALUE'", value_parser = secret)]
    headers: Vec<Secret>,
    /// Scrape twice, this far apart, and report what happened in between
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    over: Option<Duration>,
    /// Fail unless this holds: family{matchers} OP number, over the sum of the matching series; with --over, over
    /// what counters grew by; a limit for durations is the upper edge of a bucket, {le="5"} (repeatable)
    #[arg(long = "require", value_name = "EXPR", value_parser = requirement)]
    requirements: Vec<Requirement>,
    /// Show the series that match, as name{label="value"}
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,
    /// For people, as one document, or the page itself with the verdict on stderr
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Time for one fetch; Prometheus' own default
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = duration)]
    timeout: Duration,
    /// Largest page, received or decompressed
    #[arg(long, default_value = "64M", value_name = "SIZE", value_parser = size)]
    max_size: usize,
}

const EXAMPLES: &str = "\
Examples:
  aurora metrics probe
  aurora metrics probe --over 30s
  aurora metrics probe --require 'aurora_tokens_total{direction=\"input\"} > 0'
  aurora metrics probe 10.0.0.1:8080 10.0.0.2:8080 --token-env AURORA_MASTER_KEY

A percentile is the bucket that it falls into, such as 5–10 s: nothing finer is recorded. Take its upper edge (upper_s \
in JSON) for a limit. The mean is exact.";

/// The longest time a flag takes.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How to print.
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
/// When there is nothing to probe, or a credential or URL cannot be used; what a probe finds is no error but printed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let loaded = load_settings(context);
    let needed = args.urls.is_empty();
    say_errors(&loaded, needed, context);
    if needed && loaded.config.is_none() {
        bail!("the configuration cannot be used: correct it, or pass the URL to probe");
    }
    let settings = settings_of(&loaded, Config::metrics_url, metrics_address);
    let given = Given { token: token(args, context)?, headers: args.headers.clone() };
    let targets = probe::targets(&args.urls, &given, settings.as_ref())?;
    let options = Options {
        timeout: args.timeout,
        max_size: args.max_size,
        over: args.over,
        requirements: args.requirements.clone(),
        filter: args.filter.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reports = runtime.block_on(probe::probe(&targets, &options));
    print(&reports, args.format, context)?;
    Ok(if reports.iter().all(|report| report.healthy) { Outcome::Fine } else { Outcome::Failed })
}

/// Loads what `serve` would load, but for its own flags.
pub(crate) fn load_settings(context: &Context) -> Loaded {
    load(&Sources {
        environment: context.environment.clone(),
        config_file: context.global.config.clone(),
        env_file: context.global.env_file.clone(),
        ..Sources::default()
    })
}

/// Says every error of the configuration; where nothing depends on it, as a warning.
pub(crate) fn say_errors(loaded: &Loaded, needed: bool, context: &Context) {
    let (tone, weight) = if needed { (Tone::Bad, "error:") } else { (Tone::Warning, "warning:") };
    let label = context.terminal.paint_err(tone, weight);
    for problem in loaded.problems.iter().filter(|problem| problem.severity == Severity::Error) {
        context.terminal.say(&format!("aurora: {label} {problem}"));
    }
}

/// The settings that choose the address of the metrics endpoint.
fn metrics_address(config: &Config) -> &'static [Key] {
    if config.metrics.listen.is_some() { &[Key::MetricsListen] } else { SERVER_ADDRESS }
}

/// The settings that choose the address of the server.
pub(crate) const SERVER_ADDRESS: &[Key] = &[Key::ServerHost, Key::ServerPort];

/// What the configuration says about an endpoint: its URL, and the settings that choose its address; `None` when it could
/// not be loaded.
pub(crate) fn settings_of(
    loaded: &Loaded,
    url: impl Fn(&Config) -> String,
    address: impl Fn(&Config) -> &'static [Key],
) -> Option<Settings> {
    let config = loaded.config.as_ref()?;
    let from = |key: Key| format!("{key}: {}", loaded.source_of(key).unwrap_or("default"));
    // The first one that is set is sent.
    let credentials =
        [(Key::MetricsToken, &config.metrics.token), (Key::ServerMasterKey, &config.server.master_key)];
    let credential = credentials.into_iter().find_map(|(key, secret)| {
        let source = loaded.source_of(key).unwrap_or("default");
        Some(Token { secret: secret.clone()?, from: format!("{key} ({source})") })
    });
    Some(Settings {
        url: Url::parse(&url(config)).ok()?,
        address_from: address(config).iter().map(|key| from(*key)).collect::<Vec<_>>().join(", "),
        endpoint_from: from(Key::MetricsEndpoint),
        enabled: config.metrics.enabled,
        enabled_from: from(Key::MetricsEnabled),
        credential,
    })
}

fn token(args: &Args, context: &Context) -> anyhow::Result<Option<Token>> {
    let (value, from) = match (&args.token_env, &args.token_file) {
        (Some(name), _) => {
            let value = context.environment.get(name);
            let missing =
                format!("--token-env {name}: no such variable in the environment, or it is empty: export it");
            (value.context(missing)?.to_owned(), format!("--token-env {name}"))
        }
        (None, Some(path)) => {
            let from = format!("--token-file {}", path.display());
            let value =
                std::fs::read_to_string(path).with_context(|| format!("{from}: it cannot be read"))?;
            (value, from)
        }
        (None, None) => return Ok(None),
    };
    let value = value.trim();
    if value.is_empty() {
        bail!("{from}: it is empty: put the token there");
    }
    Ok(Some(Token { secret: Secret::new(value), from }))
}

fn print(reports: &[Report], format: Format, context: &Context) -> anyhow::Result<()> {
    let terminal = &context.terminal;
    match format {
        Format::Text => terminal.print(&render::text(reports, terminal))?,
        Format::Json => terminal.print(&render::json(reports)?)?,
        Format::Raw => {
            for report in reports {
                terminal.say(render::verdict(report).trim_end());
            }
            terminal.print(&render::raw(reports))?;
        }
    }
    Ok(())
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

fn requirement(text: &str) -> Result<Requirement, String> {
    text.parse()
}

fn duration(text: &str) -> Result<Duration, String> {
    let found = units::duration(text).filter(|found| !found.is_zero() && *found <= LONGEST);
    found.ok_or_else(|| "write a time of up to a day, such as 10s, 500ms or 1m30s".to_owned())
}

fn size(text: &str) -> Result<usize, String> {
    let found = units::size(text).and_then(|bytes| usize::try_from(bytes).ok()).filter(|&bytes| bytes > 0);
    found.ok_or_else(|| "write a size in bytes, such as 512K, 10M or 1G".to_owned())
}
