//! A condition as a tree for people, with what each part answered where an event is given.

use serde::Serialize;

use super::print;
use crate::{
    Verdict,
    ir::{Graph, Node, NodeId},
};

/// Equal parts are one in the compiled condition, and each stands at its place here: what is longer
/// is cut.
const STEPS_MAX: usize = 4096;

/// One part of a condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    pub operator: Operator,
    /// The check as a condition of its own; empty for what joins others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What an event made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Step>,
}

/// How a part is made of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operator {
    And,
    Or,
    Not,
    /// A question about a field.
    Check,
    /// Holds for every event.
    Always,
    /// Holds for none.
    Never,
    /// The condition is too long to be shown from here on.
    Cut,
}

/// What an event made of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Unknown if the event lacks the value; that counts as false.
    pub answer: Verdict,
    /// Whether the whole would have to change if this did: it is one of the reasons for the answer.
    pub decides: bool,
    /// The fields it read, with their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(String, serde_json::Value)>,
}

/// What is found out about nodes while the tree is built.
pub(super) trait Observer {
    /// Returns what became of a part; `decides` says whether the whole hangs on it.
    fn seen(&mut self, graph: &Graph, node: NodeId, decides: bool) -> Option<Seen>;

    /// Returns whether the answer of `child` is a reason for that of its `parent`.
    fn follows(&mut self, graph: &Graph, parent: NodeId, child: NodeId) -> bool;
}

struct Nothing;

impl Observer for Nothing {
    fn seen(&mut self, _: &Graph, _: NodeId, _: bool) -> Option<Seen> {
        None
    }

    fn follows(&mut self, _: &Graph, _: NodeId, _: NodeId) -> bool {
        false
    }
}

/// Returns the tree of a condition.
pub(super) fn plain(graph: &Graph, root: NodeId) -> Step {
    build(graph, root, &mut Nothing)
}

/// Returns the tree of a condition with what `observer` knows of its parts.
pub(super) fn build(graph: &Graph, root: NodeId, observer: &mut dyn Observer) -> Step {
    Builder { graph, observer, left: STEPS_MAX }.step(root, true)
}

struct Builder<'a> {
    graph: &'a Graph,
    observer: &'a mut dyn Observer,
    left: usize,
}

impl Builder<'_> {
    fn step(&mut self, id: NodeId, decides: bool) -> Step {
        let seen = self.observer.seen(self.graph, id, decides);
        let leaf =
            |operator, text| Step { operator, text, seen: seen.clone(), children: Vec::new() };
        if self.left == 0 {
            return leaf(Operator::Cut, String::new());
        }
        self.left -= 1;
        let (operator, children) = match self.graph.node(id) {
            Node::True => return leaf(Operator::Always, String::new()),
            Node::False => return leaf(Operator::Never, String::new()),
            Node::Predicate(index) => {
                let (predicate, _) = self.graph.predicate_of(*index);
                return leaf(Operator::Check, print::predicate(predicate));
            }
            Node::Not(child) => (Operator::Not, std::slice::from_ref(child)),
            Node::And(children) => (Operator::And, &**children),
            Node::Or(children) => (Operator::Or, &**children),
        };
        let mut steps = Vec::with_capacity(children.len());
        for child in children {
            let decides = decides && self.observer.follows(self.graph, id, *child);
            steps.push(self.step(*child, decides));
        }
        Step { operator, text: String::new(), seen, children: steps }
    }
}
