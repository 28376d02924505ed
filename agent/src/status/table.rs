//! Columns and paragraphs of the screen.

use std::fmt::Write as _;

/// Length of a line that is filled with words.
const LINE_CHARS: usize = 100;

/// Returns a table with columns as wide as their widest cell, numbers to the right, without trailing
/// blanks.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let lines = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let numbers =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).all(|cell| is_number(cell));
    let columns: Vec<(usize, bool)> =
        (0..head.len()).map(|column| (width(column).unwrap_or(0), numbers(column))).collect();
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(&columns).map(|(cell, (width, numbers))| match numbers {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).ok();
    }
    text
}

fn is_number(cell: &str) -> bool {
    cell == "-" || cell.trim_end_matches('%').parse::<f64>().is_ok()
}

/// Returns words after a first one, on lines that are not too long.
pub(super) fn wrapped(first: &str, words: &[&str]) -> String {
    let (mut text, mut length) = (first.to_owned(), first.chars().count());
    for word in words {
        let word_length = word.chars().count() + 1;
        let fits = length + word_length <= LINE_CHARS;
        text.push_str(if fits { " " } else { "\n  " });
        text.push_str(word);
        length = if fits { length + word_length } else { word_length + 1 };
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_lines_have_no_trailing_blanks() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["open", "5.0", "x"]), row(["a", "-", ""]), row(["b", "12.5%", ""])];
        let expected = "kind   seen  hook\nopen    5.0  x\na         -\nb     12.5%\n";
        assert_eq!(table(&["kind", "seen", "hook"], &rows), expected);
    }

    #[test]
    fn many_words_take_several_lines() {
        let text = wrapped("these:", &["word"; 40]);
        assert!(text.starts_with("these: word word") && text.ends_with("word\n"));
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.chars().count() <= LINE_CHARS), "{text}");
        assert_eq!(text.matches("word").count(), 40);
    }
}
