//! Finds the rules an event matches: few are still possible after a look at a field or two, every
//! distinct predicate is answered at most once per event, and one that reads only the process at
//! most once per process.

mod bounds;
mod costs;
mod estimate;
mod fact;
mod index;
mod layout;
mod plan;
mod program;
mod read;
mod select;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alert::{Detail, Event};

pub(crate) use bounds::{Below, Lanes};
pub(crate) use costs::Counters;
use costs::Tally;
pub use costs::{PredicateCost, RuleCost};
pub(crate) use index::certain_prefix;
pub use plan::{KindPlan, Lifetime, Plan, PredicatePlan, StepPlan};
pub(crate) use program::Program;
use select::Possible;
use state::{Evaluation, Room};

use crate::{
    Rule, RuleSet,
    ir::{EventView, PathView},
};

/// Finds the rules an event matches. Each thread has its own.
#[derive(Debug)]
pub struct Matcher {
    rules: Arc<RuleSet>,
    room: Room,
    candidates: Box<[u64]>,
    narrowed: Box<[u64]>,
    matched: Vec<u32>,
    settled: bool,
}

impl Matcher {
    pub(crate) fn new(rules: Arc<RuleSet>) -> Self {
        let program = rules.program();
        let words = program.candidate_words();
        let bits = || vec![0; words].into_boxed_slice();
        let room = Room::new(program, Tally::new(rules.counters()));
        let matched = Vec::with_capacity(rules.rules().len());
        let narrowed = vec![0; 2 * words].into();
        Self { room, candidates: bits(), narrowed, matched, settled: false, rules }
    }

    /// Has a sample of the evaluations timed with a clock that counts nanoseconds: see
    /// [`RuleSet::costs`].
    #[must_use]
    pub fn timed_with(mut self, clock: fn() -> u64) -> Self {
        self.room.tally.time_with(clock);
        self
    }

    /// Calls `hit` for every rule that matches, in the order of their definition.
    ///
    /// An opened file has the path the program wrote and the path the kernel resolved; where they
    /// differ, a rule matches if it does so for either.
    pub fn matches(&mut self, event: &Event, hit: &mut dyn FnMut(&Rule)) {
        let Self { rules, room, candidates, narrowed, matched, settled } = self;
        let program = rules.program();
        *settled = !names_thread(event);
        let Some((number, group)) = program.group(event.kind) else { return };
        if room.tally.event() {
            room.tally.flush(rules.counters());
        }
        matched.clear();
        let view = EventView { event, path: PathView::Written };
        let mut evaluation =
            Evaluation::new(program, rules.graph(), view, number, rules.generation(), room);
        let candidates = &mut candidates[..group.selector.words()];
        let possible = group.selector.select(&mut evaluation, candidates, narrowed);
        let mut barren = possible == Possible::NoRuleForProcess;
        if possible == Possible::Rules {
            evaluation.evaluate(&group.entries, candidates, matched);
            barren = matched.is_empty() && group.selector.process_decides(candidates);
        }
        if group.reads_path && EventView::other_path(event).is_some() {
            evaluation.look_again();
            if group.selector.select(&mut evaluation, candidates, narrowed) == Possible::Rules {
                evaluation.evaluate(&group.entries, candidates, matched);
                matched.sort_unstable();
            }
        }
        evaluation.remember(barren);
        *settled &= matched.is_empty() && !evaluation.asked_moment();
        for rule in matched.iter() {
            hit(&rules.rules()[*rule as usize]);
        }
    }

    /// Returns whether the last event matched no rule, and neither would any of its kind that differs
    /// from it in [momentary](alert::Field::is_momentary) fields alone and is of the same process as it
    /// is: behind the same `Arc`.
    ///
    /// What is asked of an event follows from the answers to what was asked before. Where nothing
    /// momentary was asked, all such events go the same way to the same end.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Adds what was counted to the costs of the rule set; done now and then without being asked.
    pub fn flush_costs(&mut self) {
        self.room.tally.flush(self.rules.counters());
    }
}

/// Returns whether the event has its thread among its parameters.
const fn names_thread(event: &Event) -> bool {
    matches!(event.detail, Detail::Exec { .. } | Detail::Clone { .. })
}

impl Drop for Matcher {
    fn drop(&mut self) {
        self.flush_costs();
    }
}
