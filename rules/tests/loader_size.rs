//! Large rule files load and match; what is too large is refused in words.

use std::fmt::Write as _;

use rules::{RuleSet, Source, test};

const ITEMS: usize = 100_000;

fn source(text: String) -> Source {
    Source { name: "large.yaml".to_owned(), text }
}

/// Returns a list of items, one in each line.
fn list(name: &str, item: impl Fn(usize) -> String) -> String {
    let mut text = format!("- list: {name}\n  items:\n");
    for number in 0..ITEMS {
        writeln!(text, "    - {}", item(number)).expect("text");
    }
    text
}

fn rule(condition: &str) -> String {
    format!("- {{rule: r, desc: d, output: o, priority: INFO, condition: {condition}}}\n")
}

fn check(text: String, matching: &[&str], ignored: &[&str]) {
    let events = |events: &[&str]| events.join(", ");
    let tests =
        format!("- test: r\n  match: [{}]\n  ignore: [{}]\n", events(matching), events(ignored));
    let bytes = text.len();
    let report = test(&[source(text), source(tests)]);
    assert!(report.passed(), "{:?}", report.failures.first());
    assert_eq!(report.cases, matching.len() + ignored.len());
    assert!(bytes > 1 << 20, "{bytes} bytes");
}

#[test]
fn a_hundred_thousand_names_are_a_set() {
    let text = list("names", |number| format!("some-name-{number:06}"))
        + &rule("evt.type = execve and proc.name in (names)");
    check(
        text,
        &[
            "{evt.type: execve, proc.name: some-name-000000}",
            "{evt.type: execve, proc.name: some-name-099999}",
        ],
        &["{evt.type: execve, proc.name: some-name-100000}"],
    );
}

#[test]
fn a_hundred_thousand_addresses_are_a_set() {
    let address =
        |number: usize| format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
    let text = list("addresses", address) + &rule("evt.type = connect and fd.rip in (addresses)");
    check(
        text,
        &["{evt.type: connect, fd.rip: 10.0.0.0}", "{evt.type: connect, fd.rip: 10.1.134.159}"],
        &["{evt.type: connect, fd.rip: 10.1.134.160}"],
    );
}

#[test]
fn a_hundred_thousand_folders_are_a_trie() {
    let text = list("folders", |number| format!("/srv/tenant-{number:06}/secret"))
        + &rule("evt.type = openat and fd.name pmatch (folders)");
    check(
        text,
        &[
            "{evt.type: openat, fd.name: /srv/tenant-000000/secret}",
            "{evt.type: openat, fd.name: /srv/tenant-099999/secret/key}",
        ],
        &["{evt.type: openat, fd.name: /srv/tenant-099999/secrets}"],
    );
}

/// Returns the message of the only error.
fn refused(text: String) -> String {
    let errors = RuleSet::load(&[source(text)]).expect_err("it is too large");
    assert_eq!(errors.len(), 1, "{}", errors[0]);
    errors[0].message.clone()
}

#[test]
fn aliases_do_not_multiply_without_end() {
    let mut text = "- &a0 {list: l, items: [x]}\n".to_owned();
    for level in 1..12 {
        let inner = format!("*a{}, ", level - 1).repeat(10);
        writeln!(text, "- &a{level} [{inner}]").expect("text");
    }
    assert_eq!(refused(text), "the text has too many values");
}

#[test]
fn lists_of_lists_do_not_multiply_without_end() {
    let mut text = "- {list: l0, items: [some-longer-name]}\n".to_owned();
    for level in 1..12 {
        let inner = format!("l{}, ", level - 1).repeat(10);
        writeln!(text, "- {{list: l{level}, items: [{inner}]}}").expect("text");
    }
    let errors = RuleSet::load(&[source(text)]).expect_err("it is too large");
    assert!(errors.iter().any(|error| error.message.contains("longer than 16 MiB")));
    assert!(errors.iter().all(|error| error.code.name() == "LOAD_ERR_VALIDATE"));
}

#[test]
fn lists_do_not_name_lists_too_deep() {
    let mut text = String::new();
    for level in 0..40 {
        writeln!(text, "- {{list: l{level}, items: [l{}]}}", level + 1).expect("text");
    }
    let errors = RuleSet::load(&[source(text)]).expect_err("it is too deep");
    assert!(errors.iter().all(|error| error.message == "lists name lists more than 32 deep"));
}

#[test]
fn a_chain_of_macros_is_not_too_deep_for_the_stack() {
    let mut text = "- {macro: m0, condition: evt.type = execve}\n".to_owned();
    for level in 1..20_000 {
        writeln!(text, "- {{macro: m{level}, condition: m{}}}", level - 1).expect("text");
    }
    text += &rule("m19999");
    let errors = RuleSet::load(&[source(text)]).expect_err("it is too deep");
    assert!(errors[0].message.contains("nest deeper than"), "{}", errors[0]);
}

#[test]
fn a_file_has_16_mib_at_most() {
    let text = "# a comment\n".repeat((16 << 20) / 12 + 1);
    assert_eq!(refused(text), "the file is larger than 16 MiB");
}

#[test]
fn many_faults_are_told_in_good_time() {
    let text: String = (0..20_000).map(|number| format!("- {{list: l{number}}}\n")).collect();
    let errors = RuleSet::load(&[source(text)]).expect_err("no list has items");
    assert_eq!(errors.len(), 20_000);
    let line = "- [".to_owned() + &"{list: a}, ".repeat(1000) + "]\n";
    assert_eq!(RuleSet::load(&[source(line)]).expect_err("no item").len(), 1);
}
