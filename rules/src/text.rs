//! Text that knows where each of its bytes came from, through YAML folding, pasted lists and
//! appended conditions.

use std::ops::Range;

use crate::diagnostic::{File, Place};

/// Bytes that came from one stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Where the run begins in the text.
    start: u32,
    file: u32,
    /// Where its first byte came from.
    at: u32,
    /// Whether its bytes follow each other in the file; otherwise all came from one place.
    advances: bool,
}

impl Run {
    const fn origin(self, index: usize) -> usize {
        let offset = if self.advances { index - self.start as usize } else { 0 };
        self.at as usize + offset
    }
}

/// A text with the origin of every byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    value: String,
    /// In order; a run ends where the next begins.
    runs: Vec<Run>,
}

/// The files of one load.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<File>);

impl Files {
    pub(crate) fn add(&mut self, name: &str, text: &str) -> u32 {
        self.0.push(File::new(name, text));
        narrow(self.0.len() - 1)
    }

    pub(crate) fn place(&self, file: u32, span: Range<usize>) -> Place {
        Place { file: self.0[file as usize].clone(), span }
    }

    /// Returns every file as a whole.
    pub(crate) fn wholes(&self) -> impl Iterator<Item = Place> {
        self.0.iter().map(|file| Place { file: file.clone(), span: 0..file.text.len() })
    }

    /// Returns the number of a file, or how many there are if it is none of these.
    pub(crate) fn number(&self, file: &File) -> usize {
        self.0.iter().position(|known| known.is_same(file)).unwrap_or(self.0.len())
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Text {
    /// Returns the decoded `value` of a scalar that `file` spells `raw`, which starts at `at`.
    ///
    /// Only white space and escapes differ between the two, so matching their other characters in
    /// order finds the origin of each.
    pub(crate) fn new(value: &str, file: u32, raw: &str, at: usize) -> Self {
        let mut text = Self { value: value.to_owned(), runs: Vec::new() };
        if value == raw {
            text.run(0, file, at, true);
            return text;
        }
        let bytes = raw.as_bytes();
        let mut position = 0;
        for (start, character) in value.char_indices() {
            if !character.is_whitespace() {
                position = align(bytes, position, character);
            }
            text.run(start, file, at + position, true);
            if position < raw.len() {
                position += raw[position..].chars().next().map_or(1, char::len_utf8);
            }
        }
        text
    }

    /// Begins a run, unless the last one goes on.
    fn run(&mut self, start: usize, file: u32, at: usize, advances: bool) {
        let goes_on =
            |last: &Run| last.file == file && last.advances == advances && last.origin(start) == at;
        if !self.runs.last().is_some_and(goes_on) {
            self.runs.push(Run { start: narrow(start), file, at: narrow(at), advances });
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.value
    }

    fn run_at(&self, index: usize) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.start as usize <= index);
        self.runs.get(after.checked_sub(1)?)
    }

    /// Returns whether what stands at `index` was pasted: a list's items, or text of our own.
    pub(crate) fn is_pasted(&self, index: usize) -> bool {
        self.run_at(index).is_some_and(|run| !run.advances)
    }

    /// Returns where a part came from. A part pasted from several places is its first place.
    pub(crate) fn place(&self, files: &Files, span: Range<usize>) -> Place {
        let Some(last) = self.value.len().checked_sub(1) else {
            let (file, at) = self.runs.first().map_or((0, 0), |run| (run.file, run.at as usize));
            return files.place(file, at..at);
        };
        let origin = |index: usize| self.run_at(index).map(|run| (run.file, run.origin(index)));
        if span.start > last {
            let (file, at) = origin(last).unwrap_or_default();
            return files.place(file, at + 1..at + 1);
        }
        let (file, from) = origin(span.start).unwrap_or_default();
        let (end_file, end) = origin(span.end.saturating_sub(1).min(last)).unwrap_or_default();
        let to = if end_file == file && end > from { end + 1 } else { from + 1 };
        files.place(file, from..to)
    }

    pub(crate) fn trim(&self) -> Self {
        let start = self.value.len() - self.value.trim_start().len();
        let end = start + self.value.trim().len();
        let mut part = Self::default();
        part.push_part(self, start..end);
        part
    }

    /// Appends a part of another text.
    pub(crate) fn push_part(&mut self, other: &Self, span: Range<usize>) {
        if span.is_empty() {
            return;
        }
        let mut at = span.start;
        let mut next = other.runs.partition_point(|run| run.start as usize <= at);
        while at < span.end {
            let Some(run) = other.runs.get(next.saturating_sub(1)) else { break };
            let start = self.value.len() + (at - span.start);
            self.run(start, run.file, run.origin(at), run.advances);
            at = other.runs.get(next).map_or(span.end, |run| run.start as usize);
            next += 1;
        }
        self.value.push_str(&other.value[span]);
    }

    pub(crate) fn push_text(&mut self, other: &Self) {
        self.push_part(other, 0..other.value.len());
    }

    /// Appends `pasted`, which came from where `other` says `span` did.
    pub(crate) fn push_pasted(&mut self, pasted: &str, other: &Self, span: Range<usize>) {
        let run = other.run_at(span.start).copied();
        self.push_at(pasted, run.map(|run| (run.file, run.origin(span.start))));
    }

    /// Appends text of our own that stands beside what was last appended.
    pub(crate) fn push_own(&mut self, own: &str) {
        let last = self.value.len().saturating_sub(1);
        let run = self.run_at(last).copied();
        self.push_at(own, run.map(|run| (run.file, run.origin(last))));
    }

    fn push_at(&mut self, own: &str, origin: Option<(u32, usize)>) {
        let (file, at) = origin.unwrap_or_default();
        if !own.is_empty() {
            self.run(self.value.len(), file, at, false);
        }
        self.value.push_str(own);
    }

    /// Takes away what stands after `length`.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.value.truncate(length);
        self.runs.retain(|run| (run.start as usize) < length.max(1));
    }
}

fn align(raw: &[u8], from: usize, character: char) -> usize {
    let mut buffer = [0; 4];
    let wanted = character.encode_utf8(&mut buffer).as_bytes();
    let mut position = from;
    while let Some(byte) = raw.get(position) {
        if raw[position..].starts_with(wanted) {
            return position;
        }
        if !byte.is_ascii_whitespace() && !matches!(byte, b'\\' | b'\'' | b'"') {
            break;
        }
        position += 1;
    }
    from.min(raw.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_text_points_into_its_lines() {
        let raw = "a and\n     b=c\n     or d\n";
        let text = Text::new("a and b=c or d\n", 0, raw, 100);
        let mut files = Files::default();
        files.add("f", &" ".repeat(200));
        let at = |needle: &str| {
            let start = text.as_str().find(needle).unwrap();
            text.place(&files, start..start + needle.len()).span
        };
        assert_eq!(at("b=c"), 111..114);
        assert_eq!(at("d"), 104..105, "the first d is that of `and`");
        assert_eq!(at("or d"), 120..124);
    }
}
