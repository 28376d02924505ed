//! Finds the few rules an event can still match, before any condition is evaluated.
//!
//! Each rule of a kind of event is a bit. A step looks at one dimension of the event: the value of
//! one field through its index, or the answers of a few cheap predicates taken together. It keeps
//! the rules that dimension leaves possible; most events leave none. Everything is arrays and masks
//! on purpose: the same classification can run where there are no pointers, in the kernel.

use super::{
    bounds::{Below, Lanes},
    estimate::Class,
    index::Index,
    layout::Layout,
    state::Evaluation,
};
use crate::ir::{Graph, NodeId};

/// Predicates of one table; it has two to the power of this many rows, which fit the 64 lanes.
const TABLE_PREDICATES_MAX: usize = 6;
/// A predicate that costs more, in nanoseconds, is no part of a table.
const TABLE_COST_MAX: f32 = 16.0;
/// Nanoseconds to evaluate a rule that a look would have ruled out, roughly.
const EVALUATION_COST: f32 = 40.0;
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
    /// The rules that are possible if no predicate of the index holds.
    quiet: Box<[u64]>,
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
    /// that matches. `room` is as long.
    pub(super) fn select(
        &self,
        evaluation: &mut Evaluation<'_>,
        candidates: &mut [u64],
        room: &mut [u64],
    ) -> Possible {
        candidates.copy_from_slice(&self.all);
        for (place, step) in self.steps.iter().enumerate() {
            if step.class == Class::Process && !evaluation.recall() {
                return Possible::NoRule;
            }
            let left = match &step.look {
                Look::Index(narrowing) => narrowing.keep(evaluation, candidates, room),
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

impl Narrowing {
    #[inline]
    fn keep(
        &self,
        evaluation: &mut Evaluation<'_>,
        candidates: &mut [u64],
        room: &mut [u64],
    ) -> bool {
        // A look that rules out none of these is not worth its cost.
        if candidates.iter().zip(&self.quiet).all(|(left, quiet)| left & !quiet == 0) {
            return true;
        }
        let index = evaluation.ask(self.index);
        let mut quiet = true;
        for (word, mask) in &index.mask {
            quiet &= evaluation.answers()[*word as usize] & mask == 0;
        }
        if quiet {
            return keep(candidates, &self.quiet);
        }
        let room = &mut room[..candidates.len()];
        room.copy_from_slice(&self.quiet);
        for change in self.changed(index, evaluation.answers()) {
            room[change.word as usize] |= change.enabled;
        }
        for change in self.changed(index, evaluation.answers()) {
            room[change.word as usize] &= !change.disabled;
        }
        keep(candidates, room)
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

    fn new(number: u32, index: &Index, asked: &[u32], below: &Below, quiet: Box<[u64]>) -> Self {
        let mut starts = vec![0];
        let mut changes: Vec<Change> = Vec::new();
        for some in asked.chunks(64) {
            let lane: hashbrown::HashMap<u32, u64> =
                some.iter().zip(0..).map(|(predicate, lane)| (*predicate, 1 << lane)).collect();
            let roots = below.roots(&|predicate| match lane.get(&predicate) {
                Some(lane) => Lanes::known(*lane, 0),
                None => Lanes::UNKNOWN,
            });
            for lane in 0..some.len() {
                let from = changes.len();
                for (rule, lanes) in roots.iter().enumerate() {
                    if lanes.reads >> lane & 1 == 0 {
                        continue;
                    }
                    let word = u32::try_from(rule / 64).unwrap_or(u32::MAX);
                    if changes.len() == from || changes.last().is_some_and(|last| last.word != word)
                    {
                        changes.push(Change { word, ..Change::default() });
                    }
                    let (flag, may) = (1 << (rule % 64), lanes.may >> lane & 1 != 0);
                    if let Some(last) = changes.last_mut() {
                        *(if may { &mut last.enabled } else { &mut last.disabled }) |= flag;
                    }
                }
                starts.push(u32::try_from(changes.len()).unwrap_or(u32::MAX));
            }
        }
        debug_assert_eq!(starts.len(), index.predicates.len() + 1);
        Self { index: number, quiet, starts: starts.into(), changes: changes.into() }
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

/// Chooses the steps for the rules of one kind.
pub(super) struct Chooser<'a> {
    pub(super) graph: &'a Graph,
    pub(super) layout: &'a Layout<'a>,
    pub(super) indexes: &'a [Index],
}

/// An index, and the rules that are possible if none of its predicates holds.
struct Dimension {
    index: usize,
    class: Class,
    quiet: Box<[u64]>,
}

/// A cheap predicate, and how many rules its answer rules out, on average.
struct Cheap {
    predicate: u32,
    class: Class,
    worth: f32,
}

impl Chooser<'_> {
    pub(super) fn choose(&self, roots: &[NodeId]) -> Selector {
        let words = roots.len().div_ceil(64);
        let mut of_process = vec![0; words];
        for (rule, root) in roots.iter().enumerate() {
            let own = self.layout.estimates[root].class == Class::Process;
            of_process[rule / 64] |= u64::from(own) << (rule % 64);
        }
        let below = Below::new(self.graph, roots.iter().copied());
        let mut all = vec![u64::MAX; words];
        if let Some(last) = all.last_mut() {
            *last >>= (64 - roots.len() % 64) % 64;
        }
        let dimensions = self.cover(&all, self.dimensions(&below, words));
        // A file's path and a socket's ends decide most at once. Where there are none, the process
        // decides, and its part is remembered.
        let process_first = dimensions.iter().all(|dimension| dimension.class == Class::Process);
        let cheap = self.cheap(&below);
        let rank = |class: Class| match (class, process_first) {
            (Class::Process, true) => 0,
            (Class::Event, _) => 1,
            (Class::Path, _) => 2,
            (Class::Process, false) => 3,
        };
        let mut steps: Vec<Step> = Vec::new();
        for dimension in dimensions {
            let (number, index) = (dimension.index, &self.indexes[dimension.index]);
            let asked = self.layout.indexed(number);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let narrowing = Narrowing::new(number, index, asked, &below, dimension.quiet);
            steps.push(Step { class: dimension.class, look: Look::Index(narrowing) });
        }
        for class in [Class::Event, Class::Process] {
            let chosen: Vec<u32> = cheap
                .iter()
                .filter(|cheap| cheap.class == class)
                .map(|cheap| cheap.predicate)
                .take(TABLE_PREDICATES_MAX)
                .collect();
            if !chosen.is_empty() {
                let table = Table::new(&chosen, self.layout, &below, words);
                steps.push(Step { class, look: Look::Table(table) });
            }
        }
        steps.sort_by_key(|step| rank(step.class));
        let steps_of_process = match process_first {
            true => steps.iter().take_while(|step| step.class == Class::Process).count(),
            false => 0,
        };
        Selector {
            all: all.into(),
            steps: steps.into(),
            steps_of_process,
            of_process: of_process.into(),
        }
    }

    /// Returns the indexes that these conditions read.
    fn dimensions(&self, below: &Below, words: usize) -> Vec<Dimension> {
        let mut numbers: Vec<usize> =
            below.predicates().filter_map(|predicate| self.layout.index_of(predicate)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut dimensions = Vec::new();
        for some in numbers.chunks(64) {
            let lane_of = |predicate: u32| {
                let index = self.layout.index_of(predicate)?;
                some.binary_search(&index).ok()
            };
            let roots = below.roots(&|predicate| match lane_of(predicate) {
                Some(lane) => Lanes::known(0, 1 << lane),
                None => Lanes::UNKNOWN,
            });
            for (lane, index) in some.iter().enumerate() {
                let mut quiet = vec![0; words];
                for (rule, lanes) in roots.iter().enumerate() {
                    quiet[rule / 64] |= (lanes.may >> lane & 1) << (rule % 64);
                }
                let class = self.layout.index_class(*index);
                dimensions.push(Dimension { index: *index, class, quiet: quiet.into() });
            }
        }
        dimensions
    }

    /// Picks dimensions, the one that rules out most for its cost first, until to evaluate what
    /// those before leave is cheaper than another look.
    fn cover(&self, all: &[u64], mut dimensions: Vec<Dimension>) -> Vec<Dimension> {
        let mut left = all.to_vec();
        let mut chosen = Vec::new();
        loop {
            let worth = |dimension: &Dimension| {
                let gone = left.iter().zip(&dimension.quiet).map(|(left, quiet)| left & !quiet);
                let gone = gone.map(u64::count_ones).sum::<u32>();
                gone as f32 / self.layout.index_cost(dimension.index)
            };
            let best = dimensions
                .iter()
                .enumerate()
                .map(|(place, dimension)| (worth(dimension), place))
                .max_by(|left, right| left.0.total_cmp(&right.0));
            let Some((worth, place)) = best else { return chosen };
            if worth * EVALUATION_COST < 1.0 {
                return chosen;
            }
            let dimension = dimensions.swap_remove(place);
            keep(&mut left, &dimension.quiet);
            chosen.push(dimension);
        }
    }

    /// Returns the cheap predicates that no index answers and that rule out at least a rule, the
    /// best first.
    fn cheap(&self, below: &Below) -> Vec<Cheap> {
        let eligible = |predicate: &u32| {
            let estimate = self.layout.predicate_estimate(*predicate);
            self.layout.index_of(*predicate).is_none()
                && estimate.class != Class::Path
                && estimate.cost <= TABLE_COST_MAX
        };
        let predicates: Vec<u32> = below.predicates().filter(eligible).collect();
        let mut cheap = Vec::new();
        for some in predicates.chunks(32) {
            let roots =
                below.roots(&|predicate| match some.iter().position(|other| *other == predicate) {
                    Some(place) => Lanes::known(1 << place, 1 << (place + 32)),
                    None => Lanes::UNKNOWN,
                });
            for (place, predicate) in some.iter().enumerate() {
                let gone = |lane: usize| {
                    roots.iter().filter(|lanes| lanes.may >> lane & 1 == 0).count() as f32
                };
                let estimate = self.layout.predicate_estimate(*predicate);
                let chance = estimate.chance;
                let worth = chance * gone(place) + (1.0 - chance) * gone(place + 32);
                if worth >= 0.5 {
                    let worth = worth / estimate.cost;
                    cheap.push(Cheap { predicate: *predicate, class: estimate.class, worth });
                }
            }
        }
        cheap.sort_by(|left, right| right.worth.total_cmp(&left.worth));
        cheap
    }
}
