//! Cases that hold, cases that fail, and cases that are written wrong.

use expect_test::{Expect, expect};

use super::{read_events, test, test_rules};
use crate::Source;

const RULES: &str = "
- rule: Shell
  desc: d
  condition: evt.type = execve and proc.name in (sh, bash) and proc.tty != 0
  output: 'a shell (%proc.name %user.name)'
  priority: NOTICE
- rule: Root shell
  desc: d
  condition: evt.type = execve and proc.name = bash and user.uid = 0
  output: o
  priority: ERROR
";

fn sources(tests: &str) -> [Source; 2] {
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    [source("rules.yaml", RULES), source("tests.yaml", tests)]
}

/// Says how many cases ran and prints what failed.
fn check(tests: &str, expect: Expect) {
    let report = test(&sources(tests));
    let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
    expect.assert_eq(&format!("{} cases\n{}", report.cases, failures.join("\n\n")));
}

#[test]
fn cases_that_hold_say_nothing() {
    check(
        "
- test: Shell
  match:
    - { evt.type: execve, proc.name: bash, proc.tty: 1 }
    - name: what the alert says
      evt.type: execve
      proc.name: sh
      proc.tty: 34816
      user.uid: 5
      user.name: ann
      priority: notice
      output: a shell (sh ann)
      fields: { user.name: ann, user.uid: 5, proc.tty: 34816, fd.name: null, 'proc.aname[1]': ~ }
  ignore:
    - { name: no terminal, evt.type: execve, proc.name: bash }
- test: one event, several rules
  events:
    - { evt.type: execve, proc.name: bash, proc.tty: 1, alerts: [Root shell, { rule: Shell, priority: NOTICE }] }
    - { evt.type: execve, proc.name: zsh, proc.tty: 1, alerts: [] }
",
        expect![[r#"
            5 cases
        "#]],
    );
}

#[test]
fn a_failure_says_what_decided() {
    check(
        "
- test: Shell
  match:
    - { name: by hand, evt.type: execve, proc.name: bash }
  ignore:
    - { evt.type: execve, proc.name: bash, proc.tty: 1 }
",
        expect![[r#"
            2 cases
            error[SAKER_CASE_FAILED]: by hand: `Shell` does not match this event, but must
             --> tests.yaml:4:7
              |
            3 |   match:
            4 |     - { name: by hand, evt.type: execve, proc.name: bash }
              |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            5 |   ignore:
              |
              the answers of its condition, those that decide marked with >:
                  true     evt.type = execve   # evt.type is "execve"
                  true     and proc.name in (sh, bash)   # proc.name is "bash"
                > false    and proc.tty != 0   # proc.tty is 0

            error[SAKER_CASE_FAILED]: `Shell` matches this event, but must not
             --> tests.yaml:6:7
              |
            5 |   ignore:
            6 |     - { evt.type: execve, proc.name: bash, proc.tty: 1 }
              |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              the answers of its condition, those that decide marked with >:
                > true     evt.type = execve   # evt.type is "execve"
                > true     and proc.name in (sh, bash)   # proc.name is "bash"
                > true     and proc.tty != 0   # proc.tty is 1"#]],
    );
}

#[test]
fn an_alert_that_is_not_as_expected_is_shown_beside_what_was() {
    check(
        "
- test: Shell
  match:
    - evt.type: execve
      proc.name: bash
      proc.tty: 1
      priority: ERROR
      output: \"a shell (bash)\\e\"
      fields: { proc.name: sh, user.uid: null, fd.name: x, proc.tty: [1] }
",
        expect![[r#"
            1 cases
            error[SAKER_CASE_FAILED]: the alert of `Shell` is not as expected
             --> tests.yaml:4:7
              |
            3 |   match:
            4 |     - evt.type: execve
              |       ^^^^^^^^^^^^^^^^
            5 |       proc.name: bash
              |
              priority
                expected Error
                got      Notice
              output
                expected "a shell (bash)\u{1b}"
                got      "a shell (bash root)"
              proc.name
                expected "sh"
                got      "bash"
              user.uid
                expected nothing
                got      "0"
              fd.name
                expected "x"
                got      nothing
              proc.tty
                expected ["1"]
                got      "1""#]],
    );
}

#[test]
fn an_event_raises_exactly_the_alerts_of_its_list() {
    check(
        "
- test: several
  events:
    - { evt.type: execve, proc.name: bash, user.uid: 0, alerts: [Shell] }
",
        expect![[r#"
            1 cases
            error[SAKER_CASE_FAILED]: `Shell` does not match this event, but must
             --> tests.yaml:4:7
              |
            3 |   events:
            4 |     - { evt.type: execve, proc.name: bash, user.uid: 0, alerts: [Shell] }
              |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              the answers of its condition, those that decide marked with >:
                  true     evt.type = execve   # evt.type is "execve"
                  true     and proc.name in (sh, bash)   # proc.name is "bash"
                > false    and proc.tty != 0   # proc.tty is 0

            error[SAKER_CASE_FAILED]: `Root shell` matches this event too, but is not among its `alerts`
             --> tests.yaml:4:7
              |
            3 |   events:
            4 |     - { evt.type: execve, proc.name: bash, user.uid: 0, alerts: [Shell] }
              |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              the answers of its condition, those that decide marked with >:
                > true     evt.type = execve   # evt.type is "execve"
                > true     and proc.name = bash   # proc.name is "bash"
                > true     and user.uid = 0   # user.uid is 0"#]],
    );
}

#[test]
fn what_is_written_wrong_is_told_with_its_place() {
    for (tests, expected) in [
        ("- test: Shel\n  match: [{ evt.type: execve }]", "did you mean `Shell`?"),
        ("- test: x\n  events: [{ evt.type: execve, alerts: [Shel] }]", "no enabled rule `Shel`"),
        ("- test: Shell\n  match: { evt.type: execve }", "`match` is a list of events"),
        ("- test: Shell\n  ignore: [{ evt.type: execve, output: x }]", "no meaning in `ignore`"),
        ("- test: Shell\n  match: [{ evt.type: execve, priority: bad }]", "this is no priority"),
        ("- test: Shell\n  match: [{ evt.type: execve, fields: x }]", "a value for each field"),
        ("- test: x\n  events: [{ evt.type: execve }]", "needs `alerts`"),
        ("- test: x\n  events: [{ evt.type: execve, alerts: [{ rul: x }] }]", "unknown key `rul`"),
        (
            "- test: x\n  events: [{ evt.type: execve, alerts: [{ output: x }] }]",
            "needs its `rule`",
        ),
        (
            "- test: Shell\n  match: [{ evt.type: execve, proc.nmae: x }]",
            "did you mean `proc.name`?",
        ),
        ("- test: Shell\n  match: [cat]", "an event is given by its fields"),
    ] {
        let report = test(&sources(tests));
        let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
        assert_eq!(failures.len(), 1, "{tests}: {failures:?}");
        assert!(failures[0].contains(expected), "{tests}: {failures:?}");
        assert_eq!(report.failures[0].diagnostic.file, "tests.yaml");
    }
}

#[test]
fn only_the_cases_of_wanted_rules_run_and_rules_without_any_are_named() {
    let tests = "
- test: Shell
  ignore: [{ evt.type: execve, proc.name: a }, { evt.type: execve, proc.name: b }]
- test: several
  events: [{ evt.type: execve, proc.name: bash, alerts: [Root shell] }]
";
    let report = test_rules(&sources(tests), &|rule| rule == "Shell");
    assert_eq!((report.cases, report.rules, report.untested.len()), (2, 1, 0));
    let report = test(&sources(tests));
    assert_eq!((report.cases, report.rules, report.untested.len()), (3, 2, 0));
    let none = test(&sources(""));
    assert_eq!(none.untested, ["Shell", "Root shell"]);
}

#[test]
fn events_are_read_by_themselves_as_a_list_or_from_tests() {
    let read =
        |text: &str| read_events(&Source { name: "e.yaml".to_owned(), text: text.to_owned() });
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, process)| ((*name).into(), (*process).into())).collect()
    };
    for (text, expected) in [
        ("evt.type: execve\nproc.name: a", pairs(&[("", "a")])),
        (
            "- { name: one, evt.type: execve, proc.name: a }\n- { evt.type: execve, proc.name: b }",
            pairs(&[("one", "a"), ("", "b")]),
        ),
        (
            "- test: T\n  match: [{ evt.type: execve, proc.name: a }]\n  ignore: [{ name: n, evt.type: execve, proc.name: b }]",
            pairs(&[("T", "a"), ("n", "b")]),
        ),
        ("", pairs(&[])),
    ] {
        let events = read(text).unwrap().into_iter();
        let named = events
            .map(|named| (named.name.unwrap_or_default(), named.event.process.name.to_string()));
        assert_eq!(named.collect::<Vec<_>>(), expected, "{text}");
    }
    assert!(read("evt.type: nothing").is_err() && read("just text").is_err());
}
