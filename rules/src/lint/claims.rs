//! Takes a condition apart into what must hold at once and what is a choice.

use super::{
    reading::{Part, Shape, Subject},
    reason::Claim,
};
use crate::{
    ir::{FALSE, Node, NodeId, TRUE},
    parse::{Check, Span},
};

/// A question with the answer it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) claim: Claim,
    pub(super) check: &'a Check,
    /// Where it stands in the text that was taken apart: the macro's name if it came from one.
    pub(super) span: Span,
    /// Whether it stands there itself.
    pub(super) own: bool,
}

impl Asked<'_> {
    /// Returns the question as text, cut to a readable length.
    pub(super) fn text(&self) -> String {
        let text = shown(self.check);
        if self.claim.positive { text } else { format!("not {text}") }
    }
}

/// Several parts of which one must hold; negated, one must not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    pub(super) parts: &'a [Part],
    pub(super) positive: bool,
    pub(super) node: NodeId,
    /// The macro's name in the text that was taken apart, if it came from one.
    pub(super) within: Option<Span>,
}

#[derive(Debug, Default)]
pub(super) struct Conjunction<'a> {
    pub(super) asked: Vec<Asked<'a>>,
    pub(super) choices: Vec<Choice<'a>>,
    /// A part that is false before any event, as `evt.num = 0` is.
    pub(super) folded: Option<Span>,
    visited: usize,
}

impl Conjunction<'_> {
    /// Returns how much work it was to take the condition apart.
    pub(super) const fn work(&self) -> usize {
        self.visited
    }
}

/// No condition is taken further apart than this: macros that name macros grow fast.
const VISITED_MAX: usize = 10_000;

/// Adds what must hold for `part` to be true, or false if not `positive`.
pub(super) fn conjunction<'a>(
    subject: &Subject,
    part: &'a Part,
    positive: bool,
    within: Option<Span>,
    into: &mut Conjunction<'a>,
) {
    into.visited += 1;
    if into.visited > VISITED_MAX {
        return;
    }
    match (&part.shape, positive) {
        (Shape::All(parts), true) | (Shape::Any(parts), false) => {
            for part in parts {
                conjunction(subject, part, positive, within, into);
            }
        }
        (Shape::All(parts), false) | (Shape::Any(parts), true) => {
            into.choices.push(Choice { parts, positive, node: part.node, within });
        }
        (Shape::Not(part), _) => conjunction(subject, part, !positive, within, into),
        (Shape::Macro(written), _) => {
            let within = within.or(Some(part.span));
            conjunction(subject, &written.root, positive, within, into);
        }
        (Shape::Check(check), _) => {
            let span = within.unwrap_or(part.span);
            match subject.graph.node(part.node) {
                Node::Predicate(predicate) => into.asked.push(Asked {
                    claim: Claim { predicate: *predicate, positive },
                    check,
                    span,
                    own: within.is_none(),
                }),
                _ if part.node == if positive { FALSE } else { TRUE } => into.folded = Some(span),
                _ => {}
            }
        }
    }
}

/// Calls `visit` with every question written in a text itself, macros not followed, and whether it
/// stands under a `not`.
pub(super) fn checks<'a>(
    part: &'a Part,
    negated: bool,
    visit: &mut dyn FnMut(&'a Part, &'a Check, bool),
) {
    match &part.shape {
        Shape::All(parts) | Shape::Any(parts) => {
            parts.iter().for_each(|part| checks(part, negated, visit));
        }
        Shape::Not(part) => checks(part, !negated, visit),
        Shape::Macro(_) => {}
        Shape::Check(check) => visit(part, check, negated),
    }
}

/// Returns a question as text, cut to a readable length.
pub(super) fn shown(check: &Check) -> String {
    const SHOWN_MAX: usize = 60;
    let expression = crate::parse::Expression::Check(Box::new(check.clone())).to_string();
    match expression.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &expression[..end]),
        None => expression,
    }
}
