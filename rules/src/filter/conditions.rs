//! The conditions of the rules that one kind of event can match, asked what they can still come to
//! when a part of their predicates is known.

use alert::{Call, Connection, Detail, Event, EventKind, FileType, OpenFile, Process};
use hashbrown::{HashMap, HashSet};

use super::field::{is_missing, reads_only};
use crate::{
    ir::{EventView, Graph, Leaf, Machine, NodeId, PathView, Predicate},
    matcher::{Below, Lanes},
};

/// Rules by their place among those of the kind, a bit for each.
pub(super) type RuleBits = Vec<u64>;

/// Conditions as they are for one kind of event.
pub(super) struct Conditions<'a> {
    pub(super) kind: EventKind,
    pub(super) graph: &'a Graph,
    pub(super) roots: &'a [NodeId],
    below: Below,
    /// Those that an event of this kind can have a value for.
    pub(super) predicates: Vec<u32>,
    /// The others never hold.
    missing: HashSet<u32>,
}

/// What a class of events says of a predicate; nothing if it leaves that open.
type Answer<'a> = &'a dyn Fn(&Predicate, &Machine, usize) -> Option<bool>;

impl<'a> Conditions<'a> {
    pub(super) fn new(kind: EventKind, graph: &'a Graph, roots: &'a [NodeId]) -> Self {
        let below = Below::new(graph, roots.iter().copied());
        let is_missing = |number: &u32| is_missing(kind, graph.predicate_of(*number).0);
        let (missing, predicates): (Vec<u32>, Vec<u32>) = below.predicates().partition(is_missing);
        Self { kind, graph, roots, below, predicates, missing: missing.into_iter().collect() }
    }

    /// Returns what is known of a predicate before anything is known of the event.
    pub(super) fn known(&self, number: u32) -> Lanes {
        match self.missing.contains(&number) {
            true => Lanes::known(0, u64::MAX),
            false => Lanes::UNKNOWN,
        }
    }

    /// Returns the words of a set of rules.
    pub(super) const fn words(&self) -> usize {
        self.roots.len().div_ceil(64)
    }

    /// Returns the predicates that read something, and nothing but what `decided` says.
    pub(super) fn reading(&self, decided: &dyn Fn(&Leaf) -> bool) -> Vec<u32> {
        let reads = |number: &u32| reads_only(self.graph.predicate_of(*number).0, decided);
        self.predicates.iter().copied().filter(reads).collect()
    }

    /// Returns the rules that stay possible in each of several classes of events. Only `asked` are
    /// asked for; all other predicates may hold or not.
    pub(super) fn possible(
        &self,
        classes: usize,
        asked: &[u32],
        answer: Answer<'_>,
    ) -> Vec<RuleBits> {
        let mut possible = vec![vec![0; self.words()]; classes];
        for first in (0..classes).step_by(64) {
            let lanes = (classes - first).min(64);
            let known: HashMap<u32, Lanes> = asked
                .iter()
                .map(|number| {
                    let (predicate, machine) = self.graph.predicate_of(*number);
                    let (mut yes, mut no) = (0, 0);
                    for lane in 0..lanes {
                        match answer(predicate, machine, first + lane) {
                            Some(true) => yes |= 1 << lane,
                            Some(false) => no |= 1 << lane,
                            None => {}
                        }
                    }
                    (*number, Lanes::known(yes, no))
                })
                .collect();
            let roots = self.below.roots(&|number| match known.get(&number) {
                Some(lanes) => *lanes,
                None => self.known(number),
            });
            for (rule, root) in roots.iter().enumerate() {
                for lane in 0..lanes {
                    possible[first + lane][rule / 64] |= (root.may >> lane & 1) << (rule % 64);
                }
            }
        }
        possible
    }

    /// Returns an event of the kind with nothing in it, to be given what a class has.
    pub(super) fn blank(&self) -> Event {
        let detail = match self.kind {
            kind if kind.is_open() => Detail::Open(OpenFile {
                raw: "".into(),
                path: "".into(),
                resolved: None,
                flags: 0,
                mode: 0,
                file_type: FileType::File,
                inode: 0,
                device: 0,
            }),
            EventKind::Connect => Detail::Connect(Connection::default()),
            _ => Detail::Call(Call::default()),
        };
        Event {
            number: 1,
            time_ns: 0,
            kind: self.kind,
            result: 0,
            tid: 0,
            vtid: None,
            cpu: None,
            via_io_uring: false,
            process: Process::default().into(),
            detail,
        }
    }
}

/// Returns whether a predicate holds of an event; one about what the event lacks does not.
pub(super) fn holds(predicate: &Predicate, machine: &Machine, event: &Event) -> bool {
    let view = EventView { event, path: PathView::Written };
    predicate.test(machine, &view) == Some(true)
}
