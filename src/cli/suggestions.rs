//! Tips for a command line that clap rejected: the command that was meant, where it is another one's.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory as _, Error};

use super::Cli;

/// Words for which other programs have a command.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("version", "aurora --version"),
    ("run", "aurora serve"),
    ("start", "aurora serve"),
    ("up", "aurora serve"),
    ("demo", "aurora serve --demo"),
    ("validate", "aurora config check"),
    ("test", "aurora config check"),
    ("lint", "aurora config check"),
    ("doctor", "aurora config check"),
    ("show", "aurora config check --all"),
    ("setup", "aurora config init"),
    ("status", "aurora health"),
    ("ping", "aurora health"),
    ("scrape", "aurora metrics probe"),
    ("alerts", "aurora metrics rules"),
    ("grafana", "aurora metrics dashboard"),
    ("completion", "aurora completions"),
];

/// Adds the command that was meant to an unknown command or flag, where there is exactly one.
pub(super) fn add(error: &mut Error) {
    let meant =
        match (unknown(error, ContextKind::InvalidSubcommand), unknown(error, ContextKind::InvalidArg)) {
            (Some(word), _) => command_named(&word),
            (_, Some(flag)) => command_with(&flag),
            (None, None) => None,
        };
    let Some(meant) = meant else { return };
    error.remove(ContextKind::SuggestedSubcommand);
    let tip = StyledStr::from(format!("run '{meant}'"));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
}

fn unknown(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(word) => Some(word.clone()),
        _ => None,
    }
}

/// `aurora metrics probe` for `probe`.
fn command_named(word: &str) -> Option<String> {
    if let Some((_, meant)) = OTHER_WORDS.iter().find(|(other, _)| *other == word) {
        return Some((*meant).to_owned());
    }
    only(|path| path.last().is_some_and(|command| command.get_name() == word))
}

/// `aurora serve --demo` for `--demo`.
fn command_with(flag: &str) -> Option<String> {
    let flag = flag.split('=').next()?;
    let long = flag.strip_prefix("--")?;
    let is_flag_of = |command: &Command| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    Some(format!("{} {flag}", only(|path| path.last().is_some_and(|command| is_flag_of(command)))?))
}

/// The only command that matches, with its parents.
fn only(matches: impl Fn(&[&Command]) -> bool) -> Option<String> {
    let root = Cli::command();
    let mut found = Vec::new();
    for command in root.get_subcommands() {
        let below = command.get_subcommands().map(|nested| vec![&root, command, nested]);
        found.extend([vec![&root, command]].into_iter().chain(below).filter(|path| matches(path)));
    }
    let [path] = found.as_slice() else { return None };
    Some(path.iter().map(|command| command.get_name()).collect::<Vec<_>>().join(" "))
}
