//! `aurora metrics scrape-config`: the scrape configuration for Prometheus.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, bail};

use super::probe::{load_settings, say_errors};
use crate::cli::{Context, Outcome};
use crate::config::{CLOSED_METRICS, Config, Key, Loaded};
use crate::metrics::monitoring::{Access, Scrape};
use crate::terminal::Tone;

/// Arguments of `aurora metrics scrape-config`.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora metrics scrape-config > /etc/prometheus/scrape/aurora.yml
  aurora metrics scrape-config --token-file /etc/prometheus/aurora-key

List that folder once in prometheus.yml: `scrape_config_files: [scrape/*.yml]`.

The key itself is never printed. If no file holds it, the lines that refer to a file are commented out, with \
the command that creates it.")]
pub struct Args {
    /// File from which Prometheus reads the credential
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
}

/// Prints the stanza.
///
/// # Errors
/// The configuration is invalid, gives no key access to the metrics endpoint, or has no fixed port.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let loaded = load_settings(context);
    let Some(config) = &loaded.config else {
        say_errors(&loaded, true, context);
        bail!("invalid configuration: correct it; `aurora config check` shows every problem");
    };
    if !config.metrics.enabled {
        let label = context.terminal.paint_err(Tone::Warning, "warning:");
        context.terminal.say(&format!("aurora: {label} metrics are disabled: set METRICS_ENABLED=true"));
    }
    if config.metrics_address().1 == 0 {
        bail!("metrics.listen has port 0, which is any free port; set a fixed port for Prometheus");
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

/// Credential of the endpoint: the token before the master key, which gives access to more than the metrics.
fn access(args: &Args, loaded: &Loaded, config: &Config) -> anyhow::Result<Access> {
    if let Some(path) = &args.token_file {
        return absolute_path(path).map(Access::File);
    }
    let credentials = [
        (Key::MetricsToken, "METRICS_TOKEN", &config.metrics.token),
        (Key::ServerMasterKey, "AURORA_MASTER_KEY", &config.server.master_key),
    ];
    let found = credentials.into_iter().find(|(_, _, secret)| secret.is_some());
    let Some((key, variable, _)) = found else { return Ok(Access::Open) };
    if let Some(path) = loaded.secret_file_of(key) {
        return absolute_path(path).map(Access::File);
    }
    let source = loaded.source_of(key).unwrap_or("default");
    let in_environment = source == format!("environment {variable}");
    Ok(Access::Elsewhere {
        setting: format!("{key} ({source})"),
        shell: if in_environment { format!("${variable}") } else { format!("<{key}, see {source}>") },
    })
}

/// Absolute path, since Prometheus may start in another folder.
fn absolute_path(path: &Path) -> anyhow::Result<PathBuf> {
    absolute(path).with_context(|| format!("{} is not a valid path", path.display()))
}
