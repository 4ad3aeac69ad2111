//! `aurora metrics rules`: the recording rules and alerts that ship with this release.

use url::Url;

use crate::cli::{Context, Outcome};
use crate::metrics::monitoring::{self, Rules};

/// Arguments of `aurora metrics rules`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics rules > /etc/prometheus/rules/aurora.yml
  aurora metrics rules --objective 99.9 --runbook-base https://wiki.example.com/aurora
  aurora metrics rules --job gateway --format prometheusrule | kubectl apply -f -

`aurora metrics runbook` has a section for each alert; --runbook-base is the address at which you publish \
docs/runbook.md.")]
pub struct Args {
    /// Job name in the scrape configuration
    #[arg(long, default_value = monitoring::JOB, value_parser = job, value_name = "NAME")]
    job: String,
    /// Availability objective of the error budget alerts: a percentage from 95 to 99.999
    #[arg(long, default_value = "99.5", value_parser = objective, value_name = "PERCENT")]
    objective: f64,
    /// Address of the published runbook; each alert gets a link to its section
    #[arg(long, value_parser = runbook_base, value_name = "URL")]
    runbook_base: Option<Url>,
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
    let Args { job, objective, runbook_base, format } = args;
    let rules = Rules { job: job.clone(), objective: *objective, runbook_base: runbook_base.clone() };
    let text = match format {
        Format::Prometheus => rules.prometheus(),
        Format::PrometheusRule => rules.prometheus_rule(),
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

/// An objective whose budget can burn 14.4 times too fast, which the fast alert waits for: 93.06 % is the lowest.
fn objective(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (95.0..=99.999).contains(&percent) => Ok(percent),
        _ => Err("expected a percentage from 95 to 99.999, such as 99.9".to_owned()),
    }
}

/// An address that a browser opens.
pub(super) fn runbook_base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    url.ok_or_else(|| "expected the URL of a page, such as https://wiki.example.com/aurora".to_owned())
}
