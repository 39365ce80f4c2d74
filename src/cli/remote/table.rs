//! Columns for people, no wider than their terminal.

use std::io::{IsTerminal as _, stdout};

/// Columns are not made narrower for a narrow terminal.
const NARROWEST: usize = 10;

/// A line for the heads and one for each row. On a terminal the widest columns are cut until a row fits a line.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    columns(heads, rows, terminal_width())
}

fn terminal_width() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0)
}

fn columns(heads: &[&str], rows: &[Vec<String>], room: Option<usize>) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> =
        std::iter::once(heads).chain(rows.iter().map(|row| row.iter().map(|cell| cell_of(cell)).collect())).collect();
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let count = rows.first().map_or(0, Vec::len);
    let mut widths: Vec<usize> =
        (0..count).map(|at| column(at).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    if let Some(room) = room {
        fit(&mut widths, room);
    }
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn cell_of(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { printable(text) }
}

/// The widest gives way first.
fn fit(widths: &mut [usize], room: usize) {
    let gaps = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > room {
        let Some(widest) = widths.iter_mut().max().filter(|width| **width > NARROWEST) else { return };
        *widest -= 1;
    }
}

fn padded(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return format!("{cell:width$}");
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// Hazard 33: names and titles are other people's words. Controls (a terminal acts on them), line separators and what
/// turns the reading direction around are shown as escapes.
pub fn printable(text: &str) -> String {
    let acts = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.chars().any(acts) {
        return text.to_owned();
    }
    text.chars().map(|c| if acts(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
        cells.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_nothing_is_a_dash() {
        let shown = columns(&["NAME", "STATE"], &rows(&[&["acme-crm", "enabled"], &["b", ""]]), None);
        assert_eq!(shown, "NAME      STATE\nacme-crm  enabled\nb         -\n");
    }

    #[test]
    fn on_a_narrow_terminal_the_widest_column_gives_way() {
        let long = "a".repeat(80);
        let shown = columns(&["NAME", "TITLE"], &rows(&[&["acme-crm", &long]]), Some(40));
        assert!(shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
        assert!(shown.contains("acme-crm  aaaa") && shown.contains('…'), "{shown}");
    }

    proptest! {
        #[test]
        fn hazard_33_a_row_is_one_line_without_controls(cell: String, room in 0_usize..120) {
            let shown = columns(&["A"], &[vec![cell]], Some(room));
            prop_assert_eq!(shown.lines().count(), 2);
            prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
