//! Finds the few rules an event can still match, before any condition is evaluated.
//!
//! Each rule of a kind of event is a bit. A step looks at one dimension of the event: the value of
//! one field through its index, or the answers of a few cheap predicates taken together. It keeps
//! the rules that dimension leaves possible; most events leave none. Everything is arrays and masks
//! on purpose: the same classification can run where there are no pointers, in the kernel.

mod choose;

use super::{
    bounds::{Below, Lanes},
    estimate::Class,
    index::Index,
    layout::Layout,
    state::Evaluation,
};
use crate::ir::{Graph, NodeId};

pub(super) use choose::Chooser;
use choose::Dimension;

/// Predicates of one table; it has two to the power of this many rows, which fit the 64 lanes.
const TABLE_PREDICATES_MAX: usize = 6;
/// The cases in which the predicates of a table hold, by their place in it.
const ROWS: [u64; TABLE_PREDICATES_MAX] = [
    0xaaaa_aaaa_aaaa_aaaa,
    0xcccc_cccc_cccc_cccc,
    0xf0f0_f0f0_f0f0_f0f0,
    0xff00_ff00_ff00_ff00,
    0xffff_0000_ffff_0000,
    0xffff_ffff_0000_0000,
];

/// What an event can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Possible {
    Rules,
    NoRule,
    /// No event of this kind can match a rule while its process is what it is.
    NoRuleForProcess,
}

/// The steps for the events of one kind.
#[derive(Debug, Default)]
pub(crate) struct Selector {
    /// Every rule, as a first set of candidates.
    all: Box<[u64]>,
    steps: Box<[Step]>,
    /// Steps that read only the process and come first: if they leave nothing, no event of this
    /// process and kind needs to be looked at.
    steps_of_process: usize,
    /// Rules whose condition reads only the process.
    of_process: Box<[u64]>,
}

#[derive(Debug)]
struct Step {
    class: Class,
    look: Look,
}

#[derive(Debug)]
enum Look {
    Index(Narrowing),
    Table(Table),
}

/// What the answers of an index leave possible.
#[derive(Debug)]
struct Narrowing {
    index: u32,
    /// The rules that read it.
    readers: Box<[u64]>,
    /// The rules that are possible if no predicate of the index holds.
    quiet: Box<[u64]>,
    /// The rules that are possible if no predicate holds of this index and of those before it.
    all_quiet: Box<[u64]>,
    /// Where the changes of each predicate begin, and where the last ends.
    starts: Box<[u32]>,
    changes: Box<[Change]>,
}

/// What a predicate that holds changes: rules it makes possible, and rules it rules out.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    word: u32,
    enabled: u64,
    disabled: u64,
}

/// What the answers of a few predicates leave possible, a row for each combination.
#[derive(Debug)]
struct Table {
    bits: Box<[u32]>,
    rows: Box<[u64]>,
}

impl Selector {
    /// Leaves in `candidates` the rules that `evaluation`'s event can match; never leaves out one
    /// that matches. `room` is twice as long.
    pub(super) fn select(
        &self,
        evaluation: &mut Evaluation<'_>,
        candidates: &mut [u64],
        room: &mut [u64],
    ) -> Possible {
        candidates.copy_from_slice(&self.all);
        let words = candidates.len();
        let mut room = Hits { enabled: &mut room[..2 * words], any: false };
        for (place, step) in self.steps.iter().enumerate() {
            if step.class == Class::Process && !evaluation.recall() {
                return Possible::NoRule;
            }
            let left = match &step.look {
                Look::Index(narrowing) => narrowing.keep(evaluation, candidates, &mut room),
                Look::Table(table) => table.keep(evaluation, candidates),
            };
            if !left {
                return match place < self.steps_of_process {
                    true => Possible::NoRuleForProcess,
                    false => Possible::NoRule,
                };
            }
        }
        Possible::Rules
    }

    /// Returns whether the process alone decided that none of the candidates matches, given that
    /// none does.
    pub(super) fn process_decides(&self, candidates: &[u64]) -> bool {
        self.steps_of_process == self.steps.len()
            && candidates.iter().zip(&self.of_process).all(|(left, own)| left & !own == 0)
    }

    /// Returns what each step looks at, for people.
    pub(super) fn steps(&self) -> impl Iterator<Item = Shown<'_>> {
        let words = self.words();
        self.steps.iter().map(move |step| match &step.look {
            Look::Index(narrowing) => Shown {
                class: step.class,
                index: Some(narrowing.index),
                bits: &[],
                quiet: &narrowing.quiet,
            },
            Look::Table(table) => Shown {
                class: step.class,
                index: None,
                bits: &table.bits,
                quiet: &table.rows[..words],
            },
        })
    }

    /// Returns the words of a set of candidates.
    pub(super) const fn words(&self) -> usize {
        self.all.len()
    }
}

/// What the predicates that hold, of all indexes asked so far, make possible.
struct Hits<'a> {
    /// The rules that they make possible; then room for those of one index.
    enabled: &'a mut [u64],
    any: bool,
}

impl Narrowing {
    #[inline]
    fn keep(
        &self,
        evaluation: &mut Evaluation<'_>,
        candidates: &mut [u64],
        hits: &mut Hits<'_>,
    ) -> bool {
        // For a rule that does not read the field it makes no difference what is there.
        if candidates.iter().zip(&self.readers).all(|(left, readers)| left & readers == 0) {
            return true;
        }
        let index = evaluation.ask(self.index);
        let mut quiet = true;
        for (word, mask) in &index.mask {
            quiet &= evaluation.answers()[*word as usize] & mask == 0;
        }
        if quiet && !hits.any {
            return keep(candidates, &self.all_quiet);
        }
        let (enabled, own) = hits.enabled.split_at_mut(candidates.len());
        if !hits.any {
            enabled.fill(0);
            hits.any = true;
        }
        own.copy_from_slice(&self.quiet);
        for change in self.changed(index, evaluation.answers()) {
            own[change.word as usize] |= change.enabled;
            enabled[change.word as usize] |= change.enabled;
        }
        for change in self.changed(index, evaluation.answers()) {
            own[change.word as usize] &= !change.disabled;
        }
        // A rule that reads no predicate that holds is as if all were quiet.
        for ((own, enabled), all_quiet) in own.iter_mut().zip(enabled).zip(&self.all_quiet) {
            *own &= *all_quiet | *enabled;
        }
        keep(candidates, own)
    }

    /// Returns the changes of the predicates that hold.
    fn changed<'a>(
        &'a self,
        index: &'a Index,
        answers: &'a [u64],
    ) -> impl Iterator<Item = &'a Change> {
        index.mask.iter().flat_map(move |(word, mask)| {
            ones(answers[*word as usize] & mask).flat_map(move |flag| {
                let predicate = (word * 64 + flag - index.first) as usize;
                let (from, to) = (self.starts[predicate], self.starts[predicate + 1]);
                &self.changes[from as usize..to as usize]
            })
        })
    }

    fn new(dimension: Dimension, asked: &[u32], below: &Below) -> Self {
        let mut starts = vec![0];
        let mut changes: Vec<Change> = Vec::new();
        for some in asked.chunks(64) {
            let lane: hashbrown::HashMap<u32, u64> =
                some.iter().zip(0..).map(|(predicate, lane)| (*predicate, 1 << lane)).collect();
            let roots = below.roots(&|predicate| match lane.get(&predicate) {
                Some(lane) => Lanes::known(*lane, 0),
                None => Lanes::UNKNOWN,
            });
            let mut of_lane: Vec<Vec<Change>> = vec![Vec::new(); some.len()];
            for (rule, lanes) in roots.iter().enumerate() {
                let word = u32::try_from(rule / 64).unwrap_or(u32::MAX);
                for lane in ones(lanes.reads) {
                    let own = &mut of_lane[lane as usize];
                    if own.last().is_none_or(|last| last.word != word) {
                        own.push(Change { word, ..Change::default() });
                    }
                    let (flag, may) = (1 << (rule % 64), lanes.may >> lane & 1 != 0);
                    if let Some(last) = own.last_mut() {
                        *(if may { &mut last.enabled } else { &mut last.disabled }) |= flag;
                    }
                }
            }
            for own in of_lane {
                changes.extend(own);
                starts.push(u32::try_from(changes.len()).unwrap_or(u32::MAX));
            }
        }
        Self {
            index: u32::try_from(dimension.index).unwrap_or(u32::MAX),
            readers: dimension.readers,
            all_quiet: dimension.quiet.clone(),
            quiet: dimension.quiet,
            starts: starts.into(),
            changes: changes.into(),
        }
    }
}

impl Table {
    #[inline]
    fn keep(&self, evaluation: &mut Evaluation<'_>, candidates: &mut [u64]) -> bool {
        let mut row = 0;
        for (place, bit) in self.bits.iter().enumerate() {
            row |= usize::from(evaluation.answer(*bit)) << place;
        }
        let words = candidates.len();
        keep(candidates, &self.rows[row * words..(row + 1) * words])
    }

    fn new(predicates: &[u32], layout: &Layout<'_>, below: &Below, words: usize) -> Self {
        let roots = below.roots(&|predicate| match predicates
            .iter()
            .position(|other| *other == predicate)
        {
            Some(place) => Lanes::known(ROWS[place], !ROWS[place]),
            None => Lanes::UNKNOWN,
        });
        let count = 1 << predicates.len();
        let mut rows = vec![0; count * words];
        for (rule, lanes) in roots.iter().enumerate() {
            for row in 0..count {
                rows[row * words + rule / 64] |= (lanes.may >> row & 1) << (rule % 64);
            }
        }
        let bits = predicates.iter().map(|predicate| layout.predicate_bit(*predicate)).collect();
        Self { bits, rows: rows.into() }
    }
}

#[inline]
fn keep(candidates: &mut [u64], possible: &[u64]) -> bool {
    let mut any = 0;
    for (candidates, possible) in candidates.iter_mut().zip(possible) {
        *candidates &= possible;
        any |= *candidates;
    }
    any != 0
}

/// Returns the places of the bits that are set.
#[inline]
pub(super) fn ones(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = word.trailing_zeros();
        let some = word != 0;
        word &= word.wrapping_sub(1);
        some.then_some(place)
    })
}

/// A step, for people.
pub(super) struct Shown<'a> {
    pub(super) class: Class,
    pub(super) index: Option<u32>,
    /// The predicates of a table.
    pub(super) bits: &'a [u32],
    /// The rules that are possible if no predicate holds.
    pub(super) quiet: &'a [u64],
}
