//! The part of a user's text that a diagnostic shows: the faulty line and its neighbours, cut and
//! made printable.

use std::ops::Range;

use serde::Serialize;

use super::File;

/// A line longer than this is cut around the fault, so that a hostile file cannot flood a log.
const LINE_BYTES_MAX: usize = 240;
/// Columns beyond this are counted in bytes: a file of one long line may have many faults.
const COLUMN_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Excerpt {
    /// From 1.
    pub(super) first_line: usize,
    pub(super) text: String,
    /// The fault in `text`.
    pub(super) span: Range<usize>,
}

impl Excerpt {
    /// Returns the faulty line, and a caret under the fault.
    pub(super) fn snippet(&self) -> String {
        let start = self.text[..self.span.start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let indent = " ".repeat(self.text[start..self.span.start].chars().count());
        format!("{line}\n{indent}^\n")
    }
}

impl File {
    /// Returns line and column from 0, the column in characters.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let at = floor(&self.text, at);
        let line = self.lines.partition_point(|start| *start <= at) - 1;
        let before = &self.text[self.lines[line]..at];
        let column = match before.len() > COLUMN_BYTES_MAX {
            true => before.len(),
            false => before.chars().count(),
        };
        (line, column)
    }

    /// Returns a line without its end.
    fn line(&self, line: usize) -> Range<usize> {
        let start = self.lines[line];
        let end = self.lines.get(line + 1).map_or(self.text.len(), |next| next - 1);
        start..end
    }

    /// Returns what is shown of the text around `span`, whose line is the given one.
    pub(super) fn excerpt(&self, span: Range<usize>, line: usize) -> Excerpt {
        let text = &self.text;
        let Range { start: line_start, end: line_end } = self.line(line);
        let start = floor(text, span.start);
        let end = floor(text, span.end).clamp(start, line_end.max(start));

        let mut shown = String::new();
        if let Some(before) = line.checked_sub(1) {
            shown.push_str(&clean(cut(&text[self.line(before)])));
            shown.push('\n');
        }
        let is_long =
            start - line_start > LINE_BYTES_MAX / 2 && line_end - line_start > LINE_BYTES_MAX;
        let cut_from = match is_long {
            true => floor(text, start - LINE_BYTES_MAX / 2),
            false => line_start,
        };
        let cut_to = floor(text, line_end.min(cut_from + LINE_BYTES_MAX)).max(start);
        shown.push_str(&clean(&text[cut_from..start]));
        let shown_start = shown.len();
        shown.push_str(&clean(&text[start..end.min(cut_to)]));
        let shown_end = shown.len();
        shown.push_str(&clean(&text[end.min(cut_to)..cut_to]));
        let is_last = line + 1 == self.lines.len() || self.lines[line + 1] == text.len();
        if !is_last {
            shown.push('\n');
            shown.push_str(&clean(cut(&text[self.line(line + 1)])));
        }
        let first_line = line + 1 - usize::from(line > 0);
        Excerpt { first_line, text: shown, span: shown_start..shown_end }
    }
}

fn clean(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(line: &str) -> &str {
    &line[..floor(line, LINE_BYTES_MAX)]
}

/// Returns the greatest character boundary not after `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
