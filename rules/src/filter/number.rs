//! What the value of a number leaves possible: a result, a port, a user, a parameter.

use std::collections::BTreeSet;

use alert::{Event, Field, ParameterKind, Type, error_number, mode_bit};

use super::{
    Mask,
    conditions::{Conditions, RuleBits, holds},
    field::{parameter, reads},
    view::Sight,
};
use crate::{
    ir::{Leaf, Literal, Predicate, Term, Test},
    parse::Operator,
};

/// Ranges of one number, at most. A table that would have more leaves all possible.
pub const RANGES_MAX: usize = 32;

/// The last error that has a name.
const ERRNO_MAX: i64 = 133;

/// The first number that is more than permissions, setuid, setgid and sticky bit.
const MODE_END: i64 = 0o10000;
/// The lowest of the bits above permissions. Ranges tell these apart: below `MODE_END` a bit is the
/// same between two multiples of it.
const SPECIAL_BIT_MIN: i64 = 0o1000;

/// What is possible by the value of one number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ranges {
    /// The first value of each range with what it leaves possible, sorted; the first range begins
    /// at `i64::MIN`, each ends where the next begins.
    pub ranges: Vec<(i64, Mask)>,
    /// What is possible where there is no such number.
    pub absent: Mask,
}

impl Ranges {
    /// Returns what a value leaves possible, `all` if it is not known.
    pub fn mask(&self, value: Sight<i64>, all: Mask) -> Mask {
        match value {
            Sight::Unknown => all,
            Sight::Absent => self.absent,
            Sight::Value(value) => {
                let behind = self.ranges.partition_point(|(first, _)| *first <= value);
                self.ranges[behind.saturating_sub(1)].1
            }
        }
    }
}

/// The same before rules were put into groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RangeRules {
    pub(super) ranges: Vec<(i64, RuleBits)>,
    pub(super) absent: RuleBits,
}

/// How a class of events looks, and what is read of it.
pub(super) struct Number<'a> {
    /// Returns whether a field shows this number and nothing else.
    pub(super) is_shown: &'a dyn Fn(&Leaf) -> bool,
    /// Returns an event with this number, or without one.
    pub(super) event: &'a dyn Fn(Option<i64>) -> Event,
    /// Returns whether a field shows a list of which this number is one.
    pub(super) is_listed: &'a dyn Fn(&Leaf) -> bool,
}

impl Number<'_> {
    /// Returns the rules that stay possible by value; `None` if no predicate asks for it, or too
    /// many values matter.
    pub(super) fn rules(&self, conditions: &Conditions<'_>) -> Option<RangeRules> {
        let asked = conditions.reading(&|leaf| (self.is_shown)(leaf) || (self.is_listed)(leaf));
        if asked.is_empty() {
            return None;
        }
        let mut firsts = BTreeSet::from([i64::MIN, 0, 1]);
        for number in &asked {
            let (predicate, _) = conditions.graph.predicate_of(*number);
            add_boundaries(predicate, conditions, &mut firsts);
        }
        let firsts: Vec<i64> = firsts.into_iter().collect();
        let single = |class: usize| firsts.get(class + 1) == Some(&(firsts[class] + 1));
        let mut events: Vec<Event> =
            firsts.iter().map(|first| (self.event)(Some(*first))).collect();
        events.push((self.event)(None));
        let mut possible =
            conditions.possible(events.len(), &asked, &|predicate, machine, class| {
                let whole = match firsts.get(class) {
                    Some(first) => single(class) || is_steady(predicate, conditions, *first),
                    None => true,
                };
                let answer = whole.then(|| holds(predicate, machine, &events[class]))?;
                let listed = reads(predicate, self.is_listed);
                let decides = !listed || class < firsts.len() && one_decides(predicate, answer);
                decides.then_some(answer)
            });
        let absent = possible.pop()?;
        let mut ranges: Vec<(i64, RuleBits)> = firsts.into_iter().zip(possible).collect();
        ranges.dedup_by(|later, earlier| later.1 == earlier.1);
        (ranges.len() <= RANGES_MAX).then_some(RangeRules { ranges, absent })
    }
}

/// Returns whether what one element of a list answers is the answer of the list, whatever others
/// there are.
pub(super) fn one_decides(predicate: &Predicate, answer: bool) -> bool {
    match predicate.test {
        Test::Equal(_) | Test::In(_) | Test::Intersects(_) | Test::Order(..) => answer,
        Test::NotEqual(_) => !answer,
        _ => false,
    }
}

/// Adds the values at which the answer of a predicate can change.
fn add_boundaries(predicate: &Predicate, conditions: &Conditions<'_>, firsts: &mut BTreeSet<i64>) {
    let mut add = |number: i64| {
        firsts.extend([Some(number), number.checked_add(1)].into_iter().flatten());
    };
    literals(&predicate.test, &mut |literal| match literal {
        Literal::Number(number) => add_number(*number, &mut add),
        Literal::Any(text) | Literal::Text(text) => {
            if let Some(number) = error_number(text) {
                add(number);
            } else if let Ok(number) = text.parse() {
                add_number(number, &mut add);
            }
        }
        _ => {}
    });
    let Term::Leaf(Leaf::Event(field, argument)) = &predicate.term else { return };
    match (field, parameter(conditions.kind, argument)) {
        // Part of a name is asked of every name.
        (Field::EvtRes, _) if !is_comparison(&predicate.test) => firsts.extend(-ERRNO_MAX..=0),
        (Field::EvtArg, Some((_, given))) => match given.kind {
            ParameterKind::Errno if !is_comparison(&predicate.test) => {
                firsts.extend(-ERRNO_MAX..=0);
            }
            ParameterKind::Mode => {
                if let Some(bit) = special_bit(&predicate.test) {
                    firsts.extend((0..=MODE_END / bit).map(|turn| turn * bit));
                }
            }
            ParameterKind::Choice(table) => {
                table.iter().for_each(|(_, number)| add_number((*number).into(), &mut add));
            }
            _ => {}
        },
        _ => {}
    }
}

/// Returns the bit that a mode is asked for, if it is one above permissions.
fn special_bit(test: &Test) -> Option<i64> {
    let Test::Text(Operator::Contains, name) = test else { return None };
    mode_bit(name).map(i64::from).filter(|bit| *bit >= SPECIAL_BIT_MIN)
}

/// Returns whether whole values are asked for, each of which is a boundary.
fn is_comparison(test: &Test) -> bool {
    matches!(
        test,
        Test::Exists
            | Test::Equal(_)
            | Test::NotEqual(_)
            | Test::In(_)
            | Test::Intersects(_)
            | Test::Modified(_, Operator::Equal | Operator::NotEqual, _)
    )
}

/// A number without a sign is kept with the bits it has.
fn add_number(number: i128, add: &mut dyn FnMut(i64)) {
    if let Ok(number) = i64::try_from(number) {
        add(number);
    } else if let Ok(number) = u64::try_from(number) {
        add(number.cast_signed());
    }
}

fn literals(test: &Test, visit: &mut dyn FnMut(&Literal)) {
    match test {
        Test::Equal(literal) | Test::NotEqual(literal) | Test::Order(_, literal) => visit(literal),
        Test::In(items) | Test::Intersects(items) | Test::Modified(_, _, items) => {
            items.iter().for_each(visit);
        }
        Test::Exists | Test::Text(..) | Test::PathMatch(_) | Test::Term(..) => {}
    }
}

/// Returns whether the answer is the same for all values of a range, which begins with `first`.
fn is_steady(predicate: &Predicate, conditions: &Conditions<'_>, first: i64) -> bool {
    let Term::Leaf(Leaf::Event(field, argument)) = &predicate.term else { return false };
    let is_number = matches!(field.value_type(), Type::Signed | Type::Unsigned | Type::Port);
    match field {
        Field::EvtRes if first >= 0 => true,
        Field::EvtFailed | Field::EvtCountError => true,
        Field::EvtArg if special_bit(&predicate.test).is_some() => {
            let given = parameter(conditions.kind, argument).map(|(_, given)| given.kind);
            matches!(given, Some(ParameterKind::Mode)) && (0..MODE_END).contains(&first)
        }
        _ => {
            is_comparison(&predicate.test)
                || (is_number && matches!(predicate.test, Test::Order(..)))
        }
    }
}
