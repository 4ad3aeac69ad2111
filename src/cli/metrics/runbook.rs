//! `aurora metrics runbook`: what each alert means, what to look at and what to do.

use clap::builder::PossibleValuesParser;

use crate::cli::{Context, Outcome};
use crate::metrics::monitoring::{Section, sections};
use crate::terminal::Tone;

/// Arguments of `aurora metrics runbook`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics runbook
  aurora metrics runbook AuroraProviderRefused

Without ALERT it lists all alerts.")]
pub struct Args {
    /// Name of an alert
    #[arg(value_parser = alerts(), ignore_case = true, hide_possible_values = true)]
    alert: Option<String>,
}

fn alerts() -> PossibleValuesParser {
    PossibleValuesParser::new(sections().map(|section| section.alert))
}

/// Prints the section of one alert, or lists all alerts.
///
/// # Errors
/// Writing to stdout failed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let terminal = context.terminal;
    let name = |section: &Section| terminal.paint(Tone::Strong, section.alert);
    let mut text = String::new();
    for section in sections() {
        match &args.alert {
            None => text += &format!("{}\n    {}\n", name(&section), section.summary()),
            Some(alert) if section.alert.eq_ignore_ascii_case(alert) => {
                text += &format!("{}\n\n{}\n", name(&section), section.text);
            }
            Some(_) => {}
        }
    }
    terminal.print(&text)?;
    Ok(Outcome::Fine)
}
