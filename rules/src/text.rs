//! Text that knows where each of its bytes came from, through YAML folding, pasted lists and
//! appended conditions.

use std::ops::Range;

use crate::diagnostic::{File, Place};

/// Where a byte came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    file: u32,
    at: u32,
}

/// A text with the origin of every byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    value: String,
    /// One for each byte.
    origins: Vec<Origin>,
}

/// The files of one load.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<File>);

impl Files {
    pub(crate) fn add(&mut self, name: &str, text: &str) -> u32 {
        self.0.push(File { name: name.into(), text: text.into() });
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
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

impl Text {
    /// Returns the decoded `value` of a scalar that `file` spells `raw`, which starts at `at`.
    ///
    /// Only white space and escapes differ between the two, so matching their other characters in
    /// order finds the origin of each.
    pub(crate) fn new(value: &str, file: u32, raw: &str, at: usize) -> Self {
        let mut origins = Vec::with_capacity(value.len());
        let bytes = raw.as_bytes();
        let mut position = 0;
        for character in value.chars() {
            if !character.is_whitespace() {
                position = align(bytes, position, character);
            }
            let origin = Origin { file, at: u32::try_from(at + position).unwrap_or(u32::MAX) };
            origins.extend(std::iter::repeat_n(origin, character.len_utf8()));
            if position < raw.len() {
                position += raw[position..].chars().next().map_or(1, char::len_utf8);
            }
        }
        Self { value: value.to_owned(), origins }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.value
    }

    /// Returns where a part came from. A part pasted from several places is its first place.
    pub(crate) fn place(&self, files: &Files, span: Range<usize>) -> Place {
        let Some(last) = self.origins.last() else { return files.place(0, 0..0) };
        let Some(start) = self.origins.get(span.start) else {
            let end = last.at as usize + 1;
            return files.place(last.file, end..end);
        };
        let end = self.origins.get(span.end.saturating_sub(1)).unwrap_or(start);
        let (from, mut to) = (start.at as usize, end.at as usize + 1);
        if end.file != start.file || to <= from {
            to = from + 1;
        }
        files.place(start.file, from..to)
    }

    pub(crate) fn trim(&self) -> Self {
        let start = self.value.len() - self.value.trim_start().len();
        let end = start + self.value.trim().len();
        self.part(start..end)
    }

    fn part(&self, span: Range<usize>) -> Self {
        Self { value: self.value[span.clone()].to_owned(), origins: self.origins[span].to_vec() }
    }

    /// Appends a part of another text.
    pub(crate) fn push_part(&mut self, other: &Self, span: Range<usize>) {
        self.value.push_str(&other.value[span.clone()]);
        self.origins.extend_from_slice(&other.origins[span]);
    }

    pub(crate) fn push_text(&mut self, other: &Self) {
        self.push_part(other, 0..other.value.len());
    }

    /// Appends `pasted`, which came from where `other` says `span` did.
    pub(crate) fn push_pasted(&mut self, pasted: &str, other: &Self, span: Range<usize>) {
        let origin = other.origins.get(span.start).or(other.origins.last());
        let origin = origin.copied().unwrap_or(Origin { file: 0, at: 0 });
        self.value.push_str(pasted);
        self.origins.extend(std::iter::repeat_n(origin, pasted.len()));
    }

    /// Appends text of our own that stands beside what was last appended.
    pub(crate) fn push_own(&mut self, own: &str) {
        let origin = self.origins.last().copied().unwrap_or(Origin { file: 0, at: 0 });
        self.value.push_str(own);
        self.origins.extend(std::iter::repeat_n(origin, own.len()));
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
