//! Exceptions that anyone can claim: names and command lines are what the program says of itself.

use alert::Field;
use hashbrown::HashSet;

use super::{
    Finding,
    claims::{Conjunction, conjunction, shown},
    constant::conditions,
    reading::{Part, Shape, Subject},
};
use crate::{
    ir::{Leaf, Literal, Node, NodeId, Predicate, Term, Test},
    parse::{Check, Span},
};

/// What a program, or whoever starts it, chooses freely.
const FORGEABLE: [Field; 17] = [
    Field::ProcName,
    Field::ProcExe,
    Field::ProcArgs,
    Field::ProcCmdline,
    Field::ProcExeline,
    Field::ProcEnv,
    Field::ProcCwd,
    Field::ProcPname,
    Field::ProcPexe,
    Field::ProcPcmdline,
    Field::ProcSname,
    Field::ProcSidExe,
    Field::ProcAname,
    Field::ProcAexe,
    Field::ProcAcmdline,
    Field::ProcCmdnargs,
    Field::ProcCmdlenargs,
];

/// One finding for each written condition: the first exception of its kind, and how many more.
pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        if item.is_none() {
            // A macro may be used for or against; where a rule excepts it, the rule is told.
            continue;
        }
        let mut excepted = Vec::new();
        collect(subject, &written.root, false, &mut excepted);
        let mut wanted = Conjunction::default();
        conjunction(subject, &written.root, true, None, &mut wanted);
        // A rule about programs of some names may well leave one of these names out.
        excepted.retain(|excepted| !narrows(subject, excepted.node, &wanted));
        let Some(first) = excepted.first() else { continue };
        let more = match excepted.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        findings.push(Finding {
            place: subject.place(written, first.span),
            item,
            message: format!(
                "anyone can claim this exception{more}: `{}` is what the program says of itself",
                first.text
            ),
            hint: "add what it cannot choose, such as `proc.exepath startswith /usr/` or the image"
                .to_owned(),
        });
    }
    findings
}

/// A part of a condition that excepts.
struct Excepted {
    span: Span,
    node: NodeId,
    text: String,
}

impl Excepted {
    fn new(part: &Part, described: &Part) -> Self {
        Self { span: part.span, node: part.node, text: self::described(described) }
    }
}

/// Returns whether a part asks for a field that the rule also asks for positively.
fn narrows(subject: &Subject, node: NodeId, wanted: &Conjunction<'_>) -> bool {
    let Some(predicate) = subject.predicate(node) else { return false };
    wanted.asked.iter().any(|asked| {
        let other = subject.graph.predicate_of(asked.claim.predicate).0;
        asked.claim.positive
            && other.term == predicate.term
            && matches!(other.test, Test::Equal(_) | Test::In(_) | Test::Text(..))
    })
}

/// Adds what the condition excepts: parts under `not` that ask only for forgeable fields.
fn collect(subject: &Subject, part: &Part, negated: bool, into: &mut Vec<Excepted>) {
    match (&part.shape, negated) {
        (Shape::All(parts), false) | (Shape::Any(parts), true) => {
            parts.iter().for_each(|part| collect(subject, part, negated, into));
        }
        (Shape::Not(part), _) => collect(subject, part, !negated, into),
        (Shape::Check(check), false) if !excepts_alone(subject, part.node, check) => {}
        // A choice among exceptions and wanted things is no exception.
        (Shape::Any(_) | Shape::Macro(_), false) => {}
        (Shape::Macro(written), true) if matches!(written.root.shape, Shape::Any(_)) => {
            let Shape::Any(parts) = &written.root.shape else { return };
            if parts.iter().any(|part| is_forgeable(subject, part.node)) {
                into.push(Excepted::new(part, &written.root));
            }
        }
        _ if is_forgeable(subject, part.node) => into.push(Excepted::new(part, part)),
        _ => {}
    }
}

/// `x != a` excepts a just as `not x = a` does.
fn excepts_alone(subject: &Subject, node: NodeId, _: &Check) -> bool {
    subject.predicate(node).is_some_and(|predicate| matches!(predicate.test, Test::NotEqual(_)))
}

fn described(part: &Part) -> String {
    match &part.shape {
        Shape::Check(check) => shown(check),
        Shape::Not(part) => described(part),
        Shape::All(parts) | Shape::Any(parts) => parts.first().map(described).unwrap_or_default(),
        Shape::Macro(written) => described(&written.root),
    }
}

/// Returns whether every question of a condition is about what the program chooses, and at least
/// one compares a name.
fn is_forgeable(subject: &Subject, root: NodeId) -> bool {
    let mut open = vec![root];
    let mut seen = HashSet::new();
    let mut compares = false;
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match subject.graph.node(id) {
            Node::Predicate(index) => {
                let predicate = subject.graph.predicate_of(*index).0;
                if !reads_only_forgeable(predicate) {
                    return false;
                }
                compares |= !is_placeholder(predicate);
            }
            Node::Not(child) => open.push(*child),
            Node::And(children) | Node::Or(children) => open.extend(children),
            Node::False | Node::True => {}
        }
    }
    compares
}

fn reads_only_forgeable(predicate: &Predicate) -> bool {
    let mut only = true;
    predicate.leaves(&mut |leaf| {
        only &= matches!(leaf, Leaf::Event(field, _) if FORGEABLE.contains(field));
    });
    only && !matches!(predicate.term, Term::Constant(_))
}

/// Returns whether a question asks only whether there is a value, as `in ("<NA>", "N/A")` does.
fn is_placeholder(predicate: &Predicate) -> bool {
    let empty = |literal: &Literal| matches!(literal, Literal::Text(text) if matches!(&**text, "" | "<NA>" | "N/A"));
    match &predicate.test {
        Test::Exists => true,
        Test::Equal(literal) | Test::NotEqual(literal) => empty(literal),
        Test::In(items) | Test::Intersects(items) => items.iter().all(empty),
        _ => false,
    }
}
