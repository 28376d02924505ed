//! Parts of a condition that change nothing, because a neighbour says more.

use std::rc::Rc;

use super::{
    Finding,
    claims::{Asked, Conjunction, conjunction},
    constant::{conditions, each},
    reading::{Part, Shape, Subject},
    reason::implies,
};
use crate::{
    diagnostic::Place,
    ir::{FALSE, Graph, TRUE},
};

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        each(&written.root, true, &mut |part, _| {
            let (parts, all) = match &part.shape {
                Shape::All(parts) => (parts, true),
                Shape::Any(parts) => (parts, false),
                _ => return,
            };
            let finding = |place: Place, message: String| Finding {
                place,
                item: item.clone(),
                message,
                hint: "remove it, or mend it if something else was meant".to_owned(),
            };
            for (number, part) in parts.iter().enumerate() {
                if parts[..number].iter().any(|earlier| is_repeated(earlier, part)) {
                    let place = subject.place(written, part.span);
                    findings.push(finding(place, "this part stands here twice".to_owned()));
                }
            }
            for (needless, by) in subsumed(subject, parts, all) {
                let message =
                    format!("`{}` changes nothing beside `{}`", needless.text(), by.text());
                findings.push(finding(subject.place(written, needless.span), message));
            }
        });
    }
    findings
}

/// Returns whether two parts are the same words. Two macros that happen to mean the same are not:
/// one of them may be there for users to fill.
fn is_repeated(earlier: &Part, part: &Part) -> bool {
    let (earlier, part) = match (&earlier.shape, &part.shape) {
        (Shape::Not(one), Shape::Not(other)) => (&**one, &**other),
        _ => (earlier, part),
    };
    match (&earlier.shape, &part.shape) {
        (Shape::Macro(one), Shape::Macro(other)) => Rc::ptr_eq(one, other),
        (Shape::Macro(_), _) | (_, Shape::Macro(_)) => false,
        _ => earlier.node == part.node && part.node != FALSE && part.node != TRUE,
    }
}

/// Returns the questions among the parts that another makes needless, with that other.
fn subsumed<'a>(subject: &Subject, parts: &'a [Part], all: bool) -> Vec<(Asked<'a>, Asked<'a>)> {
    let mut asked: Vec<Asked<'_>> = Vec::new();
    for part in parts {
        let mut single = Conjunction::default();
        conjunction(subject, part, true, None, &mut single);
        if let [only] = single.asked[..]
            && single.choices.is_empty()
            && only.own
        {
            asked.push(only);
        }
    }
    let mut found = Vec::new();
    for (number, one) in asked.iter().enumerate() {
        let by = asked.iter().enumerate().find(|(other_number, other)| {
            let stronger = if all { (*other, one) } else { (one, *other) };
            let back = (stronger.1, stronger.0);
            let follows = follows(&subject.graph, stronger.0, stronger.1);
            // Of two that mean the same the later one is needless.
            *other_number != number
                && other.claim != one.claim
                && follows
                && (*other_number < number || !self::follows(&subject.graph, back.0, back.1))
        });
        if let Some((_, by)) = by {
            found.push((*one, *by));
        }
    }
    found
}

/// Returns whether `other` holds wherever `one` does.
fn follows(graph: &Graph, one: &Asked<'_>, other: &Asked<'_>) -> bool {
    let (left, right) = (one.claim, other.claim);
    match (left.positive, right.positive) {
        (true, true) => implies(graph, left.predicate, right.predicate),
        (false, false) => implies(graph, right.predicate, left.predicate),
        (true, false) => {
            let term = |index| &graph.predicate_of(index).0.term;
            term(left.predicate) == term(right.predicate)
                && super::reason::is_single(term(left.predicate))
                && super::reason::contradict(
                    graph,
                    &[left, super::reason::Claim { positive: true, ..right }],
                )
        }
        (false, true) => false,
    }
}
