//! Lints: their pages are true, our own rules are clean, and Falco's give what we would defend.

use std::{collections::BTreeMap, path::PathBuf};

use rules::{Diagnostic, LintOptions, Source, lint};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn all(sources: &[Source]) -> Vec<Diagnostic> {
    lint(sources, &LintOptions::default())
}

#[test]
fn our_own_rules_are_clean() {
    let mut sources = rules::builtin();
    sources.extend(rules::builtin_cases());
    // Whom to except in our own rules is decided with them.
    let ignored = vec![];
    let found = lint(&sources, &LintOptions { ignored, ..LintOptions::default() });
    for diagnostic in &found {
        eprintln!("{diagnostic}");
    }
    assert_eq!(found.len(), 0);
}

/// The file is data we test against and do not ship.
fn official() -> Option<Source> {
    let named = std::env::var_os("SAKER_FALCO_RULES").map(PathBuf::from);
    let here = folder();
    let near = here.ancestors().map(|folder| folder.join("shared/rules/falco_rules.yaml"));
    let path = named.into_iter().chain(near).find(|path| path.is_file())?;
    let text = std::fs::read_to_string(path).expect("the file is readable");
    Some(Source { name: "falco_rules.yaml".to_owned(), text })
}

#[test]
fn falcos_rules_give_what_we_would_defend() {
    let Some(source) = official() else {
        eprintln!("NOT TESTED: falco_rules.yaml is not here; set SAKER_FALCO_RULES to its path");
        return;
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for diagnostic in all(&[source]) {
        eprintln!("{diagnostic}");
        *counts.entry(diagnostic.code.name()).or_default() += 1;
    }
    expect_test::expect![[r#"
        {
            "SAKER_LINT_FORGEABLE_EXCEPTION": 4,
            "SAKER_LINT_OUTPUT_WITHOUT_VALUE": 2,
        }
    "#]]
    .assert_debug_eq(&counts);
}

/// Returns the names of what the lints find in a condition.
fn names(condition: &str) -> String {
    let text = format!(
        "- rule: R\n  desc: d\n  condition: >\n    {condition}\n  output: \"%proc.cmdline\"\n  \
         priority: NOTICE\n"
    );
    let source = Source { name: "r.yaml".to_owned(), text };
    if let Err(errors) = rules::RuleSet::load(std::slice::from_ref(&source)) {
        return errors[0].to_string();
    }
    let found = all(&[source]);
    let name = |diagnostic: &Diagnostic| {
        let lint = rules::lints().iter().find(|lint| lint.code == diagnostic.code);
        lint.map_or("?", |lint| lint.name)
    };
    let mut names: Vec<_> = found.iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

#[test]
fn conditions_give_what_the_table_says() {
    let table = include_str!("lint/conditions.txt");
    let (mut cases, mut failing) = (0, Vec::new());
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (condition, expected) = line.rsplit_once(" => ").expect("a condition and its lints");
        let long = condition.split(' ').map(|word| match word {
            "EXEC" => "evt.type = execve",
            "OPEN" => "evt.type in (open, openat)",
            "CONNECT" => "evt.type = connect",
            other => other,
        });
        let found = names(&long.collect::<Vec<_>>().join(" "));
        cases += 1;
        if found != expected {
            failing.push(format!("{condition}\n    expected {expected}\n    found {found}"));
        }
    }
    assert!(failing.is_empty(), "{} of {cases} cases:\n{}", failing.len(), failing.join("\n"));
}

fn find(files: &[&str]) -> Vec<String> {
    let source = |(number, text): (usize, &&str)| Source {
        name: format!("{number}.yaml"),
        text: (*text).to_owned(),
    };
    let sources: Vec<_> = files.iter().enumerate().map(source).collect();
    let found = all(&sources);
    let place = |found: &Diagnostic| {
        let name = found.code.name().trim_start_matches("SAKER_LINT_").to_lowercase();
        format!("{} {}:{}:{}", name, found.file, found.line, found.column)
    };
    found.iter().map(place).collect()
}

const LIST: &str = "- list: names\n  items: [sh, abcdefghijklmnop]\n";
const RULE: &str = "- rule: R\n  desc: d\n  condition: evt.type = execve and proc.name in (names)\n  \
                    output: \"%proc.cmdline\"\n  priority: NOTICE\n";

#[test]
fn a_value_of_a_list_is_told_where_it_stands_in_the_list() {
    assert_eq!(find(&[RULE, LIST]), ["impossible_value 1.yaml:2:15"]);
}

#[test]
fn what_two_rules_find_in_one_place_is_told_once() {
    let other =
        RULE.replace("rule: R", "rule: S").replace("execve and", "execve and user.uid = 0 and");
    assert_eq!(find(&[&other, RULE, LIST]), ["impossible_value 2.yaml:2:15"]);
}

#[test]
fn a_silence_in_the_rule_covers_what_was_found_for_it() {
    let rule =
        RULE.replace("  desc", "  # saker-lint: ignore impossible-value (kept for Falco)\n  desc");
    assert_eq!(find(&[&rule, LIST]), [""; 0]);
}

#[test]
fn a_silence_above_an_item_covers_no_other() {
    let list = format!("# saker-lint: ignore redundant\n- list: other\n  items: [a]\n{LIST}");
    let found = find(&[RULE, &list]);
    assert_eq!(found, ["unused_silence 1.yaml:1:1", "impossible_value 1.yaml:5:15"]);
}

#[test]
fn a_macro_that_contradicts_itself_is_told_with_the_rule_it_kills() {
    let text = RULE.replace("proc.name in (names)", "broken")
        + "- macro: broken\n  condition: proc.name = a and proc.name = b\n";
    let found = find(&[&text]);
    assert_eq!(found, ["never_true 0.yaml:3:36", "never_true 0.yaml:7:32"]);
}

#[test]
fn a_place_for_users_to_fill_is_no_fault() {
    let text = RULE.replace("proc.name in (names)", "not mine and proc.name in (names)")
        + "- macro: mine\n  condition: (evt.num=0)\n- list: names\n  items: [a]\n";
    assert_eq!(find(&[&text]), [""; 0]);
}

#[test]
fn a_rule_that_waits_for_an_empty_list_is_told_that_it_never_matches() {
    assert_eq!(find(&[RULE, "- list: names\n  items: []\n"]), ["never_true 0.yaml:3:36"]);
}

#[test]
fn a_narrower_rule_that_is_more_severe_shadows_nothing() {
    let wide = RULE.replace(" and proc.name in (names)", " and user.uid = 0");
    let narrow = wide.replace("rule: R", "rule: S").replace("uid = 0", "uid = 0 and proc.tty = 0");
    assert_eq!(find(&[&wide, &narrow]), ["shadowed_rule 1.yaml:1:9"]);
    assert_eq!(find(&[&narrow, &wide]), [""; 0]);
    assert_eq!(find(&[&wide, &narrow.replace("NOTICE", "ERROR")]), [""; 0]);
}

#[test]
fn what_does_not_load_is_left_to_the_loader() {
    let text = RULE.replace("proc.name in", "proc.nmae in");
    assert_eq!(find(&[&text, "- rule: [", LIST]), [""; 0]);
}
