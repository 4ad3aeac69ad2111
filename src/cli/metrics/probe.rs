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

/// Arguments of `aurora metrics probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Metrics endpoints to probe [default: the configured endpoint]
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Environment variable that holds the bearer token
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// File that holds the bearer token
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Additional request header, written NAME: VALUE (repeatable)
    #[arg(long = "header", value_name = "HEADER", value_parser = secret)]
    headers: Vec<Secret>,
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
    /// Timeout of one scrape; the default is that of Prometheus
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = duration)]
    timeout: Duration,
    /// Maximum size of the response body, compressed or decompressed
    #[arg(long, default_value = "64M", value_name = "SIZE", value_parser = size)]
    max_size: usize,
}

const EXAMPLES: &str = "\
Examples:
  aurora metrics probe
  aurora metrics probe --over 30s
  aurora metrics probe --require 'aurora_tokens_total{direction=\"input\"} > 0'
  aurora metrics probe 10.0.0.1:8080 10.0.0.2:8080 --token-env AURORA_MASTER_KEY

A percentile is reported as the bucket that contains it, such as 5–10 s, because a histogram records nothing \
finer. Compare limits with the upper bound (upper_s in JSON). The mean is exact.";

/// Upper limit of every duration flag.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

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
    let loaded = load_settings(context);
    let needed = args.urls.is_empty();
    say_errors(&loaded, needed, context);
    if needed && loaded.config.is_none() {
        bail!("invalid configuration: correct it, or pass the URL to probe");
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
    print(&reports, args, context)?;
    Ok(if reports.iter().all(|report| report.healthy) { Outcome::Fine } else { Outcome::Failed })
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
            context.terminal.say(&format!("aurora: {label} {problem}"));
        }
    }
}

/// Keys that define the address of the metrics endpoint.
fn metrics_address(config: &Config) -> &'static [Key] {
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

fn token(args: &Args, context: &Context) -> anyhow::Result<Option<Token>> {
    let (value, from) = match (&args.token_env, &args.token_file) {
        (Some(name), _) => {
            let value = context.environment.get(name);
            let missing = format!("--token-env {name}: the variable is not set or empty; export it");
            (value.context(missing)?.to_owned(), format!("--token-env {name}"))
        }
        (None, Some(path)) => {
            let from = format!("--token-file {}", path.display());
            let value = std::fs::read_to_string(path).with_context(|| format!("{from}: cannot be read"))?;
            (value, from)
        }
        (None, None) => return Ok(None),
    };
    let value = value.trim();
    if value.is_empty() {
        bail!("{from}: empty; write the token to it");
    }
    Ok(Some(Token { secret: Secret::new(value), from }))
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

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

fn requirement(text: &str) -> Result<Requirement, String> {
    text.parse()
}

fn duration(text: &str) -> Result<Duration, String> {
    match units::duration(text) {
        Some(found) if !found.is_zero() && found <= LONGEST => Ok(found),
        _ => Err("expected a duration of up to one day, such as 10s, 500ms or 1m30s".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    match units::size(text).map(usize::try_from) {
        Some(Ok(bytes)) if bytes > 0 => Ok(bytes),
        _ => Err("expected a size, such as 512K, 10M or 1G".to_owned()),
    }
}
