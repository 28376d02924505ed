//! Moves over the text of a condition: blanks, words and what an error points at.

use super::{Dialect, Fault, Span};

/// Reads a condition from left to right.
pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Open parentheses of groups.
    pub(super) depth: usize,
    /// Open calls.
    pub(super) calls: usize,
    pub(super) dialect: Dialect,
    pub(super) faults: Vec<Fault>,
}

/// What separates words. Backspace counts, other control characters do not.
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x08 | b'\r' | b'\n')
}

/// What ends a bare value and may follow `not`. Backspace does not count here.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

pub(super) const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) const fn is_bare(byte: u8) -> bool {
    !is_space(byte) && !matches!(byte, b'(' | b')' | b'"' | b'\'' | b'=' | b',')
}

/// Returns whether a list's name may contain this character.
pub(crate) const fn list_name_character(byte: u8) -> bool {
    is_bare(byte)
}

/// Returns a piece of the text for an error, cut and with control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    if text.is_empty() {
        return "`\"\"`".to_owned();
    }
    let mut shown = String::from("`");
    for character in text.chars().take(CHARACTERS_MAX) {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown.push_str(if text.chars().nth(CHARACTERS_MAX).is_some() { "…`" } else { "`" });
    shown
}

impl<'a> Parser<'a> {
    pub(super) const fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, depth: 0, calls: 0, dialect, faults: Vec::new() }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips blanks and returns whether there were any.
    pub(super) fn blank(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        self.at > start
    }

    pub(super) fn symbol(&mut self, symbol: u8) -> bool {
        let found = self.peek() == Some(symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes a word if the text goes on with it, whatever follows.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    pub(super) fn run(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !accept(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The span of the word at the current place, for an error.
    pub(super) fn here(&self) -> Span {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !is_bare(byte)).unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        Span::new(self.at, self.at + length.max(first))
    }

    /// Returns `message`, with what stands here instead.
    pub(super) fn fault(&self, message: &str) -> Fault {
        let span = self.here();
        let found = match &self.text[span.start..span.end] {
            "" => "the end".to_owned(),
            word => shown(word),
        };
        Fault::new(span, format!("{message}, found {found}"))
    }
}
