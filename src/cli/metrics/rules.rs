//! `aurora metrics rules`: the recording rules and alerts that ship with this release.

use crate::cli::{Context, Outcome};
use crate::metrics::monitoring;

/// How the rules are printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics rules > /etc/prometheus/rules/aurora.yml
  aurora metrics rules --job gateway --format prometheusrule | kubectl apply -f -

monitoring/RUNBOOK.md has a section for each alert.")]
pub struct Args {
    /// Name of the scrape job
    #[arg(long, default_value = monitoring::JOB, value_parser = job, value_name = "NAME")]
    job: String,
    /// prometheus: a rule file; prometheusrule: a manifest of the Prometheus Operator
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "FORMAT")]
    format: Format,
}

/// Form of the rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
enum Format {
    /// As `rule_files` of Prometheus names it.
    #[default]
    Prometheus,
    /// A `PrometheusRule`.
    PrometheusRule,
}

/// Prints them.
///
/// # Errors
/// When stdout takes no data.
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
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./: ".contains(c);
    if text.is_empty() || !text.chars().all(plain) {
        return Err("write letters, digits, spaces and _ - . / : only".to_owned());
    }
    Ok(text.to_owned())
}
