//! The conditions of all rules, laid out for one pass over an event: every node has a bit.

use std::collections::BTreeMap;

use alert::EventKind;
use hashbrown::HashMap;

use super::{
    estimate::Class,
    fact::Fact,
    index::{Index, words},
    layout::Layout,
    select::{Chooser, Selector},
};
use crate::ir::{Graph, Node, NodeId, Predicate};

/// A rule that events of one kind can match.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) rule: u32,
    /// The bit of its condition.
    pub(crate) root: u32,
    pub(crate) reads_path: bool,
}

/// How the answer of a bit is found.
#[derive(Debug)]
pub(crate) enum Op {
    Always,
    Predicate(u32),
    /// The predicate is asked only if the fact does not answer it.
    Fact(Fact, u32),
    /// The predicate is answered with all others of its field.
    Indexed(u32),
    Not(u32),
    And(Box<[u32]>),
    Or(Box<[Any]>, Box<[u32]>),
    /// Fills the space between two classes of bits.
    Nothing,
}

/// Bits that one index answers: whether any is set is asked word by word.
#[derive(Debug)]
pub(crate) struct Any {
    pub(crate) index: u32,
    pub(crate) mask: Box<[(u32, u64)]>,
}

/// Kinds of event that the same rules can match, under the same conditions.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) entries: Vec<Entry>,
    /// The condition of each, as it is for these kinds.
    pub(super) conditions: Vec<NodeId>,
    pub(super) selector: Selector,
    pub(super) reads_path: bool,
}

/// The condition of each rule that a kind of event can match, as it is for that kind.
type Conditions = Vec<(u32, NodeId)>;

#[derive(Debug, Default)]
pub(crate) struct Program {
    /// The group of each kind.
    kinds: Vec<Option<u32>>,
    groups: Vec<Group>,
    pub(crate) ops: Vec<Op>,
    pub(crate) indexes: Vec<Index>,
    /// By predicate, whether it reads a momentary field.
    pub(super) momentary: Box<[bool]>,
    pub(super) process_bits: usize,
    path_bit: usize,
}

impl Program {
    /// Lays out the conditions in `roots`, one for each rule.
    pub(crate) fn new(graph: &mut Graph, roots: &[NodeId]) -> Self {
        let (kinds, distinct) = specialise(graph, roots);
        let graph = &*graph;
        let below = distinct.iter().flatten().map(|(_, root)| *root);
        let mut layout = Layout::new(graph, below);
        let indexes = layout.build_indexes();
        let mut program = Self {
            kinds,
            groups: Vec::with_capacity(distinct.len()),
            ops: ops(graph, &layout),
            indexes,
            momentary: momentary(graph),
            process_bits: layout.process_bits,
            path_bit: layout.path_bit,
        };
        let chooser = Chooser { graph, layout: &layout };
        let mut groups = Vec::with_capacity(distinct.len());
        for conditions in distinct {
            let entry = |(rule, root): &(u32, NodeId)| Entry {
                rule: *rule,
                root: layout.bits[root],
                reads_path: layout.estimates[root].class == Class::Path,
            };
            let entries: Vec<Entry> = conditions.iter().map(entry).collect();
            let roots: Vec<NodeId> = conditions.iter().map(|(_, root)| *root).collect();
            let selector = chooser.choose(&roots);
            let reads_path = entries.iter().any(|entry| entry.reads_path);
            groups.push(Group { entries, conditions: roots, selector, reads_path });
        }
        program.groups = groups;
        program
    }

    pub(crate) fn entries(&self, kind: EventKind) -> &[Entry] {
        self.group(kind).map_or(&[], |(_, group)| &group.entries)
    }

    /// Returns the rules that a kind can match, with their conditions as they are for it.
    pub(crate) fn conditions(&self, kind: EventKind) -> Vec<(u32, NodeId)> {
        let group = self.group(kind).map(|(_, group)| group);
        let own = group.iter().flat_map(|group| group.entries.iter().zip(&group.conditions));
        own.map(|(entry, root)| (entry.rule, *root)).collect()
    }

    /// Returns the rules for a kind, and the number of this group; `None` if there are none.
    pub(super) fn group(&self, kind: EventKind) -> Option<(u32, &Group)> {
        let number = (*self.kinds.get(kind as usize)?)?;
        Some((number, self.groups.get(number as usize)?))
    }

    pub(crate) const fn words(&self) -> usize {
        self.ops.len().div_ceil(64)
    }

    pub(crate) const fn process_words(&self) -> usize {
        self.process_bits / 64
    }

    pub(crate) const fn path_word(&self) -> usize {
        self.path_bit / 64
    }

    /// Returns the words of the largest set of candidates.
    pub(super) fn candidate_words(&self) -> usize {
        self.groups.iter().map(|group| group.selector.words()).max().unwrap_or(0)
    }
}

/// Returns the conditions of every kind, each different list once, and which list is a kind's.
fn specialise(graph: &mut Graph, roots: &[NodeId]) -> (Vec<Option<u32>>, Vec<Conditions>) {
    let mut numbers: HashMap<Conditions, u32> = HashMap::new();
    let mut kinds = Vec::with_capacity(EventKind::ALL.len());
    for kind in EventKind::ALL {
        let mut known = HashMap::new();
        let mut conditions = Conditions::new();
        for (rule, root) in (0_u32..).zip(roots) {
            let root = graph.specialise(*root, kind, &mut known);
            if *graph.node(root) != Node::False {
                conditions.push((rule, root));
            }
        }
        kinds.push(match conditions.is_empty() {
            true => None,
            false => {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                Some(*numbers.entry(conditions).or_insert(next))
            }
        });
    }
    let mut distinct: Vec<(u32, Conditions)> =
        numbers.into_iter().map(|(conditions, number)| (number, conditions)).collect();
    distinct.sort_unstable();
    (kinds, distinct.into_iter().map(|(_, conditions)| conditions).collect())
}

fn momentary(graph: &Graph) -> Box<[bool]> {
    let reads = |predicate: &Predicate| {
        let mut any = false;
        predicate.leaves(&mut |leaf| any |= leaf.is_momentary());
        any
    };
    graph.predicates().map(reads).collect()
}

fn ops(graph: &Graph, layout: &Layout<'_>) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    ops.resize_with(layout.bits_count, || Op::Nothing);
    for (id, bit) in &layout.bits {
        ops[*bit as usize] = match graph.node(*id) {
            Node::False => Op::Nothing,
            Node::True => Op::Always,
            Node::Predicate(predicate) => match layout.index_of(*predicate) {
                Some(index) => Op::Indexed(u32::try_from(index).unwrap_or(u32::MAX)),
                None => match Fact::of(graph.predicate_of(*predicate).0) {
                    Some(fact) => Op::Fact(fact, *predicate),
                    None => Op::Predicate(*predicate),
                },
            },
            Node::Not(child) => Op::Not(layout.bits[child]),
            Node::And(children) => Op::And(layout.best_first(children, false)),
            Node::Or(children) => Op::Or([].into(), layout.best_first(children, true)),
        };
    }
    gather(&mut ops);
    ops
}

/// Takes the indexed children of each `or` together.
fn gather(ops: &mut [Op]) {
    let index_of: Vec<Option<u32>> = ops
        .iter()
        .map(|op| match op {
            Op::Indexed(index) => Some(*index),
            _ => None,
        })
        .collect();
    for op in ops {
        let Op::Or(any, children) = op else { continue };
        let mut bits: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut others = Vec::new();
        for child in &**children {
            match index_of[*child as usize] {
                Some(index) => bits.entry(index).or_default().push(*child),
                None => others.push(*child),
            }
        }
        *any = bits
            .into_iter()
            .map(|(index, bits)| Any { index, mask: words(&bits).into() })
            .collect();
        *children = others.into();
    }
}
