//! A table for terminals that are too narrow for it: each row as a few lines of their own.

use super::table::{HEADINGS, Row};

/// Below the first line of an entry.
const INDENT: &str = "      ";

/// Kind, name and state of each row on a line, the other cells below it.
pub(super) fn blocks(rows: &[Row], width: usize) -> String {
    rows.iter().map(|row| block(row, width)).collect()
}

fn block(row: &Row, width: usize) -> String {
    let [kind, name, middle @ .., state] = row;
    let facts: Vec<String> = HEADINGS[2..]
        .iter()
        .zip(middle)
        .map(|(heading, cell)| format!("{} {cell}", heading.to_lowercase()))
        .collect();
    let facts: Vec<&str> = facts.iter().map(String::as_str).collect();
    // A state of many words is wrapped at blanks.
    let words: Vec<&str> = state.split(' ').collect();
    format!("{kind:6} {name}\n{}{}", wrapped(&words, " ", width), wrapped(&facts, ", ", width))
}

/// The items, as many in a line as fit, indented.
fn wrapped(items: &[&str], separator: &str, width: usize) -> String {
    let room = width.saturating_sub(INDENT.len());
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.chars().count() + separator.len() + item.chars().count() <= room => {
                line.push_str(separator);
                line.push_str(item);
            }
            _ => lines.push((*item).to_owned()),
        }
    }
    lines.iter().map(|line| format!("{INDENT}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let state = "broken: backup.xbs.gz has 12 bytes, the manifest says 14000000";
        let row = ["  incr", "2026_11_22-14_28_07", "5 s", "1.5 GiB", "9.3x", "mariadb-backup 10.11.14"];
        let row: Vec<String> =
            row.into_iter().chain(["1..2", "b.000001:4", state]).map(str::to_owned).collect();
        let row: Row = row.try_into().unwrap();
        for width in [40, 60, 80] {
            let text = blocks(std::slice::from_ref(&row), width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            assert!(
                text.starts_with("  incr 2026_11_22-14_28_07\n      broken: backup.xbs.gz has"),
                "{text}"
            );
        }
    }
}
