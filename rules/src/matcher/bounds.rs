//! What conditions can still come to when only a part of their predicates is known: 64 such parts
//! at a time.
//!
//! A condition that cannot hold for what is known cannot hold, whatever the rest turns out to be:
//! to know more never turns "cannot" into "can". So candidates found this way are never too few.

use hashbrown::HashMap;

use crate::ir::{Graph, Node, NodeId};

/// What is known of one predicate or node, a bit for each of 64 cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// Cases in which it may hold.
    pub(crate) may: u64,
    /// Cases in which it may not hold.
    pub(crate) may_not: u64,
    /// Cases whose predicates it reads.
    pub(crate) reads: u64,
}

impl Lanes {
    pub(crate) const UNKNOWN: Self = Self { may: u64::MAX, may_not: u64::MAX, reads: 0 };

    /// Holds in the cases `yes`, does not in the cases `no`, is unknown in others.
    pub(crate) const fn known(yes: u64, no: u64) -> Self {
        Self { may: !no, may_not: !yes, reads: yes | no }
    }

    const fn not(self) -> Self {
        Self { may: self.may_not, may_not: self.may, reads: self.reads }
    }

    const fn and(self, other: Self) -> Self {
        Self {
            may: self.may & other.may,
            may_not: self.may_not | other.may_not,
            reads: self.reads | other.reads,
        }
    }

    const fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// The nodes below some conditions, children first, in arrays of their own.
#[derive(Debug)]
pub(crate) struct Below {
    nodes: Vec<Shape>,
    children: Vec<u32>,
    /// The conditions, as places in `nodes`.
    roots: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    False,
    True,
    Predicate(u32),
    Not(u32),
    /// Children from one place to another.
    And(u32, u32),
    Or(u32, u32),
}

impl Below {
    pub(crate) fn new(graph: &Graph, roots: impl Iterator<Item = NodeId>) -> Self {
        let roots: Vec<NodeId> = roots.collect();
        let mut seen: hashbrown::HashSet<NodeId> = roots.iter().copied().collect();
        let mut open: Vec<NodeId> = seen.iter().copied().collect();
        while let Some(id) = open.pop() {
            let children = match graph.node(id) {
                Node::Not(child) => std::slice::from_ref(child),
                Node::And(children) | Node::Or(children) => children,
                Node::False | Node::True | Node::Predicate(_) => &[],
            };
            open.extend(children.iter().filter(|child| seen.insert(**child)));
        }
        // In the graph, too, children come before their parents.
        let mut ids: Vec<NodeId> = seen.into_iter().collect();
        ids.sort_unstable();
        let places: HashMap<NodeId, u32> = ids.iter().copied().zip(0..).collect();
        let mut below =
            Self { nodes: Vec::with_capacity(ids.len()), children: vec![], roots: vec![] };
        for id in ids {
            let shape = match graph.node(id) {
                Node::False => Shape::False,
                Node::True => Shape::True,
                Node::Predicate(index) => Shape::Predicate(*index),
                Node::Not(child) => Shape::Not(places[child]),
                Node::And(children) => {
                    let (from, to) = below.add(children, &places);
                    Shape::And(from, to)
                }
                Node::Or(children) => {
                    let (from, to) = below.add(children, &places);
                    Shape::Or(from, to)
                }
            };
            below.nodes.push(shape);
        }
        below.roots = roots.iter().map(|root| places[root]).collect();
        below
    }

    fn add(&mut self, children: &[NodeId], places: &HashMap<NodeId, u32>) -> (u32, u32) {
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let from = place(self.children.len());
        self.children.extend(children.iter().map(|child| places[child]));
        (from, place(self.children.len()))
    }

    /// Calls `visit` for every predicate, each once.
    pub(crate) fn predicates(&self) -> impl Iterator<Item = u32> {
        self.nodes.iter().filter_map(|shape| match shape {
            Shape::Predicate(index) => Some(*index),
            _ => None,
        })
    }

    /// Returns what is known of each condition, given what is known of each predicate.
    pub(crate) fn roots(&self, known: &dyn Fn(u32) -> Lanes) -> Vec<Lanes> {
        let mut lanes: Vec<Lanes> = Vec::with_capacity(self.nodes.len());
        for shape in &self.nodes {
            let children = |from: u32, to: u32| {
                self.children[from as usize..to as usize].iter().map(|child| lanes[*child as usize])
            };
            let known = match *shape {
                Shape::False => Lanes { may: 0, may_not: u64::MAX, reads: 0 },
                Shape::True => Lanes { may: u64::MAX, may_not: 0, reads: 0 },
                Shape::Predicate(index) => known(index),
                Shape::Not(child) => lanes[child as usize].not(),
                Shape::And(from, to) => children(from, to)
                    .fold(Lanes { may: u64::MAX, may_not: 0, reads: 0 }, Lanes::and),
                Shape::Or(from, to) => children(from, to)
                    .fold(Lanes { may: 0, may_not: u64::MAX, reads: 0 }, Lanes::or),
            };
            lanes.push(known);
        }
        self.roots.iter().map(|root| lanes[*root as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use alert::{Argument, Field};
    use proptest::prelude::*;

    use super::*;
    use crate::ir::{Leaf, Literal, Machine, Predicate, Term, Test};

    /// A condition over a few predicates, as a string of steps on a stack.
    fn condition(graph: &mut Graph, steps: &[u8]) -> NodeId {
        let mut stack = vec![predicate(graph, 0)];
        for step in steps {
            let top = stack.pop().unwrap_or_else(|| predicate(graph, 1));
            let made = match step % 4 {
                0 => graph.not(top),
                1 | 2 => match stack.pop() {
                    Some(below) if step % 4 == 1 => graph.and(&[below, top]),
                    Some(below) => graph.or(&[below, top]),
                    None => top,
                },
                _ => {
                    stack.push(top);
                    predicate(graph, step / 4 % 6)
                }
            };
            stack.push(made);
        }
        graph.or(&stack)
    }

    fn predicate(graph: &mut Graph, number: u8) -> NodeId {
        let term = Term::Leaf(Leaf::Event(Field::EvtNum, Argument::None));
        let test = Test::Equal(Literal::Number((u64::from(number) + 1).into()));
        graph.predicate(Predicate { term, test }, Machine::None)
    }

    fn holds(graph: &Graph, id: NodeId, answers: u8) -> bool {
        match graph.node(id) {
            Node::False => false,
            Node::True => true,
            Node::Predicate(index) => answers >> index & 1 != 0,
            Node::Not(child) => !holds(graph, *child, answers),
            Node::And(children) => children.iter().all(|child| holds(graph, *child, answers)),
            Node::Or(children) => children.iter().any(|child| holds(graph, *child, answers)),
        }
    }

    proptest! {
        #[test]
        fn what_holds_was_never_ruled_out(
            steps in prop::collection::vec(any::<u8>(), 0..40),
            known in any::<u8>(),
            answers in any::<u8>(),
        ) {
            let mut graph = Graph::default();
            let root = condition(&mut graph, &steps);
            let below = Below::new(&graph, [root].into_iter());
            let lanes = below.roots(&|index| match (known >> index & 1, answers >> index & 1) {
                (0, _) => Lanes::UNKNOWN,
                (_, 0) => Lanes::known(0, 1),
                _ => Lanes::known(1, 0),
            })[0];
            if holds(&graph, root, answers) {
                prop_assert_eq!(lanes.may & 1, 1);
            } else {
                prop_assert_eq!(lanes.may_not & 1, 1);
            }
            if known & 0x3f == 0x3f {
                prop_assert_ne!(lanes.may & 1, lanes.may_not & 1, "all is known");
            }
        }
    }
}
