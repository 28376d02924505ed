//! Outputs that say nothing, or name what the rule's events never have.

use super::{
    Finding,
    reading::{RuleSubject, Subject},
    supply::is_absent,
};
use crate::{ir::Leaf, parse::Span, rule::Segment};

/// Fields in an output that no kind of event of the rule ever has.
pub(super) fn without_value(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in subject.rules.iter().filter(|rule| !rule.kinds.is_empty()) {
        for (span, segment) in &rule.segments {
            let Segment::Value { term, .. } = segment else { continue };
            let mut absent = None;
            term.leaves(&mut |leaf| {
                if let Leaf::Event(field, argument) = leaf
                    && rule.kinds.iter().all(|kind| is_absent(*field, argument, *kind))
                {
                    absent = Some(format!("{}{argument}", field.name()));
                }
            });
            let Some(name) = absent else { continue };
            findings.push(finding(
                subject,
                rule,
                *span,
                format!("`{name}` always prints <NA>: no event of this rule has it"),
                "remove it from the output",
            ));
        }
    }
    findings
}

/// Outputs without any field.
pub(super) fn without_fields(subject: &Subject) -> Vec<Finding> {
    let silent = subject.rules.iter().filter(|rule| rule.segments.is_empty());
    let whole = |rule: &RuleSubject| Span::new(0, rule.output.as_str().len());
    let message = "the output names no field: whoever reads it cannot tell who did what";
    let hint = "name at least the process and its object, as in `%proc.cmdline file=%fd.name`";
    silent.map(|rule| finding(subject, rule, whole(rule), message.to_owned(), hint)).collect()
}

fn finding(
    subject: &Subject,
    rule: &RuleSubject,
    span: Span,
    message: String,
    hint: &str,
) -> Finding {
    let place = rule.output.place(&subject.files, span.start..span.end);
    Finding { place, item: Some(rule.place.clone()), message, hint: hint.to_owned() }
}
