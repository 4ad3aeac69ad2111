//! `aurora health`.

use std::time::Duration;

use anyhow::bail;

use super::{Context, Outcome};
use crate::cli::metrics::probe::{SERVER_ADDRESS, load_settings, say_errors, settings_of};
use crate::config::Config;
use crate::probe::{self, Given, Settings, ready};

/// Arguments of `aurora health`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora health
  PORT=9000 aurora health
  aurora health -c /etc/aurora/config.yaml || systemctl restart aurora

Exit codes: 0 ready, 1 not ready, 2 invalid usage.")]
pub struct Args {}

/// A running server responds at once; container platforms allow a check a few seconds.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Requests `/health/ready` at the configured address.
///
/// # Errors
/// The configuration is invalid.
pub fn run(_args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let loaded = load_settings(context);
    let Some(settings) = settings_of(&loaded, ready_url, |_| SERVER_ADDRESS) else {
        say_errors(&loaded, true, context);
        bail!("invalid configuration: correct it; `aurora config check` shows every problem");
    };
    let settings = Settings { credential: None, ..settings };
    let targets = probe::targets(&[], &Given::default(), Some(&settings))?;
    let (line, outcome) = match probe::block_on(ready::ready(&targets[0], TIMEOUT))? {
        Ok(line) => (line, Outcome::Fine),
        Err(line) => (line, Outcome::Failed),
    };
    context.terminal.print(&format!("{line}\n"))?;
    Ok(outcome)
}

fn ready_url(config: &Config) -> String {
    config.local_url(&format!("{}/health/ready", config.server.base_path))
}
