//! Conditions as a graph in which equal parts are one node, folded as it is built.

use hashbrown::HashMap;

use alert::{EventKind, Field, Value};

use super::{Leaf, Literal, Machine, Predicate, Record, Term, Test};

/// Index of a node.
pub(crate) type NodeId = u32;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    False,
    True,
    Predicate(u32),
    Not(NodeId),
    And(Box<[NodeId]>),
    Or(Box<[NodeId]>),
}

/// All conditions of a rule set. Children come before their parents.
#[derive(Debug)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    node_ids: HashMap<Node, NodeId>,
    depths: Vec<u32>,
    predicates: Vec<Predicate>,
    machines: Vec<Machine>,
    predicate_ids: HashMap<Predicate, u32>,
}

pub(crate) const FALSE: NodeId = 0;
pub(crate) const TRUE: NodeId = 1;

impl Default for Graph {
    fn default() -> Self {
        let mut graph = Self {
            nodes: Vec::new(),
            node_ids: HashMap::new(),
            depths: Vec::new(),
            predicates: Vec::new(),
            machines: Vec::new(),
            predicate_ids: HashMap::new(),
        };
        graph.add(Node::False);
        graph.add(Node::True);
        graph
    }
}

impl Graph {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(crate) fn depth(&self, id: NodeId) -> u32 {
        self.depths[id as usize]
    }

    pub(crate) fn predicate_of(&self, index: u32) -> (&Predicate, &Machine) {
        (&self.predicates[index as usize], &self.machines[index as usize])
    }

    /// Returns all predicates, in the order of their numbers.
    pub(crate) fn predicates(&self) -> impl Iterator<Item = &Predicate> {
        self.predicates.iter()
    }

    pub(crate) fn predicates_count(&self) -> usize {
        self.predicates.len()
    }

    fn add(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.node_ids.get(&node) {
            return *id;
        }
        let below = match &node {
            Node::Not(child) => self.depth(*child) + 1,
            Node::And(children) | Node::Or(children) => {
                children.iter().map(|child| self.depth(*child)).max().unwrap_or(0) + 1
            }
            _ => 0,
        };
        let id = u32::try_from(self.nodes.len()).unwrap_or(FALSE);
        self.nodes.push(node.clone());
        self.depths.push(below);
        self.node_ids.insert(node, id);
        id
    }

    /// Returns the node of a predicate, or a constant if its answer is known before any event.
    pub(crate) fn predicate(&mut self, predicate: Predicate, machine: Machine) -> NodeId {
        if let Some(known) = always(&predicate, &machine) {
            return constant(known);
        }
        let index = match self.predicate_ids.get(&predicate) {
            Some(index) => *index,
            None => {
                let index = u32::try_from(self.predicates.len()).unwrap_or(u32::MAX);
                self.predicates.push(predicate.clone());
                self.machines.push(machine);
                self.predicate_ids.insert(predicate, index);
                index
            }
        };
        self.add(Node::Predicate(index))
    }

    pub(crate) fn not(&mut self, child: NodeId) -> NodeId {
        match self.node(child) {
            Node::False => TRUE,
            Node::True => FALSE,
            Node::Not(inner) => *inner,
            _ => self.add(Node::Not(child)),
        }
    }

    pub(crate) fn and(&mut self, children: &[NodeId]) -> NodeId {
        self.join(children, FALSE, TRUE, Node::And)
    }

    pub(crate) fn or(&mut self, children: &[NodeId]) -> NodeId {
        self.join(children, TRUE, FALSE, Node::Or)
    }

    fn join(
        &mut self,
        children: &[NodeId],
        decides: NodeId,
        neutral: NodeId,
        many: fn(Box<[NodeId]>) -> Node,
    ) -> NodeId {
        let mut kept: Vec<NodeId> = Vec::with_capacity(children.len());
        let mut seen = hashbrown::HashSet::with_capacity(children.len());
        for child in children {
            if *child == decides {
                return decides;
            }
            if *child != neutral && seen.insert(*child) {
                kept.push(*child);
            }
        }
        match kept[..] {
            [] => neutral,
            [only] => only,
            _ => self.add(many(kept.into())),
        }
    }

    /// Returns the condition as it is for events of one kind.
    pub(crate) fn specialise(
        &mut self,
        root: NodeId,
        kind: EventKind,
        known: &mut HashMap<NodeId, NodeId>,
    ) -> NodeId {
        if let Some(id) = known.get(&root) {
            return *id;
        }
        let special = match self.node(root).clone() {
            Node::False | Node::True => root,
            Node::Predicate(index) => {
                let (predicate, machine) = self.predicate_of(index);
                match reads_only(predicate, Field::EvtType) {
                    true => constant(predicate.test(machine, &Kind(kind)) == Some(true)),
                    false => root,
                }
            }
            Node::Not(child) => {
                let child = self.specialise(child, kind, known);
                self.not(child)
            }
            Node::And(children) => {
                let children: Vec<_> =
                    children.iter().map(|child| self.specialise(*child, kind, known)).collect();
                self.and(&children)
            }
            Node::Or(children) => {
                let children: Vec<_> =
                    children.iter().map(|child| self.specialise(*child, kind, known)).collect();
                self.or(&children)
            }
        };
        known.insert(root, special);
        special
    }

    /// Answers a condition by walking its tree: the plain meaning every faster way must keep.
    /// `missing` is the answer to a question about a value that is not there.
    pub(crate) fn evaluate(
        &self,
        root: NodeId,
        record: &impl Record,
        missing: Option<bool>,
    ) -> Option<bool> {
        match self.node(root) {
            Node::False => Some(false),
            Node::True => Some(true),
            Node::Predicate(index) => {
                let (predicate, machine) = self.predicate_of(*index);
                predicate.test(machine, record).or(missing)
            }
            Node::Not(child) => self.evaluate(*child, record, missing).map(|answer| !answer),
            Node::And(children) => self.walk(children, record, missing, false),
            Node::Or(children) => self.walk(children, record, missing, true),
        }
    }

    /// Kleene's and/or: `decides` wins over unknown, unknown over the rest.
    fn walk(
        &self,
        children: &[NodeId],
        record: &impl Record,
        missing: Option<bool>,
        decides: bool,
    ) -> Option<bool> {
        let mut answer = Some(!decides);
        for child in children {
            match self.evaluate(*child, record, missing) {
                Some(value) if value == decides => return Some(decides),
                Some(_) => {}
                None => answer = None,
            }
        }
        answer
    }
}

const fn constant(value: bool) -> NodeId {
    if value { TRUE } else { FALSE }
}

/// Returns whether a field is the only one that a predicate reads.
fn reads_only(predicate: &Predicate, wanted: Field) -> bool {
    let (mut reads, mut only) = (false, true);
    predicate.leaves(&mut |leaf| {
        let is_wanted = matches!(leaf, Leaf::Event(field, _) if *field == wanted);
        reads |= is_wanted;
        only &= is_wanted;
    });
    reads && only
}

/// `evt.num` counts from 1 and `evt.dir` is constant: `evt.num=0` is how Falco's rules say never.
fn always(predicate: &Predicate, machine: &Machine) -> Option<bool> {
    // Nothing is among no values, whether it is known or not.
    let none = match &predicate.test {
        Test::In(items) | Test::Intersects(items) | Test::Modified(_, _, items) => items.is_empty(),
        Test::PathMatch(paths) => paths.is_empty(),
        _ => false,
    };
    if none {
        return Some(false);
    }
    let mut reads = false;
    predicate.leaves(&mut |_| reads = true);
    if !reads {
        return Some(predicate.test(machine, &Nothing) == Some(true));
    }
    let Term::Leaf(Leaf::Event(field, _)) = &predicate.term else { return None };
    match (field, &predicate.test) {
        (Field::EvtNum, Test::Equal(Literal::Number(0))) => Some(false),
        (Field::EvtNum, Test::NotEqual(Literal::Number(0))) => Some(true),
        (Field::EvtDir, Test::Term(..)) => None,
        (Field::EvtDir, Test::Exists) => Some(true),
        (Field::EvtDir, _) => Some(predicate.holds(machine, &Value::text("<"))),
        _ => None,
    }
}

/// A record without values, for what reads none.
struct Nothing;

impl Record for Nothing {
    fn value(&self, _: &Leaf) -> Option<Value<'_>> {
        None
    }
}

/// An event of which only the kind is known.
struct Kind(EventKind);

impl Record for Kind {
    fn value(&self, leaf: &Leaf) -> Option<Value<'_>> {
        matches!(leaf, Leaf::Event(Field::EvtType, _)).then(|| Value::text(self.0.name()))
    }
}
