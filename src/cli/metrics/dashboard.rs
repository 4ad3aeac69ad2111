//! `aurora metrics dashboard`: the Grafana dashboard that ships with this release.

use crate::cli::{Context, Outcome};
use crate::metrics::monitoring;

/// Arguments of `aurora metrics dashboard`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics dashboard > /var/lib/grafana/dashboards/aurora.json

The output can also be imported in Grafana: Dashboards, New, Import. The availability panels use the recording \
rules of `aurora metrics rules`.")]
pub struct Args {}

/// Prints it.
///
/// # Errors
/// Writing to stdout failed.
pub fn run(_args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    context.terminal.print(&monitoring::dashboard())?;
    Ok(Outcome::Fine)
}
