//! House rules, asked for with `--pedantic`.

use alert::Field;

use super::{
    Finding,
    claims::checks,
    reading::{RuleSubject, Subject},
};
use crate::{
    ir::{Leaf, Node, NodeId},
    parse::Span,
};

/// Rules that read image or pod fields only under `not` and restrict the container nowhere: while
/// the runtime has not answered, their exceptions do not hold.
pub(super) fn metadata_only_negated(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &subject.rules {
        let mut wanted = false;
        let mut first: Option<Span> = None;
        checks(&rule.condition.root, false, &mut |part, _, negated| {
            if !reads_metadata(subject, part.node) {
                return;
            }
            wanted |= !negated;
            first = first.or(Some(part.span)).filter(|_| negated || first.is_some());
        });
        let Some(span) = first.filter(|_| !wanted) else { continue };
        findings.push(Finding {
            place: subject.place(&rule.condition, span),
            item: Some(rule.place.clone()),
            message: "the rule reads the container's metadata only to except, so it alerts too \
                      often while that is missing"
                .to_owned(),
            hint: "add `and not saker.container.missing exists` if that is worse than missing an \
                   event"
                .to_owned(),
        });
    }
    findings
}

fn reads_metadata(subject: &Subject, node: NodeId) -> bool {
    let Node::Predicate(index) = subject.graph.node(node) else { return false };
    let mut reads = false;
    subject.graph.predicate_of(*index).0.leaves(&mut |leaf| {
        reads |= matches!(
            leaf,
            Leaf::Event(
                Field::ContainerImage
                    | Field::ContainerImageRepository
                    | Field::ContainerImageTag
                    | Field::ContainerImageDigest
                    | Field::ContainerName
                    | Field::K8sNsName
                    | Field::K8sPodName
                    | Field::K8sPodLabel,
                _
            )
        );
    });
    reads
}

/// Rules that name no technique of MITRE ATT&CK.
pub(super) fn without_technique(subject: &Subject) -> Vec<Finding> {
    let is_technique = |tag: &String| {
        tag.strip_prefix('T').is_some_and(|number| {
            number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    };
    let without = |rule: &&RuleSubject| !rule.tags.iter().any(is_technique);
    let hint = "add a tag such as `T1059.004`";
    named(subject, without, "names no ATT&CK technique among its tags", hint)
}

/// Rules without a test.
pub(super) fn without_test(subject: &Subject) -> Vec<Finding> {
    let without = |rule: &&RuleSubject| !subject.tested.contains(&rule.name);
    let hint = "write a `- test:` item with an event it matches and one it ignores";
    named(subject, without, "has no test", hint)
}

fn named(
    subject: &Subject,
    which: impl Fn(&&RuleSubject) -> bool,
    what: &str,
    hint: &str,
) -> Vec<Finding> {
    let finding = |rule: &RuleSubject| Finding {
        place: rule.place.clone(),
        item: None,
        message: format!("the rule `{}` {what}", rule.name),
        hint: hint.to_owned(),
    };
    subject.rules.iter().filter(which).map(finding).collect()
}
