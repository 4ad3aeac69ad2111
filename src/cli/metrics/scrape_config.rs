//! `aurora metrics scrape-config`: what Prometheus needs to scrape this configuration.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, bail};

use super::probe::{load_settings, say_errors};
use crate::cli::{Context, Outcome};
use crate::config::{CLOSED_METRICS, Config, Key, Loaded};
use crate::metrics::monitoring::{Access, Scrape};
use crate::terminal::Tone;

/// Flags.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics scrape-config > /etc/prometheus/scrape/aurora.yml
  aurora metrics scrape-config --token-file /etc/prometheus/aurora-key

Name that folder once in prometheus.yml: `scrape_config_files: [scrape/*.yml]`.

The key itself is never printed. Without a file that holds it, the lines that name one \
are comments, with the command that writes it.")]
pub struct Args {
    /// File in which Prometheus finds the credential
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
}

/// Prints the stanza.
///
/// # Errors
/// When the configuration cannot be used, opens the endpoint to nobody, or leaves the port open.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let loaded = load_settings(context);
    let Some(config) = &loaded.config else {
        say_errors(&loaded, true, context);
        bail!("the configuration cannot be used: correct it; `aurora config check` shows it whole");
    };
    if !config.metrics.enabled {
        let label = context.terminal.paint_err(Tone::Warning, "warning:");
        context.terminal.say(&format!("aurora: {label} metrics are disabled: set METRICS_ENABLED=true"));
    }
    if config.metrics_address().1 == 0 {
        bail!("metrics.listen takes any free port: name one, so that Prometheus finds it");
    }
    if config.metrics_are_closed() {
        let (what, fix) = CLOSED_METRICS;
        bail!("the metrics endpoint is {what}; {fix}");
    }
    let scrape = Scrape {
        target: config.metrics_authority(),
        every_interface: config.metrics_on_every_interface(),
        path: config.metrics_path(),
        access: access(args, &loaded, config)?,
    };
    context.terminal.print(&scrape.stanza())?;
    Ok(Outcome::Fine)
}

/// How the endpoint is opened: the token before the master key, which opens more than it has to.
fn access(args: &Args, loaded: &Loaded, config: &Config) -> anyhow::Result<Access> {
    if let Some(path) = &args.token_file {
        return named(path).map(Access::File);
    }
    let credentials = [
        (Key::MetricsToken, "METRICS_TOKEN", &config.metrics.token),
        (Key::ServerMasterKey, "AURORA_MASTER_KEY", &config.server.master_key),
    ];
    let found = credentials.into_iter().find(|(_, _, secret)| secret.is_some());
    let Some((key, variable, _)) = found else { return Ok(Access::Open) };
    if let Some(path) = loaded.secret_file_of(key) {
        return named(path).map(Access::File);
    }
    let source = loaded.source_of(key).unwrap_or("default");
    let in_environment = source == format!("environment {variable}");
    Ok(Access::Elsewhere {
        setting: format!("{key} ({source})"),
        shell: if in_environment { format!("${variable}") } else { format!("<{key}, see {source}>") },
    })
}

/// The path as Prometheus can read it, whatever folder it starts in.
fn named(path: &Path) -> anyhow::Result<PathBuf> {
    absolute(path).with_context(|| format!("{} is no path", path.display()))
}
