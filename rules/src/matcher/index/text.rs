//! Answers all text predicates on one field in a single look at the text.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use alert::Value;
use hashbrown::HashMap;

use super::{
    Bits, BitsBuilder,
    pattern::{Certain, certain},
    radix::Radix,
};
use crate::{
    ir::{Graph, Literal, Predicate, Test, path_match},
    parse::Operator,
};

/// Below this many patterns the automaton's table is small enough to be complete.
const TABLE_PATTERNS_MAX: usize = 512;

#[derive(Debug)]
pub(crate) struct Texts {
    follow: Follows,
    /// Lengths of the texts in `equal`, the last for all longer ones.
    lengths: u64,
    equal: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
    prefixes: Radix,
    suffixes: Radix,
    /// Prefixes that end where a component of the value does.
    folders: Radix,
    inside: Option<Inside>,
    inside_any_case: Option<Inside>,
    /// No predicate holds of the name of a socket with an address.
    no_sockets: bool,
}

/// Finds all texts that a value contains.
#[derive(Debug)]
struct Inside {
    automaton: AhoCorasick,
    /// What follows, by pattern.
    places: Box<[u32]>,
}

/// Texts to look for, each with what follows where it is found.
type Wanted = HashMap<Vec<u8>, Follow>;

/// What follows where a text is found: bits to set, and patterns that can match only there.
#[derive(Debug, Default)]
struct Follow {
    bits: Vec<u32>,
    checks: Vec<Check>,
}

impl Texts {
    /// Returns whether this structure can answer a predicate on a text.
    pub(super) fn serves(predicate: &Predicate) -> bool {
        let text = |literal: &Literal| matches!(literal, Literal::Text(_));
        match &predicate.test {
            Test::Equal(literal) => text(literal),
            Test::In(items) | Test::Intersects(items) => items.iter().all(text),
            Test::PathMatch(_) => true,
            Test::Text(Operator::Contains | Operator::IContains, wanted) => !wanted.is_empty(),
            Test::Text(Operator::StartsWith | Operator::EndsWith, _) => true,
            // A pattern of which nothing is certain is left until it is needed.
            Test::Text(operator, pattern) => certain(*operator, pattern).is_some(),
            _ => false,
        }
    }

    /// Returns whether the predicate is found by a walk along the whole text.
    pub(super) fn walks(predicate: &Predicate) -> bool {
        match &predicate.test {
            Test::Text(Operator::Contains | Operator::IContains, _) => true,
            Test::Text(operator, pattern) => {
                matches!(certain(*operator, pattern), Some(Certain::Inside(_)))
            }
            _ => false,
        }
    }

    /// `numbers` are those of the predicates. `None` if an automaton would be too large.
    pub(super) fn new(numbers: &[u32], predicates: &[(u32, &Predicate)]) -> Option<Self> {
        let mut sorted = Sorted::default();
        for ((bit, predicate), number) in predicates.iter().zip(numbers) {
            sorted.add(Check { bit: *bit, predicate: *number, path: None }, predicate);
        }
        let Sorted { equal, prefixes, suffixes, folders, inside, any_case } = sorted;
        let mut follow = Builder::default();
        let all = [&equal, &prefixes, &suffixes, &folders, &inside, &any_case];
        let no_sockets = !all.into_iter().flat_map(Wanted::keys).any(|text| in_socket(text));
        Some(Self {
            no_sockets,
            lengths: equal.keys().fold(0, |lengths, text| lengths | length_bit(text.len())),
            equal: equal
                .into_iter()
                .map(|(text, then)| {
                    let text = String::from_utf8(text).unwrap_or_default();
                    (text.into_boxed_str(), follow.add(then))
                })
                .collect(),
            prefixes: radix(prefixes, &mut follow),
            suffixes: radix(suffixes, &mut follow),
            folders: radix(folders, &mut follow),
            inside: Inside::new(inside, false, &mut follow)?,
            inside_any_case: Inside::new(any_case, true, &mut follow)?,
            follow: follow.build(),
        })
    }

    /// Returns whether none of the predicates can hold of the name of a socket with an address.
    pub(super) const fn no_sockets(&self) -> bool {
        self.no_sockets
    }

    /// Sets the bits of the predicates that `text` satisfies; `graph` holds their patterns.
    #[inline]
    pub(crate) fn answer(&self, text: &str, graph: &Graph, answers: &mut [u64]) {
        let bytes = text.as_bytes();
        let mut found = |place: u32| self.follow.apply(place, text, graph, answers);
        if self.lengths & length_bit(bytes.len()) != 0
            && let Some(place) = self.equal.get(text)
        {
            found(*place);
        }
        self.prefixes.walk(bytes, |place, _| found(place));
        self.suffixes.walk_back(bytes, &mut found);
        for inside in [&self.inside, &self.inside_any_case].into_iter().flatten() {
            inside.search(text, &mut found);
        }
        if !self.folders.is_empty() {
            let path = plain_path(text);
            self.folders.walk(path.as_bytes(), |place, end| {
                if end == 0 || matches!(path.as_bytes().get(end), None | Some(b'/')) {
                    self.follow.bits.set(place, answers);
                }
                self.follow.check(place, text, graph, answers);
            });
        }
    }
}

/// The predicates of a field, sorted by what can find them.
#[derive(Default)]
struct Sorted {
    equal: Wanted,
    prefixes: Wanted,
    suffixes: Wanted,
    folders: Wanted,
    inside: Wanted,
    any_case: Wanted,
}

impl Sorted {
    fn add(&mut self, own: Check, predicate: &Predicate) {
        let bit = |wanted: &mut Wanted, text: &[u8]| {
            wanted.entry_ref(text).or_default().bits.push(own.bit);
        };
        match &predicate.test {
            Test::Equal(literal) => bit(&mut self.equal, text_of(literal)),
            Test::In(items) | Test::Intersects(items) => {
                items.iter().for_each(|item| bit(&mut self.equal, text_of(item)));
            }
            Test::PathMatch(paths) => self.add_paths(own, paths),
            Test::Text(Operator::StartsWith, text) => bit(&mut self.prefixes, text.as_bytes()),
            Test::Text(Operator::EndsWith, text) => bit(&mut self.suffixes, &reversed(text)),
            Test::Text(Operator::Contains, text) => bit(&mut self.inside, text.as_bytes()),
            Test::Text(Operator::IContains, text) => bit(&mut self.any_case, text.as_bytes()),
            Test::Text(operator, pattern) => self.add_pattern(own, *operator, pattern),
            _ => {}
        }
    }

    /// Files a pattern under a text that whatever matches it has.
    fn add_pattern(&mut self, own: Check, operator: Operator, pattern: &str) {
        let (wanted, text) = match certain(operator, pattern) {
            Some(Certain::Prefix(text)) => (&mut self.prefixes, text.into_bytes()),
            Some(Certain::Suffix(text)) => (&mut self.suffixes, reversed(&text)),
            Some(Certain::Inside(text)) => (&mut self.inside, text.into_bytes()),
            None => return,
        };
        wanted.entry(text).or_default().checks.push(own);
    }

    /// Files the paths of a `pmatch`: a plain one decides by itself, a pattern is compared where
    /// what stands before its first special character is found.
    fn add_paths(&mut self, own: Check, paths: &[Box<str>]) {
        for (path, place) in paths.iter().zip(0..) {
            let special = path.find(['?', '*', '[']);
            let before = plain_path(&path[..special.unwrap_or(path.len())]);
            // `plain_path` drops the slash before a pattern's component.
            let follow = self.folders.entry(before.as_bytes().to_vec()).or_default();
            match special {
                None => follow.bits.push(own.bit),
                Some(_) => follow.checks.push(Check { path: Some(place), ..own }),
            }
        }
    }
}

/// Returns whether a text can be a part of a socket's name: `10.0.0.5:4000->10.0.0.1:80`.
fn in_socket(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_hexdigit() || b":.->".contains(byte))
}

fn text_of(literal: &Literal) -> &[u8] {
    match literal {
        Literal::Text(text) => text.as_bytes(),
        _ => &[],
    }
}

fn reversed(text: &str) -> Vec<u8> {
    text.bytes().rev().collect()
}

const fn length_bit(length: usize) -> u64 {
    1 << (if length < 63 { length } else { 63 })
}

fn radix(wanted: Wanted, follow: &mut Builder) -> Radix {
    Radix::new(wanted.into_iter().map(|(text, then)| (text, follow.add(then))).collect())
}

/// What follows at each place.
#[derive(Debug)]
struct Follows {
    bits: Bits,
    /// Patterns to check, by place; where none follows the list is empty or ends before.
    checks: Box<[Box<[Check]>]>,
}

/// A pattern to be compared with the text.
#[derive(Clone, Copy, Debug)]
struct Check {
    bit: u32,
    predicate: u32,
    /// The one path of a `pmatch` that is asked.
    path: Option<u32>,
}

#[derive(Default)]
struct Builder {
    bits: BitsBuilder,
    checks: Vec<Box<[Check]>>,
}

impl Builder {
    fn add(&mut self, follow: Follow) -> u32 {
        if follow.checks.is_empty() {
            return self.bits.add(&follow.bits);
        }
        let place = self.bits.add_own(&follow.bits);
        self.checks.resize_with(place as usize + 1, Box::default);
        self.checks[place as usize] = follow.checks.into();
        place
    }

    fn build(self) -> Follows {
        Follows { bits: self.bits.build(), checks: self.checks.into() }
    }
}

impl Follows {
    #[inline]
    fn apply(&self, place: u32, text: &str, graph: &Graph, answers: &mut [u64]) {
        self.bits.set(place, answers);
        self.check(place, text, graph, answers);
    }

    /// Compares the patterns of a place.
    #[inline]
    fn check(&self, place: u32, text: &str, graph: &Graph, answers: &mut [u64]) {
        let Some(checks) = self.checks.get(place as usize) else { return };
        for check in checks {
            let (word, flag) = ((check.bit / 64) as usize, 1 << (check.bit % 64));
            if answers[word] & flag == 0 && check.holds(text, graph) {
                answers[word] |= flag;
            }
        }
    }
}

impl Check {
    fn holds(self, text: &str, graph: &Graph) -> bool {
        let (predicate, machine) = graph.predicate_of(self.predicate);
        match (self.path, &predicate.test) {
            (Some(path), Test::PathMatch(paths)) => path_match(&paths[path as usize], text),
            _ => predicate.holds(machine, &Value::text(text)),
        }
    }
}

impl Inside {
    /// Returns `None` if the automaton would be too large, `Some(None)` if there is none.
    fn new(wanted: Wanted, any_case: bool, follow: &mut Builder) -> Option<Option<Self>> {
        if wanted.is_empty() {
            return Some(None);
        }
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let table = wanted.len() <= TABLE_PATTERNS_MAX;
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(table.then_some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(any_case)
            .build(wanted.iter().map(|(text, _)| text))
            .ok()?;
        let places = wanted.into_iter().map(|(_, then)| follow.add(then)).collect();
        Some(Some(Self { automaton, places }))
    }

    fn search(&self, text: &str, found: &mut dyn FnMut(u32)) {
        // The search for one match skips quickly over what begins none.
        if !self.automaton.is_match(text) {
            return;
        }
        for inside in self.automaton.find_overlapping_iter(text) {
            found(self.places[inside.pattern().as_usize()]);
        }
    }
}

/// Returns the components of a path with one slash between two. A path with single slashes is not
/// copied.
fn plain_path(path: &str) -> Cow<'_, str> {
    let inner = path.trim_matches('/');
    // All bytes are looked at, which takes a few instructions for many of them at once.
    let bytes = inner.as_bytes();
    let doubled = bytes
        .iter()
        .zip(bytes.get(1..).unwrap_or_default())
        .fold(false, |found, (left, right)| found | ((*left == b'/') & (*right == b'/')));
    if !doubled {
        return Cow::Borrowed(inner);
    }
    let mut copy = String::with_capacity(inner.len());
    for component in inner.split('/').filter(|component| !component.is_empty()) {
        if !copy.is_empty() {
            copy.push('/');
        }
        copy.push_str(component);
    }
    Cow::Owned(copy)
}
