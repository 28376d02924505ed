//! Fits what is looked for in the paths of all kinds of event into one automaton, beside what is
//! looked for in what was typed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    automaton::{Automaton, Builder, OUTPUTS_MAX},
    draft::Draft,
    path::{Clause, Search},
};

/// The automaton, and what its outputs mean.
pub(super) struct Fitted {
    pub(super) automaton: Automaton,
    /// The predicates that each output tells of.
    pub(super) outputs: Vec<Box<[u32]>>,
    /// What had to be left out, as places of kind and part.
    pub(super) unfit: usize,
}

impl Fitted {
    /// Takes the path from rules whose patterns do not fit: they are then possible whatever the
    /// path is. Those go first that tell least.
    pub(super) fn new(drafts: &mut [Draft]) -> Self {
        let mut unfit = 0;
        loop {
            let builder = builder(drafts);
            if let Some((automaton, outputs)) = builder.build()
                && outputs.len() <= OUTPUTS_MAX
            {
                return Self { automaton, outputs, unfit };
            }
            unfit += give_up(drafts, builder.places() / 4);
        }
    }
}

fn builder(drafts: &[Draft]) -> Builder {
    let mut patterns = BTreeMap::new();
    for search in drafts.iter().flat_map(Draft::searches) {
        for predicate in search.clauses.iter().flatten().flatten() {
            patterns.entry(*predicate).or_insert_with(|| search.paths.patterns(*predicate));
        }
    }
    let mut builder = Builder::default();
    for (predicate, patterns) in patterns {
        patterns.iter().for_each(|pattern| builder.add(pattern, predicate));
    }
    builder
}

/// Gives up clauses until they had so many places in patterns, at least one. Returns how many rules
/// lost theirs.
fn give_up(drafts: &mut [Draft], places: usize) -> usize {
    let mut clauses: Vec<(f32, usize, Clause)> = Vec::new();
    for Search { paths, clauses: own } in drafts.iter().flat_map(Draft::searches) {
        for clause in own.iter().flatten() {
            let patterns = clause.iter().flat_map(|number| paths.patterns(*number));
            clauses.push((paths.cost(clause), patterns.map(Vec::len).sum(), clause.clone()));
        }
    }
    clauses.sort_by(|left, right| right.0.total_cmp(&left.0).then(right.1.cmp(&left.1)));
    let (mut gone, mut lost) = (0, BTreeSet::new());
    for (_, own, clause) in clauses {
        if gone > places {
            break;
        }
        if lost.insert(clause) {
            gone += own;
        }
    }
    let mut count = 0;
    let searches = drafts.iter_mut().flat_map(Draft::searches_mut);
    for clause in searches.flat_map(|search| &mut search.clauses) {
        if clause.as_ref().is_some_and(|own| lost.contains(own)) {
            *clause = None;
            count += 1;
        }
    }
    count
}
