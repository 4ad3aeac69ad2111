//! Paths and queries that go on to an upstream: what in them could lead elsewhere than it seems is refused.

use std::borrow::Cow;

use url::form_urlencoded;

/// Longest id of a stored thing.
const MAX_ID: usize = 1024;

/// Whether a segment of a path is an id and nothing else to any upstream: nothing to decode, no way up.
pub(super) fn is_id(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@=+".contains(&byte);
    segment.len() <= MAX_ID && !is_dots(segment) && segment.bytes().all(plain)
}

/// Whether a path stays below where it starts for any upstream, however it reads it: no empty segment but the last,
/// none of dots, and no slash, dot or percent sign in disguise.
pub(super) fn stays_below(path: &str) -> bool {
    let mut segments = path.split('/');
    let last = segments.next_back().unwrap_or_default();
    segments.all(|segment| !segment.is_empty() && !is_dots(segment))
        && !(last.starts_with('.') && is_dots(last))
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && path.split('%').skip(1).all(|escape| {
            let code = escape.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            code.is_some_and(|byte| byte >= b' ' && !b"./\\%\x7f".contains(&byte))
        })
}

/// `.`, `..`, and what some servers take for them; the empty segment too.
fn is_dots(segment: &str) -> bool {
    segment.split(';').next().unwrap_or_default().bytes().all(|byte| byte == b'.')
}

/// Takes a parameter out of a query: its values, and the rest as it was, if anything is left.
pub(super) fn take_parameter<'a>(query: &'a str, name: &str) -> (Vec<Cow<'a, str>>, Option<String>) {
    let mut values = Vec::new();
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match form_urlencoded::parse(pair.as_bytes()).next() {
            Some((key, value)) if key == name => values.push(value),
            _ => rest.push(pair),
        }
    }
    let rest = rest.join("&");
    (values, (!rest.is_empty()).then_some(rest))
}

/// Whether a query asks for a stream.
pub(super) fn asks_for_stream(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "stream=true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_be_anything_else() {
        for id in ["resp_0a", "file-1", "batch_1.2", "a:b@c=+~", "..a", &"x".repeat(MAX_ID)] {
            assert!(is_id(id), "{id}");
        }
        for id in [
            "",
            ".",
            "..",
            "...",
            "a%2Fb",
            "%2e%2e",
            "a;b",
            "..;x",
            "a b",
            "é",
            "a?b",
            "a\\b",
            &"x".repeat(MAX_ID + 1),
        ] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn paths_cannot_lead_out() {
        for path in [
            "chat/completions",
            "models/gemini-2:generateContent",
            "files/",
            "a%20b/%C3%A9",
            "a..b/.c",
            "x/;a=1",
        ] {
            assert!(stays_below(path), "{path}");
        }
        for path in [
            "..", "../x", "a/../b", "a/..", "a/./b", "a//b", "/a", "%2e%2e/x", "a%2Fb", "a%2f..", "a%5cb",
            "a\\b", "a/..;/b", "%252e", "a%00b", "a%0d%0a", "a%", "a%2", "a%zz", "a%+1", "é",
        ] {
            assert!(!stays_below(path), "{path}");
        }
    }

    #[test]
    fn a_parameter_is_taken_and_the_rest_stays_as_it_was() {
        let taken = |query| {
            let (values, rest) = take_parameter(query, "provider");
            (values.join(","), rest.unwrap_or_default())
        };
        assert_eq!(taken("provider=up"), ("up".into(), String::new()));
        assert_eq!(taken("a=%62&p%72ovider=u%70&&b&a=1"), ("up".into(), "a=%62&&b&a=1".into()));
        assert_eq!(taken("provider=a&x&provider="), ("a,".into(), "x".into()));
        assert_eq!(taken("xprovider=a"), (String::new(), "xprovider=a".into()));
        assert_eq!(taken(""), (String::new(), String::new()));
    }
}
