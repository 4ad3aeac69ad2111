//! `aurora metrics dashboard`: the Grafana dashboard that ships with this release.

use crate::cli::{Context, Outcome};
use crate::metrics::monitoring;

/// Flags.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics dashboard > /var/lib/grafana/dashboards/aurora.json

Or import the output in Grafana under Dashboards, New, Import. Panels of availability \
read the recording rules of `aurora metrics rules`.")]
pub struct Args {}

/// Prints it.
///
/// # Errors
/// When stdout takes no data.
pub fn run(_args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    context.terminal.print(&monitoring::dashboard())?;
    Ok(Outcome::Fine)
}
