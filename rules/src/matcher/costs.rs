//! What rules and predicates cost: counted by every matcher, always, and told for the whole set.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::{index::Index, select::ones};
use crate::RuleSet;

/// Events between two times that a matcher adds its counts to those of the set.
const FLUSH_EVENTS: u32 = 4096;
/// One in so many events is timed.
const TIMED_EVENTS: u32 = 64;

/// What a rule cost since the set was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCost {
    pub rule: String,
    /// Events for which its condition was evaluated: those it was still a candidate for.
    pub evaluated: u64,
    pub matched: u64,
    /// Evaluations that were timed, and the nanoseconds they took together. What rules share is
    /// counted with the first that asks.
    pub timed: u64,
    pub timed_ns: u64,
}

/// What a predicate cost since the set was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PredicateCost {
    /// As a condition of its own.
    pub predicate: String,
    pub asked: u64,
    pub held: u64,
}

/// Counts of one thing.
#[derive(Debug, Default)]
struct Counts<N> {
    asked: N,
    held: N,
}

/// The counts of a rule set, added to by all its matchers.
#[derive(Debug)]
pub(crate) struct Counters {
    events: AtomicU64,
    rules: Box<[Counts<AtomicU64>]>,
    timed: Box<[Counts<AtomicU64>]>,
    predicates: Box<[Counts<AtomicU64>]>,
    /// For each index how often it was asked; its predicates hold their own.
    indexes: Box<[AtomicU64]>,
}

impl Counters {
    pub(crate) fn new(rules: usize, predicates: usize, indexes: usize) -> Self {
        let counts = |count: usize| (0..count).map(|_| Counts::default()).collect();
        Self {
            events: AtomicU64::new(0),
            rules: counts(rules),
            timed: counts(rules),
            predicates: counts(predicates),
            indexes: (0..indexes).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

/// The counts of one matcher since it last added them to those of its set.
#[derive(Debug)]
pub(super) struct Tally {
    events: u32,
    rules: Box<[Counts<u32>]>,
    /// Evaluations, and nanoseconds.
    timed: Box<[Counts<u64>]>,
    predicates: Box<[Counts<u32>]>,
    indexes: Box<[u32]>,
    clock: Option<fn() -> u64>,
    timing: bool,
}

impl Tally {
    pub(super) fn new(counters: &Counters) -> Self {
        let counts = |count: usize| (0..count).map(|_| Counts::default()).collect();
        Self {
            events: 0,
            rules: counts(counters.rules.len()),
            timed: (0..counters.rules.len()).map(|_| Counts::default()).collect(),
            predicates: counts(counters.predicates.len()),
            indexes: vec![0; counters.indexes.len()].into(),
            clock: None,
            timing: false,
        }
    }

    pub(super) fn time_with(&mut self, clock: fn() -> u64) {
        self.clock = Some(clock);
    }

    /// Notes an event; returns whether it is time to add the counts to those of the set.
    #[inline]
    pub(super) const fn event(&mut self) -> bool {
        self.timing = self.events.is_multiple_of(TIMED_EVENTS);
        self.events += 1;
        self.events >= FLUSH_EVENTS
    }

    /// Notes that a rule is evaluated; returns the time if this one is timed.
    #[inline]
    pub(super) fn begin(&mut self, rule: u32) -> Option<u64> {
        self.rules[rule as usize].asked += 1;
        match self.clock {
            Some(clock) if self.timing => Some(clock()),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn end(&mut self, rule: u32, begun: Option<u64>, matched: bool) {
        self.rules[rule as usize].held += u32::from(matched);
        if let (Some(begun), Some(clock)) = (begun, self.clock) {
            let timed = &mut self.timed[rule as usize];
            timed.asked += 1;
            timed.held += clock().saturating_sub(begun);
        }
    }

    #[inline]
    pub(super) fn predicate(&mut self, predicate: u32, holds: bool) {
        let counts = &mut self.predicates[predicate as usize];
        counts.asked += 1;
        counts.held += u32::from(holds);
    }

    /// Notes that an index was asked and what it answered.
    #[inline]
    pub(super) fn index(&mut self, number: u32, index: &Index, answers: &[u64]) {
        self.indexes[number as usize] += 1;
        for (word, mask) in &index.mask {
            for flag in ones(answers[*word as usize] & mask) {
                let place = (word * 64 + flag - index.first) as usize;
                self.predicates[index.predicates[place] as usize].held += 1;
            }
        }
    }

    /// Adds the counts to those of the set, and begins anew.
    pub(super) fn flush(&mut self, counters: &Counters) {
        add(&counters.events, std::mem::take(&mut self.events).into());
        let pairs = self.rules.iter_mut().zip(&counters.rules);
        for (own, all) in pairs.chain(self.predicates.iter_mut().zip(&counters.predicates)) {
            add(&all.asked, std::mem::take(&mut own.asked).into());
            add(&all.held, std::mem::take(&mut own.held).into());
        }
        for (own, all) in self.timed.iter_mut().zip(&counters.timed) {
            add(&all.asked, std::mem::take(&mut own.asked));
            add(&all.held, std::mem::take(&mut own.held));
        }
        for (own, all) in self.indexes.iter_mut().zip(&counters.indexes) {
            add(all, std::mem::take(own).into());
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Relaxed);
    }
}

impl RuleSet {
    /// Returns what each rule cost so far, in the order of their definition. A matcher that is in
    /// use adds what it counted every few thousand events.
    pub fn costs(&self) -> Vec<RuleCost> {
        let counters = self.counters();
        let counts = counters.rules.iter().zip(&counters.timed);
        let cost = |(rule, (counts, timed)): (&crate::Rule, (&Counts<_>, &Counts<AtomicU64>))| {
            let counts: &Counts<AtomicU64> = counts;
            RuleCost {
                rule: rule.name.clone(),
                evaluated: counts.asked.load(Relaxed),
                matched: counts.held.load(Relaxed),
                timed: timed.asked.load(Relaxed),
                timed_ns: timed.held.load(Relaxed),
            }
        };
        self.rules().iter().zip(counts).map(cost).collect()
    }

    /// Returns what each predicate that was asked cost so far.
    pub fn predicate_costs(&self) -> Vec<PredicateCost> {
        let counters = self.counters();
        let mut asked: Vec<u64> =
            counters.predicates.iter().map(|counts| counts.asked.load(Relaxed)).collect();
        for (index, times) in self.program().indexes.iter().zip(&counters.indexes) {
            for predicate in &index.predicates {
                asked[*predicate as usize] += times.load(Relaxed);
            }
        }
        let cost = |(number, asked): (u32, u64)| PredicateCost {
            predicate: crate::explain::predicate(self.graph().predicate_of(number).0),
            asked,
            held: counters.predicates[number as usize].held.load(Relaxed),
        };
        (0..).zip(asked).filter(|(_, asked)| *asked > 0).map(cost).collect()
    }

    /// Returns the events that were looked at so far, of kinds that a rule can match.
    pub fn events_matched(&self) -> u64 {
        self.counters().events.load(Relaxed)
    }
}
