//! The only door to stdout and stderr for people: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use owo_colors::{OwoColorize, Style};

use crate::config::Environment;

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Even in a pipe.
    Always,
    /// Nowhere.
    Never,
}

/// What a piece of text means; colour only repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// It went well.
    Good,
    /// Worth a look.
    Warning,
    /// It failed.
    Bad,
    /// Stands out.
    Strong,
    /// Of less weight.
    Faint,
}

/// The process's stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    colour_out: bool,
    colour_err: bool,
    stdout_is_terminal: bool,
}

impl Terminal {
    /// Decides on colour once: the flag, then `CLICOLOR_FORCE`, `NO_COLOR`, then whether a terminal is there.
    #[must_use]
    pub fn new(choice: ColorChoice, environment: &Environment) -> Self {
        let asked = |name: &str| environment.get(name).is_some_and(|value| value != "0");
        let forced = match choice {
            ColorChoice::Always => Some(true),
            ColorChoice::Never => Some(false),
            ColorChoice::Auto if environment.get("NO_COLOR").is_some() => Some(false),
            ColorChoice::Auto => asked("CLICOLOR_FORCE").then_some(true),
        };
        let stdout_is_terminal = io::stdout().is_terminal();
        Self {
            colour_out: forced.unwrap_or(stdout_is_terminal),
            colour_err: forced.unwrap_or_else(|| io::stderr().is_terminal()),
            stdout_is_terminal,
        }
    }

    /// Whether stdout is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// `text` in the colour of `tone`, where stdout is coloured.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.colour_out, tone, text)
    }

    /// `text` in the colour of `tone`, where stderr is coloured.
    #[must_use]
    pub fn paint_err(&self, tone: Tone, text: &str) -> String {
        paint(self.colour_err, tone, text)
    }

    /// Writes data to stdout.
    ///
    /// # Errors
    /// What the write met; a closed pipe comes as [`io::ErrorKind::BrokenPipe`] and ends a command quietly.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes one line about the work to stderr; where nobody can read it, it is lost.
    pub fn say(&self, line: &str) {
        drop(writeln!(io::stderr().lock(), "{line}"));
    }
}

fn paint(colour: bool, tone: Tone, text: &str) -> String {
    let style = match tone {
        _ if !colour => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Good => Style::new().green(),
        Tone::Warning => Style::new().yellow(),
        Tone::Bad => Style::new().red().bold(),
        Tone::Strong => Style::new().bold(),
        Tone::Faint => Style::new().dimmed(),
    };
    text.style(style).to_string()
}
