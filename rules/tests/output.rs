//! What an output prints, and which formats are refused: the table `output/text.txt`.

use rules::{RuleSet, Source};

/// The table holds at least this many cases, so that none is skipped unseen.
const CASES_MIN: usize = 102;

/// Returns what is not as the case says.
fn check(event: &str, format: &str, expected: &str) -> Option<String> {
    let rule = format!(
        "- rule: r\n  desc: d\n  priority: INFO\n  condition: evt.num > 0\n  output:\n    '{}'\n",
        format.replace('\'', "''")
    );
    let source = |text: String| [Source { name: "t".to_owned(), text }];
    if let Err(errors) = RuleSet::load(&source(rule.clone())) {
        // Four blanks and the quote stand before the format.
        let found = format!("{} {}", errors[0].column.saturating_sub(5), errors[0].message);
        let fault = || format!("{format}\n  expected {expected}\n  got      {found}");
        return (found != expected).then(fault);
    }
    let expected = serde_json::to_string(expected).expect("a text");
    let event = event.trim_end().strip_suffix('}').expect("an event in braces");
    let test = format!("- test: r\n  match:\n    - {event}, output: {expected} }}\n");
    let report = rules::test(&source(rule + &test));
    assert_eq!(report.cases, 1, "{format}");
    report.failures.first().map(ToString::to_string)
}

#[test]
fn outputs_print_what_the_table_says() {
    let (mut count, mut event) = (0, "");
    let mut failures = Vec::new();
    for (number, line) in include_str!("output/text.txt").lines().enumerate() {
        match line.split_once(' ') {
            Some(("event", rest)) => event = rest,
            Some(("text", rest)) => {
                let (format, expected) = rest.trim_start().split_once(" → ").expect("an arrow");
                count += 1;
                failures.extend(
                    check(event, format, expected)
                        .map(|failure| format!("text.txt:{}: {failure}", number + 1)),
                );
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "line {}: {line}", number + 1),
        }
    }
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= CASES_MIN, "only {count} cases");
}
