//! Processes that are ended after a match, because the kernel cannot decide the rule.

use std::process::{Command, Stdio};

use agent::config::EnforceMode::{Enforce, Monitor};

use crate::stage::{Stage, outcomes, signal};

const ARGUMENT: &str = "evt.type in (execve, execveat) and proc.exepath startswith FOLDER/ and proc.args = 'stay here'";

#[test]
fn a_rule_that_only_the_agent_can_decide_ends_the_process_it_matched() {
    let Some(stage) = Stage::new(Enforce, &[ARGUMENT], |_, _| {}) else { return };
    let victim = stage.victim("victim");
    let mut spared = Command::new(&victim);
    let mut spared = spared.args(["stay", "there"]).stdout(Stdio::null()).spawn().unwrap();
    let mut ended = Command::new(&victim);
    let mut ended = ended.args(["stay", "here"]).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(signal(&mut ended), Some(9));
    let alerts = stage.alerts(1);
    assert_eq!(outcomes(&alerts), ["killed"]);
    assert_eq!(alerts[0].fields["saker.enforced.by"], "Forbidden 0");
    assert!(spared.try_wait().unwrap().is_none());
    spared.kill().unwrap();
    spared.wait().unwrap();
    let status = stage.status();
    assert!(!status.in_kernel);
    assert!(status.after_the_fact.unwrap().contains("`proc.args = \"stay here\"`"));
    assert_eq!((status.after["killed"], status.kernel["killed"]), (1, 0));
}

#[test]
fn another_start_time_is_another_process() {
    let Some(stage) = Stage::new(Monitor, &[ARGUMENT], |_, _| {}) else { return };
    let victim = stage.victim("victim");
    let mut command = Command::new(&victim);
    let mut child = command.args(["stay", "here"]).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(outcomes(&stage.alerts(1)), ["would_kill"]);
    assert!(child.try_wait().unwrap().is_none());

    let armed = agent::enforce::Enforcer::new(&crate::stage::config(Enforce)).unwrap();
    armed.replan(&crate::stage::rules(stage.folder.path(), &[ARGUMENT]));
    let mut event = stage.events().remove(0);
    let mut matched = |later_ns: u64| {
        // The pid was given away: whoever has it now began at another time.
        std::sync::Arc::make_mut(&mut event.process).key.start_boot_ns += later_ns;
        event.number += 1;
        armed.matched("Forbidden 0", &event).unwrap().outcome.name()
    };
    assert_eq!(matched(1_000_000_000), "gone");
    assert!(child.try_wait().unwrap().is_none());
    let mut event = stage.events().remove(0);
    event.number += 100;
    assert_eq!(armed.matched("Another rule", &event), None);
    assert_eq!(armed.matched("Forbidden 0", &event).unwrap().outcome.name(), "killed");
    assert_eq!(signal(&mut child), Some(9));
    event.number += 1;
    assert_eq!(armed.matched("Forbidden 0", &event).unwrap().outcome.name(), "gone");
}

#[test]
fn a_rule_about_another_deed_than_a_start_ends_the_one_who_did_it() {
    let opens = "evt.type in (open, openat, openat2) and fd.name = FOLDER/secret";
    let Some(stage) = Stage::new(Enforce, &[opens], |_, _| {}) else { return };
    let secret = stage.path("secret");
    std::fs::write(&secret, "x").unwrap();
    let mut reader = Command::new("tail");
    let mut reader = reader.arg("-f").arg(&secret).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(signal(&mut reader), Some(9));
    assert!(stage.status().after_the_fact.unwrap().contains("not about starts of programs"));
    assert_eq!(stage.status().after["killed"], 1);
}

#[test]
fn the_agent_s_own_process_is_never_ended() {
    let opens = "evt.type in (execve, execveat) and proc.exepath startswith FOLDER/";
    let Some(stage) = Stage::new(Enforce, &[opens], |_, _| {}) else { return };
    crate::stage::fate(&mut Command::new(stage.victim("victim")));
    stage.alerts(1);
    let mut event = stage.events().remove(0);
    let own = std::process::id() as i32;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat[stat.rfind(')').unwrap()..].split(' ').nth(20).unwrap();
    let process = std::sync::Arc::make_mut(&mut event.process);
    process.key.pid = own;
    process.key.start_boot_ns = start.parse::<u64>().unwrap() * 10_000_000;
    process.extra = None;
    event.number += 1;
    assert_eq!(stage.enforcer.matched("Forbidden 0", &event).unwrap().outcome.name(), "protected");
}
