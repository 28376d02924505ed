//! Pastes lists into conditions as text, before anything is parsed: that is what Falco does, and
//! rules depend on it.

use std::cell::Cell;

use hashbrown::HashMap;

use super::ListDefinition;
use crate::{
    diagnostic::{Code, Diagnostic},
    text::{Files, Text},
};

/// A condition with its lists may be this long.
const CONDITION_BYTES_MAX: usize = 16 << 20;
/// Lists may name lists this deep.
const DEPTH_MAX: usize = 32;

/// Lists by name, with the text that stands for each.
#[derive(Debug)]
pub(crate) struct Lists {
    pasted: HashMap<String, (String, Cell<bool>)>,
}

/// Returns a value with quotes if it has a blank and none yet.
pub(crate) fn quoted(text: &str) -> String {
    let has_quotes = text.starts_with(['"', '\'']);
    if text.contains(' ') && !has_quotes { format!("\"{text}\"") } else { text.to_owned() }
}

impl Lists {
    pub(crate) fn new(
        files: &Files,
        lists: &[ListDefinition],
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let by_name: HashMap<&str, &ListDefinition> =
            lists.iter().map(|list| (list.name.as_str(), list)).collect();
        let mut expansion = Expansion { by_name: &by_name, done: HashMap::new(), used: Vec::new() };
        for list in lists {
            if expansion.expand(list, 0).is_none() {
                let message =
                    format!("the list `{}` is too long or contains itself", list.name.as_str());
                found.push(list.node.error(files, Code::Validate, message));
            }
        }
        let used = expansion.used;
        let pasted: HashMap<String, (String, Cell<bool>)> = expansion
            .done
            .into_iter()
            .map(|(name, text)| (name, (text.unwrap_or_default(), Cell::new(false))))
            .collect();
        for name in used {
            if let Some((_, used)) = pasted.get(&name) {
                used.set(true);
            }
        }
        Self { pasted }
    }

    pub(crate) fn is_used(&self, name: &str) -> bool {
        self.pasted.get(name).is_some_and(|(_, used)| used.get())
    }

    /// Returns the condition with every list's name replaced where it stands between blanks or
    /// `( ) , =`. `None` if the result is too long.
    pub(crate) fn paste(&self, condition: &Text) -> Option<Text> {
        let text = condition.as_str();
        let mut pasted = Text::default();
        let mut at = 0;
        let mut skip_comma = false;
        for word in words(text) {
            let (start, end) = (word.start, word.end);
            let gap_start = match text[at..start].find(',').filter(|_| skip_comma) {
                Some(comma) => at + comma + 1,
                None => at,
            };
            pasted.push_part(condition, gap_start..start);
            skip_comma = false;
            match self.pasted.get(&text[word.clone()]) {
                Some((list, used)) => {
                    used.set(true);
                    pasted.push_pasted(list, condition, start..end);
                    skip_comma = list.is_empty();
                    if skip_comma && !text[end..].trim_start().starts_with(',') {
                        pasted = without_last_comma(&pasted);
                        skip_comma = false;
                    }
                }
                None => pasted.push_part(condition, word),
            }
            if pasted.as_str().len() > CONDITION_BYTES_MAX {
                return None;
            }
            at = end;
        }
        pasted.push_part(condition, at..text.len());
        Some(pasted)
    }
}

/// An empty list also takes away one comma beside it.
fn without_last_comma(text: &Text) -> Text {
    let trimmed = text.as_str().trim_end();
    let mut kept = Text::default();
    kept.push_part(text, 0..trimmed.strip_suffix(',').unwrap_or(text.as_str()).len());
    kept
}

/// Returns the runs between blanks and `( ) , =`.
fn words(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b',' | b'=');
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
    done: HashMap<String, Option<String>>,
    used: Vec<String>,
}

impl Expansion<'_> {
    fn expand(&mut self, list: &ListDefinition, depth: usize) -> Option<String> {
        if let Some(known) = self.done.get(list.name.as_str()) {
            return known.clone();
        }
        if depth == DEPTH_MAX {
            return None;
        }
        self.done.insert(list.name.as_str().to_owned(), None);
        let mut text = String::new();
        for item in &list.items {
            let value = match self.by_name.get(item.as_str()) {
                Some(inner) if inner.name != list.name => {
                    self.used.push(item.as_str().to_owned());
                    self.expand(inner, depth + 1)?
                }
                _ => quoted(item.as_str()),
            };
            if value.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(&value);
            if text.len() > CONDITION_BYTES_MAX {
                return None;
            }
        }
        self.done.insert(list.name.as_str().to_owned(), Some(text.clone()));
        Some(text)
    }
}
