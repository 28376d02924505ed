//! The language of conditions, held by tables: what is taken, what is refused and why, and that
//! printing keeps a condition what it is.

use std::{fmt::Write, fs, path::PathBuf};

use expect_test::expect;
use proptest::prelude::*;
use rules::{Code, ConditionFault, Diagnostic, RuleSet, Source, parse_condition};

/// One line of a table.
struct Case {
    line: usize,
    verdict: Verdict,
    condition: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Warned(Remark),
    Refused(Remark),
}

#[derive(Debug, PartialEq, Eq)]
struct Remark {
    column: usize,
    message: String,
}

impl From<ConditionFault> for Verdict {
    fn from(fault: ConditionFault) -> Self {
        Self::Refused(Remark { column: fault.column, message: fault.message })
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/language").join(name)
}

/// Reads `ok | condition` and `warn` or `no | column | message | condition`; other lines are prose.
/// Symbols stand for characters that would not be seen.
fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, written) in text.lines().enumerate() {
        let line = index + 1;
        let mut parts = written.splitn(4, " | ");
        let (verdict, condition) = match parts.next() {
            Some("ok") => {
                let condition = written.strip_prefix("ok | ").expect("it begins so");
                (Verdict::Accepted, condition)
            }
            Some(word @ ("warn" | "no")) => {
                let mut part = || parts.next().unwrap_or_else(|| panic!("line {line}"));
                let column = part().parse().unwrap_or_else(|_| panic!("line {line}"));
                let remark = Remark { column, message: part().to_owned() };
                let verdict = match word {
                    "warn" => Verdict::Warned(remark),
                    _ => Verdict::Refused(remark),
                };
                (verdict, part())
            }
            _ => continue,
        };
        cases.push(Case { line, verdict, condition: visible(condition) });
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

/// Holds every case of a table against `judge`. With `UPDATE_EXPECT` columns and messages are
/// written anew; a verdict never is.
fn check_table(name: &str, cases_min: usize, judge: impl Fn(&str) -> Verdict) {
    let text = fs::read_to_string(path(name)).expect("the table is readable");
    let cases = cases(&text);
    assert!(cases.len() >= cases_min, "{name} has {} cases", cases.len());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut failures = String::new();
    for case in &cases {
        let verdict = judge(&case.condition);
        if verdict == case.verdict {
            continue;
        }
        let Case { line, condition, verdict: expected } = case;
        let (word, remark) = match (expected, &verdict) {
            (Verdict::Warned(_), Verdict::Warned(remark)) => ("warn", remark),
            (Verdict::Refused(_), Verdict::Refused(remark)) => ("no", remark),
            _ => {
                writeln!(failures, "{name}:{line}: {condition:?}\n  {expected:?}\n  {verdict:?}")
                    .expect("a string takes all");
                continue;
            }
        };
        let written = lines[line - 1].splitn(4, " | ").last().expect("a condition").to_owned();
        let Remark { column, message } = remark;
        lines[line - 1] = format!("{word} | {column} | {message} | {written}");
        writeln!(failures, "{name}:{line}: {condition:?}\n  {expected:?}\n  {verdict:?}")
            .expect("a string takes all");
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path(name), lines.join("\n") + "\n").expect("the table is writable");
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

/// Loads a rule with this condition. Only what is said of the condition counts.
fn load(condition: &str) -> Verdict {
    let text = format!(
        "- list: shells\n  items: [sh, bash]\n- list: nothing\n  items: []\n\
         - macro: in_shell\n  condition: proc.name in (shells)\n\
         - rule: R\n  desc: d\n  output: o\n  priority: NOTICE\n  condition: |-\n    {condition}\n"
    );
    let remark = |diagnostic: &Diagnostic| Remark {
        column: diagnostic.column.saturating_sub("    ".len()),
        message: diagnostic.message.clone(),
    };
    match RuleSet::load(&[Source { name: "r.yaml".to_owned(), text }]) {
        Ok(loaded) => {
            let about = |warning: &&Diagnostic| {
                matches!(warning.code, Code::Suspicious | Code::DeprecatedItem)
            };
            let warning = loaded.warnings.iter().find(about);
            warning.map_or(Verdict::Accepted, |warning| Verdict::Warned(remark(warning)))
        }
        Err(faults) => {
            let error = faults.iter().find(|fault| fault.severity == rules::Severity::Error);
            Verdict::Refused(remark(error.expect("an error")))
        }
    }
}

#[test]
fn the_types_are_falcos() {
    check_table("types.txt", 400, load);
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

#[test]
fn a_tree_is_shown_as_nested_objects_with_their_places() {
    let tree = parse_condition("m and not fd.name[\"x\"] = anyof (a,b)").expect("it is accepted");
    expect![[r#"
        {
          "type": "and",
          "span": {
            "start": 0,
            "end": 36
          },
          "children": [
            {
              "type": "macro",
              "span": {
                "start": 0,
                "end": 1
              },
              "name": "m"
            },
            {
              "type": "not",
              "span": {
                "start": 6,
                "end": 36
              },
              "child": {
                "type": "check",
                "span": {
                  "start": 10,
                  "end": 36
                },
                "left": {
                  "type": "field",
                  "span": {
                    "start": 10,
                    "end": 22
                  },
                  "name": "fd.name",
                  "argument": "x"
                },
                "operator": "=",
                "operator_span": {
                  "start": 23,
                  "end": 24
                },
                "modifier": "anyof",
                "right": {
                  "type": "list",
                  "span": {
                    "start": 31,
                    "end": 36
                  },
                  "items": [
                    {
                      "type": "value",
                      "span": {
                        "start": 32,
                        "end": 33
                      },
                      "value": "a"
                    },
                    {
                      "type": "value",
                      "span": {
                        "start": 34,
                        "end": 35
                      },
                      "value": "b"
                    }
                  ]
                }
              }
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&tree).expect("a tree is JSON"));
}

#[test]
fn a_fault_is_shown_with_its_place_and_those_after_it() {
    let fault = parse_condition("é.b = c or\n d.e ~ f and g.h > x").expect_err("it has faults");
    expect![[r#"
        {
          "line": 1,
          "column": 1,
          "message": "expected a field, a macro or `(`, found `é.b`",
          "hint": null,
          "others": [
            {
              "line": 2,
              "column": 6,
              "message": "expected an operator, found `~`",
              "hint": "patterns take `glob` or `regex`, inequality is `!=`"
            },
            {
              "line": 2,
              "column": 20,
              "message": "expected a number, found `x`",
              "hint": null
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&fault).expect("a fault is JSON"));
}

fn field() -> impl Strategy<Value = String> {
    let name = "[a-z][a-z0-9_]{0,4}(\\.[A-Za-z][a-z0-9_]{0,4}){1,2}";
    let argument = prop_oneof![
        3 => Just(String::new()),
        1 => "\\[[0-9a-zA-Z/*(),=.-]{1,4}\\]",
        1 => "\\[\"[ a-z\\[\\]'é]{1,4}\"\\]",
    ];
    (name, argument).prop_map(|(name, argument)| name + &argument)
}

fn quoted() -> impl Strategy<Value = String> {
    prop_oneof![
        "\"[ a-z(),='é\t\n]{0,6}\"",
        "'[ a-z(),=\"]{0,6}'",
        "\"(\\\\x[1-7][0-9a-f]|\\\\n|\\\\\\\\x|\\\\\"|\\\\ |\\\\/){0,3}\"",
    ]
}

fn number() -> impl Strategy<Value = String> {
    "[+-]?[0-9]{1,4}(\\.[0-9]{0,2})?(e[+-][0-9])?|0x[0-9a-fA-F]{1,4}"
}

fn call() -> impl Strategy<Value = String> {
    field().prop_recursive(3, 12, 3, |inner| {
        let argument = prop_oneof![inner.clone(), quoted(), number()];
        let list = prop::collection::vec(argument.clone(), 0..3)
            .prop_map(|items| format!("({})", items.join(" , ")));
        let function = "tolower|toupper|basename|b64|len|join|concat|getopt";
        let option = prop_oneof![Just(""), Just("[n]"), Just("[\"a b\"]")];
        let arguments = prop::collection::vec(prop_oneof![3 => argument, 1 => list], 1..3);
        (function, arguments, option).prop_map(|(function, arguments, option)| {
            format!("{function}({}){option}", arguments.join(","))
        })
    })
}

/// The right side of an operator: a call, or a field in `val(…)`.
fn other() -> impl Strategy<Value = String> {
    let is_call = |text: &String| text.contains('(') && !text.contains('[');
    prop_oneof![field().prop_map(|field| format!("val({field})")), call().prop_filter("", is_call)]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![quoted(), "[a-z/<>.*\\\\-]{1,6}", Just("oneof".to_owned()), number()]
}

fn check() -> impl Strategy<Value = String> {
    let one =
        "==|=|!=|contains|icontains|bcontains|startswith|bstartswith|endswith|glob|iglob|regex";
    let list =
        || prop::collection::vec(value(), 0..4).prop_map(|items| format!("({})", items.join(", ")));
    prop_oneof![
        call().prop_map(|left| format!("{left} exists")),
        (call(), one, prop_oneof![value(), other()])
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        (call(), "<|<=|>|>=", prop_oneof![number(), other()])
            .prop_map(|(left, operator, right)| format!("{left}{operator}{right}")),
        (call(), "in|intersects|pmatch", prop_oneof![list(), other(), Just("names".to_owned())])
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        (call(), one, "oneof|anyof|allof", prop_oneof![list(), Just("names".to_owned())])
            .prop_map(|(left, operator, word, right)| format!("{left} {operator} {word} {right}")),
        "[a-zA-Z][a-z0-9_]{0,5}",
    ]
}

fn any_condition() -> impl Strategy<Value = String> {
    check().prop_recursive(5, 40, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several().prop_map(|all| all.join(" and ")),
            several().prop_map(|all| all.join(" or ")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("not {inner}")),
            inner.prop_map(|inner| format!("not({inner})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_keeps_any_condition_what_it_is(condition in any_condition()) {
        // A name such as `and` may have made nonsense of it.
        let read = parse_condition(&condition);
        prop_assume!(read.is_ok());
        let printed = read.expect("it was read").to_string();
        prop_assert_eq!(tree(&printed), tree(&condition), "{} became {}", condition, printed);
        let again = parse_condition(&printed).expect("what is printed is read").to_string();
        prop_assert_eq!(again, printed);
    }

    #[test]
    fn every_part_of_a_tree_knows_its_place(condition in any_condition()) {
        let read = parse_condition(&condition);
        prop_assume!(read.is_ok());
        let json = serde_json::to_value(read.expect("it was read")).expect("a tree is JSON");
        check_spans(&json, &condition)?;
    }
}

/// Each span lies within the text, and that of a check reads as that check alone.
fn check_spans(node: &serde_json::Value, text: &str) -> Result<(), TestCaseError> {
    match node {
        serde_json::Value::Object(entries) => {
            if let Some(span) = entries.get("span") {
                let at = |key: &str| usize::try_from(span[key].as_u64().expect("a number"));
                let (start, end) = (at("start").expect("small"), at("end").expect("small"));
                let part = text.get(start..end);
                prop_assert!(part.is_some_and(|part| !part.is_empty()), "{span} of {text}");
                if entries["type"] == "check" {
                    let mut alone = node.clone();
                    forget_spans(&mut alone);
                    prop_assert_eq!(tree(part.expect("it is there")), alone);
                }
            }
            entries.values().try_for_each(|entry| check_spans(entry, text))
        }
        serde_json::Value::Array(items) => {
            items.iter().try_for_each(|item| check_spans(item, text))
        }
        _ => Ok(()),
    }
}
