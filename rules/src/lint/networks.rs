//! `fd.net in` with several networks: Falco looks at the first only.

use alert::Field;

use super::{Finding, claims::checks, constant::conditions, reading::Subject};
use crate::ir::{Leaf, Term, Test};

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (written, item) in conditions(subject) {
        checks(&written.root, false, &mut |part, _, _| {
            let Some(predicate) = subject.predicate(part.node) else { return };
            let Term::Leaf(Leaf::Event(Field::FdNet, _)) = predicate.term else { return };
            let Test::In(networks) = &predicate.test else { return };
            if networks.len() > 1 {
                findings.push(Finding {
                    place: subject.place(written, part.span),
                    item: item.clone(),
                    message: format!(
                        "Falco tests the first of these {} networks only, Saker all",
                        networks.len()
                    ),
                    hint: "for both write `fd.net = 10.0.0.0/8 or fd.net = …`, or `fd.snet in (…)`"
                        .to_owned(),
                });
            }
        });
    }
    findings
}
