//! An `or` of which one alternative names kinds of event and another none: `and` binds closer than
//! `or`, so the other is asked about every event.

use alert::Field;

use super::{
    Finding,
    reading::{Part, Shape, Subject},
};
use crate::ir::{Leaf, Node, NodeId};

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &subject.rules {
        let Shape::Any(parts) = &rule.condition.root.shape else { continue };
        let names_kinds = |part: &Part| reads_kind(subject, part.node);
        if !parts.iter().any(names_kinds) {
            continue;
        }
        for part in parts.iter().filter(|part| !names_kinds(part)) {
            findings.push(Finding {
                place: subject.place(&rule.condition, part.span),
                item: Some(rule.place.clone()),
                message: "this alternative names no kind of event, but others of the `or` do"
                    .to_owned(),
                hint: "`and` binds closer than `or`: put the alternatives in parentheses"
                    .to_owned(),
            });
        }
    }
    findings
}

/// Returns whether any part of a condition reads `evt.type`.
fn reads_kind(subject: &Subject, root: NodeId) -> bool {
    let mut open = vec![root];
    let mut seen = hashbrown::HashSet::new();
    let mut found = false;
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match subject.graph.node(id) {
            Node::Predicate(index) => subject.graph.predicate_of(*index).0.leaves(&mut |leaf| {
                found |= matches!(leaf, Leaf::Event(Field::EvtType, _));
            }),
            Node::Not(child) => open.push(*child),
            Node::And(children) | Node::Or(children) => open.extend(children),
            Node::False | Node::True => {}
        }
    }
    found
}
