//! The conditions of all rules, laid out for one pass over an event: every node has a bit.

use alert::{EventKind, Field};
use hashbrown::HashMap;

use super::index::Index;
use crate::ir::{EventView, Graph, Leaf, Machine, Node, NodeId, Predicate, Term, Test};
use crate::parse::Operator;

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
    Or(Box<[u32]>),
    /// Fills the space between two classes of bits.
    Nothing,
}

/// What a bit depends on, which says how long it is kept. The order is that of the bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The process alone: kept with the process.
    Process,
    /// The event.
    Event,
    /// The path of the event's file: answered again for a second path.
    Path,
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
        let mut layout = Layout { graph, classes: HashMap::new(), costs: HashMap::new() };
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
    classes: HashMap<NodeId, Class>,
    costs: HashMap<NodeId, u32>,
}

impl Layout<'_> {
    fn visit(&mut self, id: NodeId) -> (Class, u32) {
        if let (Some(class), Some(cost)) = (self.classes.get(&id), self.costs.get(&id)) {
            return (*class, *cost);
        }
        let (class, cost) = match self.graph.node(id) {
            Node::False | Node::True => (Class::Process, 0),
            Node::Predicate(index) => {
                let (predicate, machine) = self.graph.predicate_of(*index);
                let class = class(predicate);
                // What is kept with the process is nearly always there already.
                let kept = if class == Class::Process { 8 } else { 1 };
                (class, cost(predicate, machine).div_ceil(kept))
            }
            Node::Not(child) => self.visit(*child),
            Node::And(children) | Node::Or(children) => {
                let mut whole = (Class::Process, 1_u32);
                for child in children {
                    let (class, cost) = self.visit(*child);
                    whole = (whole.0.max(class), whole.1.saturating_add(cost));
                }
                whole
            }
        };
        self.classes.insert(id, class);
        self.costs.insert(id, cost);
        (class, cost)
    }

    fn build(self, special: &[Vec<(u32, NodeId)>]) -> Program {
        let mut nodes: Vec<(Class, NodeId)> =
            self.classes.iter().map(|(id, class)| (*class, *id)).collect();
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
                Node::And(children) => Op::And(self.cheapest_first(children, &bits)),
                Node::Or(children) => Op::Or(self.cheapest_first(children, &bits)),
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
        let kinds = special
            .iter()
            .map(|entries| {
                let entry = |(rule, root): &(u32, NodeId)| Entry {
                    rule: *rule,
                    root: bits[root],
                    reads_path: self.classes[root] == Class::Path,
                };
                entries.iter().map(entry).collect()
            })
            .collect();
        Program { kinds, ops, indexes, process_bits: bounds[0], path_bit: bounds[1] }
    }

    fn cheapest_first(&self, children: &[NodeId], bits: &HashMap<NodeId, u32>) -> Box<[u32]> {
        let mut children = children.to_vec();
        children.sort_by_key(|child| self.costs.get(child).copied().unwrap_or(u32::MAX));
        children.iter().map(|child| bits[child]).collect()
    }
}

fn class(predicate: &Predicate) -> Class {
    let mut class = Class::Process;
    let mut visit = |leaf: &Leaf| {
        class = class.max(match leaf {
            Leaf::Event(field, _) if EventView::depends_on_path(*field) => Class::Path,
            leaf if leaf.is_process_state() => Class::Process,
            _ => Class::Event,
        });
    };
    predicate.leaves(&mut visit);
    class
}

/// A guess at the nanoseconds it takes, good enough to put the cheap before the dear.
fn cost(predicate: &Predicate, machine: &Machine) -> u32 {
    let mut cost = match &predicate.test {
        Test::Text(Operator::Glob | Operator::IGlob, _) => 60,
        Test::Modified(..) | Test::Term(..) => 60,
        Test::PathMatch(_) => 30,
        _ if matches!(machine, Machine::Regex(_)) => 120,
        _ => 5,
    };
    predicate.term.leaves(&mut |leaf| {
        cost += match leaf {
            Leaf::Event(field, argument) => match field {
                Field::ProcCmdline | Field::ProcPcmdline | Field::ProcArgs => 60,
                Field::ProcEnv | Field::EvtArgs | Field::ThreadCapEffective => 200,
                Field::EvtArg => 150,
                Field::ProcAcmdline => 300,
                Field::FdName | Field::FdResolved => 20,
                field if field.yields_list(argument) => 60,
                _ => 5,
            },
            Leaf::Alert(_) => 5,
        };
    });
    cost
}
