//! The text of a condition and of a trace, as a person reads them.

use expect_test::{Expect, expect};

use crate::{RuleSet, Source, sample};

fn load(condition: &str) -> std::sync::Arc<RuleSet> {
    let text = format!(
        "- list: shells\n  items: [sh, bash]\n\
         - macro: shell\n  condition: proc.name in (shells)\n\
         - rule: R\n  desc: d\n  condition: {condition}\n  output: '%proc.pid %proc.aname[2]'\n  priority: INFO\n"
    );
    let source = Source { name: "my.yaml".to_owned(), text };
    RuleSet::load(&[source]).unwrap_or_else(|errors| panic!("{errors:?}")).rules
}

fn check(condition: &str, expect: Expect) {
    expect.assert_eq(&load(condition).explain("R").unwrap().condition_text());
}

fn trace(condition: &str, event: &alert::Event, expect: Expect) {
    let trace = load(condition).trace("R", event).unwrap();
    let decided = trace.decided_by.join(" | ");
    expect.assert_eq(&format!(
        "{}\n{} ({}): {decided}",
        trace.condition_text(),
        trace.matches,
        trace.path
    ));
}

#[test]
fn a_condition_is_shown_with_its_macros_and_lists_in_their_places() {
    check(
        "evt.type = execve and shell and not (proc.pname = sshd or proc.tty != 0 and user.uid > 5)",
        expect![[r#"
            evt.type = execve
            and proc.name in (sh, bash)
            and not (
                proc.pname = sshd
                or (
                    proc.tty != 0
                    and user.uid > 5
                )
            )"#]],
    );
}

#[test]
fn what_is_shown_is_a_condition_that_means_the_same() {
    let conditions = [
        "evt.type = openat and fd.name startswith \"/a b\" and not fd.name pmatch (/etc, /usr/*)",
        "evt.type = connect and fd.net in (10.0.0.0/8) and fd.rport in (80, https)",
        "evt.type = execve and (proc.name contains oneof (a, b) or tolower(proc.exe) = val(proc.name))",
        "evt.type = execve and (proc.env[HOME] exists or len(proc.args) >= 3) and proc.name regex 'a\\\\.b'",
        "evt.num = 0 or evt.type = execve",
    ];
    for condition in conditions {
        let shown = load(condition).explain("R").unwrap().condition_text().replace('\n', " ");
        let quoted = serde_json::to_string(&shown).unwrap();
        let again = load(&quoted).explain("R").unwrap().condition_text().replace('\n', " ");
        assert_eq!(again, shown, "{condition}");
    }
}

#[test]
fn the_fields_of_condition_and_output_are_told_apart() {
    let explanation = load("evt.type = openat and fd.name = x and k8s.ns.name = y").explain("R");
    let explanation = explanation.unwrap();
    let fields: Vec<String> = explanation
        .fields
        .iter()
        .map(|field| {
            format!("{} {} {} {}", field.name, field.in_condition, field.in_output, field.from)
        })
        .collect();
    expect![[r#"
        evt.type true false The event's kind
        fd.name true false The path in the caller's memory, joined to the directory the kernel starts from
        k8s.ns.name true false The container runtime's status of the pod's sandbox, or the labels the kubelet gives containers
        proc.aname[2] false true The sensor's tree of processes: exec, fork and exit events, and `/proc` at its start
        proc.pid false true `task_struct.thread_pid` and `signal_struct.pids`"#]]
    .assert_eq(&fields.join("\n"));
    assert_eq!((explanation.kinds.as_slice(), explanation.line), (&["openat"][..], 5));
}

#[test]
fn a_trace_names_the_checks_that_decided() {
    trace(
        "evt.type = execve and shell and (proc.tty != 0 or fd.name exists)",
        &sample::exec("bash", &[]),
        expect![[r#"
              true     evt.type = execve   # evt.type is "execve"
              true     and proc.name in (sh, bash)   # proc.name is "bash"
              false    and (
            > false        proc.tty != 0   # proc.tty is 0
            > false        or fd.name exists   # fd.name has no value
              false    )
            false (written): proc.tty != 0 | fd.name exists"#]],
    );
}

#[test]
fn a_missing_value_is_unknown_and_counts_as_false() {
    trace(
        "evt.type = execve and not fd.name = x",
        &sample::exec("cat", &[]),
        expect![[r#"
            > true     evt.type = execve   # evt.type is "execve"
            > true     and not fd.name = x   # fd.name has no value
            true (written): evt.type = execve | not fd.name = x"#]],
    );
}

#[test]
fn the_path_that_matched_is_shown() {
    trace(
        "evt.type = openat and fd.name = /etc/shadow",
        &sample::open("/tmp/x", Some("/etc/shadow"), 0),
        expect![[r#"
            > true     evt.type = openat   # evt.type is "openat"
            > true     and fd.name = /etc/shadow   # fd.name is "/etc/shadow"
            true (resolved): evt.type = openat | fd.name = /etc/shadow"#]],
    );
}

#[test]
fn hostile_values_cannot_change_a_terminal() {
    let trace = load("evt.type = execve and proc.name = x")
        .trace("R", &sample::exec("\x1b[31m\u{9b}", &[]));
    assert!(!trace.unwrap().condition_text().contains(['\x1b', '\u{9b}']));
}

#[test]
fn a_condition_of_equal_parts_is_shown_in_bounded_space() {
    // Each macro names the one before it twice: written out, it doubles.
    let mut text = "- macro: m0\n  condition: proc.name = a\n".to_owned();
    for number in 1..40 {
        let before = number - 1;
        text += &format!(
            "- macro: m{number}\n  condition: (m{before} and proc.pid = {number}) or (m{before} and proc.tty = {number})\n"
        );
    }
    text += "- rule: R\n  desc: d\n  condition: evt.type = execve and m39\n  output: o\n  priority: INFO\n";
    let loaded = RuleSet::load(&[Source { name: "f".to_owned(), text }]).unwrap();
    let explanation = loaded.rules.explain("R").unwrap();
    assert!(explanation.condition_text().lines().count() < 20_000);
    let trace = loaded.rules.trace("R", &sample::exec("b", &[])).unwrap();
    assert!(!trace.matches);
}
