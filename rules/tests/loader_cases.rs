//! What loading makes of rule files, case by case: `rules/tests/loader/*.txt`.
//!
//! A case begins with `=== ` and a sentence; `+++` begins another file. What is told stands behind
//! it in lines that begin with `>>> `: each diagnostic with code, place and message, and the rules
//! that are in force with their expanded conditions. `UPDATE_EXPECT=1` writes these lines anew.

use std::fmt::Write as _;

use expect_test::expect_file;
use rules::{LoadOptions, RuleSet, Source};

const TOLD: &str = ">>> ";
/// Fewer would mean that a file was lost.
const CASES_MIN: usize = 150;

/// Returns what loading tells, in lines.
fn told(text: &str) -> String {
    let files = text.split("+++\n").enumerate();
    let sources: Vec<_> = files
        .map(|(number, text)| Source { name: number.to_string(), text: text.to_owned() })
        .collect();
    let report = RuleSet::load_with(&sources, &LoadOptions::default());
    let mut told = String::new();
    for found in report.errors().chain(report.warnings()) {
        let file = if sources.len() == 1 { String::new() } else { format!("file {} ", found.file) };
        let (line, column) = (found.line, found.column);
        let code = found.code.name();
        write!(told, "{TOLD}{code} {file}{line}:{column} {}", found.message).expect("text");
        for hint in &found.hints {
            write!(told, "; {hint}").expect("text");
        }
        told.push('\n');
    }
    let Some(rules) = &report.rules else { return told };
    for rule in rules.rules() {
        let explanation = rules.explain(&rule.name).expect("the rule is in force");
        let condition = explanation.condition_text();
        let condition: Vec<_> = condition.split_whitespace().collect();
        let tags = rule.tags.join(" ");
        let (name, priority, description) = (&rule.name, rule.priority, &rule.description);
        let condition = condition.join(" ");
        writeln!(told, "{TOLD}{priority} {name} ({description}) [{tags}]: {condition}")
            .expect("text");
    }
    told
}

/// Returns the text of a file of cases with what is told now, and how many there are.
fn retold(text: &str) -> (String, usize) {
    let kept: String = text.split_inclusive('\n').filter(|line| !line.starts_with(TOLD)).collect();
    let mut parts = kept.split("=== ");
    let mut retold = parts.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for case in parts {
        let (sentence, files) = case.split_once('\n').unwrap_or((case, ""));
        let files = format!("{}\n", files.trim_end());
        let separator = if files.trim().is_empty() { "" } else { files.as_str() };
        write!(retold, "=== {sentence}\n{separator}{}\n", told(&files)).expect("text");
        count += 1;
    }
    (format!("{}\n", retold.trim_end()), count)
}

#[test]
fn every_case_is_told_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/loader");
    let mut cases = 0;
    for topic in ["yaml", "version", "list", "macro", "rule", "exception", "warning", "limit"] {
        let path = format!("{folder}/{topic}.txt");
        let text = std::fs::read_to_string(&path).expect("the file of cases is there");
        let (retold, count) = retold(&text);
        cases += count;
        expect_file![path].assert_eq(&retold);
    }
    assert!(cases >= CASES_MIN, "{cases} cases");
}
