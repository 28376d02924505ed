//! Gives every node of the conditions a bit, so that bits which are kept or forgotten together lie
//! together, and those that one index answers are neighbours.

use hashbrown::HashMap;

use super::{
    estimate::{Class, Estimate, leaf_cost},
    index::Index,
};
use crate::ir::{Graph, Leaf, Node, NodeId, Predicate, Term};

/// Nanoseconds up to which a value is read twice rather than walked along for nothing.
const SPLIT_COST_MAX: f32 = 20.0;

/// Where the bits of the conditions are.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    graph: &'a Graph,
    pub(super) estimates: HashMap<NodeId, Estimate>,
    pub(super) bits: HashMap<NodeId, u32>,
    /// The node of each predicate that is used.
    predicates: HashMap<u32, NodeId>,
    groups: Vec<Group<'a>>,
    group_of: HashMap<u32, usize>,
    pub(super) process_bits: usize,
    pub(super) path_bit: usize,
    pub(super) bits_count: usize,
}

/// The predicates that one index answers.
#[derive(Debug)]
struct Group<'a> {
    leaf: &'a Leaf,
    class: Class,
    /// They are looked for anywhere in the text; the others of this field have an index of their
    /// own, which is sooner asked.
    walks: bool,
    predicates: Vec<u32>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(graph: &'a Graph, roots: impl Iterator<Item = NodeId>) -> Self {
        let mut layout = Self {
            graph,
            estimates: HashMap::new(),
            bits: HashMap::new(),
            predicates: HashMap::new(),
            groups: Vec::new(),
            group_of: HashMap::new(),
            process_bits: 0,
            path_bit: 0,
            bits_count: 0,
        };
        for root in roots {
            layout.visit(root);
        }
        layout.group();
        layout.number();
        layout
    }

    fn visit(&mut self, id: NodeId) -> Estimate {
        if let Some(known) = self.estimates.get(&id) {
            return *known;
        }
        let graph = self.graph;
        let estimate = match graph.node(id) {
            Node::False => Estimate::certain(false),
            Node::True => Estimate::certain(true),
            Node::Predicate(index) => {
                self.predicates.insert(*index, id);
                let (predicate, machine) = graph.predicate_of(*index);
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

    /// Puts the predicates together that one index can answer.
    fn group(&mut self) {
        let graph = self.graph;
        let mut by_leaf: HashMap<(&Leaf, bool), usize> = HashMap::new();
        let mut used: Vec<(u32, NodeId)> =
            self.predicates.iter().map(|(predicate, id)| (*predicate, *id)).collect();
        used.sort_unstable();
        for (number, id) in used {
            let (predicate, _) = graph.predicate_of(number);
            let Term::Leaf(leaf) = &predicate.term else { continue };
            if !Index::serves(predicate) {
                continue;
            }
            // What must be put together first is put together once.
            let walks = leaf_cost(leaf) <= SPLIT_COST_MAX && Index::walks(predicate);
            let group = *by_leaf.entry((leaf, walks)).or_insert_with(|| {
                let class = self.estimates[&id].class;
                self.groups.push(Group { leaf, class, walks, predicates: Vec::new() });
                self.groups.len() - 1
            });
            self.groups[group].predicates.push(number);
        }
        self.groups.retain(|group| Index::pays(predicates(graph, &group.predicates)));
        for (number, group) in self.groups.iter().enumerate() {
            self.group_of.extend(group.predicates.iter().map(|predicate| (*predicate, number)));
        }
    }

    /// Numbers the bits: those of the process, of the event, of the path; in each, the indexes'
    /// before the others. Every class begins with a word of its own.
    fn number(&mut self) {
        let mut others: Vec<(Class, NodeId)> = Vec::new();
        for (id, estimate) in &self.estimates {
            let indexed = match self.graph.node(*id) {
                Node::Predicate(index) => self.group_of.contains_key(index),
                _ => false,
            };
            if !indexed {
                others.push((estimate.class, *id));
            }
        }
        others.sort_unstable();
        let mut bit = 0_u32;
        for class in [Class::Process, Class::Event, Class::Path] {
            if class == Class::Path {
                self.path_bit = bit as usize;
            }
            for group in self.groups.iter().filter(|group| group.class == class) {
                for predicate in &group.predicates {
                    self.bits.insert(self.predicates[predicate], bit);
                    bit += 1;
                }
            }
            for (_, id) in others.iter().filter(|(of, _)| *of == class) {
                self.bits.insert(*id, bit);
                bit += 1;
            }
            bit = bit.next_multiple_of(64);
            if class == Class::Process {
                self.process_bits = bit as usize;
            }
        }
        self.bits_count = bit as usize;
    }

    /// Builds the indexes. One that would be too large leaves its predicates to themselves.
    pub(super) fn build_indexes(&mut self) -> Vec<Index> {
        let mut indexes = Vec::with_capacity(self.groups.len());
        let mut kept = Vec::with_capacity(self.groups.len());
        for group in std::mem::take(&mut self.groups) {
            let asked: Vec<(u32, &Predicate)> = predicates(self.graph, &group.predicates)
                .zip(&group.predicates)
                .map(|(predicate, number)| (self.predicate_bit(*number), predicate))
                .collect();
            if let Some(index) = Index::new(group.leaf, &group.predicates, &asked) {
                indexes.push(index);
                kept.push(group);
            }
        }
        self.groups = kept;
        self.group_of.clear();
        for (number, group) in self.groups.iter().enumerate() {
            self.group_of.extend(group.predicates.iter().map(|predicate| (*predicate, number)));
        }
        indexes
    }

    pub(super) fn predicate_bit(&self, predicate: u32) -> u32 {
        self.bits[&self.predicates[&predicate]]
    }

    pub(super) fn predicate_estimate(&self, predicate: u32) -> Estimate {
        self.estimates[&self.predicates[&predicate]]
    }

    /// Returns the number of the index that answers a predicate.
    pub(super) fn index_of(&self, predicate: u32) -> Option<usize> {
        self.group_of.get(&predicate).copied()
    }

    /// Returns the predicates of an index, in the order of their bits.
    pub(super) fn indexed(&self, index: usize) -> &[u32] {
        &self.groups[index].predicates
    }

    pub(super) fn index_class(&self, index: usize) -> Class {
        self.groups[index].class
    }

    /// Returns nanoseconds, roughly, to ask an index.
    pub(super) fn index_cost(&self, index: usize) -> f32 {
        const LOOK: f32 = 5.0;
        const WALK: f32 = 30.0;
        let group = &self.groups[index];
        LOOK + leaf_cost(group.leaf) + if group.walks { WALK } else { 0.0 }
    }

    /// Puts those children first that decide soonest for what they cost: an `or` is decided by
    /// true, an `and` by false.
    pub(super) fn best_first(&self, children: &[NodeId], decides: bool) -> Box<[u32]> {
        let mut children = children.to_vec();
        children.sort_by(|left, right| {
            let rank = |id: &NodeId| self.estimates[id].rank(decides);
            rank(left).total_cmp(&rank(right))
        });
        children.iter().map(|child| self.bits[child]).collect()
    }
}

fn predicates<'a>(graph: &'a Graph, numbers: &[u32]) -> impl Iterator<Item = &'a Predicate> {
    numbers.iter().map(|number| graph.predicate_of(*number).0)
}
