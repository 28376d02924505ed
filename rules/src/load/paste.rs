//! Pastes lists into conditions as text, before anything is parsed: that is what Falco does, and
//! rules depend on it.

use std::cell::Cell;

use hashbrown::HashMap;

use super::{ListDefinition, inside};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType},
    text::{Files, Text},
};

/// A condition with its lists may be this long.
const CONDITION_BYTES_MAX: usize = 16 << 20;
/// All lists together, and all conditions with them, may be this long.
const TOTAL_BYTES_MAX: usize = 256 << 20;
/// Lists may name lists this deep.
const DEPTH_MAX: usize = 32;

/// Lists by name, with the text that stands for each.
#[derive(Debug)]
pub(crate) struct Lists {
    pasted: HashMap<String, (String, Cell<bool>)>,
    /// What conditions may still take.
    bytes_left: Cell<usize>,
}

/// Returns whether a value has a blank but no quotes yet.
pub(crate) fn needs_quotes(text: &str) -> bool {
    text.contains(' ') && !text.starts_with(['"', '\''])
}

impl Lists {
    pub(crate) fn new(
        files: &Files,
        lists: &[ListDefinition],
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let by_name: HashMap<&str, &ListDefinition> =
            lists.iter().map(|list| (list.name.as_str(), list)).collect();
        let mut expansion = Expansion {
            by_name: &by_name,
            done: HashMap::new(),
            used: Vec::new(),
            bytes_left: TOTAL_BYTES_MAX,
        };
        for list in lists {
            if let Err(message) = expansion.expand(list, 0) {
                let name = list.name.as_str();
                inside(files, found, ItemType::List, name, &list.item, |found| {
                    found.push(list.node.error(files, Code::Validate, message));
                });
            }
        }
        let used = expansion.used;
        let pasted: HashMap<String, (String, Cell<bool>)> = expansion
            .done
            .into_iter()
            .map(|(name, text)| (name.to_owned(), (text.unwrap_or_default(), Cell::new(false))))
            .collect();
        for name in used {
            if let Some((_, used)) = pasted.get(name) {
                used.set(true);
            }
        }
        Self { pasted, bytes_left: Cell::new(TOTAL_BYTES_MAX) }
    }

    pub(crate) fn is_used(&self, name: &str) -> bool {
        self.pasted.get(name).is_some_and(|(_, used)| used.get())
    }

    /// Returns the condition with every list's name replaced where it stands between blanks or
    /// `( ) , =`, or why the result is too long.
    pub(crate) fn paste(&self, condition: &Text) -> Result<Text, &'static str> {
        let text = condition.as_str();
        let mut pasted = Text::default();
        let mut at = 0;
        for word in words(text) {
            let Some((list, used)) = self.pasted.get(&text[word.clone()]) else { continue };
            used.set(true);
            pasted.push_part(condition, at.min(word.start)..word.start);
            at = word.end;
            if list.is_empty() {
                at = without_comma(&mut pasted, text, word.end);
            }
            pasted.push_pasted(list, condition, word);
            if pasted.as_str().len() > CONDITION_BYTES_MAX {
                return Err("the condition is longer than 16 MiB with its lists");
            }
        }
        pasted.push_part(condition, at..text.len());
        match self.bytes_left.get().checked_sub(pasted.as_str().len()) {
            Some(left) => self.bytes_left.set(left),
            None => return Err("all conditions together are longer than 256 MiB with their lists"),
        }
        Ok(pasted)
    }
}

/// An empty list also takes away one comma beside it: that before it, or else that behind it.
/// Returns where the text goes on.
fn without_comma(pasted: &mut Text, text: &str, end: usize) -> usize {
    let before = pasted.as_str().trim_end_matches(is_blank);
    if let Some(kept) = before.strip_suffix(',') {
        let kept = kept.len();
        pasted.truncate(kept);
        return end;
    }
    let behind = text[end..].trim_start_matches(is_blank);
    match behind.strip_prefix(',') {
        Some(rest) => text.len() - rest.len(),
        None => end,
    }
}

const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Returns the runs between blanks and `( ) , =`.
fn words(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let ends = |byte: u8| is_blank(byte as char) || matches!(byte, b'(' | b')' | b',' | b'=');
    let mut at = 0;
    std::iter::from_fn(move || {
        while bytes.get(at).is_some_and(|byte| ends(*byte)) {
            at += 1;
        }
        let start = at;
        while bytes.get(at).is_some_and(|byte| !ends(*byte)) {
            at += 1;
        }
        (at > start).then_some(start..at)
    })
}

struct Expansion<'a> {
    by_name: &'a HashMap<&'a str, &'a ListDefinition>,
    /// `None` while a list is being expanded.
    done: HashMap<&'a str, Option<String>>,
    used: Vec<&'a str>,
    bytes_left: usize,
}

impl<'a> Expansion<'a> {
    /// Expands a list once. The name of a list that is being expanded stands for itself.
    fn expand(&mut self, list: &'a ListDefinition, depth: usize) -> Result<(), &'static str> {
        if self.done.contains_key(list.name.as_str()) {
            return Ok(());
        }
        if depth == DEPTH_MAX {
            return Err("lists name lists more than 32 deep");
        }
        self.done.insert(list.name.as_str(), None);
        let mut text = String::new();
        for item in &list.items {
            let item = item.as_str();
            let inner = self.by_name.get(item).copied();
            if let Some(inner) = inner.filter(|inner| inner.name.as_str() != list.name.as_str()) {
                self.used.push(inner.name.as_str());
                self.expand(inner, depth + 1)?;
            }
            let quote = if needs_quotes(item) { "\"" } else { "" };
            let (value, quote) = match self.done.get(item) {
                Some(Some(expanded)) => (expanded.as_str(), ""),
                _ => (item, quote),
            };
            if value.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(quote);
            text.push_str(value);
            text.push_str(quote);
            if text.len() > CONDITION_BYTES_MAX {
                return Err("the list is longer than 16 MiB");
            }
        }
        let left = self.bytes_left.checked_sub(text.len());
        self.bytes_left = left.ok_or("all lists together are longer than 256 MiB")?;
        self.done.insert(list.name.as_str(), Some(text));
        Ok(())
    }
}
