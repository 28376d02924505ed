//! `saker events` shows what was chosen, here and from elsewhere, safely and not too fast.

use std::{
    io::Read,
    process::{Command, Stdio},
};

use crate::stage::{Agent, Asking, SAKER, is_root, pause, run};

/// Execs of a program that was given `mark`.
fn execs(mark: &str) -> String {
    format!("evt.type = execve and proc.name = true and proc.args contains {mark}")
}

#[test]
fn what_happens_is_shown_in_the_form_that_was_asked_for() {
    if !is_root() {
        return;
    }
    let mark = "saker-cli-live";
    let agent = Agent::start(mark);
    let condition = execs(mark);
    let arguments = ["events", &condition, "--output", "ran %proc.cmdline", "--max", "2"];
    let mut asking = Asking::start(&agent, "events", &arguments, &agent.here());
    let asked = asking.until_it_ends(|| run("/bin/true", &[mark]));
    assert_eq!(asked.code, Some(0), "{}", asked.told);
    assert_eq!(asked.output, format!("ran true {mark}\nran true {mark}\n"));
    assert!(asked.told.starts_with("2 events (as many as were asked for)\n"), "{}", asked.told);

    let arguments = ["events", &condition, "--format", "json", "--max", "1"];
    let mut asking = Asking::start(&agent, "json", &arguments, &agent.here());
    let asked = asking.until_it_ends(|| run("/bin/true", &[mark]));
    let event: serde_json::Value = serde_json::from_str(&asked.output).unwrap();
    assert_eq!(event["kind"], "execve");
    assert_eq!(event["process"]["arguments"][1], mark);
}

#[test]
fn what_comes_too_fast_is_left_out_and_counted() {
    if !is_root() {
        return;
    }
    let mark = "saker-cli-rate";
    let agent = Agent::start(mark);
    let condition = execs(mark);
    let arguments = ["events", &condition, "--rate-max", "1", "--max", "2"];
    let mut asking = Asking::start(&agent, "events", &arguments, &agent.here());
    // Many more than one a second on any machine, in one shell.
    let script = format!("for i in $(seq 100); do /bin/true {mark}; done");
    let asked = asking.until_it_ends(|| run("/bin/sh", &["-c", &script]));
    assert_eq!((asked.code, asked.output.lines().count()), (Some(0), 2), "{}", asked.told);
    assert!(asked.told.contains("above the rate and left out"), "{}", asked.told);
}

#[test]
fn a_terminal_is_shown_hostile_names_and_does_nothing_about_them() {
    if !is_root() {
        return;
    }
    let mark = "saker-cli-hostile";
    let agent = Agent::start(mark);
    let socket = agent.path("agent.sock");
    let command = format!(
        "{SAKER} events '{}' --output 'ran %proc.args' --max 1 --socket {}",
        execs(mark),
        socket.display()
    );
    // A terminal of its own, which `script` copies.
    let mut script = Command::new("script");
    script.args(["--quiet", "--flush", "--return", "--command", &command, "/dev/null"]);
    let mut shown = script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let name = format!("{mark}\n\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{202e}last");
    while shown.try_wait().unwrap().is_none() {
        run("/bin/true", &[&name]);
        pause();
    }
    let mut text = String::new();
    shown.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let expected = format!(r"ran {mark}\n\u{{1b}}]0;owned\u{{7}}\u{{1b}}[2J\r\u{{202e}}last");
    assert_eq!(text.lines().next(), Some(&*expected), "{text:?}");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
}

#[test]
fn a_watcher_looks_from_elsewhere_and_a_stranger_is_told_no() {
    if !is_root() {
        return;
    }
    let mark = "saker-cli-elsewhere";
    let agent = Agent::start(mark);
    let condition = execs(mark);
    let arguments = ["events", &condition, "--output", "ran %proc.cmdline"];
    let watcher = agent.elsewhere("watcher");
    let mut asking =
        Asking::start(&agent, "watcher", &[&arguments[..], &["--max", "1"]].concat(), &watcher);
    let asked = asking.until_it_ends(|| run("/bin/true", &[mark]));
    assert_eq!((asked.code, asked.output), (Some(0), format!("ran true {mark}\n")));

    let mut asking = Asking::start(&agent, "interrupted", &arguments, &watcher);
    let output = agent.path("interrupted.output");
    let shown = || std::fs::metadata(&output).unwrap().len() > 0;
    asking.until(shown, || run("/bin/true", &[mark]));
    let asked = asking.interrupt();
    assert_eq!(asked.code, Some(0), "{}", asked.told);
    assert!(asked.told.contains(" (interrupted)\n"), "{}", asked.told);

    let mut asking = Asking::start(&agent, "stranger", &arguments, &agent.elsewhere("stranger"));
    let asked = asking.until_it_ends(|| {});
    assert_eq!((asked.code, &*asked.output), (Some(1), ""));
    assert!(asked.told.contains("your certificate may not ask for events"), "{}", asked.told);
}
