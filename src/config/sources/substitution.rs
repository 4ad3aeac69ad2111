//! `${VAR}` in string values.

use crate::config::problem::Fault;

/// A string after substitution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Substituted {
    /// It named no variable.
    Literal(String),
    /// Every variable was set or had a default.
    Resolved(String),
    /// These were not set.
    Missing(Vec<String>),
}

/// Replaces `${VAR}` and `${VAR:-default}`; `$$` is a dollar, and a bare `$VAR` stays.
///
/// # Errors
/// An unclosed, nested or misnamed variable; the text is not repeated, it may be a secret.
pub(crate) fn substitute<'v>(
    text: &str,
    lookup: impl Fn(&str) -> Option<&'v str>,
) -> Result<Substituted, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut named = false;
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let tail = &rest[dollar + 1..];
        if let Some(after) = tail.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inside) = tail.strip_prefix('{') {
            named = true;
            let Some((reference, after)) = inside.split_once('}') else {
                return Err(bad("${ without its }"));
            };
            let (name, default) = match reference.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (reference, None),
            };
            if default.is_some_and(|default| default.contains("${")) {
                return Err(bad("a variable inside a default"));
            }
            if !is_name(name) {
                return Err(bad("not a variable name between ${ and }"));
            }
            match lookup(name).or(default) {
                Some(value) => out.push_str(value),
                None => missing.push(name.to_owned()),
            }
            rest = after;
        } else {
            out.push('$');
            rest = tail;
        }
    }
    out.push_str(rest);
    Ok(match (named, missing.is_empty()) {
        (false, _) => Substituted::Literal(out),
        (true, true) => Substituted::Resolved(out),
        (true, false) => Substituted::Missing(missing),
    })
}

fn bad(what: &str) -> Fault {
    Fault::new("bad-substitution", what, "write ${NAME} or ${NAME:-default}, and $$ for a dollar sign")
}

pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_a(text: &str) -> Result<Substituted, Fault> {
        substitute(text, |name| (name == "A").then_some("one"))
    }

    fn resolved(text: &str) -> Result<Substituted, Fault> {
        Ok(Substituted::Resolved(text.to_owned()))
    }

    fn literal(text: &str) -> Result<Substituted, Fault> {
        Ok(Substituted::Literal(text.to_owned()))
    }

    #[test]
    fn forms() {
        for (text, expected) in [
            ("${A}", resolved("one")),
            ("x${A}y${A}z", resolved("xoneyonez")),
            ("${B:-two}", resolved("two")),
            ("${A:-two}", resolved("one")),
            ("${B:-}", resolved("")),
            ("$${A}", literal("${A}")),
            ("$A and $", literal("$A and $")),
            ("cost: 5$$", literal("cost: 5$")),
            ("${B}${C}", Ok(Substituted::Missing(vec!["B".to_owned(), "C".to_owned()]))),
        ] {
            assert_eq!(with_a(text), expected, "{text}");
        }
    }

    #[test]
    fn refused() {
        for (text, message) in [
            ("${A", "${ without its }"),
            ("${1A}", "not a variable name between ${ and }"),
            ("${}", "not a variable name between ${ and }"),
            ("${B:-${A}}", "a variable inside a default"),
        ] {
            assert_eq!(with_a(text).map_err(|fault| fault.message), Err(message.to_owned()), "{text}");
        }
    }
}
