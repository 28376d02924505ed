//! Every built-in rule: a deed like those it was written for, and the alert it raises.

mod containers;
mod execution;
mod files;
mod privilege;

use std::collections::BTreeSet;

use rules::RuleSet;

#[test]
fn every_rule_has_its_deed() {
    let rules = RuleSet::load(&rules::builtin()).unwrap().rules;
    let all: BTreeSet<&str> = rules.rules().iter().map(|rule| &*rule.name).collect();
    let tables = [files::ROWS, execution::ROWS, privilege::ROWS, containers::ROWS];
    let done: BTreeSet<&str> =
        tables.iter().flat_map(|rows| rows.iter()).map(|row| row.rule).collect();
    let none = Vec::<&&str>::new();
    assert_eq!(all.difference(&done).collect::<Vec<_>>(), none, "they have no deed");
    assert_eq!(done.difference(&all).collect::<Vec<_>>(), none, "there are no such rules");
}
