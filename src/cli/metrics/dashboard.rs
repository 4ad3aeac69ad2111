//! `aurora metrics dashboard`: the Grafana dashboard that ships with this release.

use url::Url;

use super::rules::runbook_base;
use crate::cli::{Context, Outcome};
use crate::metrics::monitoring;

/// Arguments of `aurora metrics dashboard`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics dashboard > /var/lib/grafana/dashboards/aurora.json

The output can also be imported in Grafana: Dashboards, New, Import. The availability panels use the recording \
rules of `aurora metrics rules`.")]
pub struct Args {
    /// Address of the published runbook; panels link to the sections of their alerts
    #[arg(long, value_parser = runbook_base, value_name = "URL")]
    runbook_base: Option<Url>,
}

/// Prints it.
///
/// # Errors
/// Writing to stdout failed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    context.terminal.print(&monitoring::dashboard(args.runbook_base.as_ref()))?;
    Ok(Outcome::Fine)
}
