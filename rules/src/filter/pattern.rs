//! What must be found in a path for a predicate on it to hold, as a plain pattern of bytes.
//!
//! The kernel looks at bytes, a rule at the text that was made of them. What is no UTF-8 becomes
//! U+FFFD there, so a literal that holds this character decides nothing here.

use crate::{
    ir::{Leaf, Literal, Predicate, Term, Test},
    matcher::certain_prefix,
    parse::{Function, Modifier, Operator},
};

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    pub(super) const ANY: Self = Self([u64::MAX; 4]);

    pub(super) const fn one(byte: u8) -> Self {
        let mut set = [0; 4];
        set[byte as usize / 64] = 1 << (byte % 64);
        Self(set)
    }

    pub(super) const fn has(self, byte: u8) -> bool {
        self.0[byte as usize / 64] >> (byte % 64) & 1 != 0
    }

    const fn without(self, byte: u8) -> Self {
        let mut set = self.0;
        set[byte as usize / 64] &= !(1 << (byte % 64));
        Self(set)
    }

    fn any_case(byte: u8) -> Self {
        let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
        let mut set = Self::one(lower).0;
        set[upper as usize / 64] |= 1 << (upper % 64);
        Self(set)
    }

    /// Bytes of a character after its first.
    const CONTINUATION: Self = Self([0, 0, u64::MAX, 0]);
    const NO_SLASH: Self = Self::ANY.without(b'/');
}

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    /// Exactly one byte of a set.
    One(Bytes),
    /// Any number of bytes of a set.
    Many(Bytes),
}

/// A whole path that fits, step by step.
pub(super) type Pattern = Vec<Element>;

/// The part of a path that a field shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Directory,
    Name,
}

/// A byte by which one text differs from another, or both cases of a letter.
#[derive(Clone, Copy)]
struct Spelling {
    any_case: bool,
    /// What `*` and `?` of the pattern stand for.
    any: Bytes,
}

/// Returns patterns one of which every path has whose part satisfies the predicate; `None` if
/// nothing is certain. `part_of` says which part of a path a field shows.
pub(super) fn patterns(
    predicate: &Predicate,
    part_of: &dyn Fn(&Leaf) -> Option<Part>,
) -> Option<Vec<Pattern>> {
    let mut any_case = false;
    let mut name = false;
    let mut term = &predicate.term;
    let leaf = loop {
        match term {
            Term::Leaf(leaf) => break leaf,
            Term::Call(function, terms) if terms.len() == 1 => {
                match function {
                    Function::ToLower | Function::ToUpper => any_case = true,
                    Function::BaseName => name = true,
                    _ => return None,
                }
                term = &terms[0];
            }
            _ => return None,
        }
    };
    let part = match (part_of(leaf)?, name) {
        (part, false) => part,
        (Part::Whole | Part::Name, true) => Part::Name,
        (Part::Directory, true) => return None,
    };
    let spelling =
        Spelling { any_case, any: if part == Part::Name { Bytes::NO_SLASH } else { Bytes::ANY } };
    let inner = of_test(&predicate.test, spelling)?;
    let whole = inner.into_iter().flat_map(|pattern| placed(pattern, part));
    Some(whole.map(|pattern| without_gaps(&pattern)).collect())
}

/// Returns a pattern without gaps that all paths fit which fit this: the stretch between two gaps
/// that tells most. Every gap would double the states of an automaton, which would have to remember
/// what it found before.
fn without_gaps(pattern: &[Element]) -> Pattern {
    const GAP: Element = Element::Many(Bytes::ANY);
    /// What most paths begin with tells little.
    const SHARED_BY_MANY: usize = 6;
    let stretches: Vec<&[Element]> = pattern.split(|element| *element == GAP).collect();
    let last = stretches.len() - 1;
    let worth = |place: usize| match (place, stretches[place].len()) {
        (0, length) if length > 0 => length.saturating_sub(SHARED_BY_MANY).max(1),
        (_, length) => length,
    };
    let Some(best) = (0..stretches.len()).max_by_key(|place| worth(*place)) else {
        return pattern.to_vec();
    };
    let mut plain = stretches[best].to_vec();
    if best > 0 {
        plain.insert(0, GAP);
    }
    if best < last {
        plain.push(GAP);
    }
    plain
}

fn of_test(test: &Test, spelling: Spelling) -> Option<Vec<Pattern>> {
    match test {
        Test::Equal(literal) => Some(vec![of_literal(Operator::Equal, literal, spelling)?]),
        Test::In(items) | Test::Intersects(items) => {
            items.iter().map(|item| of_literal(Operator::Equal, item, spelling)).collect()
        }
        Test::Text(operator, text) => Some(vec![of_text(*operator, text, spelling)?]),
        Test::PathMatch(paths) => {
            let mut all = Vec::new();
            for path in paths {
                all.extend(of_folder(path, spelling)?);
            }
            Some(all)
        }
        // At least one of the values must be found.
        Test::Modified(Modifier::One | Modifier::Any | Modifier::All, operator, items) => {
            items.iter().map(|item| of_literal(*operator, item, spelling)).collect()
        }
        Test::Exists | Test::NotEqual(_) | Test::Order(..) | Test::Term(..) => None,
    }
}

fn of_literal(operator: Operator, literal: &Literal, spelling: Spelling) -> Option<Pattern> {
    match literal {
        Literal::Text(text) => of_text(operator, text, spelling),
        _ => None,
    }
}

fn of_text(operator: Operator, text: &str, spelling: Spelling) -> Option<Pattern> {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let rest = Element::Many(spelling.any);
    let folded = Spelling { any_case: true, ..spelling };
    Some(match operator {
        Operator::Equal => literal(text, spelling),
        Operator::StartsWith => [literal(text, spelling), vec![rest]].concat(),
        Operator::EndsWith => [vec![rest], literal(text, spelling)].concat(),
        Operator::Contains => [vec![rest], literal(text, spelling), vec![rest]].concat(),
        Operator::IContains => [vec![rest], literal(text, folded), vec![rest]].concat(),
        Operator::Glob => of_glob(text, spelling),
        Operator::IGlob => of_glob(text, folded),
        Operator::Regex => [literal(&certain_prefix(text)?, spelling), vec![rest]].concat(),
        _ => return None,
    })
}

fn literal(text: &str, spelling: Spelling) -> Pattern {
    text.bytes().map(|byte| one(byte, spelling)).collect()
}

fn one(byte: u8, spelling: Spelling) -> Element {
    Element::One(if spelling.any_case { Bytes::any_case(byte) } else { Bytes::one(byte) })
}

/// Any character; what is no UTF-8 counts as one, too.
fn character(spelling: Spelling) -> [Element; 2] {
    [Element::One(spelling.any), Element::Many(Bytes::CONTINUATION)]
}

/// Reads a shell pattern up to what is not plain; behind that anything may follow.
fn of_glob(pattern: &str, spelling: Spelling) -> Pattern {
    let mut elements = Pattern::new();
    let mut rest = pattern.bytes().enumerate();
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'*' => elements.push(Element::Many(spelling.any)),
            b'?' => elements.extend(character(spelling)),
            b'[' => match behind_bracket(&pattern[at..]) {
                Some(length) => {
                    elements.extend(character(spelling));
                    rest.nth(length - 2);
                }
                None => {
                    elements.push(Element::Many(spelling.any));
                    break;
                }
            },
            b'\\' => match rest.next() {
                Some((_, escaped)) => elements.push(one(escaped, spelling)),
                None => break,
            },
            byte => elements.push(one(byte, spelling)),
        }
    }
    elements
}

/// Returns the length of a plain bracket, which stands for one character; `None` if this may be
/// something else.
fn behind_bracket(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(']').filter(|end| *end > 0)?;
    (!inside[..end].contains(['[', '\\', '!', '^'])).then_some(end + 2)
}

/// Returns the paths that are a folder, or lie in it: names as in [`crate::ir::path_match`].
fn of_folder(path: &str, spelling: Spelling) -> Option<Vec<Pattern>> {
    const SLASHES: Element = Element::Many(Bytes::one(b'/'));
    const SLASH: Element = Element::One(Bytes::one(b'/'));
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let inside = Spelling { any: Bytes::NO_SLASH, ..spelling };
    let mut elements = vec![SLASHES];
    for (number, name) in path.split('/').filter(|name| !name.is_empty()).enumerate() {
        if number > 0 {
            elements.extend([SLASH, SLASHES]);
        }
        match name.contains(['?', '*', '[']) {
            true => elements.extend(of_glob(name, inside)),
            false => elements.extend(literal(name, inside)),
        }
    }
    if elements.len() == 1 {
        return Some(vec![vec![Element::Many(spelling.any)]]);
    }
    let below = [elements.clone(), vec![SLASH, Element::Many(spelling.any)]].concat();
    Some(vec![elements, below])
}

/// Returns whole paths a part of which fits a pattern.
fn placed(pattern: Pattern, part: Part) -> Vec<Pattern> {
    const SLASH: Element = Element::One(Bytes::one(b'/'));
    const NAME: Element = Element::Many(Bytes::NO_SLASH);
    match part {
        Part::Whole => vec![pattern],
        Part::Name => {
            let below = [vec![Element::Many(Bytes::ANY), SLASH], pattern.clone()].concat();
            vec![below, pattern]
        }
        Part::Directory => {
            let mut all = vec![[pattern.clone(), vec![SLASH, NAME]].concat()];
            // The root's own directory is written with its slash, and a name alone has none.
            if fits(&pattern, b"/") {
                all.push(vec![SLASH, NAME]);
            }
            if fits(&pattern, b"") {
                all.push(vec![NAME]);
            }
            all
        }
    }
}

/// Returns whether a short text fits a pattern.
fn fits(pattern: &[Element], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([Element::One(set), rest @ ..], [first, after @ ..]) => {
            set.has(*first) && fits(rest, after)
        }
        ([Element::Many(set), rest @ ..], text) => {
            fits(rest, text)
                || text
                    .split_first()
                    .is_some_and(|(first, after)| set.has(*first) && fits(pattern, after))
        }
        _ => false,
    }
}
