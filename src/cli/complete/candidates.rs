//! Candidates for a position of the command line.

use std::collections::BTreeSet;

use clap::{Arg, ArgAction, Command};

use super::names;
use crate::config::{Config, Environment, Sources, load};

/// A word that fits, and its help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) text: String,
    pub(super) help: String,
}

impl Candidate {
    pub(super) fn new(text: impl Into<String>, help: impl Into<String>) -> Self {
        Self { text: text.into(), help: help.into() }
    }
}

/// Everything that fits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) candidates: Vec<Candidate>,
    /// True where a path fits.
    pub(super) files: bool,
}

/// The word under the cursor and what may stand there.
pub(super) struct Position<'a> {
    command: &'a Command,
    /// The option or argument whose value it is.
    value_of: Option<&'a Arg>,
    /// `--option=` of the current word.
    prefix: &'a str,
    current: &'a str,
    given: BTreeSet<&'a str>,
    config: Option<&'a str>,
    env_file: Option<&'a str>,
    /// Number of arguments without a name before it.
    positionals: usize,
    /// True after `--`.
    only_positionals: bool,
}

impl<'a> Position<'a> {
    /// Walks the words before the current one; the first is the program.
    pub(super) fn find(root: &'a Command, before: &[&'a str], current: &'a str) -> Self {
        let mut position = Self {
            command: root,
            value_of: None,
            prefix: "",
            current,
            given: BTreeSet::new(),
            config: None,
            env_file: None,
            positionals: 0,
            only_positionals: false,
        };
        for word in before.iter().skip(1) {
            position.pass(word);
        }
        if position.value_of.is_none()
            && !position.only_positionals
            && let Some((option, value)) = current.split_once('=')
            && let Some(arg) = position.option(option)
        {
            position.value_of = Some(arg);
            (position.prefix, position.current) = (&current[..=option.len()], value);
        }
        position
    }

    fn pass(&mut self, word: &'a str) {
        if let Some(arg) = self.value_of.take() {
            return self.keep(arg, word);
        }
        if word == "--" {
            self.only_positionals = true;
            return;
        }
        if self.only_positionals || !word.starts_with('-') {
            match self.command.find_subcommand(word) {
                Some(command) if self.positionals == 0 => self.command = command,
                _ => self.positionals += 1,
            }
            return;
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let Some(arg) = self.option(name) else { return };
        self.given.insert(arg.get_id().as_str());
        if !takes_value(arg) {
            return;
        }
        if word.contains('=') {
            self.keep(arg, value);
        } else {
            self.value_of = Some(arg);
        }
    }

    /// Keeps the files that a command reads.
    fn keep(&mut self, arg: &Arg, value: &'a str) {
        match arg.get_id().as_str() {
            "config" => self.config = Some(value),
            "env_file" => self.env_file = Some(value),
            _ => {}
        }
    }

    fn option(&self, name: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|arg| {
            let long = arg.get_long().is_some_and(|long| name.strip_prefix("--") == Some(long));
            let short = arg.get_short();
            long || short.is_some_and(|short| name.strip_prefix('-') == Some(short.to_string().as_str()))
        })
    }

    /// Everything that fits here and begins with the current word.
    pub(super) fn offer(&self, environment: &Environment) -> Offer {
        let mut offer = match self.value_of {
            Some(arg) => self.values(arg, environment),
            None if self.current.starts_with('-') && !self.only_positionals => self.options(),
            None => self.commands_or_values(environment),
        };
        offer.candidates.retain(|candidate| candidate.text.starts_with(self.current));
        for candidate in &mut offer.candidates {
            candidate.text.insert_str(0, self.prefix);
        }
        offer
    }

    fn options(&self) -> Offer {
        let mut offer = Offer::default();
        for arg in self.command.get_arguments() {
            let is_again =
                self.given.contains(arg.get_id().as_str()) && !matches!(arg.get_action(), ArgAction::Append);
            if let Some(long) = arg.get_long()
                && !arg.is_hide_set()
                && !is_again
            {
                offer.candidates.push(Candidate::new(format!("--{long}"), summary(arg)));
            }
        }
        offer
    }

    fn commands_or_values(&self, environment: &Environment) -> Offer {
        if self.positionals == 0 && !self.only_positionals && self.command.has_subcommands() {
            let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
            let commands = self.command.get_subcommands().filter(|command| !command.is_hide_set());
            let candidates = commands.map(|command| Candidate::new(command.get_name(), about(command)));
            return Offer { candidates: candidates.collect(), files: false };
        }
        let arguments: Vec<&Arg> = self.command.get_positionals().collect();
        let last = arguments.last().filter(|arg| is_many(arg));
        let arg = arguments.get(self.positionals).or(last);
        arg.map(|arg| self.values(arg, environment)).unwrap_or_default()
    }

    /// Values of an option or argument: those that clap knows, else those that the name of the value stands for.
    fn values(&self, arg: &Arg, environment: &Environment) -> Offer {
        let known = arg.get_possible_values();
        if !known.is_empty() {
            let help = |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string);
            let shown = known.iter().filter(|value| !value.is_hide_set());
            let candidates =
                shown.map(|value| Candidate::new(value.get_name(), help(value).unwrap_or_default()));
            return Offer { candidates: candidates.collect(), files: false };
        }
        let name = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
        let config = || self.config(environment);
        let candidates = match name {
            "PATH" | "FILE" | "DIR" => return Offer { candidates: Vec::new(), files: true },
            "FAMILY" => names::families(),
            "REGEX" => names::patterns(config().as_ref()),
            "EXPR" => names::requirements(self.current, config().as_ref()),
            "MODEL" => config().as_ref().map(names::models).unwrap_or_default(),
            "PROVIDER" => config().as_ref().map(names::providers).unwrap_or_default(),
            _ => Vec::new(),
        };
        Offer { candidates, files: false }
    }

    /// The configuration that the command would load; `None` where it is not valid.
    fn config(&self, environment: &Environment) -> Option<Config> {
        let sources = Sources {
            environment: environment.clone(),
            config_file: self.config.map(Into::into),
            env_file: self.env_file.map(Into::into),
            ..Sources::default()
        };
        load(&sources).config
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn is_many(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// The first sentence of an option's help.
fn summary(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let line = help.lines().next().unwrap_or_default();
    line.split(". ").next().unwrap_or(line).to_owned()
}
