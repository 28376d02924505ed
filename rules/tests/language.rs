//! The language of conditions, held by tables: what is taken, what is refused and why, and that
//! printing keeps a condition what it is.

use std::{fmt::Write, fs, path::PathBuf};

use rules::{ConditionFault, parse_condition};

/// One line of a table.
struct Case {
    line: usize,
    verdict: Verdict,
    condition: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused { column: usize, message: String },
}

impl From<ConditionFault> for Verdict {
    fn from(fault: ConditionFault) -> Self {
        Self::Refused { column: fault.column, message: fault.message }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/language").join(name)
}

/// Reads `ok | condition` and `no | column | message | condition`; other lines are prose. Symbols
/// stand for characters that would not be seen.
fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let (verdict, condition) = if let Some(condition) = line.strip_prefix("ok | ") {
            (Verdict::Accepted, condition)
        } else if let Some(rest) = line.strip_prefix("no | ") {
            let mut parts = rest.splitn(3, " | ");
            let mut part = || parts.next().unwrap_or_else(|| panic!("line {line_number}"));
            let column = part().trim().parse().unwrap_or_else(|_| panic!("line {line_number}"));
            (Verdict::Refused { column, message: part().to_owned() }, part())
        } else {
            continue;
        };
        cases.push(Case { line: line_number, verdict, condition: visible(condition) });
    }
    cases
}

const SYMBOLS: [(&str, &str); 8] = [
    ("␠", " "),
    ("⏎", "\n"),
    ("⇥", "\t"),
    ("␍", "\r"),
    ("␈", "\u{8}"),
    ("␋", "\u{b}"),
    ("␌", "\u{c}"),
    ("␀", "\0"),
];

fn visible(condition: &str) -> String {
    let mut text = condition.to_owned();
    for (symbol, character) in SYMBOLS {
        text = text.replace(symbol, character);
    }
    text
}

/// Holds every case of a table against `judge`. With `UPDATE_EXPECT` the columns and messages of
/// refusals are written anew; a verdict never is.
fn check_table(name: &str, cases_min: usize, judge: impl Fn(&str) -> Verdict) {
    let text = fs::read_to_string(path(name)).expect("the table is readable");
    let cases = cases(&text);
    assert!(cases.len() >= cases_min, "{name} has {} cases", cases.len());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for case in &cases {
            if let (Verdict::Refused { .. }, Verdict::Refused { column, message }) =
                (&case.verdict, judge(&case.condition))
            {
                let line = &mut lines[case.line - 1];
                let condition = line.splitn(4, " | ").last().expect("a condition").to_owned();
                *line = format!("no | {column} | {message} | {condition}");
            }
        }
        fs::write(path(name), lines.join("\n") + "\n").expect("the table is writable");
        return;
    }
    let mut failures = String::new();
    for case in &cases {
        let verdict = judge(&case.condition);
        if verdict != case.verdict {
            let Case { line, condition, verdict: expected } = case;
            writeln!(failures, "{name}:{line}: {condition:?}\n  {expected:?}\n  {verdict:?}")
                .expect("a string takes all");
        }
    }
    let count = failures.lines().count() / 3;
    assert!(failures.is_empty(), "{count} of {} cases fail:\n{failures}", cases.len());
}

#[test]
fn the_syntax_is_falcos() {
    check_table("syntax.txt", 300, |condition| match parse_condition(condition) {
        Ok(_) => Verdict::Accepted,
        Err(fault) => fault.into(),
    });
}

/// The tree without its spans.
fn tree(condition: &str) -> serde_json::Value {
    let tree = parse_condition(condition).unwrap_or_else(|fault| panic!("{condition}: {fault}"));
    let mut json = serde_json::to_value(&tree).expect("a tree is JSON");
    forget_spans(&mut json);
    json
}

fn forget_spans(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(entries) => {
            entries.retain(|key, _| !key.ends_with("span"));
            entries.values_mut().for_each(forget_spans);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(forget_spans),
        _ => {}
    }
}

#[test]
fn printing_keeps_a_condition_what_it_is() {
    let text = fs::read_to_string(path("syntax.txt")).expect("the table is readable");
    for case in cases(&text).into_iter().filter(|case| case.verdict == Verdict::Accepted) {
        let printed = parse_condition(&case.condition).expect("it is accepted").to_string();
        assert_eq!(tree(&printed), tree(&case.condition), "{} became {printed}", case.condition);
        let again = parse_condition(&printed).expect("what is printed is accepted").to_string();
        assert_eq!(again, printed, "{}", case.condition);
    }
}
