//! Rules that match only what an earlier rule matches.

use super::{
    Finding,
    claims::{Conjunction, conjunction},
    reading::{RuleSubject, Subject},
    reason::{Claim, implies},
};
use crate::ir::{Graph, NodeId};

/// What must hold for a rule: single questions, and the nodes of its choices.
struct Needs {
    claims: Vec<Claim>,
    choices: Vec<(NodeId, bool)>,
}

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let needs: Vec<_> = subject.rules.iter().map(|rule| needs(subject, rule)).collect();
    let mut findings = Vec::new();
    for (number, rule) in subject.rules.iter().enumerate() {
        if rule.kinds.is_empty() {
            continue;
        }
        let earlier = subject.rules[..number].iter().zip(&needs).find(|(earlier, wider)| {
            // A narrower rule that is more severe is a way to raise the alarm.
            rule.priority <= earlier.priority && covers(&subject.graph, wider, &needs[number])
        });
        let Some((earlier, _)) = earlier else { continue };
        let same = earlier.condition.root.node == rule.condition.root.node;
        let what = if same { "the same events" } else { "only events that are matched" };
        findings.push(Finding {
            place: rule.place.clone(),
            item: None,
            message: format!("the rule matches {what} as `{}` before it", earlier.name),
            hint: "Falco reports only the first rule that matches; here both alert. Remove one, \
                   or make it more severe and put it first"
                .to_owned(),
        });
    }
    findings
}

fn needs(subject: &Subject, rule: &RuleSubject) -> Needs {
    let mut parts = Conjunction::default();
    conjunction(subject, &rule.condition.root, true, None, &mut parts);
    let choices = parts.choices.iter().map(|choice| (choice.node, choice.positive)).collect();
    Needs { claims: parts.asked.iter().map(|asked| asked.claim).collect(), choices }
}

/// Returns whether whatever satisfies `narrow` satisfies `wide`.
fn covers(graph: &Graph, wide: &Needs, narrow: &Needs) -> bool {
    let claim = |wanted: &Claim| {
        narrow.claims.iter().any(|have| {
            have == wanted
                || (have.positive
                    && wanted.positive
                    && implies(graph, have.predicate, wanted.predicate))
                || (!have.positive
                    && !wanted.positive
                    && implies(graph, wanted.predicate, have.predicate))
        })
    };
    !(wide.claims.is_empty() && wide.choices.is_empty())
        && wide.claims.iter().all(claim)
        && wide.choices.iter().all(|choice| narrow.choices.contains(choice))
}
