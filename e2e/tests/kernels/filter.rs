//! The kernel's filter: what it drops, no rule can match, whichever hook sees the opens.

use crate::guests::{Backend, reports};

#[test]
fn both_back_ends_drop_what_no_rule_can_match_and_nothing_else_on_every_kernel() {
    let Some(reports) = reports() else { return };
    for (kernel, report) in reports {
        for backend in Backend::ALL {
            let told = report.step(&format!("sift-{}", backend.name())).succeeded();
            assert!(told.contains("3 passed"), "{} on {}:\n{told}", backend.name(), kernel.name);
        }
    }
}
