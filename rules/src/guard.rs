//! What of a rule the kernel can decide when a program is started: enough to end it before its first
//! instruction.
//!
//! A guard holds only where the rule's whole condition does. Whatever the kernel cannot answer as
//! the matcher would is in doubt; alternatives in doubt are left out, and the matcher still finds
//! them after the fact.

mod atom;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

use alert::{Event, EventKind};

use self::atom::Reading;
pub use self::atom::{ExecAtom, ExecFacts};
use crate::{
    RuleSet,
    ir::{Graph, Node, NodeId},
};

/// Alternatives of one guard.
const CLAUSES_MAX: usize = 32;
/// Demands of one alternative.
const DEMANDS_MAX: usize = 32;

/// A condition over what the kernel knows of a program that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecGuard {
    /// By which of the two calls.
    pub kind: EventKind,
    /// It holds if one of these does.
    pub clauses: Vec<Clause>,
    /// Why there are programs that match the rule and that it passes over; empty if there are none.
    pub doubts: BTreeSet<String>,
}

/// Demands that hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clause(pub BTreeSet<Demand>);

/// What one fact must be, or must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Demand {
    pub atom: ExecAtom,
    pub wanted: bool,
}

/// Why the kernel cannot decide a rule at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotExpressible {
    NoRule,
    NoExec,
    EveryExec,
    Doubts(BTreeSet<String>),
}

impl fmt::Display for NotExpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("there is no rule of this number"),
            Self::NoExec => f.write_str("no start of a program matches it"),
            Self::EveryExec => f.write_str("every start of a program matches it"),
            Self::Doubts(doubts) => {
                let doubts: Vec<_> = doubts.iter().map(String::as_str).collect();
                f.write_str(&doubts.join("; "))
            }
        }
    }
}

impl std::error::Error for NotExpressible {}

impl RuleSet {
    /// Returns the guard of the rule at this place in [`RuleSet::rules`], for programs started by
    /// `execve` or by `execveat`, or why it has none.
    ///
    /// The guard holds for no event that the rule does not match. Where [`ExecGuard::doubts`] is
    /// empty it holds for all starts of programs that the rule matches.
    pub fn exec_guard(&self, rule: usize, kind: EventKind) -> Result<ExecGuard, NotExpressible> {
        let number = u32::try_from(rule).map_err(|_| NotExpressible::NoRule)?;
        if rule >= self.rules().len() {
            return Err(NotExpressible::NoRule);
        }
        let conditions = if kind.is_exec() { self.program().conditions(kind) } else { Vec::new() };
        let own = conditions.into_iter().find(|(of, _)| *of == number);
        let (_, root) = own.ok_or(NotExpressible::NoExec)?;
        let alternatives = Walk { graph: self.graph() }.alternatives(root, true);
        let Alternatives { clauses, doubts } = alternatives;
        if clauses.iter().any(|clause| clause.0.is_empty()) {
            // Such a rule ends the machine, not an attack.
            return Err(NotExpressible::EveryExec);
        }
        match (clauses.is_empty(), doubts.is_empty()) {
            (true, true) => Err(NotExpressible::NoExec),
            (true, false) => Err(NotExpressible::Doubts(doubts)),
            _ => Ok(ExecGuard { kind, clauses: clauses.into_iter().collect(), doubts }),
        }
    }
}

impl ExecGuard {
    /// Returns whether it holds: the meaning the kernel's tables must keep.
    pub fn holds(&self, facts: &ExecFacts<'_>) -> bool {
        self.clauses.iter().any(|clause| clause.holds(facts))
    }

    /// Returns whether it holds for the program that an event tells of; false for other events.
    pub fn holds_for(&self, event: &Event) -> bool {
        event.kind == self.kind && event.result >= 0 && self.holds(&ExecFacts::of(&event.process))
    }
}

impl Clause {
    fn holds(&self, facts: &ExecFacts<'_>) -> bool {
        self.0.iter().all(|demand| demand.atom.holds(facts) == demand.wanted)
    }

    /// Returns both in one; `None` if they contradict each other.
    fn with(&self, other: &Self) -> Option<Self> {
        let mut demands = self.0.clone();
        for demand in &other.0 {
            let opposite = Demand { atom: demand.atom.clone(), wanted: !demand.wanted };
            if demands.contains(&opposite) {
                return None;
            }
            demands.insert(demand.clone());
        }
        Some(Self(demands))
    }
}

/// A part of a condition: it holds where a clause does, and maybe elsewhere, if there are doubts.
#[derive(Debug, Default)]
struct Alternatives {
    clauses: BTreeSet<Clause>,
    doubts: BTreeSet<String>,
}

impl Alternatives {
    fn never() -> Self {
        Self::default()
    }

    fn always() -> Self {
        Self { clauses: [Clause::default()].into(), doubts: BTreeSet::new() }
    }

    fn doubt(why: String) -> Self {
        Self { clauses: BTreeSet::new(), doubts: [why].into() }
    }

    fn is_never(&self) -> bool {
        self.clauses.is_empty() && self.doubts.is_empty()
    }

    fn or(mut self, other: Self) -> Self {
        self.clauses.extend(other.clauses);
        self.doubts.extend(other.doubts);
        self.bounded()
    }

    /// What holds on both sides. A clause and a doubt together are in doubt.
    fn and(self, other: Self) -> Self {
        if self.is_never() || other.is_never() {
            return Self::never();
        }
        let both = self.clauses.iter().flat_map(|one| {
            other.clauses.iter().filter_map(|other| one.with(other)).collect::<Vec<_>>()
        });
        let clauses = both.collect();
        let doubts = self.doubts.into_iter().chain(other.doubts).collect();
        Self { clauses, doubts }.bounded()
    }

    fn bounded(mut self) -> Self {
        let before = self.clauses.len();
        self.clauses.retain(|clause| clause.0.len() <= DEMANDS_MAX);
        while self.clauses.len() > CLAUSES_MAX {
            self.clauses.pop_last();
        }
        if self.clauses.len() < before {
            self.doubts.insert("it has more alternatives than the kernel is given".to_owned());
        }
        self
    }
}

struct Walk<'a> {
    graph: &'a Graph,
}

impl Walk<'_> {
    /// Returns when the condition holds, or, unless `wanted`, when it does not.
    fn alternatives(&self, root: NodeId, wanted: bool) -> Alternatives {
        match (self.graph.node(root), wanted) {
            (Node::True, true) | (Node::False, false) => Alternatives::always(),
            (Node::True, false) | (Node::False, true) => Alternatives::never(),
            (Node::Not(child), _) => self.alternatives(*child, !wanted),
            (Node::And(children), true) | (Node::Or(children), false) => children
                .iter()
                .map(|child| self.alternatives(*child, wanted))
                .reduce(Alternatives::and)
                .unwrap_or_else(Alternatives::always),
            (Node::And(children), false) | (Node::Or(children), true) => children
                .iter()
                .map(|child| self.alternatives(*child, wanted))
                .reduce(Alternatives::or)
                .unwrap_or_else(Alternatives::never),
            (Node::Predicate(index), _) => {
                let (predicate, machine) = self.graph.predicate_of(*index);
                match atom::read(predicate, machine) {
                    Reading::Constant(known) if known == wanted => Alternatives::always(),
                    Reading::Constant(_) => Alternatives::never(),
                    Reading::Atom(atom, positive) => {
                        let demand = Demand { atom, wanted: positive == wanted };
                        let clauses = [Clause([demand].into())].into();
                        Alternatives { clauses, doubts: BTreeSet::new() }
                    }
                    Reading::Doubt(why) => Alternatives::doubt(why),
                }
            }
        }
    }
}
