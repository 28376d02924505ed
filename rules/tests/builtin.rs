//! Our own rules load, keep their promises and are told apart by their cases.

use rules::{RuleSet, builtin, builtin_cases, test};

fn all() -> Vec<rules::Source> {
    builtin().into_iter().chain(builtin_cases()).collect()
}

fn told(faults: &[impl std::fmt::Display]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn they_load_without_a_warning() {
    let loaded = RuleSet::load(&builtin()).unwrap_or_else(|errors| panic!("{}", told(&errors)));
    assert!(loaded.warnings.is_empty(), "{}", told(&loaded.warnings));
}

#[test]
fn every_case_holds_and_every_rule_has_four() {
    let report = test(&all());
    assert!(report.passed(), "{}", told(&report.failures));
    assert_eq!(report.untested, Vec::<String>::new());
    assert!(report.cases >= 4 * report.rules, "{} cases, {} rules", report.cases, report.rules);
}

#[test]
fn every_rule_names_its_technique() {
    let loaded = RuleSet::load(&builtin()).unwrap();
    for rule in loaded.rules.rules() {
        let has = |wanted: &dyn Fn(&str) -> bool| rule.tags.iter().any(|tag| wanted(tag));
        assert!(has(&|tag| tag.starts_with("mitre_")), "{}", rule.name);
        let technique = |tag: &str| {
            tag.strip_prefix('T').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        assert!(has(&technique), "{}", rule.name);
        assert!(rule.description.len() > 40, "{}", rule.name);
    }
    assert!(loaded.rules.rules().len() >= 60);
}
