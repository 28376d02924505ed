//! Answers all text predicates on one field in a single look at its value.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use alert::{Type, Value};
use hashbrown::HashMap;

use crate::ir::{Leaf, Literal, Predicate, Test};
use crate::parse::Operator;

/// Fewer predicates than this are answered one by one.
const PREDICATES_MIN: usize = 2;

/// The text predicates on one field.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) leaf: Leaf,
    /// The bits it answers, as words and masks.
    pub(crate) mask: Box<[(u32, u64)]>,
    equal: HashMap<Box<str>, Box<[u32]>, foldhash::fast::FixedState>,
    prefixes: Trie,
    suffixes: Trie,
    /// Prefixes that end where a component of the value does.
    folders: Trie,
    inside: Option<Inside>,
    inside_any_case: Option<Inside>,
}

/// Finds all texts that a value contains.
#[derive(Debug)]
struct Inside {
    automaton: AhoCorasick,
    bits: Box<[Box<[u32]>]>,
}

impl Index {
    /// Returns whether an index can answer this predicate.
    pub(crate) fn serves(predicate: &Predicate) -> bool {
        if !matches!(predicate.term.value_type(), Type::Text | Type::Path) {
            return false;
        }
        let text = |literal: &Literal| matches!(literal, Literal::Text(_));
        match &predicate.test {
            Test::Equal(literal) => text(literal),
            Test::In(_) if predicate.term.asks_every_element() => false,
            Test::In(items) | Test::Intersects(items) => items.iter().all(text),
            Test::Text(Operator::StartsWith | Operator::EndsWith, _) => true,
            Test::PathMatch(paths) => !paths.iter().any(|path| path.contains(['?', '*', '['])),
            Test::Text(Operator::Contains | Operator::IContains, wanted) => !wanted.is_empty(),
            _ => false,
        }
    }

    /// Builds the index of a field; `None` if it would not pay.
    pub(crate) fn new(leaf: &Leaf, predicates: &[(u32, &Predicate)]) -> Option<Self> {
        if predicates.len() < PREDICATES_MIN {
            return None;
        }
        let mut equal: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        let (mut prefixes, mut suffixes) = (Trie::default(), Trie::default());
        let mut folders = Trie::default();
        let mut inside: HashMap<&str, Vec<u32>> = HashMap::new();
        let mut inside_any_case: HashMap<&str, Vec<u32>> = HashMap::new();
        let mut mask: Vec<(u32, u64)> = Vec::new();
        for (bit, predicate) in predicates {
            let (word, flag) = (bit / 64, 1_u64 << (bit % 64));
            match mask.last_mut() {
                Some((last, flags)) if *last == word => *flags |= flag,
                _ => mask.push((word, flag)),
            }
            match &predicate.test {
                Test::Equal(Literal::Text(text)) => {
                    equal.entry(text.clone()).or_default().push(*bit)
                }
                Test::In(items) | Test::Intersects(items) => {
                    for item in items {
                        if let Literal::Text(text) = item {
                            equal.entry(text.clone()).or_default().push(*bit);
                        }
                    }
                }
                Test::PathMatch(paths) => {
                    for path in paths {
                        folders.add(plain_path(path).bytes(), *bit);
                    }
                }
                Test::Text(Operator::StartsWith, text) => prefixes.add(text.bytes(), *bit),
                Test::Text(Operator::EndsWith, text) => suffixes.add(text.bytes().rev(), *bit),
                Test::Text(Operator::Contains, text) => inside.entry(text).or_default().push(*bit),
                Test::Text(Operator::IContains, text) => {
                    inside_any_case.entry(text).or_default().push(*bit);
                }
                _ => {}
            }
        }
        let mut packed = HashMap::with_capacity_and_hasher(equal.len(), Default::default());
        packed.extend(equal.into_iter().map(|(text, bits)| (text, bits.into_boxed_slice())));
        Some(Self {
            leaf: leaf.clone(),
            mask: mask.into(),
            equal: packed,
            prefixes,
            suffixes,
            folders,
            inside: Inside::new(inside, false)?,
            inside_any_case: Inside::new(inside_any_case, true)?,
        })
    }

    /// Sets the bits of the predicates that `value` satisfies.
    pub(crate) fn answer(&self, value: &Value<'_>, answers: &mut [u64]) {
        match value {
            Value::Text(text) => self.answer_text(text, answers),
            Value::List(items) => items.iter().for_each(|item| self.answer(item, answers)),
            other => self.answer_text(&other.to_string(), answers),
        }
    }

    fn answer_text(&self, text: &str, answers: &mut [u64]) {
        let mut set = |bits: &[u32]| {
            for bit in bits {
                answers[(bit / 64) as usize] |= 1 << (bit % 64);
            }
        };
        if let Some(bits) = self.equal.get(text) {
            set(bits);
        }
        self.prefixes.walk(text.bytes(), &mut set);
        self.suffixes.walk(text.bytes().rev(), &mut set);
        if !self.folders.nodes.is_empty() {
            self.folders.walk_components(&plain_path(text), &mut set);
        }
        for inside in [&self.inside, &self.inside_any_case].into_iter().flatten() {
            for found in inside.automaton.find_overlapping_iter(text) {
                set(&inside.bits[found.pattern().as_usize()]);
            }
        }
    }
}

impl Inside {
    /// Returns `None` if the automaton would be too large, `Some(None)` if there is none.
    fn new(wanted: HashMap<&str, Vec<u32>>, any_case: bool) -> Option<Option<Self>> {
        if wanted.is_empty() {
            return Some(None);
        }
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.sort_unstable();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(any_case)
            .build(wanted.iter().map(|(text, _)| text))
            .ok()?;
        let bits = wanted.into_iter().map(|(_, bits)| bits.into_boxed_slice()).collect();
        Some(Some(Self { automaton, bits }))
    }
}

/// Returns the path with one slash before each component and none after the last. A path that is
/// so already, up to its last slash, is not copied.
fn plain_path(path: &str) -> Cow<'_, str> {
    let plain = path.starts_with('/') && memchr::memmem::find(path.as_bytes(), b"//").is_none();
    if plain {
        return Cow::Borrowed(path.strip_suffix('/').unwrap_or(path));
    }
    let mut copy = String::with_capacity(path.len() + 1);
    for component in path.split('/').filter(|component| !component.is_empty()) {
        copy.push('/');
        copy.push_str(component);
    }
    Cow::Owned(copy)
}

/// Finds all texts that are a prefix of a value in one walk.
#[derive(Debug, Default)]
struct Trie {
    nodes: Vec<TrieNode>,
}

#[derive(Debug, Default)]
struct TrieNode {
    /// Sorted by byte.
    children: Vec<(u8, u32)>,
    bits: Vec<u32>,
}

impl Trie {
    fn add(&mut self, bytes: impl Iterator<Item = u8>, bit: u32) {
        if self.nodes.is_empty() {
            self.nodes.push(TrieNode::default());
        }
        let mut at = 0;
        for byte in bytes {
            at = match self.nodes[at].children.binary_search_by_key(&byte, |child| child.0) {
                Ok(place) => self.nodes[at].children[place].1 as usize,
                Err(place) => {
                    let next = self.nodes.len();
                    let child = (byte, u32::try_from(next).unwrap_or(u32::MAX));
                    self.nodes[at].children.insert(place, child);
                    self.nodes.push(TrieNode::default());
                    next
                }
            };
        }
        self.nodes[at].bits.push(bit);
    }

    /// As [`Self::walk`], but only for prefixes that end with a component of `path`.
    fn walk_components(&self, path: &str, set: &mut impl FnMut(&[u32])) {
        let Some(mut node) = self.nodes.first() else { return };
        set(&node.bits);
        let bytes = path.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let Ok(place) = node.children.binary_search_by_key(byte, |child| child.0) else {
                return;
            };
            node = &self.nodes[node.children[place].1 as usize];
            if matches!(bytes.get(at + 1), None | Some(b'/')) {
                set(&node.bits);
            }
        }
    }

    fn walk(&self, bytes: impl Iterator<Item = u8>, set: &mut impl FnMut(&[u32])) {
        let Some(mut node) = self.nodes.first() else { return };
        set(&node.bits);
        for byte in bytes {
            let Ok(place) = node.children.binary_search_by_key(&byte, |child| child.0) else {
                return;
            };
            node = &self.nodes[node.children[place].1 as usize];
            set(&node.bits);
        }
    }
}
