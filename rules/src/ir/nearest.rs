//! Finds the word that was meant.

use alert::{EventSource, Field};

/// Returns the candidate that takes the fewest edits, if they are few for the word's length.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let edits_max = (word.len() / 3).clamp(1, 4);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns the shortest field that begins as `name` does, or the one whose name is nearest.
pub(crate) fn nearest_field(name: &str) -> Option<&'static str> {
    /// Shorter beginnings fit too many fields.
    const BEGINNING_BYTES_MIN: usize = 7;
    let names = || Field::of(EventSource::Syscall).map(Field::name);
    let begun = names().filter(|field| field.starts_with(name));
    let begun = begun.filter(|_| name.len() >= BEGINNING_BYTES_MIN);
    begun.min_by_key(|field| field.len()).or_else(|| nearest(name, names()))
}

/// Edits to turn one word into the other; exchanging two neighbours is one edit.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let width = right.len() + 1;
    let mut table = vec![0; (left.len() + 1) * width];
    for row in 0..=left.len() {
        for column in 0..=right.len() {
            table[row * width + column] = if row == 0 || column == 0 {
                row + column
            } else {
                let same = left[row - 1] == right[column - 1];
                let replaced = table[(row - 1) * width + column - 1] + usize::from(!same);
                let dropped = table[(row - 1) * width + column] + 1;
                let added = table[row * width + column - 1] + 1;
                let mut best = replaced.min(dropped).min(added);
                if row > 1
                    && column > 1
                    && left[row - 1] == right[column - 2]
                    && left[row - 2] == right[column - 1]
                {
                    best = best.min(table[(row - 2) * width + column - 2] + 1);
                }
                best
            };
        }
    }
    table[left.len() * width + right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_field() {
        assert_eq!(nearest_field("proc.nmae"), Some("proc.name"));
        assert_eq!(nearest_field("user.nam"), Some("user.name"));
        assert_eq!(nearest_field("proc.cm"), Some("proc.cmdline"));
        assert_eq!(nearest_field("container.image.rep"), Some("container.image.repository"));
        assert_eq!(nearest_field("zzz"), None);
    }
}
