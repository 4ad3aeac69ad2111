//! The value that was probably meant by one that is refused.

use super::names;

/// Words of other programs for the words of a choice.
const WORDS: &[(&str, &[&str])] = &[
    ("debug", &["verbose", "trace", "all"]),
    ("error", &["fatal", "critical", "panic"]),
    ("text", &["console", "plain", "pretty", "logfmt", "human"]),
    ("off", &["none", "false", "no", "never", "disabled"]),
    ("all", &["true", "yes", "on", "always", "enabled"]),
];

/// Units of time and size in the words of other programs.
const UNITS: &[(&str, &[&str])] = &[
    ("ms", &["millis", "msec", "msecs", "millisecond", "milliseconds"]),
    ("s", &["sec", "secs", "second", "seconds"]),
    ("m", &["min", "mins", "minute", "minutes"]),
    ("h", &["hr", "hrs", "hour", "hours"]),
    ("K", &["kilobyte", "kilobytes"]),
    ("M", &["mo", "megabyte", "megabytes", "meg"]),
    ("G", &["go", "gigabyte", "gigabytes"]),
];

/// True for a value whose quotes belong to it, because nothing removed them.
pub(crate) fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

/// Problem and remedy of such a value.
pub(crate) const QUOTED: (&str, &str) = (
    "begins and ends with a quote, which is part of it",
    "remove the quotes; `docker --env-file` keeps them",
);

/// The flag that a word of other programs stands for, or that is misspelt.
pub(crate) fn flag(text: &str) -> Option<bool> {
    let word = text.trim().to_ascii_lowercase();
    match word.as_str() {
        "enabled" | "enable" | "active" | "y" | "t" => Some(true),
        "disabled" | "disable" | "inactive" | "none" | "n" | "f" => Some(false),
        _ => names::nearest(&word, ["true", "false"]).map(|near| near == "true"),
    }
}

/// The word of a choice that was meant.
pub(crate) fn word<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    let given = text.trim().to_ascii_lowercase();
    let synonym =
        WORDS.iter().find(|(word, others)| others.contains(&given.as_str()) && known.contains(word));
    match synonym {
        Some((word, _)) => known.iter().copied().find(|candidate| candidate == word),
        None => names::nearest(&given, known.iter().copied()),
    }
}

/// `10%` as a factor.
pub(crate) fn factor(text: &str) -> Option<f64> {
    let percentage: f64 = text.trim().strip_suffix('%')?.trim_end().parse().ok()?;
    Some(percentage / 100.0)
}

/// `5 minutes` as `5m`, `10 megabytes` as `10M`.
pub(crate) fn quantity(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = unit.trim_start();
    let (short, _) = UNITS.iter().find(|(short, words)| *short == unit || words.contains(&unit))?;
    (!digits.is_empty()).then(|| format!("{digits}{short}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_words_and_quantities() {
        let flags = [("enabled", Some(true)), ("ture", Some(true)), ("N", Some(false)), ("2", None)];
        for (text, meant) in flags {
            assert_eq!(flag(text), meant, "{text}");
        }
        let levels = ["debug", "info", "warn", "error"];
        for (text, meant) in [("trace", Some("debug")), ("inof", Some("info")), ("pretty", None)] {
            assert_eq!(word(text, &levels), meant, "{text}");
        }
        assert_eq!((factor("10%"), factor("10")), (Some(0.1), None));
        for (text, meant) in [
            ("5 minutes", Some("5m")),
            ("30 s", Some("30s")),
            ("10 Megabytes", Some("10M")),
            ("5 days", None),
        ] {
            assert_eq!(quantity(text).as_deref(), meant, "{text}");
        }
        for (text, quoted) in [("\"a\"", true), ("'a'", true), ("\"", false), ("\"a'", false)] {
            assert_eq!(is_quoted(text), quoted, "{text}");
        }
    }
}
