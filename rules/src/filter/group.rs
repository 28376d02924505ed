//! Puts the rules of one kind of event into as many groups as a mask has bits. Rules that no value
//! tells apart share one at no loss; where there are still too many, neighbours do.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Mask, PathMasks,
    conditions::RuleBits,
    draft::Draft,
    network::{NetworkRules, Networks},
    number::{RangeRules, Ranges},
    path::{Clause, Search},
};

/// The group of each rule, by its place among those of the kind.
pub(super) struct Groups {
    of: Vec<usize>,
    count: usize,
}

impl Groups {
    pub(super) fn new(draft: &Draft) -> Self {
        // Rules that look for the same in paths lie side by side, those that look for nothing last.
        let clauses = draft.paths.clauses.iter().zip(&draft.typed.clauses);
        let mut looks: Vec<Look> =
            clauses.map(|(path, typed)| ((path.clone(), typed.clone()), Vec::new())).collect();
        let rows = draft.dimensions().into_iter().flat_map(|(_, rows)| rows);
        for (row, rules) in rows.enumerate() {
            for (rule, (_, look)) in looks.iter_mut().enumerate() {
                if row % 64 == 0 {
                    look.push(0);
                }
                if let Some(last) = look.last_mut() {
                    *last |= (rules[rule / 64] >> (rule % 64) & 1) << (row % 64);
                }
            }
        }
        let distinct: BTreeSet<_> = looks.iter().map(sort_key).collect();
        let found = distinct.len();
        let numbers: BTreeMap<_, usize> = distinct
            .into_iter()
            .enumerate()
            .map(|(place, look)| {
                (look, if found > Mask::BITS { place * Mask::BITS / found } else { place })
            })
            .collect();
        let of: Vec<usize> = looks.iter().map(|look| numbers[&sort_key(look)]).collect();
        Self { of, count: found.min(Mask::BITS) }
    }

    pub(super) fn all(&self) -> Mask {
        Mask::first(self.count)
    }

    /// Returns the numbers of the rules in each group.
    pub(super) fn rules(&self, numbers: &[u32]) -> Vec<Vec<u32>> {
        let mut rules = vec![Vec::new(); self.count];
        for (number, group) in numbers.iter().zip(&self.of) {
            let own: &mut Vec<u32> = &mut rules[*group];
            if own.last() != Some(number) {
                own.push(*number);
            }
        }
        rules
    }

    /// Returns the groups that have a rule among these.
    pub(super) fn mask(&self, rules: &RuleBits) -> Mask {
        let mut mask = Mask::NONE;
        for (rule, group) in self.of.iter().enumerate() {
            if rules[rule / 64] >> (rule % 64) & 1 != 0 {
                mask.set(*group);
            }
        }
        mask
    }

    pub(super) fn ranges(&self, rules: &RangeRules) -> Ranges {
        let mut ranges: Vec<(i64, Mask)> =
            rules.ranges.iter().map(|(first, rules)| (*first, self.mask(rules))).collect();
        ranges.dedup_by_key(|(_, mask)| *mask);
        Ranges { ranges, absent: self.mask(&rules.absent) }
    }

    pub(super) fn networks(&self, rules: &NetworkRules) -> Networks {
        let networks =
            rules.networks.iter().map(|(network, rules)| (*network, self.mask(rules))).collect();
        Networks { networks, absent: self.mask(&rules.absent) }
    }

    /// Returns the groups with a rule whose clause satisfies `wanted`.
    fn with(&self, search: &Search, wanted: &dyn Fn(Option<&Clause>) -> bool) -> Mask {
        let mut mask = Mask::NONE;
        for (clause, group) in search.clauses.iter().zip(&self.of) {
            if wanted(clause.as_ref()) {
                mask.set(*group);
            }
        }
        mask
    }

    /// `outputs` are the predicates that each output of the automaton tells of.
    pub(super) fn paths(&self, search: &Search, outputs: &[Box<[u32]>]) -> PathMasks {
        let quiet = self.with(search, &|clause| clause.is_none());
        let ends = self
            .with(search, &|clause| clause.is_some_and(|clause| search.paths.can_be_ends(clause)));
        // A group that no path rules out need not be told of.
        let told = |tells: &[u32]| {
            let found = self.with(search, &|clause| {
                clause.is_some_and(|clause| clause.iter().any(|own| tells.contains(own)))
            });
            Mask([found.0[0] & !quiet.0[0], found.0[1] & !quiet.0[1]])
        };
        PathMasks { quiet, ends, outputs: outputs.iter().map(|tells| told(tells)).collect() }
    }
}

/// What a rule looks for in paths and in what was typed, and what each value leaves of it.
type Look = ((Option<Clause>, Option<Clause>), Vec<u64>);

/// Those that look for nothing come last.
fn sort_key(look: &Look) -> (bool, &Look) {
    (look.0.0.is_none(), look)
}
