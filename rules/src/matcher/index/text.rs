//! Answers all text predicates on one field in a single look at the text.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use alert::Value;
use hashbrown::HashMap;

use super::{Bits, BitsBuilder, radix::Radix};
use crate::{
    ir::{Graph, Literal, Predicate, Test},
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
    always: Box<[Check]>,
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
            Test::Text(operator, _) => matches!(
                operator,
                Operator::StartsWith
                    | Operator::EndsWith
                    | Operator::Glob
                    | Operator::IGlob
                    | Operator::Regex
            ),
            _ => false,
        }
    }

    /// `numbers` are those of the predicates. `None` if an automaton would be too large.
    pub(super) fn new(numbers: &[u32], predicates: &[(u32, &Predicate)]) -> Option<Self> {
        let mut sorted = Sorted::default();
        for ((bit, predicate), number) in predicates.iter().zip(numbers) {
            sorted.add(Check { bit: *bit, predicate: *number }, predicate);
        }
        let Sorted { equal, prefixes, suffixes, folders, inside, any_case, always } = sorted;
        let mut follow = Builder::default();
        Some(Self {
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
            always: always.into(),
            follow: follow.build(),
        })
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
        if !self.folders.is_empty() {
            let path = plain_path(text);
            self.folders.walk(path.as_bytes(), |place, end| {
                if end == 0 || matches!(path.as_bytes().get(end), None | Some(b'/')) {
                    found(place);
                }
            });
        }
        for inside in [&self.inside, &self.inside_any_case].into_iter().flatten() {
            inside.search(text, &mut found);
        }
        check(&self.always, text, graph, answers);
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
    /// Patterns that say nothing certain about a text that matches.
    always: Vec<Check>,
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
            Test::PathMatch(paths) if paths.iter().any(|path| is_pattern(path)) => {
                for path in paths {
                    let before = path.find(['?', '*', '[']).unwrap_or(path.len());
                    let folders = path[..before].rsplit_once('/').map_or("", |(above, _)| above);
                    let folders = if before == path.len() { path } else { folders };
                    let follow = self.folders.entry(plain_path(folders).as_bytes().to_vec());
                    follow.or_default().checks.push(own);
                }
            }
            Test::PathMatch(paths) => {
                paths.iter().for_each(|path| bit(&mut self.folders, plain_path(path).as_bytes()));
            }
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
            Certain::Prefix(text) => (&mut self.prefixes, text.into_bytes()),
            Certain::Suffix(text) => (&mut self.suffixes, reversed(&text)),
            Certain::Inside(text) => (&mut self.inside, text.into_bytes()),
            Certain::Nothing => {
                self.always.push(own);
                return;
            }
        };
        wanted.entry(text).or_default().checks.push(own);
    }
}

fn is_pattern(path: &str) -> bool {
    path.contains(['?', '*', '['])
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

/// What every text that matches a pattern has.
#[derive(Debug, PartialEq)]
enum Certain {
    Prefix(String),
    Suffix(String),
    Inside(String),
    Nothing,
}

fn certain(operator: Operator, pattern: &str) -> Certain {
    match operator {
        Operator::Glob => certain_of_glob(pattern),
        Operator::Regex => certain_of_regex(pattern),
        _ => Certain::Nothing,
    }
}

fn certain_of_glob(pattern: &str) -> Certain {
    let special = ['*', '?', '[', '\\'];
    let prefix = &pattern[..pattern.find(special).unwrap_or(pattern.len())];
    if !prefix.is_empty() {
        return Certain::Prefix(prefix.to_owned());
    }
    // Behind a bracket or a backslash a character may mean something else.
    if pattern.contains(['[', '\\']) {
        return Certain::Nothing;
    }
    let parts = pattern.split(['*', '?']);
    match parts.clone().next_back() {
        Some(last) if !last.is_empty() => Certain::Suffix(last.to_owned()),
        _ => match parts.max_by_key(|part| part.len()) {
            Some(part) if !part.is_empty() => Certain::Inside(part.to_owned()),
            _ => Certain::Nothing,
        },
    }
}

fn certain_of_regex(pattern: &str) -> Certain {
    if pattern.contains('|') {
        return Certain::Nothing;
    }
    let mut prefix = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        let literal = match character {
            '\\' => match rest.next() {
                Some(escaped) if escaped.is_ascii_punctuation() => escaped,
                _ => break,
            },
            '^' | '$' | '.' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' => break,
            other => other,
        };
        // What may be repeated may be absent.
        if matches!(rest.peek(), Some('?' | '*' | '{')) {
            break;
        }
        prefix.push(literal);
    }
    if prefix.is_empty() { Certain::Nothing } else { Certain::Prefix(prefix) }
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
        if let Some(checks) = self.checks.get(place as usize) {
            check(checks, text, graph, answers);
        }
    }
}

fn check(checks: &[Check], text: &str, graph: &Graph, answers: &mut [u64]) {
    for check in checks {
        let (word, flag) = ((check.bit / 64) as usize, 1 << (check.bit % 64));
        let (predicate, machine) = graph.predicate_of(check.predicate);
        if answers[word] & flag == 0 && predicate.holds(machine, &Value::text(text)) {
            answers[word] |= flag;
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
    if memchr::memmem::find(inner.as_bytes(), b"//").is_none() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_filed_under_a_text_that_all_matches_have() {
        let prefix = |text: &str| Certain::Prefix(text.to_owned());
        let suffix = |text: &str| Certain::Suffix(text.to_owned());
        let inside = |text: &str| Certain::Inside(text.to_owned());
        for (operator, pattern, expected) in [
            (Operator::Glob, "/root/.ssh/id_*", prefix("/root/.ssh/id_")),
            (Operator::Glob, "/a", prefix("/a")),
            (Operator::Glob, "/a[bc]", prefix("/a")),
            (Operator::Glob, "*/id_rsa", suffix("/id_rsa")),
            (Operator::Glob, "*a?bc*", inside("bc")),
            (Operator::Glob, "?", Certain::Nothing),
            (Operator::Glob, "*[a]b", Certain::Nothing),
            (Operator::Glob, "\\*a", Certain::Nothing),
            (Operator::IGlob, "/root*", Certain::Nothing),
            (Operator::Regex, "abc.*", prefix("abc")),
            (Operator::Regex, "abc*", prefix("ab")),
            (Operator::Regex, "abc?", prefix("ab")),
            (Operator::Regex, "ab{0,2}", prefix("a")),
            (Operator::Regex, "ab+", prefix("ab")),
            (Operator::Regex, "a\\.b(c)", prefix("a.b")),
            (Operator::Regex, "a\\x41", prefix("a")),
            (Operator::Regex, "a|b", Certain::Nothing),
            (Operator::Regex, "(a|b)c", Certain::Nothing),
            (Operator::Regex, "[ab]c", Certain::Nothing),
        ] {
            assert_eq!(certain(operator, pattern), expected, "{pattern}");
        }
    }
}
