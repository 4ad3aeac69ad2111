//! `aurora __complete`: candidates for the word under the cursor, called by the completion scripts of bash, zsh and fish.
//!
//! It never fails, never prints an error, and reads nothing but the configuration and the files that it names.

mod candidates;
mod names;
mod shell_words;

use std::ffi::OsString;

use clap::CommandFactory;

use self::candidates::{Candidate, Offer, Position};
use self::shell_words::Line;
use super::Cli;
use crate::config::Environment;
use crate::terminal::{ColorChoice, Terminal};

/// First argument of the command, which is not part of the clap tree.
pub(super) const NAME: &str = "__complete";

/// Line that asks the script for the files of the shell.
const FILES: &str = ":files";

/// Prints the candidates: for `bash LINE WORD` as bash replaces WORD with them, for `zsh WORD…` and `fish WORD…` each
/// with its help.
pub(super) fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    let texts: Vec<String> = arguments.iter().map(|text| text.to_string_lossy().into_owned()).collect();
    let printed = match texts.split_first() {
        Some((shell, [line, replaced])) if shell == "bash" => for_bash(line, replaced, environment),
        Some((shell, words)) if shell == "zsh" || shell == "fish" => for_words(words, environment),
        _ => String::new(),
    };
    // A shell that no longer reads needs no candidates.
    drop(Terminal::new(ColorChoice::Never, environment).print(&printed));
    0
}

fn offer(words: &[String], environment: &Environment) -> Offer {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (before, current) = match words.split_last() {
        Some((current, before)) => (before, *current),
        None => (&[][..], ""),
    };
    Position::find(&root, before, current).offer(environment)
}

fn for_words(words: &[String], environment: &Environment) -> String {
    let offer = offer(words, environment);
    let mut out = String::new();
    for Candidate { text, help } in &offer.candidates {
        out += &if help.is_empty() { format!("{text}\n") } else { format!("{text}\t{help}\n") };
    }
    if offer.files { out + FILES + "\n" } else { out }
}

/// bash splits words at `=` and `:` too, and inserts a candidate as it is: what it does not replace is left out, and the
/// rest is quoted.
fn for_bash(line: &str, replaced: &str, environment: &Environment) -> String {
    let line = Line::split(line);
    let offer = offer(&line.words, environment);
    let current = line.words.last().map_or("", String::as_str);
    let kept = current.strip_suffix(replaced).unwrap_or_default();
    let mut out = String::new();
    for Candidate { text, .. } in &offer.candidates {
        let rest = text.strip_prefix(kept).unwrap_or(text);
        out += &format!("{}\n", line.quoted(rest));
    }
    if offer.files { out + FILES + "\n" } else { out }
}
