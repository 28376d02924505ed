//! Times compared as if they were seconds: the fields count nanoseconds.

use alert::Field;

use super::{
    Finding,
    claims::{checks, shown},
    constant::conditions,
    reading::Subject,
};
use crate::ir::{Leaf, Literal, Term, Test};

const DURATIONS: [Field; 3] =
    [Field::ProcDuration, Field::ContainerDuration, Field::ProcExeInoCtimeDurationProcStart];

/// Below a millisecond a duration is hardly what was meant.
const MEANT_MIN: i128 = 1_000_000;

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        checks(&written.root, false, &mut |part, check, _| {
            let Some(predicate) = subject.predicate(part.node) else { return };
            let Term::Leaf(Leaf::Event(field, _)) = &predicate.term else { return };
            let Test::Order(_, Literal::Number(number)) = &predicate.test else { return };
            if !DURATIONS.contains(field) || !(1..MEANT_MIN).contains(number) {
                return;
            }
            findings.push(Finding {
                place: subject.place(written, part.span),
                item: item.clone(),
                message: format!("`{}` counts nanoseconds", shown(check)),
                hint: format!("{number} seconds are {}", number * 1_000_000_000),
            });
        });
    }
    findings
}
