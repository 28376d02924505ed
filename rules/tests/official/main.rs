//! Falco's stable rules load unmodified, and match what they are about.

use std::path::PathBuf;

use expect_test::expect;
use rules::{Diagnostic, FilterView, RuleSet, Source, read_events, test};

const NOT_TESTED: &str =
    "NOT TESTED: falco_rules.yaml is not here; set SAKER_FALCO_RULES to its path";

const CASES: &str = include_str!("cases.yaml");

/// The file is data we test against and do not ship: it is named by `SAKER_FALCO_RULES`, or lies
/// in a folder `shared` beside the worktree. Where there is such a folder it must hold the file.
fn official() -> Option<Source> {
    let named = std::env::var_os("SAKER_FALCO_RULES").map(PathBuf::from);
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let shared = here.ancestors().map(|folder| folder.join("shared")).find(|path| path.is_dir());
    let expected = named.is_some() || (shared.is_some() && std::env::var_os("CI").is_some());
    let near = shared.map(|folder| folder.join("rules/falco_rules.yaml"));
    let Some(path) = named.or(near).filter(|path| path.is_file()) else {
        assert!(!expected, "falco_rules.yaml is not where it should be");
        return None;
    };
    let text = std::fs::read_to_string(&path).expect("the file is readable");
    Some(Source { name: "falco_rules.yaml".to_owned(), text })
}

fn told(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

#[test]
fn the_official_rules_load_unmodified() {
    let Some(source) = official() else { return eprintln!("{NOT_TESTED}") };
    let loaded = RuleSet::load(&[source]).unwrap_or_else(|errors| panic!("{}", told(&errors)));
    assert_eq!(loaded.rules.rules().len(), 25);
    let warnings: String = loaded.warnings.iter().map(summary).collect();
    expect![""].assert_eq(&warnings);
}

/// Returns where a warning is, its code and what it says.
fn summary(warning: &Diagnostic) -> String {
    format!("line {}: {}: {}\n", warning.line, warning.code.name(), warning.message)
}

#[test]
fn what_the_cases_of_official_rules_match_the_kernel_would_tell_of() {
    let Some(source) = official() else { return eprintln!("{NOT_TESTED}") };
    let rules = RuleSet::load(&[source]).unwrap_or_else(|errors| panic!("{}", told(&errors))).rules;
    let (filter, mut matcher) = (rules.kernel_filter(), rules.matcher());
    assert_eq!(filter.unfit(), 0);
    let cases = Source { name: "cases.yaml".to_owned(), text: CASES.to_owned() };
    let mut matched = 0;
    for named in read_events(&cases).unwrap_or_else(|errors| panic!("{}", told(&errors))) {
        let event = named.event;
        let mut matches = false;
        matcher.matches(&event, &mut |_| matches = true);
        matched += usize::from(matches);
        let kept = filter.keeps(event.kind, &FilterView::of(&event));
        assert!(kept || !matches, "{event:#?}");
    }
    assert!(matched >= 25, "{matched}");
}

#[test]
fn every_official_rule_matches_what_it_is_about_and_not_what_is_near() {
    let Some(source) = official() else { return eprintln!("{NOT_TESTED}") };
    let cases = Source { name: "cases.yaml".to_owned(), text: CASES.to_owned() };
    let report = test(&[source, cases]);
    let failures: String = report.failures.iter().map(|failure| format!("{failure}\n")).collect();
    assert!(report.passed(), "{failures}");
    assert_eq!(report.untested, Vec::<String>::new());
    assert_eq!(report.rules, 25);
    for test in CASES.split("\n- test: ").skip(1) {
        let name = test.lines().next().unwrap_or_default();
        assert!(test.contains("\n  match:\n") && test.contains("\n  ignore:\n"), "{name}");
    }
}
