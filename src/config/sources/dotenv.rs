//! `.env`: logical lines, each handed to dotenvy already quoted.
//!
//! dotenvy by itself refuses unquoted spaces and expands `$` from the process environment; here a value
//! without quotes is literal up to ` #` and a dollar is a dollar.

/// A variable with the line it starts on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: usize,
    /// The text of a malformed line is not kept, it may be a secret.
    pub(crate) variable: Result<(String, String), Malformed>,
}

/// A line that is no assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The quote that opens the value is never closed.
    UnclosedQuote(char),
    /// Text follows the quote that closes the value.
    AfterQuote,
    /// `NAME: value`, as in YAML.
    Colon,
    NoEquals,
    Name,
}

/// The variables of a file, in its order.
pub(crate) fn parse(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = text;
    let mut number = 1;
    while !rest.is_empty() {
        let taken = logical_line(rest);
        let (line, tail) = rest.split_at(taken.len);
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let variable = taken.quoted.and_then(|quoted| unquote(&quoted).ok_or(Malformed::Name));
            lines.push(Line { number, variable });
        }
        number += line.matches('\n').count();
        rest = tail;
    }
    lines
}

/// A line, or several where quotes span them.
struct Logical {
    /// Bytes it takes, its line end included.
    len: usize,
    /// `NAME="value"` as dotenvy reads it.
    quoted: Result<String, Malformed>,
}

/// Bytes of the first line, its line end included.
fn line_length(text: &str) -> usize {
    match text.find('\n') {
        Some(newline) => newline + 1,
        None => text.len(),
    }
}

fn logical_line(text: &str) -> Logical {
    let end = line_length(text);
    let line = &text[..end];
    if line.trim_start().starts_with('#') {
        return Logical { len: end, quoted: Err(Malformed::NoEquals) };
    }
    let Some(equals) = line.find('=') else {
        let fault = if line.contains(':') { Malformed::Colon } else { Malformed::NoEquals };
        return Logical { len: end, quoted: Err(fault) };
    };
    let value_at = line.len() - line[equals + 1..].trim_start_matches([' ', '\t']).len();
    let name = &line[..=equals];
    match text[value_at..].chars().next() {
        Some(quote @ ('"' | '\'')) => quoted_value(text, name, value_at, quote, end),
        _ => {
            let quoted = format!("{name}\"{}\"\n", escape(plain(&line[value_at..])));
            Logical { len: end, quoted: Ok(quoted) }
        }
    }
}

/// A value without quotes: literal, up to a comment.
fn plain(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let comment = [" #", "\t#"].iter().filter_map(|mark| value.find(mark)).min();
    value[..comment.unwrap_or(value.len())].trim()
}

fn quoted_value(text: &str, name: &str, value_at: usize, quote: char, line_end: usize) -> Logical {
    let inside = &text[value_at + 1..];
    let Some(length) = closing(inside, quote) else {
        return Logical { len: line_end, quoted: Err(Malformed::UnclosedQuote(quote)) };
    };
    let content = &inside[..length];
    let after = &inside[length + 1..];
    let tail_len = line_length(after);
    let tail = after[..tail_len].trim();
    let len = value_at + 1 + length + 1 + tail_len;
    if !tail.is_empty() && !tail.starts_with('#') {
        return Logical { len, quoted: Err(Malformed::AfterQuote) };
    }
    let content = if quote == '\'' { escape(content) } else { escape_dollars(content) };
    Logical { len, quoted: Ok(format!("{name}\"{content}\"\n")) }
}

/// Position of the closing quote; a backslash escapes the next character inside double quotes.
fn closing(inside: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return Some(index),
            _ => {}
        }
    }
    None
}

fn escape(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    for c in literal.chars() {
        if matches!(c, '\\' | '"' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn escape_dollars(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    let mut escaped = false;
    for c in content.chars() {
        if c == '$' && !escaped {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

fn unquote(line: &str) -> Option<(String, String)> {
    dotenvy::from_read_iter(line.as_bytes()).next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(text: &str) -> Vec<(usize, Option<(String, String)>)> {
        parse(text).into_iter().map(|line| (line.number, line.variable.ok())).collect()
    }

    fn value_of(line: &str) -> Option<String> {
        parse(line).into_iter().next()?.variable.ok().map(|(_, value)| value)
    }

    #[test]
    fn values() {
        for (line, expected) in [
            ("A=<your Aurora master key>", Some("<your Aurora master key>")),
            ("A=b # comment", Some("b")),
            ("A=b#c", Some("b#c")),
            ("A= # comment", Some("")),
            ("A=", Some("")),
            ("export A=b", Some("b")),
            ("  A = b  ", Some("b")),
            ("A=$HOME ${HOME} \\n", Some("$HOME ${HOME} \\n")),
            ("A=it's \"so\"", Some("it's \"so\"")),
            ("A=\"x $HOME \\\"y\\\" # z\" # comment", Some("x $HOME \"y\" # z")),
            ("A=\"two\\nlines\"", Some("two\nlines")),
            ("A='raw \\n $HOME'", Some("raw \\n $HOME")),
            ("A=b\r", Some("b")),
            ("A=\"b\"c", None),
            ("A=\"b", None),
            ("1A=b", None),
            ("A B=c", None),
            ("no assignment", None),
        ] {
            assert_eq!(value_of(line).as_deref(), expected, "{line}");
        }
    }

    fn pair(name: &str, value: &str) -> Option<(String, String)> {
        Some((name.to_owned(), value.to_owned()))
    }

    #[test]
    fn quotes_span_lines_and_numbers_are_kept() {
        assert_eq!(
            variables("# head\n\nA=1\nB=\"x\ny\"\nbroken\nC='\nz'\n"),
            [(3, pair("A", "1")), (4, pair("B", "x\ny")), (6, None), (7, pair("C", "\nz")),]
        );
    }
}
