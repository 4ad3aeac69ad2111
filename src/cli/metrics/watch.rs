//! `aurora metrics watch`.

use std::time::Duration;

use anyhow::bail;

use super::endpoints::{Endpoints, duration};
use crate::cli::{Context, Outcome};
use crate::probe::{Target, shown};
use crate::watch::{self, Options};

/// Arguments of `aurora metrics watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    endpoints: Endpoints,
    /// Time between two scrapes, at least 100ms
    #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = interval)]
    interval: Duration,
    /// End after N intervals
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Output format: text, or json (one JSON document per line and interval)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "FORMAT")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  aurora metrics watch
  aurora metrics watch 10.0.0.1:8080 10.0.0.2:8080 --token-env AURORA_MASTER_KEY
  aurora metrics watch --interval 10s --count 6 | tee watch.txt
  aurora metrics watch --format json | jq -c '{time, errors: .numbers.error_ratio}'

On a terminal it draws the numbers, with sparklines and a heat strip of durations; `?` lists the keys: sort, filter, \
pause, quit. Elsewhere it prints one line per interval. Requests and errors are model calls as clients saw them; several endpoints are summed. \
A percentile is reported by the upper bound of the bucket that contains it, as in `metrics probe`. The exit \
code is 1 if an endpoint was down in the last interval.";

/// Time between two scrapes.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// Shortest interval: a page of thousands of series takes the gateway milliseconds.
const SHORTEST: Duration = Duration::from_millis(100);

/// Output format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Runs it.
///
/// # Errors
/// There is nothing to watch, a credential or URL is invalid, or writing to stdout failed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let targets = args.endpoints.targets(context)?;
    let options = Options {
        interval: args.interval,
        count: args.count,
        timeout: args.endpoints.timeout,
        max_size: args.endpoints.max_size,
        json: args.format == Format::Json,
    };
    watch(&targets, &options, context)
}

/// Watches the endpoints: in full-screen mode on a terminal, else line by line.
///
/// # Errors
/// An endpoint is given twice, the terminal cannot be used, or writing to stdout failed.
pub(super) fn watch(targets: &[Target], options: &Options, context: &Context) -> anyhow::Result<Outcome> {
    for (index, Target { url, .. }) in targets.iter().enumerate() {
        if targets[..index].iter().any(|earlier| earlier.url == *url) {
            bail!("{}: given twice, so it would count twice; name each endpoint once", shown(url));
        }
    }
    let is_unknown = matches!(context.environment.get("TERM"), None | Some("dumb"));
    let all_up = if context.terminal.is_terminal() && !is_unknown && !options.json {
        watch::show(targets, options, context.terminal)?
    } else {
        watch::print_lines(targets, options, context.terminal)?
    };
    Ok(if all_up { Outcome::Fine } else { Outcome::Failed })
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(found) if found >= SHORTEST => Ok(found),
        _ => Err("expected a duration from 100ms to one day, such as 2s or 1m30s".to_owned()),
    }
}
