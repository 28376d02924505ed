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
