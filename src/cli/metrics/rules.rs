//! `aurora metrics rules`: the recording rules and alerts that ship with this release.

use crate::cli::{Context, Outcome};
use crate::metrics::monitoring;

/// Arguments of `aurora metrics rules`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics rules > /etc/prometheus/rules/aurora.yml
  aurora metrics rules --job gateway --format prometheusrule | kubectl apply -f -

monitoring/RUNBOOK.md has a section for each alert.")]
pub struct Args {
    /// Job name in the scrape configuration
    #[arg(long, default_value = monitoring::JOB, value_parser = job, value_name = "NAME")]
    job: String,
    /// Output format: prometheus (rule file) or prometheusrule (manifest of the Prometheus Operator)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "FORMAT")]
    format: Format,
}

/// Output format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
enum Format {
    /// A file for `rule_files` of Prometheus.
    #[default]
    Prometheus,
    /// A `PrometheusRule`.
    PrometheusRule,
}

/// Prints them.
///
/// # Errors
/// Writing to stdout failed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let text = match args.format {
        Format::Prometheus => monitoring::rules(&args.job),
        Format::PrometheusRule => monitoring::prometheus_rule(&args.job),
    };
    context.terminal.print(&text)?;
    Ok(Outcome::Fine)
}

/// A job name that needs no quoting inside an expression.
fn job(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.chars().all(needs_no_quotes) {
        return Err("use only letters, digits, spaces and _ - . / :".to_owned());
    }
    Ok(text.to_owned())
}

fn needs_no_quotes(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./: ".contains(c)
}
