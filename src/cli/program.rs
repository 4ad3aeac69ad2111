//! The command that started this process, for texts that say what to run next.

use std::ffi::OsString;
use std::fmt;

/// The command that started this process, as a shell in the same folder reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    given: String,
    quoted: String,
}

impl Program {
    /// Of the process's first argument: a path is kept as it was given, a bare name is one that the shell finds.
    #[must_use]
    pub fn new(argument: Option<&OsString>) -> Self {
        let given = argument.and_then(|argument| argument.to_str()).filter(|given| !given.is_empty());
        let given = given.unwrap_or("aurora").to_owned();
        Self { quoted: quoted(&given), given }
    }

    /// The argument itself.
    #[must_use]
    pub fn as_given(&self) -> &str {
        &self.given
    }

    /// True if it starts only in the folder in which it was started.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.given.contains('/') && !self.given.starts_with('/')
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted)
    }
}

/// A word as a POSIX shell reads it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if word.bytes().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_as_they_were_started() {
        for (argument, shown, is_relative) in [
            ("aurora", "aurora", false),
            ("./bin/aurora", "./bin/aurora", true),
            ("target/trial/aurora", "target/trial/aurora", true),
            ("/opt/bin/aurora", "/opt/bin/aurora", false),
            ("./it's here/aurora", r"'./it'\''s here/aurora'", true),
            ("", "aurora", false),
        ] {
            let program = Program::new(Some(&argument.into()));
            assert_eq!((program.to_string().as_str(), program.is_relative()), (shown, is_relative));
        }
        assert_eq!(Program::new(None).to_string(), "aurora");
    }
}
