//! Bad YAML in words: what is probably wrong, and its remedy.

use super::files::Misread;
use crate::config::problem::{Fault, Place};

/// The fault of bad syntax at a place; `found` is what the parser says. No text of the file is repeated.
pub(crate) fn fault(text: &str, place: Place, found: &str) -> Misread {
    if let Some((line, column)) = tab_in_indentation(text) {
        let fault = Fault::new("yaml-tab", "a tab in the indentation", "indent with spaces");
        return Box::new((place.at(line, Some(column)), fault));
    }
    let before = before(text, &place);
    let (what, fix) = match found {
        _ if found.contains("quoted scalar") && !found.contains("escape") => {
            ("the quote that opens here is never closed", "close it on the same line")
        }
        _ if found.contains("escape") => {
            ("an unknown escape in double quotes", "write it in single quotes, where a backslash is plain")
        }
        _ if found.starts_with("mapping values are not allowed") => {
            if before.contains(": ") {
                ("a second colon in a line", "write the value in quotes")
            } else {
                ("indented deeper than the settings above it", "indent it like them")
            }
        }
        _ if found.starts_with("simple key expect") => ("a line without a colon", "write NAME: VALUE"),
        _ if found.starts_with("while parsing a flow") => {
            ("a bracket [ or { above is not closed, or a comma is missing", "write ] or }, or the comma")
        }
        _ if found.contains("did not find expected key") => {
            ("indented differently from the settings above it", "indent it like them")
        }
        _ if found.starts_with("unexpected character") => {
            ("a character that no value can start with", "write the value in quotes")
        }
        _ => {
            let fix = "check the indentation and quotes on and above this line";
            return Box::new((place, Fault::new("yaml-syntax", format!("not YAML ({found})"), fix)));
        }
    };
    Box::new((place, Fault::new("yaml-syntax", format!("not YAML: {what}"), fix)))
}

/// The text of the line before the place.
fn before<'t>(text: &'t str, place: &Place) -> &'t str {
    let (Some(line), Some(column)) = (place.line, place.column) else { return "" };
    let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let end = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(index, _)| index);
    &line[..end]
}

/// Line and column of the first tab before content; blank lines and comments may have one.
fn tab_in_indentation(text: &str) -> Option<(usize, usize)> {
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        let indentation = &line[..line.len() - content.len()];
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Some(tab) = indentation.find('\t') {
            return Some((index + 1, tab + 1));
        }
    }
    None
}
