//! What goes to a person's terminal.

use std::{fmt::Display, io::Write};

use serde::Serialize;

/// Prints a line to standard output. A closed pipe ends the process quietly, as `head` expects.
pub(crate) fn line(text: impl Display) {
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints one JSON document on one line.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?);
    Ok(())
}

/// Prints an error and what caused it to standard error.
pub(crate) fn error(error: &anyhow::Error) {
    note(format_args!("saker: {error:#}"));
}

/// Returns the first cause of an error: what is above it only says again what was tried.
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// Prints a line to standard error; a closed one is nobody's loss.
pub(crate) fn note(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Returns a text of unknown origin in a form that a terminal only shows.
pub(crate) fn plain(text: &str) -> String {
    templates::Escape::Line.apply(text)
}

/// Returns how many there are of something, in words.
pub(crate) fn counted_u64(count: u64, what: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), what)
}

/// Returns how many there are of something, in words.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Returns a size in the unit a person would choose.
pub(crate) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fit = units.into_iter().find(|(_, shift)| bytes >> shift > 0);
    fit.map_or_else(
        || format!("{bytes} B"),
        |(unit, shift)| format!("{:.1} {unit}", bytes as f64 / f64::from(1_u32 << shift)),
    )
}

/// Returns a table with columns as wide as their widest cell, without trailing blanks.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end_matches('\n').len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let sizes = [0, 1023, 1024, 1536, (64 << 20) - 1, 5 << 30].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "64.0 MiB", "5.0 GiB"]);
    }

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_blanks() {
        let rows = vec![vec!["a".into(), "bbb".into()], vec!["cccc".into(), "d".into()]];
        assert_eq!(table(&["x", "y"], &rows), "x     y\na     bbb\ncccc  d");
    }
}
