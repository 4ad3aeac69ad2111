//! The words of a command line as bash reads them, up to the cursor.

/// A command line up to the cursor.
pub(super) struct Line {
    /// Without their quotes; the last is the one under the cursor, which may be empty.
    pub(super) words: Vec<String>,
    /// The quote that is open at the cursor.
    open: Option<char>,
}

impl Line {
    pub(super) fn split(line: &str) -> Self {
        let mut words = vec![String::new()];
        let mut open = None;
        let mut escaped = false;
        for c in line.chars() {
            let last = words.len() - 1;
            match (c, open) {
                _ if escaped => {
                    escaped = false;
                    words[last].push(c);
                }
                ('\\', None | Some('"')) => escaped = true,
                ('"' | '\'', None) => open = Some(c),
                (c, Some(quote)) if c == quote => open = None,
                (' ' | '\t' | '\n', None) => {
                    if !words[last].is_empty() {
                        words.push(String::new());
                    }
                }
                _ => words[last].push(c),
            }
        }
        Self { words, open }
    }

    /// A text to be inserted at the cursor, so that the shell reads it as it is.
    pub(super) fn quoted(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match self.open {
                Some('\'') if c == '\'' => out += r"'\''",
                Some('"') if "\"$`\\!".contains(c) => out.extend(['\\', c]),
                None if !(c.is_alphanumeric() || "-_./:=,@%+".contains(c)) => out.extend(['\\', c]),
                _ => out.push(c),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_bash_does() {
        for (line, words) in [
            ("", vec![""]),
            ("aurora met", vec!["aurora", "met"]),
            ("aurora  metrics ", vec!["aurora", "metrics", ""]),
            ("aurora --filter 'a b", vec!["aurora", "--filter", "a b"]),
            ("aurora --filter \"a \\\" b\" c\\ d", vec!["aurora", "--filter", "a \" b", "c d"]),
            ("aurora --format=js", vec!["aurora", "--format=js"]),
        ] {
            assert_eq!(Line::split(line).words, words, "{line}");
        }
    }

    #[test]
    fn candidates_are_quoted_for_where_they_are_inserted() {
        let name = "a$(b)'c\"`d`";
        for (line, quoted) in [
            ("aurora ", "a\\$\\(b\\)\\'c\\\"\\`d\\`"),
            ("aurora '", "a$(b)'\\''c\"`d`"),
            ("aurora \"", "a\\$(b)'c\\\"\\`d\\`"),
        ] {
            assert_eq!(Line::split(line).quoted(name), quoted, "{line}");
        }
    }
}
