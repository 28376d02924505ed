//! What a condition says of an event or an alert: tables of conditions in `evaluation/`.
//!
//! A table is read line by line: `event` (YAML) or `alert` (JSON) says what the lines below it are
//! asked about, and each of these is the answer and the condition.

use alert::{Alert, AlertId, Priority};
use rules::{Condition, Source, Subject, Verdict};

/// The tables hold at least this many cases, so that none is skipped unseen.
const CASES_MIN: usize = 636;

struct Case<'a> {
    line: usize,
    answer: &'a str,
    condition: &'a str,
}

/// Cases about one event or alert, and its text.
struct Block<'a> {
    subject: &'a str,
    cases: Vec<Case<'a>>,
}

fn blocks<'a>(table: &'a str, subject: &str) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'a>> = Vec::new();
    for (number, line) in table.lines().enumerate() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" | "#" => {}
            word if word == subject => blocks.push(Block { subject: rest, cases: Vec::new() }),
            "true" | "false" | "unknown" => {
                let block = blocks.last_mut().expect("a subject before the first case");
                let (line, condition) = (number + 1, rest.trim_start());
                block.cases.push(Case { line, answer: word, condition });
            }
            _ => panic!("line {}: {line}", number + 1),
        }
    }
    blocks
}

/// Returns how many cases there are, and those that do not hold.
fn check_events(name: &str, table: &str) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut failures = Vec::new();
    for block in blocks(table, "event") {
        let mut text = String::new();
        for Case { line, answer, condition } in &block.cases {
            let quoted = |text: &str| serde_json::to_string(text).expect("a text");
            let rule = quoted(&format!("{name}.txt:{line}: {condition}"));
            let expected = if *answer == "true" { "match" } else { "ignore" };
            text += &format!(
                "- rule: {rule}\n  desc: d\n  priority: INFO\n  output: o\n  condition: {}\n\
                 - test: {rule}\n  {expected}: [{}]\n",
                quoted(condition),
                block.subject
            );
        }
        let report = rules::test(&[Source { name: name.to_owned(), text }]);
        count += report.cases;
        failures.extend(report.failures.iter().map(ToString::to_string));
    }
    (count, failures)
}

fn check_alerts(table: &str) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut failures = Vec::new();
    for block in blocks(table, "alert") {
        let alert = Alert {
            id: AlertId::from_u128(1),
            time: "2026-01-01T00:00:00Z".parse().expect("a time"),
            received: "2026-01-01T00:00:01Z".parse().expect("a time"),
            rule: "Terminal shell".to_owned(),
            priority: Priority::Critical,
            source: "syscall".to_owned(),
            hostname: "node-1".to_owned(),
            output: "A shell was started".to_owned(),
            tags: vec!["container".to_owned(), "mitre_execution".to_owned()],
            fields: serde_json::from_str(block.subject).expect("fields"),
            ends: None,
        };
        for Case { line, answer, condition } in &block.cases {
            count += 1;
            let place = format!("alert.txt:{line}: {condition}");
            let condition = match Condition::parse(condition) {
                Ok(condition) => condition,
                Err(error) => {
                    failures.push(format!("{place}\n{error}"));
                    continue;
                }
            };
            let verdict = condition.evaluate(&Subject::new(&alert));
            let found = match verdict {
                Verdict::True => "true",
                Verdict::False => "false",
                Verdict::Unknown => "unknown",
            };
            if found != *answer {
                failures.push(format!("{place}: {found}"));
            }
            let matches = condition.matches(&Subject::new(&alert));
            if verdict != Verdict::Unknown && matches != (verdict == Verdict::True) {
                failures.push(format!("{place}: matches says {matches}"));
            }
        }
    }
    (count, failures)
}

#[test]
fn conditions_say_of_events_and_alerts_what_the_tables_say() {
    let tables = [
        ("text", include_str!("evaluation/text.txt")),
        ("number", include_str!("evaluation/number.txt")),
        ("address", include_str!("evaluation/address.txt")),
        ("path", include_str!("evaluation/path.txt")),
        ("missing", include_str!("evaluation/missing.txt")),
        ("list", include_str!("evaluation/list.txt")),
        ("function", include_str!("evaluation/function.txt")),
        ("logic", include_str!("evaluation/logic.txt")),
        ("data", include_str!("evaluation/data.txt")),
        ("argument", include_str!("evaluation/argument.txt")),
    ];
    let checked = tables.map(|(name, table)| check_events(name, table));
    let all = checked.into_iter().chain([check_alerts(include_str!("evaluation/alert.txt"))]);
    let (counts, failures): (Vec<_>, Vec<_>) = all.unzip();
    let failures = failures.concat();
    let count: usize = counts.iter().sum();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= CASES_MIN, "only {count} cases");
}
