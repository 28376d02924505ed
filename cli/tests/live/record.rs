//! `saker record` keeps what happened, and `saker replay` raises the alerts that were raised live.

use std::{collections::BTreeSet, fs};

use crate::stage::{Agent, Asking, is_root, run, saker};

const DEEDS: usize = 20;

/// Rule and output of each alert. Who records has a sensor of its own, which tells of the same moment some
/// microseconds earlier or later.
fn told(alerts: &[serde_json::Value]) -> BTreeSet<[String; 2]> {
    let of = |alert: &serde_json::Value| ["rule", "output"].map(|key| alert[key].to_string());
    alerts.iter().map(of).collect()
}

fn replayed(agent: &Agent, file: &str) -> Vec<serde_json::Value> {
    let (file, rules) = (agent.path(file), agent.path("rules.yaml"));
    let paths = [file.to_str().unwrap(), "--rules", rules.to_str().unwrap()];
    let replayed = saker(&[&["replay", "--format", "json"], &paths[..]].concat());
    assert!(replayed.status.success(), "{replayed:?}");
    let text = String::from_utf8(replayed.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Records while marked programs read, and compares the alerts.
fn compare(agent: &Agent, mark: &str, name: &str, place: &[String]) {
    let before = agent.alerts().len();
    let file = agent.path(name);
    let condition = format!("proc.args contains {mark}");
    let arguments = ["record", &condition, "--for", "10m", "--file", file.to_str().unwrap()];
    let mut recording = Asking::start(agent, name, &arguments, place);
    // The head of the file comes once the agent watches.
    let begun = || fs::metadata(&file).is_ok_and(|file| file.len() > 0);
    recording.until(begun, || {});
    for number in 0..DEEDS {
        run("/bin/cat", &["/etc/hostname", &format!("/nothing/{mark}-{number}")]);
    }
    let asked = recording.interrupt();
    assert_eq!(asked.code, Some(0), "{}", asked.told);
    assert!(asked.told.contains("events recorded (interrupted)"), "{}", asked.told);

    recording.wait("the alerts", || agent.alerts().len() == before + DEEDS);
    let live = agent.alerts().split_off(before);
    assert_eq!(told(&live).len(), DEEDS);
    assert_eq!(told(&replayed(agent, name)), told(&live));
}

#[test]
fn a_recording_raises_the_alerts_that_were_raised_live_wherever_it_was_asked_for() {
    if !is_root() {
        return;
    }
    let mark = "saker-cli-record";
    let agent = Agent::start(mark);
    compare(&agent, mark, "here.saker", &agent.here());
    compare(&agent, mark, "elsewhere.saker", &agent.elsewhere("watcher"));

    // A part of it holds what was chosen, and no more.
    let (whole, part) = (agent.path("here.saker"), agent.path("part.saker"));
    let condition = format!("evt.type = execve and proc.args endswith {mark}-7");
    let cut = saker(&[
        "record",
        &condition,
        "--recording",
        whole.to_str().unwrap(),
        "--file",
        part.to_str().unwrap(),
        "--redact",
    ]);
    assert!(cut.status.success(), "{cut:?}");
    assert_eq!(String::from_utf8_lossy(&cut.stderr), "1 event recorded\n");
    let output = ["events", "--output", "%proc.name %proc.args", "--recording"];
    let shown = saker(&[&output[..], &[part.to_str().unwrap()]].concat());
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.starts_with("cat ") && !shown.contains(mark), "{shown}");
}
