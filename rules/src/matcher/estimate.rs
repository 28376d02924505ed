//! Guesses what a condition costs and how often it holds, to ask first what decides soonest. A bad
//! guess costs time, never an answer.

use alert::{Argument, Field, Type};

use super::index::Index;
use crate::{
    ir::{EventView, Leaf, Literal, Machine, Predicate, Term, Test},
    parse::Operator,
};

/// What a bit depends on, which says how long it is kept. The order is that of the bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The process alone: kept with the process.
    Process,
    /// The event.
    Event,
    /// The path of the event's file: answered again for a second path.
    Path,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) class: Class,
    /// Nanoseconds, roughly.
    pub(super) cost: f32,
    /// How often it holds, from 0 to 1.
    pub(super) chance: f32,
}

impl Estimate {
    pub(super) const fn certain(answer: bool) -> Self {
        let chance = if answer { 1.0 } else { 0.0 };
        Self { class: Class::Process, cost: 1.0, chance }
    }

    pub(super) fn of(predicate: &Predicate, machine: &Machine) -> Self {
        let class = class(predicate);
        // What is kept with the process is nearly always there already, and an index is asked once
        // for all its predicates.
        let shared = class == Class::Process || Index::serves(predicate);
        let cost = cost(predicate, machine) / if shared { 8.0 } else { 1.0 };
        Self { class, cost, chance: chance(predicate) }
    }

    pub(super) fn negated(self) -> Self {
        Self { chance: 1.0 - self.chance, ..self }
    }

    pub(super) fn and(self, other: Self) -> Self {
        let cost = self.cost + self.chance * other.cost;
        Self { class: self.class.max(other.class), cost, chance: self.chance * other.chance }
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }

    /// Returns the cost for each time it decides; the lowest is asked first.
    pub(super) fn rank(self, decides: bool) -> f32 {
        let chance = if decides { self.chance } else { 1.0 - self.chance };
        self.cost / chance.max(0.001)
    }
}

fn class(predicate: &Predicate) -> Class {
    let mut class = Class::Process;
    predicate.leaves(&mut |leaf| {
        class = class.max(match leaf {
            Leaf::Event(field, _) if EventView::depends_on_path(*field) => Class::Path,
            leaf if leaf.is_process_state() => Class::Process,
            _ => Class::Event,
        });
    });
    class
}

fn cost(predicate: &Predicate, machine: &Machine) -> f32 {
    let mut cost = match &predicate.test {
        Test::Text(Operator::Glob | Operator::IGlob, _) => 40.0,
        Test::Modified(..) | Test::Term(..) => 60.0,
        Test::PathMatch(_) => 20.0,
        _ if matches!(machine, Machine::Regex(_)) => 120.0,
        _ => 5.0,
    };
    predicate.term.leaves(&mut |leaf| cost += leaf_cost(leaf));
    cost
}

/// Returns what it costs to read a field and walk along it.
pub(super) fn leaf_cost(leaf: &Leaf) -> f32 {
    match leaf {
        Leaf::Event(field, argument) => match field {
            Field::ProcCmdline | Field::ProcPcmdline | Field::ProcArgs => 60.0,
            Field::ProcEnv if *argument != Argument::None => 40.0,
            Field::ProcEnv | Field::EvtArgs | Field::ThreadCapEffective => 200.0,
            Field::EvtArg => 150.0,
            Field::ProcAcmdline => 120.0,
            Field::FdName | Field::FdResolved => 20.0,
            field if field.yields_list(argument) => 60.0,
            _ => 5.0,
        },
        Leaf::Alert(_) => 5.0,
    }
}

fn chance(predicate: &Predicate) -> f32 {
    let field = match &predicate.term {
        Term::Leaf(Leaf::Event(field, _)) => Some(*field),
        _ => None,
    };
    match (&predicate.test, field) {
        (Test::Equal(Literal::Bool(wanted)), Some(field)) => {
            let chance = chance_of_truth(field);
            if *wanted { chance } else { 1.0 - chance }
        }
        // Most calls succeed, and most opened things are files.
        (Test::Order(Operator::GreaterEqual, _), Some(Field::EvtRawres | Field::FdNum)) => 0.95,
        (Test::Equal(_), Some(Field::EvtRawres)) => 0.8,
        (Test::Equal(_) | Test::In(_), Some(Field::FdType | Field::FdTypechar)) => 0.8,
        (Test::Equal(_) | Test::In(_), Some(Field::FdL4proto | Field::FdSockfamily)) => 0.7,
        (Test::Exists | Test::NotEqual(_), _) => 0.9,
        (Test::Order(..), _) => 0.5,
        (Test::Equal(_), Some(field)) if field.value_type() == Type::Bool => 0.4,
        (Test::Equal(_), Some(field)) if matches!(field.value_type(), Type::Text | Type::Path) => {
            0.1
        }
        _ => 0.05,
    }
}

fn chance_of_truth(field: Field) -> f32 {
    match field {
        Field::EvtIsOpenRead => 0.9,
        Field::EvtIsOpenWrite | Field::EvtIsOpenCreate => 0.15,
        Field::EvtIsOpenExec
        | Field::ProcIsExeUpperLayer
        | Field::ProcIsExeFromMemfd
        | Field::ProcIsExeWritable
        | Field::EvtFailed
        | Field::ContainerPrivileged => 0.05,
        _ => 0.4,
    }
}

/// Returns whether a field has so few values that most events have one that rules ask for: no
/// index tells much, and a comparison is as soon done.
pub(super) const fn few_values(leaf: &Leaf) -> bool {
    matches!(
        leaf,
        Leaf::Event(
            Field::FdType
                | Field::FdTypechar
                | Field::FdL4proto
                | Field::FdSockfamily
                | Field::EvtRes
                | Field::EvtCategory
                | Field::EvtVia
                | Field::ContainerId
                | Field::ContainerType
                | Field::ProcStdinType
                | Field::ProcStdoutType
                | Field::SakerPodQos,
            _
        )
    )
}
