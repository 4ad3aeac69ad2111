//! `aurora serve`.

use super::{Context, Outcome};

/// What to serve, and where.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  aurora serve --demo
  aurora serve --host 127.0.0.1 --port 0
  METRICS_ENABLED=true aurora serve -c /etc/aurora/config.yaml

Stops on SIGINT or SIGTERM once requests in flight are done; a second one stops at once.
Exit codes: 0 stopped, 1 failed, 2 wrong usage, 78 configuration refused.")]
pub struct Args {
    /// Address to listen on, over server.host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen on, over server.port; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Serve an embedded upstream: no key, no network, on 127.0.0.1
    ///
    /// The only provider is demo with the models demo-chat, demo-fast, demo-embed and the failing demo-429,
    /// demo-500, demo-slow and demo-cut. config.yaml, .env and provider variables are ignored unless -c or
    /// --env-file names them; variables that set host, port or metrics still count.
    #[arg(long)]
    pub demo: bool,
}

/// Runs it.
///
/// # Errors
/// Whatever stopped it.
pub fn run(_args: &Args, _context: &Context) -> anyhow::Result<Outcome> {
    Ok(Outcome::Fine)
}
