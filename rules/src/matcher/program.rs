//! The conditions of all rules, laid out for one pass over an event: every node has a bit.

use std::collections::BTreeMap;

use alert::EventKind;
use hashbrown::HashMap;

use super::{
    estimate::{Class, Estimate},
    index::Index,
};
use crate::ir::{Graph, Leaf, Node, NodeId, Predicate, Term};

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

#[derive(Debug, Default)]
pub(crate) struct Program {
    kinds: Vec<Vec<Entry>>,
    pub(crate) ops: Vec<Op>,
    pub(crate) indexes: Vec<Index>,
    process_bits: usize,
    path_bit: usize,
}

impl Program {
    /// Lays out the conditions in `roots`, one for each rule.
    pub(crate) fn new(graph: &mut Graph, roots: &[NodeId]) -> Self {
        let mut special: Vec<Vec<(u32, NodeId)>> = Vec::with_capacity(EventKind::ALL.len());
        for kind in EventKind::ALL {
            let mut known = HashMap::new();
            let mut entries = Vec::new();
            for (rule, root) in roots.iter().enumerate() {
                let root = graph.specialise(*root, kind, &mut known);
                if *graph.node(root) != Node::False {
                    entries.push((u32::try_from(rule).unwrap_or(u32::MAX), root));
                }
            }
            special.push(entries);
        }
        let mut layout = Layout { graph, estimates: HashMap::new() };
        for (_, root) in special.iter().flatten() {
            layout.visit(*root);
        }
        layout.build(&special)
    }

    pub(crate) fn entries(&self, kind: EventKind) -> &[Entry] {
        self.kinds.get(kind as usize).map_or(&[], Vec::as_slice)
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
}

struct Layout<'a> {
    graph: &'a Graph,
    estimates: HashMap<NodeId, Estimate>,
}

impl Layout<'_> {
    fn visit(&mut self, id: NodeId) -> Estimate {
        if let Some(known) = self.estimates.get(&id) {
            return *known;
        }
        let estimate = match self.graph.node(id) {
            Node::False => Estimate::certain(false),
            Node::True => Estimate::certain(true),
            Node::Predicate(index) => {
                let (predicate, machine) = self.graph.predicate_of(*index);
                Estimate::of(predicate, machine)
            }
            Node::Not(child) => self.visit(*child).negated(),
            Node::And(children) => children
                .iter()
                .fold(Estimate::certain(true), |all, child| all.and(self.visit(*child))),
            Node::Or(children) => children
                .iter()
                .fold(Estimate::certain(false), |any, child| any.or(self.visit(*child))),
        };
        self.estimates.insert(id, estimate);
        estimate
    }

    fn build(self, special: &[Vec<(u32, NodeId)>]) -> Program {
        let mut nodes: Vec<(Class, NodeId)> =
            self.estimates.iter().map(|(id, estimate)| (estimate.class, *id)).collect();
        nodes.sort_unstable();
        let mut bits: HashMap<NodeId, u32> = HashMap::with_capacity(nodes.len());
        let mut bit = 0_u32;
        let mut bounds = [0_usize; 2];
        for (place, class) in [Class::Process, Class::Event, Class::Path].into_iter().enumerate() {
            for (_, id) in nodes.iter().filter(|(of, _)| *of == class) {
                bits.insert(*id, bit);
                bit += 1;
            }
            bit = bit.next_multiple_of(64);
            if let Some(bound) = bounds.get_mut(place) {
                *bound = bit as usize;
            }
        }
        let mut ops: Vec<Op> = Vec::new();
        ops.resize_with(bit as usize, || Op::Nothing);
        let mut by_leaf: HashMap<&Leaf, Vec<(u32, &Predicate)>> = HashMap::new();
        for (id, bit) in &bits {
            ops[*bit as usize] = match self.graph.node(*id) {
                Node::False => Op::Nothing,
                Node::True => Op::Always,
                Node::Predicate(index) => {
                    let (predicate, _) = self.graph.predicate_of(*index);
                    if let Term::Leaf(leaf) = &predicate.term
                        && Index::serves(predicate)
                    {
                        by_leaf.entry(leaf).or_default().push((*bit, predicate));
                    }
                    Op::Predicate(*index)
                }
                Node::Not(child) => Op::Not(bits[child]),
                Node::And(children) => Op::And(self.best_first(children, &bits, false)),
                Node::Or(children) => Op::Or([].into(), self.best_first(children, &bits, true)),
            };
        }
        let mut indexes = Vec::new();
        for (leaf, mut predicates) in by_leaf {
            predicates.sort_unstable_by_key(|(bit, _)| *bit);
            let Some(index) = Index::new(leaf, &predicates) else { continue };
            let number = u32::try_from(indexes.len()).unwrap_or(u32::MAX);
            for (bit, _) in &predicates {
                ops[*bit as usize] = Op::Indexed(number);
            }
            indexes.push(index);
        }
        gather(&mut ops);
        let kinds = special
            .iter()
            .map(|entries| {
                let entry = |(rule, root): &(u32, NodeId)| Entry {
                    rule: *rule,
                    root: bits[root],
                    reads_path: self.estimates[root].class == Class::Path,
                };
                entries.iter().map(entry).collect()
            })
            .collect();
        Program { kinds, ops, indexes, process_bits: bounds[0], path_bit: bounds[1] }
    }

    /// Puts those children first that decide soonest for what they cost: an `or` is decided by
    /// true, an `and` by false.
    fn best_first(
        &self,
        children: &[NodeId],
        bits: &HashMap<NodeId, u32>,
        decides: bool,
    ) -> Box<[u32]> {
        let mut children = children.to_vec();
        children.sort_by(|left, right| {
            let rank = |id: &NodeId| self.estimates[id].rank(decides);
            rank(left).total_cmp(&rank(right))
        });
        children.iter().map(|child| bits[child]).collect()
    }
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
        let mut masks: BTreeMap<u32, BTreeMap<u32, u64>> = BTreeMap::new();
        let mut others = Vec::new();
        for child in &**children {
            match index_of[*child as usize] {
                Some(index) => {
                    let mask = masks.entry(index).or_default();
                    *mask.entry(child / 64).or_default() |= 1 << (child % 64);
                }
                None => others.push(*child),
            }
        }
        *any = masks
            .into_iter()
            .map(|(index, mask)| Any { index, mask: mask.into_iter().collect() })
            .collect();
        *children = others.into();
    }
}
