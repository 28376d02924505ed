//! Kinds of event that a rule names but can never match, because it also asks for a field that such
//! an event does not have.

use alert::EventKind;

use super::{Finding, reading::Subject};

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &subject.rules {
        // A rule that restricts no kind is told so by the loader.
        if rule.kinds.len() == EventKind::ALL.len() {
            continue;
        }
        let dead = rule.kinds.iter().filter(|kind| !rule.live_kinds.contains(kind));
        let dead: Vec<_> = dead.map(|kind| format!("`{}`", kind.name())).collect();
        if dead.is_empty() {
            continue;
        }
        findings.push(Finding {
            place: rule.place.clone(),
            item: None,
            message: format!(
                "the rule never matches {}: it asks for a field that these events lack",
                dead.join(", ")
            ),
            hint: "leave the kind out, or ask it without that field; docs/fields.md tells what has which".to_owned(),
        });
    }
    findings
}
