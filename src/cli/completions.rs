//! `aurora completions`: a shell's completion script on stdout.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Context, Outcome};

/// Arguments of `aurora completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aurora completions bash > ~/.local/share/bash-completion/completions/aurora
  aurora completions zsh  > ~/.zfunc/_aurora
  aurora completions fish > ~/.config/fish/completions/aurora.fish

In bash, zsh and fish, providers and models of the configuration and metric families are completed too.")]
pub struct Args {
    /// Shell to print the script for
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Writing to stdout failed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    context.terminal.print(&script(args.shell))?;
    Ok(Outcome::Fine)
}

/// The completion script of one shell. Those of bash, zsh and fish ask `aurora __complete`, which knows the configuration.
#[must_use]
pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => include_str!("completions/aurora.bash").to_owned(),
        Shell::Zsh => include_str!("completions/_aurora").to_owned(),
        Shell::Fish => include_str!("completions/aurora.fish").to_owned(),
        _ => generated(shell),
    }
}

fn generated(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "aurora", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
