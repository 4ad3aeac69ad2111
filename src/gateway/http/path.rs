//! Paths and queries that go on to an upstream: what in them could lead elsewhere than it seems is refused.

use std::borrow::Cow;

use url::form_urlencoded;

/// Longest id of a stored thing.
const MAX_ID: usize = 1024;

/// Returns true if a segment of a path is an id and nothing else to any upstream: nothing to decode, no way up.
pub(crate) fn is_id(segment: &str) -> bool {
    segment.len() <= MAX_ID && !is_dots(segment) && segment.bytes().all(is_of_id)
}

fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:@=+".contains(&byte)
}

/// Returns true if a path stays below where it starts for any upstream, however it reads it: no empty segment but the
/// last, none of dots, and no slash, dot or percent sign in disguise.
pub(crate) fn stays_below(path: &str) -> bool {
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return false;
    }
    let Some(decoded) = decoded(path) else { return false };
    let mut segments = decoded.split('/');
    let last = segments.next_back().unwrap_or_default();
    segments.all(|segment| !segment.is_empty() && !is_dots(segment))
        && !(last.starts_with('.') && is_dots(last))
}

/// A path with its escapes undone; `None` where one is an escaped slash, a dot, a percent sign, a control character, or
/// for no UTF-8 at all (an overlong `%c0%ae` is a dot to some servers).
fn decoded(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut escapes = path.split('%');
    let mut bytes = escapes.next()?.as_bytes().to_vec();
    for escape in escapes {
        let digits = escape.get(..2)?;
        // `from_str_radix` would take a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if b"./\\%".contains(&byte) {
            return None;
        }
        bytes.push(byte);
        bytes.extend_from_slice(&escape.as_bytes()[2..]);
    }
    let decoded = String::from_utf8(bytes).ok()?;
    (!decoded.chars().any(is_disguised)).then_some(Cow::Owned(decoded))
}

/// Control characters, and what Unicode's compatibility forms make a dot, a slash or a backslash.
fn is_disguised(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2024}'..='\u{2026}' | '\u{fe52}' | '\u{ff0e}' | '\u{ff0f}' | '\u{fe68}' | '\u{ff3c}'
        )
}

/// `.`, `..`, and what some servers take for them; the empty segment too.
fn is_dots(segment: &str) -> bool {
    segment.split(';').next().unwrap_or_default().bytes().all(|byte| byte == b'.')
}

/// The query as it goes on: without `key`, in which Google's SDKs send the key that is meant for us.
pub(crate) fn forwarded(query: Option<&str>) -> Option<String> {
    take_parameter(query?, "key").1
}

/// Takes a parameter out of a query: its values, and the rest as it was, unless it is empty.
pub(crate) fn take_parameter<'a>(query: &'a str, name: &str) -> (Vec<Cow<'a, str>>, Option<String>) {
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

/// Returns true if a query requests a stream.
pub(crate) fn requests_stream(query: Option<&str>) -> bool {
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
            "..",
            "../x",
            "a/../b",
            "a/..",
            "a/./b",
            "a//b",
            "/a",
            "%2e%2e/x",
            "a%2Fb",
            "a%2f..",
            "a%5cb",
            "a\\b",
            "a/..;/b",
            "%252e",
            "a%00b",
            "a%0d%0a",
            "a%",
            "a%2",
            "a%zz",
            "a%+1",
            "é",
            "a/..%3b/b",
            "..%3Bx",
            ".%3b",
            "%c0%ae%c0%ae/x",
            "%e0%80%ae",
            "a%ff",
            "a%c3",
            "a%c2%80",
            "%ef%bc%8e",
            "%e2%80%a5/x",
            "a%ef%bc%8fb",
            "a%7f",
        ] {
            assert!(!stays_below(path), "{path}");
        }
    }

    #[test]
    fn a_parameter_is_taken_and_the_rest_stays_as_it_was() {
        fn taken(query: &str) -> (String, String) {
            let (values, rest) = take_parameter(query, "provider");
            (values.join(","), rest.unwrap_or_default())
        }
        assert_eq!(taken("provider=up"), ("up".into(), String::new()));
        assert_eq!(taken("a=%62&p%72ovider=u%70&&b&a=1"), ("up".into(), "a=%62&&b&a=1".into()));
        assert_eq!(taken("provider=a&x&provider="), ("a,".into(), "x".into()));
        assert_eq!(taken("xprovider=a"), (String::new(), "xprovider=a".into()));
        assert_eq!(taken(""), (String::new(), String::new()));
    }
}
