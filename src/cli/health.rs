//! `aurora health`.

use super::{Context, Outcome};

/// Flags.
#[derive(Debug, Default, clap::Args)]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// Whatever stopped it.
pub fn run(_args: &Args, _context: &Context) -> anyhow::Result<Outcome> {
    Ok(Outcome::Fine)
}
