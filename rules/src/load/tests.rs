//! What a rule file's author is told.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{RuleSet, Source};

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn rule(condition: &str) -> String {
    format!("- rule: r\n  desc: d\n  priority: NOTICE\n  output: o\n  condition: {condition}\n")
}

/// Compares the errors, or else the warnings, with what is expected.
fn check(text: &str, expect: Expect) {
    let diagnostics = match RuleSet::load(&[source("my.yaml", text)]) {
        Ok(loaded) => loaded.warnings,
        Err(errors) => errors,
    };
    let told: String = diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    expect.assert_eq(&told);
}

#[test]
fn a_fault_in_a_folded_condition_is_shown_where_it_stands() {
    let text = rule(">\n    evt.type = execve\n    and proc.nmae = cat\n    and user.uid = x");
    check(
        &text,
        expect![[r#"
            error[LOAD_ERR_COMPILE_CONDITION]: unknown field `proc.nmae`
             --> my.yaml:7:9
              |
            6 |     evt.type = execve
            7 |     and proc.nmae = cat
              |         ^^^^^^^^^
            8 |     and user.uid = x
              |
              = help: did you mean `proc.name`?
            error[LOAD_ERR_COMPILE_CONDITION]: expected a decimal number, found `x`
             --> my.yaml:8:20
              |
            7 |     and proc.nmae = cat
            8 |     and user.uid = x
              |                    ^
        "#]],
    );
}

#[test]
fn all_errors_of_a_file_are_told() {
    check(
        "- rule: a\n  desc: d\n  priority: URGENT\n  output: \"%nothing\"\n  condition: (x\n\
         - macro: m\n\
         - list: l\n  items: 3\n\
         - rule: b\n  desc: d\n  priority: info\n  output: \"100%\"\n  condition: y\n",
        expect![[r#"
            error[LOAD_ERR_YAML_VALIDATE]: unknown priority `URGENT`
             --> my.yaml:3:13
              |
            2 |   desc: d
            3 |   priority: URGENT
              |             ^^^^^^
            4 |   output: "%nothing"
              |
              = help: the priorities are DEBUG, INFORMATIONAL, NOTICE, WARNING, ERROR, CRITICAL, ALERT, EMERGENCY
            error[LOAD_ERR_YAML_VALIDATE]: `m` has no `condition`
             --> my.yaml:6:10
              |
            5 |   condition: (x
            6 | - macro: m
              |          ^
            7 | - list: l
              |
            error[LOAD_ERR_YAML_VALIDATE]: `items` must be a list, found a single value
             --> my.yaml:8:10
              |
            7 | - list: l
            8 |   items: 3
              |          ^
            9 | - rule: b
              |
            error[LOAD_ERR_COMPILE_OUTPUT]: a `%` must be followed by a field
              --> my.yaml:12:15
               |
            11 |   priority: info
            12 |   output: "100%"
               |               ^
            13 |   condition: y
               |
               = help: there is no escape for `%`: write `percent`
            error[LOAD_ERR_VALIDATE]: undefined macro `y`
              --> my.yaml:13:14
               |
            12 |   output: "100%"
            13 |   condition: y
               |              ^
        "#]],
    );
}

#[test]
fn text_that_is_no_yaml_is_shown() {
    check(
        "- rule: a\n  desc: [\n",
        expect![[r#"
        error[LOAD_ERR_YAML_PARSE]: unclosed bracket '['
         --> my.yaml:2:9
          |
        1 | - rule: a
        2 |   desc: [
          |         ^
    "#]],
    );
    check(
        "rule: a\n",
        expect![[r#"
        error[LOAD_ERR_YAML_VALIDATE]: a rule file is a list of items
         --> my.yaml:1:1
          |
        1 | rule: a
          | ^^^^^^^
          |
          = help: each item begins with `- rule:`, `- macro:` or `- list:`
    "#]],
    );
    check(
        "- a\n",
        expect![[r#"
        error[LOAD_ERR_YAML_VALIDATE]: expected an item with keys, found a single value
         --> my.yaml:1:3
          |
        1 | - a
          |   ^
    "#]],
    );
}

#[test]
fn what_is_unknown_is_a_warning_with_a_hint() {
    check(
        &format!(
            "- rulee: x\n{}  prioritty: x\n- macro: unused\n  condition: evt.num=0\n",
            rule("evt.type = execve and proc.name = proc.pname")
        ),
        expect![[r#"
            warning[LOAD_UNKNOWN_ITEM]: unknown item, it is ignored
             --> my.yaml:1:3
              |
            1 | - rulee: x
              |   ^^^^^
            2 | - rule: r
              |
              = help: did you mean `rule`?
            warning[LOAD_COMPILE_CONDITION]: `proc.pname` is compared as text, not as a field
             --> my.yaml:6:48
              |
            5 |   output: o
            6 |   condition: evt.type = execve and proc.name = proc.pname
              |                                                ^^^^^^^^^^
            7 |   prioritty: x
              |
              = help: to compare two fields write `val(proc.pname)`
            warning[LOAD_UNKNOWN_KEY]: unknown key `prioritty`
             --> my.yaml:7:3
              |
            6 |   condition: evt.type = execve and proc.name = proc.pname
            7 |   prioritty: x
              |   ^^^^^^^^^
            8 | - macro: unused
              |
              = help: did you mean `priority`?
            warning[LOAD_UNUSED_MACRO]: the macro `unused` is never used
             --> my.yaml:8:10
              |
            7 |   prioritty: x
            8 | - macro: unused
              |          ^^^^^^
            9 |   condition: evt.num=0
              |
        "#]],
    );
}

#[test]
fn a_macro_that_names_itself_is_refused() {
    check(
        &format!(
            "- macro: a\n  condition: b\n- macro: b\n  condition: proc.name = x\n\
            - macro: b\n  condition: a or b\n{}",
            rule("evt.type = execve and b")
        ),
        expect![[r#"
            error[LOAD_ERR_VALIDATE]: undefined macro `b`
             --> my.yaml:2:14
              |
            1 | - macro: a
            2 |   condition: b
              |              ^
            3 | - macro: b
              |
              = help: it is defined after the macro that uses it
            error[LOAD_ERR_VALIDATE]: the macro `b` refers to itself
             --> my.yaml:6:19
              |
            5 | - macro: b
            6 |   condition: a or b
              |                   ^
            7 | - rule: r
              |
              = help: reference loop
        "#]],
    );
}

#[test]
fn a_fault_in_a_list_is_shown_where_the_list_is_used() {
    check(
        &format!(
            "- list: ports\n  items: [80, many]\n{}",
            rule("evt.type = connect and fd.sport in (ports)")
        ),
        expect![[r#"
            error[LOAD_ERR_COMPILE_CONDITION]: expected a port from 0 to 65535 or the name of a service, found `many`
             --> my.yaml:7:50
              |
            6 |   output: o
            7 |   condition: evt.type = connect and fd.sport in (ports)
              |                                                  ^
        "#]],
    );
}

#[test]
fn a_rule_of_another_source_is_skipped() {
    check(
        &format!("{}  source: k8s_audit\n", rule("x.y = get")).replace("k8s_audit", "okta"),
        expect![[r#"
        warning[LOAD_UNKNOWN_SOURCE]: no events of the source `okta` are read here, the rule is skipped
         --> my.yaml:1:9
          |
        1 | - rule: r
          |         ^
        2 |   desc: d
          |
    "#]],
    );
}

#[test]
fn an_unknown_field_may_skip_the_rule() {
    check(
        &format!("{}  skip-if-unknown-filter: true\n", rule("evt.type = execve and new.field = x")),
        expect![[r#"
            warning[LOAD_UNKNOWN_FILTER]: unknown field `new.field`
             --> my.yaml:5:36
              |
            4 |   output: o
            5 |   condition: evt.type = execve and new.field = x
              |                                    ^^^^^^^^^
            6 |   skip-if-unknown-filter: true
              |
        "#]],
    );
}

#[test]
fn a_newer_engine_is_refused() {
    check(
        "- required_engine_version: 0.99.0\n",
        expect![[r#"
            error[LOAD_ERR_VALIDATE]: the file needs a newer engine than 0.63.0
             --> my.yaml:1:28
              |
            1 | - required_engine_version: 0.99.0
              |                            ^^^^^^
        "#]],
    );
    check("- required_engine_version: 15\n", expect![[""]]);
    check(
        "- required_plugin_versions:\n  - {name: container, version: 1.0.0}\n",
        expect![[r#"
        error[LOAD_ERR_VALIDATE]: `container` is built in as version 0.7.0
         --> my.yaml:2:5
          |
        1 | - required_plugin_versions:
        2 |   - {name: container, version: 1.0.0}
          |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#]],
    );
}

/// Loads files and returns the names of the rules that match a plain execve of `cat`.
fn matching(files: &[&str]) -> String {
    let sources: Vec<_> =
        files.iter().enumerate().map(|(n, text)| source(&format!("{n}.yaml"), text)).collect();
    let loaded = match RuleSet::load(&sources) {
        Ok(loaded) => loaded,
        Err(errors) => return errors.iter().map(|error| format!("{}\n", error.message)).collect(),
    };
    let event = crate::sample::exec("cat", &["a", "b"]);
    let mut names = Vec::new();
    loaded.rules.matcher().matches(&event, &mut |rule| {
        names.push(format!("{}:{}:{}", rule.name, rule.priority, rule.render(&event).output));
    });
    names.join(" ")
}

#[test]
fn later_files_replace_and_append() {
    let base = "- rule: r\n  desc: d\n  priority: NOTICE\n  output: o\n  tags: [b]\n\
        \x20 condition: evt.type = execve and proc.name = x\n";
    for (change, expected) in [
        (
            "- rule: r\n  condition: or proc.name = cat\n  override: {condition: append}\n",
            "r:Notice:o",
        ),
        ("- rule: r\n  condition: or proc.name = cat\n  append: true\n", "r:Notice:o"),
        (
            "- rule: r\n  condition: evt.type = execve\n  priority: ERROR\n  output: p\n\
          \x20 override: {condition: replace, priority: replace, output: append}\n",
            "r:Error:o p",
        ),
        (
            "- rule: r\n  condition: evt.type = execve\n  enabled: false\n\
          \x20 override: {condition: replace, enabled: replace}\n",
            "",
        ),
        ("- rule: r\n  enabled: false\n", ""),
        (
            "- rule: r\n  desc: d\n  priority: INFO\n  output: q\n  condition: evt.type = execve\n",
            "r:Informational:q",
        ),
        (
            "- rule: s\n  condition: x\n  override: {condition: append}\n",
            "there is no rule `s` before this to change\n",
        ),
        (
            "- rule: r\n  override: {condition: append}\n",
            "`override` names `condition`, but the item has no such key\n",
        ),
        (
            "- rule: r\n  condition: or m.n exists\n  output: y\n  override: {condition: append}\n",
            "unknown field `m.n`\n`override` does not say how to change `output`\n",
        ),
        (
            "- rule: r\n  source: x\n  override: {source: replace}\n",
            "`source` cannot be overridden\n",
        ),
    ] {
        assert_eq!(matching(&[base, change]), expected, "{change}");
    }
}

#[test]
fn lists_and_macros_are_changed_too() {
    let base = "- list: l\n  items: [x]\n- macro: m\n  condition: proc.name in (l)\n\
        - rule: r\n  desc: d\n  priority: NOTICE\n  output: o\n  condition: evt.type = execve and m\n";
    for (change, expected) in [
        ("- list: l\n  items: [cat]\n  override: {items: append}\n", "r:Notice:o"),
        ("- list: l\n  items: [cat]\n", "r:Notice:o"),
        ("- list: l\n  items: [k]\n- list: k\n  items: [cat]\n", "r:Notice:o"),
        ("- list: l\n  items: []\n", ""),
        (
            "- macro: m\n  condition: or proc.name = cat\n  override: {condition: append}\n",
            "r:Notice:o",
        ),
        (
            "- macro: m\n  condition: proc.name = cat\n  override: {condition: replace}\n",
            "r:Notice:o",
        ),
        (
            "- list: x\n  items: []\n  append: true\n",
            "there is no list `x` before this to change\n",
        ),
    ] {
        assert_eq!(matching(&[base, change]), expected, "{change}");
    }
}

#[test]
fn lists_are_pasted_as_text() {
    for (list, condition, expected) in [
        ("[cat, dog]", "proc.name in (l)", "r:Notice:o"),
        ("[cat]", "proc.name = l", "r:Notice:o"),
        ("[cat]", "proc.name=l", "r:Notice:o"),
        ("[]", "proc.name in (l, cat)", "r:Notice:o"),
        ("[]", "proc.name in (cat, l)", "r:Notice:o"),
        ("[]", "proc.name in (l)", ""),
        ("['\"cat\"']", "proc.name in (l)", "r:Notice:o"),
        ("[a b]", "proc.args in (l)", "r:Notice:o"),
        ("[cat]", "proc.name in (\"l\")", ""),
        ("[cat]", "proc.name = lx", ""),
    ] {
        let text = format!(
            "- list: l\n  items: {list}\n- rule: r\n  desc: d\n  priority: NOTICE\n  output: o\n  \
             condition: evt.type = execve and {condition}\n"
        );
        assert_eq!(matching(&[&text]), expected, "{list} {condition}");
    }
}

#[test]
fn exceptions_take_events_away() {
    let base = rule("evt.type = execve");
    for (exceptions, expected) in [
        ("[{name: e, fields: proc.name, values: [cat]}]", ""),
        ("[{name: e, fields: proc.name, comps: in, values: [dog]}]", "r:Notice:o"),
        ("[{name: e, fields: [proc.name, proc.args], values: [[cat, a b]]}]", ""),
        (
            "[{name: e, fields: [proc.name, proc.args], comps: [in, contains], values: [[[dog, cat], a]]}]",
            "",
        ),
        ("[{name: e, fields: [proc.name, proc.args], values: [[cat, c], [dog, a]]}]", "r:Notice:o"),
        ("[{name: e, fields: [proc.name], values: []}]", "r:Notice:o"),
        ("[{name: e, values: [x]}]", "the exception `e` has no `fields`\n"),
        (
            "[{name: e, fields: [proc.name, proc.args], values: [[cat]]}]",
            "a row of values has 1 entries for 2 fields\n",
        ),
        ("[{fields: proc.name}]", "the exception has no `name`\n"),
    ] {
        assert_eq!(
            matching(&[&format!("{base}  exceptions: {exceptions}\n")]),
            expected,
            "{exceptions}"
        );
    }
    let with = format!("{base}  exceptions: [{{name: e, fields: proc.name, values: [dog]}}]\n");
    let more =
        "- rule: r\n  exceptions: [{name: e, values: [cat]}]\n  override: {exceptions: append}\n";
    assert_eq!(matching(&[&with, more]), "");
}

#[test]
fn hostile_files_end_with_an_error() {
    let mut laughs = String::from("- macro: m0\n  condition: evt.type = execve\n");
    for level in 1..500 {
        let below = level - 1;
        laughs += &format!(
            "- macro: m{level}\n  condition: m{below} or (m{below} and proc.name = x{level})\n"
        );
    }
    let mut lists = String::from("- list: l0\n  items: [a, b]\n");
    for level in 1..40 {
        let below = level - 1;
        lists += &format!("- list: l{level}\n  items: [l{below}, l{below}]\n");
    }
    let anchors = format!("a: &a [x,x]\nb: &b [{0},{0}]\n", ["*a"; 1000].join(","));
    for text in [
        laughs + &rule("m499"),
        lists + &rule("proc.name in (l39)"),
        anchors,
        "[".repeat(100_000),
        format!("- rule: {}", "{a: ".repeat(10_000)),
        format!("- {}", "- ".repeat(10_000)),
        rule(&format!("{}a", "not (".repeat(5000))),
        rule("evt.type = execve and proc.name regex \"(a{1000}){1000}\""),
        "- &a [*a]".to_owned(),
    ] {
        let errors = RuleSet::load(&[source("hostile.yaml", &text)]).map(|_| ()).unwrap_err();
        assert!(!errors.is_empty() && errors.iter().all(|error| error.to_string().len() < 4000));
    }
}

proptest! {
    #[test]
    fn no_file_panics(text in "\\PC{0,120}") {
        drop(RuleSet::load(&[source("x", &text)]));
    }

    #[test]
    fn no_mixture_of_a_files_words_panics(
        words in prop::collection::vec(
            "(- |rule: |macro: |list: |items: |condition: |override: |append: |tags: |exceptions: |\
             \\[|\\]|\\{|\\}|, |\n|\n  |a|b|'|\"|>|\\||proc\\.name = a|true|&a |\\*a|\\?|: |#|%|test: |match: )",
            0..60,
        )
    ) {
        let sources = [source("x", &words.concat())];
        drop(RuleSet::load(&sources));
        drop(crate::test(&sources));
    }
}
