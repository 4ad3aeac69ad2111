//! Aligned columns for terminals and pipes, the form of every table that a command prints.

use std::ops::RangeBounds;

use comfy_table::{CellAlignment, Table, presets};

/// Columns two blanks apart, those in `right` aligned to the right. Each row is one line.
#[must_use]
pub fn aligned(rows: &[Vec<String>], right: impl RangeBounds<usize>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for row in rows {
        table.add_row(row.iter().map(String::as_str).map(printable));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
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
    fn columns_are_aligned_and_trailing_blanks_cut() {
        let rows = [["name", "count", "note"], ["a\n\u{1b}b", "1", ""], ["c", "1000", "é"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows, 1..2), "name  count  note\na\u{fffd}\u{fffd}b      1\nc      1000  é\n");
        assert_eq!(aligned(&rows[2..], 0..0), "c  1000  é\n");
        assert_eq!(aligned(&[], ..), "");
    }

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
