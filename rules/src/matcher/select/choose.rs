//! Chooses what is looked at for the events of one kind, and in which order.

use super::{
    super::fact::Fact, Below, Class, Graph, Lanes, Layout, Look, Narrowing, NodeId, Selector, Step,
    TABLE_PREDICATES_MAX, Table, keep,
};

/// Nanoseconds to evaluate a rule that a look would have ruled out, roughly.
const EVALUATION_COST: f32 = 130.0;
/// Tables of each class.
const TABLES_MAX: usize = 2;
/// A predicate that costs more, in nanoseconds, is no part of a table.
const TABLE_COST_MAX: f32 = 16.0;

/// Chooses the steps for the rules of one kind.
pub(in crate::matcher) struct Chooser<'a> {
    pub(in crate::matcher) graph: &'a Graph,
    pub(in crate::matcher) layout: &'a Layout<'a>,
}

/// An index, and the rules that are possible if none of its predicates holds.
pub(super) struct Dimension {
    pub(super) index: usize,
    pub(super) class: Class,
    pub(super) readers: Box<[u64]>,
    pub(super) quiet: Box<[u64]>,
}

/// A cheap predicate, and how many rules its answer rules out, on average.
struct Cheap {
    predicate: u32,
    class: Class,
    worth: f32,
}

impl Chooser<'_> {
    pub(in crate::matcher) fn choose(&self, roots: &[NodeId]) -> Selector {
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
        let dimensions = self.cover(&all, self.dimensions(&below, words), roots);
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
        let mut steps = Vec::new();
        for dimension in dimensions {
            let class = dimension.class;
            let asked = self.layout.indexed(dimension.index);
            let narrowing = Narrowing::new(dimension, asked, &below);
            let step = Step { class, look: Look::Index(narrowing) };
            steps.push(((rank(class), true), step));
        }
        for class in [Class::Event, Class::Process] {
            let chosen: Vec<u32> = cheap
                .iter()
                .filter(|cheap| cheap.class == class)
                .map(|cheap| cheap.predicate)
                .take(TABLES_MAX * TABLE_PREDICATES_MAX)
                .collect();
            for some in chosen.chunks(TABLE_PREDICATES_MAX) {
                let table = Table::new(some, self.layout, &below, words);
                // The facts of an event are read at once, and leave little to look for.
                let is_fact =
                    |predicate: &u32| Fact::of(self.graph.predicate_of(*predicate).0).is_some();
                let facts = class == Class::Event && some.iter().all(is_fact);
                let step = Step { class, look: Look::Table(table) };
                steps.push(((rank(class), !facts), step));
            }
        }
        steps.sort_by_key(|(order, _)| *order);
        let mut steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
        self.quieten(&mut steps, &below);
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
                let (mut quiet, mut readers) = (vec![0; words], vec![0; words]);
                for (rule, lanes) in roots.iter().enumerate() {
                    quiet[rule / 64] |= (lanes.may >> lane & 1) << (rule % 64);
                    readers[rule / 64] |= (lanes.reads >> lane & 1) << (rule % 64);
                }
                let class = self.layout.index_class(*index);
                dimensions.push(Dimension {
                    index: *index,
                    class,
                    readers: readers.into(),
                    quiet: quiet.into(),
                });
            }
        }
        dimensions
    }

    /// Picks dimensions, the one that rules out most for its cost first, until to evaluate what
    /// those before leave is cheaper than another look.
    /// Then adds those that only together rule out a rule.
    fn cover(
        &self,
        all: &[u64],
        mut dimensions: Vec<Dimension>,
        roots: &[NodeId],
    ) -> Vec<Dimension> {
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
            let Some((_, place)) = best.filter(|(worth, _)| worth * EVALUATION_COST >= 1.0) else {
                break;
            };
            let dimension = dimensions.swap_remove(place);
            keep(&mut left, &dimension.quiet);
            chosen.push(dimension);
        }
        for (rule, root) in roots.iter().enumerate() {
            if left[rule / 64] >> (rule % 64) & 1 == 0 {
                continue;
            }
            let together = self.together(*root);
            let (wanted, rest) =
                dimensions.into_iter().partition(|other| together.contains(&other.index));
            chosen.extend::<Vec<_>>(wanted);
            dimensions = rest;
        }
        chosen
    }

    /// Returns indexes that rule out a condition if none of their predicates holds, none of which
    /// can be left out; nothing if there are no such, or one costs too much.
    fn together(&self, root: NodeId) -> Vec<usize> {
        let below = Below::new(self.graph, std::iter::once(root));
        let mut indexes: Vec<usize> =
            below.predicates().filter_map(|predicate| self.layout.index_of(predicate)).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let cost = |index: &usize| self.layout.index_cost(*index);
        indexes.retain(|index| cost(index) < EVALUATION_COST);
        indexes.sort_by(|left, right| cost(right).total_cmp(&cost(left)));
        let rules_out = |indexes: &[usize]| {
            let roots = below.roots(&|predicate| match self.layout.index_of(predicate) {
                Some(index) if indexes.contains(&index) => Lanes::known(0, u64::MAX),
                _ => Lanes::UNKNOWN,
            });
            roots.iter().all(|lanes| lanes.may == 0)
        };
        if !rules_out(&indexes) {
            return Vec::new();
        }
        // The dearest stand first.
        let mut place = 0;
        while place < indexes.len() {
            let mut fewer = indexes.clone();
            fewer.remove(place);
            if rules_out(&fewer) {
                indexes = fewer;
            } else {
                place += 1;
            }
        }
        indexes
    }

    /// Finds what each step leaves possible if it and all before it are quiet.
    fn quieten(&self, steps: &mut [Step], below: &Below) {
        let mut asked: Vec<&mut Narrowing> = steps
            .iter_mut()
            .filter_map(|step| match &mut step.look {
                Look::Index(narrowing) => Some(narrowing),
                Look::Table(_) => None,
            })
            .collect();
        let order: Vec<usize> = asked.iter().map(|narrowing| narrowing.index as usize).collect();
        // Later steps, should there be so many, know only of themselves.
        let roots = below.roots(&|predicate| {
            let index = self.layout.index_of(predicate);
            match order.iter().take(64).position(|other| Some(*other) == index) {
                Some(place) => Lanes::known(0, u64::MAX << place),
                None => Lanes::UNKNOWN,
            }
        });
        for (place, narrowing) in asked.iter_mut().take(64).enumerate() {
            for (rule, lanes) in roots.iter().enumerate() {
                let gone = u64::from(lanes.may >> place & 1 == 0) << (rule % 64);
                narrowing.all_quiet[rule / 64] &= !gone;
            }
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
