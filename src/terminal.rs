//! Output to stdout and stderr, nowhere else in the crate: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use owo_colors::{OwoColorize, Style};

use crate::config::Environment;

/// Choice of coloured output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless the environment asks for none.
    #[default]
    Auto,
    /// Even in a pipe.
    Always,
    /// Never.
    Never,
}

/// Meaning of a piece of text; the text alone conveys it without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// No emphasis.
    Plain,
    /// Success.
    Good,
    /// Warning.
    Warning,
    /// Failure.
    Bad,
    /// Emphasis.
    Strong,
    /// Secondary.
    Faint,
}

/// Failure to write to stdout.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout; check the file or program that it is connected to")]
pub struct StdoutError(#[from] io::Error);

impl StdoutError {
    /// True if the reader closed the pipe (`| head`), which ends a command without a message.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// The process's stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    colour_out: bool,
    colour_err: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

impl Terminal {
    /// Decides on colour once: by the flag, `NO_COLOR`, `CLICOLOR_FORCE`, then by the presence of a terminal.
    #[must_use]
    pub fn new(choice: ColorChoice, environment: &Environment) -> Self {
        let is_set = |name: &str| environment.get(name).is_some_and(|value| value != "0");
        let forced = match choice {
            ColorChoice::Always => Some(true),
            ColorChoice::Never => Some(false),
            ColorChoice::Auto if environment.get("NO_COLOR").is_some() => Some(false),
            ColorChoice::Auto => is_set("CLICOLOR_FORCE").then_some(true),
        };
        let stdout_is_terminal = io::stdout().is_terminal();
        let stderr_is_terminal = io::stderr().is_terminal();
        Self {
            colour_out: forced.unwrap_or(stdout_is_terminal),
            colour_err: forced.unwrap_or(stderr_is_terminal),
            stdout_is_terminal,
            stderr_is_terminal,
        }
    }

    /// True if stdout is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// True if stderr is a terminal.
    #[must_use]
    pub fn stderr_is_terminal(&self) -> bool {
        self.stderr_is_terminal
    }

    /// True if output to stdout is coloured.
    #[must_use]
    pub fn colours_stdout(&self) -> bool {
        self.colour_out
    }

    /// True if output to stderr is coloured.
    #[must_use]
    pub fn colours_stderr(&self) -> bool {
        self.colour_err
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
    /// Writing failed; return it with `?`, since [`StdoutError::is_closed`] ends a command without a message.
    pub fn print(&self, text: &str) -> Result<(), StdoutError> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Writes one message line to stderr; if stderr is closed, it is lost.
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

/// `foreign` text that cannot drive the terminal: control characters, and those that reorder or hide other characters,
/// become U+FFFD.
#[must_use]
pub fn printable(foreign: &str) -> String {
    foreign.replace(drives_terminals, "\u{fffd}")
}

/// JSON that cannot drive the terminal: of those characters, the ones that JSON leaves as they are become escapes.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // JSON has escapes for all control characters before DEL; a line feed between its tokens stays.
        if character < '\u{7f}' || !drives_terminals(character) {
            text.push(character);
        } else {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        }
    }
    text
}

/// Control characters; marks, embeddings, overrides and isolates of writing direction; separators of lines; characters
/// without a width.
pub(crate) fn drives_terminals(character: char) -> bool {
    let reorders = matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    character.is_control() || reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}b\u{202e}c\u{200b}é"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}é"
        );
        assert_eq!(
            printable_json("[\"\\u001b\u{7f}\u{9b}\u{202e}é\"]\n"),
            "[\"\\u001b\\u007f\\u009b\\u202eé\"]\n"
        );
    }
}
