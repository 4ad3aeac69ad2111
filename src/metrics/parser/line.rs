//! Syntax of one line of the text format.

use std::borrow::Cow;

use super::Kind;

/// One line, taken apart.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    /// Blank, or a comment that declares nothing.
    Nothing,
    /// `# HELP name text`
    Help { name: &'a str, text: String },
    /// `# TYPE name kind`
    Type { name: &'a str, kind: Kind },
    /// `name{labels} value [timestamp]`, the labels sorted by name
    Sample { name: &'a str, labels: Vec<(String, String)>, value: f64, timestamp: Option<i64> },
}

/// Reads one line, without its line feed.
pub(crate) fn read(content: &str) -> Result<Line<'_>, String> {
    if content.ends_with('\r') {
        return Err("the line ends in CR LF: the format ends lines with a line feed alone".to_owned());
    }
    let content = content.trim_start_matches(BLANK);
    match content.strip_prefix('#') {
        _ if content.is_empty() => Ok(Line::Nothing),
        Some(comment) => read_comment(comment),
        None => read_sample(content),
    }
}

/// Foreign text for a message: escaped, in quotes, cut after 80 characters.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Writes a label value as it is written between quotes.
#[must_use]
pub fn escape_label_value(value: &str) -> Cow<'_, str> {
    if memchr::memchr3(b'\\', b'"', b'\n', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n"))
}

/// Reads a label value as it is written between quotes.
///
/// # Errors
/// When a backslash is followed by anything but `\`, `"` or `n`.
pub fn unescape_label_value(raw: &str) -> Result<String, String> {
    unescape(raw, "\\\"n")
}

const BLANK: [char; 2] = [' ', '\t'];

/// Resolves `\n` and those of `\\` and `\"` that `allowed` names.
fn unescape(raw: &str, allowed: &str) -> Result<String, String> {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some(escaped) if allowed.contains(escaped) => text.push(escaped),
            Some(other) => return Err(format!("unknown escape {}", quoted(&format!("\\{other}")))),
            None => return Err("a backslash at the end".to_owned()),
        }
    }
    Ok(text)
}

fn read_comment(comment: &str) -> Result<Line<'_>, String> {
    let (keyword, rest) = split_word(comment.trim_start_matches(BLANK));
    if keyword != "HELP" && keyword != "TYPE" {
        return Ok(Line::Nothing);
    }
    let (name, text) = split_word(rest);
    if !is_metric_name(name) {
        return Err(format!("{keyword} names {}, which is no metric name", quoted(name)));
    }
    if keyword == "HELP" {
        let text = unescape(text, "\\n").map_err(|what| format!("HELP of {name}: {what}"))?;
        return Ok(Line::Help { name, text });
    }
    let kind = match text {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        "untyped" => Kind::Untyped,
        other => {
            let known = "counter, gauge, histogram, summary or untyped";
            return Err(format!("TYPE of {name} is {}, not {known}", quoted(other)));
        }
    };
    Ok(Line::Type { name, kind })
}

/// The text up to the first blank, and what follows the blanks.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(BLANK) {
        Some((word, rest)) => (word, rest.trim_start_matches(BLANK)),
        None => (text, ""),
    }
}

fn read_sample(content: &str) -> Result<Line<'_>, String> {
    let end = content.find(['{', ' ', '\t']).unwrap_or(content.len());
    let (name, rest) = content.split_at(end);
    if !is_metric_name(name) {
        return Err(format!("expected a metric name, found {}", quoted(name)));
    }
    let rest = rest.trim_start_matches(BLANK);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => read_labels(inside).map_err(|what| format!("labels of {name}: {what}"))?,
        None => (Vec::new(), rest),
    };
    if rest.ends_with(BLANK) {
        return Err(format!("a blank at the end of the line of {name}"));
    }
    let mut words = rest.split(BLANK).filter(|word| !word.is_empty());
    let Some(value) = words.next() else { return Err(format!("{name} has no value")) };
    let Some(value) = read_float(value) else {
        return Err(format!("the value of {name} is {}, not a number", quoted(value)));
    };
    let timestamp = words.next();
    if let Some(surplus) = words.next() {
        return Err(format!("{} after the timestamp of {name}", quoted(surplus)));
    }
    let timestamp = match timestamp {
        Some(word) => Some(read_timestamp(name, word)?),
        None => None,
    };
    Ok(Line::Sample { name, labels, value, timestamp })
}

fn read_timestamp(name: &str, word: &str) -> Result<i64, String> {
    word.parse().map_err(|_| format!("the timestamp of {name} is {}, not milliseconds", quoted(word)))
}

type Labels = Vec<(String, String)>;

/// Reads labels up to the closing brace; returns them sorted by name, and what follows the brace.
fn read_labels(inside: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    let mut rest = inside.trim_start_matches(BLANK);
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            labels.sort_unstable();
            return match labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                Some(pair) => Err(format!("{} twice", pair[0].0)),
                None => Ok((labels, after)),
            };
        }
        let (name, value, after) = read_label(rest)?;
        labels.push((name.to_owned(), value));
        let after = after.trim_start_matches(BLANK);
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start_matches(BLANK),
            None if after.starts_with('}') => after,
            None => return Err(format!("expected `,` or `}}` after {name}, found {}", quoted(after))),
        };
    }
}

fn read_label(text: &str) -> Result<(&str, String, &str), String> {
    let Some((name, rest)) = text.split_once('=') else {
        return Err(format!("expected name=\"value\", found {}", quoted(text)));
    };
    let name = name.trim_end_matches(BLANK);
    if name == "__name__" || !is_label_name(name) {
        return Err(format!("{} is no label name", quoted(name)));
    }
    let Some(raw) = rest.trim_start_matches(BLANK).strip_prefix('"') else {
        return Err(format!("the value of {name} is not in double quotes"));
    };
    let Some(end) = closing_quote(raw) else {
        return Err(format!("the value of {name} has no closing quote"));
    };
    let value = unescape_label_value(&raw[..end]).map_err(|what| format!("{name}: {what}"))?;
    Ok((name, value, &raw[end + 1..]))
}

/// Offset of the first quote that no backslash precedes.
fn closing_quote(raw: &str) -> Option<usize> {
    let mut escaped = false;
    for (offset, byte) in raw.bytes().enumerate() {
        if byte == b'"' && !escaped {
            return Some(offset);
        }
        escaped = byte == b'\\' && !escaped;
    }
    None
}

/// A number as Go reads it: a signed NaN or a decimal out of range is none.
pub(crate) fn read_float(text: &str) -> Option<f64> {
    let value = text.parse::<f64>().ok()?;
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let out_of_range = value.is_infinite() && digits;
    let signed_nan = value.is_nan() && text.starts_with(['+', '-']);
    (!out_of_range && !signed_nan).then_some(value)
}

fn is_metric_name(name: &str) -> bool {
    let starts_legally = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    starts_legally && name.bytes().all(is_name_byte)
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}
