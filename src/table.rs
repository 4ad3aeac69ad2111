//! Aligned columns for terminals and pipes, the form of every table that a command prints.

use std::ops::RangeBounds;

use comfy_table::{CellAlignment, Table, presets};

use crate::terminal::printable;

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
}
