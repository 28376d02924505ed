//! Answers all predicates of one kind on one field in a single look at its value.

mod address;
mod number;
mod pattern;
mod radix;
mod text;

use alert::{Detail, Field, Type};

pub(crate) use self::pattern::certain_prefix;
use self::{address::Addresses, number::Numbers, text::Texts};
use super::{
    estimate::few_values,
    read::{Read, read},
};
use crate::ir::{EventView, Graph, Leaf, Predicate, Term, Test};

/// The predicates on one field that one structure answers.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) leaf: Leaf,
    /// What it answers, in the order of their bits, which lie side by side.
    pub(super) predicates: Box<[u32]>,
    pub(super) first: u32,
    /// The same as words and masks.
    pub(crate) mask: Box<[(u32, u64)]>,
    /// Its field is.
    pub(super) momentary: bool,
    structure: Structure,
}

#[derive(Debug)]
enum Structure {
    Texts(Box<Texts>),
    Numbers(Numbers),
    Addresses(Addresses),
}

impl Index {
    /// Returns whether an index can answer this predicate.
    pub(crate) fn serves(predicate: &Predicate) -> bool {
        // Of a list `in` asks every element; an index finds the elements that hold.
        if matches!(predicate.test, Test::In(_)) && predicate.term.asks_every_element() {
            return false;
        }
        if let Term::Leaf(leaf) = &predicate.term
            && few_values(leaf)
        {
            return false;
        }
        match predicate.term.value_type() {
            Type::Text | Type::Path => Texts::serves(predicate),
            Type::Signed | Type::Unsigned | Type::Port => Numbers::serves(predicate),
            Type::Ip | Type::Net => Addresses::serves(predicate),
            _ => false,
        }
    }

    /// Returns whether the predicate is looked for anywhere in a text, which takes longer than to
    /// compare its ends.
    pub(super) fn walks(predicate: &Predicate) -> bool {
        let text = matches!(predicate.term.value_type(), Type::Text | Type::Path);
        text && Texts::walks(predicate)
    }

    /// Returns whether an index answers these predicates of one field sooner than they would
    /// themselves.
    pub(crate) fn pays<'a>(mut predicates: impl Iterator<Item = &'a Predicate>) -> bool {
        let Some(first) = predicates.next() else { return false };
        match first.term.value_type() {
            Type::Signed | Type::Unsigned => Numbers::pay(std::iter::once(first).chain(predicates)),
            _ => true,
        }
    }

    /// Builds the index of a field for predicates with neighbouring bits; `None` if it would be too
    /// large.
    pub(super) fn new(
        leaf: &Leaf,
        numbers: &[u32],
        predicates: &[(u32, &Predicate)],
    ) -> Option<Self> {
        let (first, asked) = predicates.first()?;
        let structure = match asked.term.value_type() {
            Type::Text | Type::Path => Structure::Texts(Box::new(Texts::new(numbers, predicates)?)),
            Type::Signed | Type::Unsigned | Type::Port => {
                Structure::Numbers(Numbers::new(predicates))
            }
            _ => Structure::Addresses(Addresses::new(predicates)),
        };
        let bits: Vec<u32> = predicates.iter().map(|(bit, _)| *bit).collect();
        Some(Self {
            leaf: leaf.clone(),
            predicates: numbers.into(),
            first: *first,
            mask: words(&bits).into(),
            momentary: leaf.is_momentary(),
            structure,
        })
    }

    /// Sets the bits of the predicates that hold; the others are 0 before. `scratch` is room for a
    /// text that must be put together.
    pub(super) fn answer(
        &self,
        view: &EventView<'_>,
        graph: &Graph,
        scratch: &mut String,
        answers: &mut [u64],
    ) {
        match &self.structure {
            Structure::Texts(texts) if texts.no_sockets() && names_socket(view, &self.leaf) => {}
            Structure::Texts(texts) => {
                read(view, &self.leaf, scratch, &mut |value| match value {
                    Read::Text(text) => texts.answer(text, graph, answers),
                    Read::Other(other) => texts.answer(&other.to_string(), graph, answers),
                });
            }
            Structure::Numbers(numbers) => read(view, &self.leaf, scratch, &mut |value| {
                if let Read::Other(value) = value {
                    numbers.answer(value, answers);
                }
            }),
            Structure::Addresses(addresses) => read(view, &self.leaf, scratch, &mut |value| {
                if let Read::Other(value) = value {
                    addresses.answer(value, answers);
                }
            }),
        }
    }

    /// Returns what the structure is, for people.
    pub(crate) const fn name(&self) -> &'static str {
        match self.structure {
            Structure::Texts(_) => "texts",
            Structure::Numbers(_) => "numbers",
            Structure::Addresses(_) => "addresses",
        }
    }
}

/// Returns whether a field is the name of a socket that has an address.
fn names_socket(view: &EventView<'_>, leaf: &Leaf) -> bool {
    matches!(leaf, Leaf::Event(Field::FdName, _))
        && matches!(&view.event.detail, Detail::Connect(socket)
            if socket.local.is_some() || socket.remote.is_some())
}

/// Sets of bits, each named by its place.
#[derive(Debug)]
struct Bits {
    words: Box<[(u32, u64)]>,
    /// Where each set begins in `words`, and where the last ends.
    starts: Box<[u32]>,
}

impl Bits {
    #[inline]
    fn set(&self, place: u32, answers: &mut [u64]) {
        let (from, to) = (self.starts[place as usize], self.starts[place as usize + 1]);
        for (word, mask) in &self.words[from as usize..to as usize] {
            answers[*word as usize] |= mask;
        }
    }
}

#[derive(Debug, Default)]
struct BitsBuilder {
    words: Vec<(u32, u64)>,
    starts: Vec<u32>,
    places: hashbrown::HashMap<Vec<(u32, u64)>, u32>,
}

impl BitsBuilder {
    /// Returns a place of its own for a set.
    fn add_own(&mut self, bits: &[u32]) -> u32 {
        let place = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        self.starts.push(u32::try_from(self.words.len()).unwrap_or(u32::MAX));
        self.words.extend_from_slice(&words(bits));
        place
    }

    /// Returns the place of a set; equal sets share one.
    fn add(&mut self, bits: &[u32]) -> u32 {
        let set = words(bits);
        if let Some(place) = self.places.get(&set) {
            return *place;
        }
        let place = self.add_own(bits);
        self.places.insert(set, place);
        place
    }

    fn build(mut self) -> Bits {
        self.starts.push(u32::try_from(self.words.len()).unwrap_or(u32::MAX));
        Bits { words: self.words.into(), starts: self.starts.into() }
    }
}

/// Returns bits as words and masks.
pub(crate) fn words(bits: &[u32]) -> Vec<(u32, u64)> {
    let mut sorted = bits.to_vec();
    sorted.sort_unstable();
    let mut words: Vec<(u32, u64)> = Vec::new();
    for bit in sorted {
        let (word, flag) = (bit / 64, 1_u64 << (bit % 64));
        match words.last_mut() {
            Some((last, mask)) if *last == word => *mask |= flag,
            _ => words.push((word, flag)),
        }
    }
    words
}
