//! `saker record` keeps what happened, and `saker replay` raises the alerts that were raised live.

use std::{collections::BTreeSet, fs};

use crate::stage::{Agent, Asked, Asking, is_root, run, saker};

const DEEDS: usize = 20;
const ATTEMPTS_MAX: usize = 10;

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

/// Records while marked programs read, and compares the alerts. What a busy machine loses, and says so, is
/// tried again.
fn compare(agent: &Agent, mark: &str, name: &str, place: &[String]) {
    let whole = (0..ATTEMPTS_MAX).any(|attempt| {
        // No other attempt has these, neither here nor from elsewhere.
        let mark = format!("{mark}-{name}-{attempt}");
        let lost = agent.lost();
        let asked = recorded(agent, &mark, name, place);
        assert_eq!(asked.code, Some(0), "{}", asked.told);
        assert!(asked.told.contains("events recorded (interrupted)"), "{}", asked.told);
        if asked.told.contains("left out") || agent.lost() != lost {
            return false;
        }
        let raised = || -> Vec<_> {
            let of_this = |alert: &serde_json::Value| alert["output"].to_string().contains(&mark);
            agent.alerts().into_iter().filter(of_this).collect()
        };
        agent.wait("the alerts", || raised().len() == DEEDS || agent.lost() != lost);
        if raised().len() < DEEDS {
            return false;
        }
        assert_eq!(told(&replayed(agent, name)), told(&raised()));
        true
    });
    assert!(whole, "this machine loses events at every attempt");
}

fn recorded(agent: &Agent, mark: &str, name: &str, place: &[String]) -> Asked {
    let file = agent.path(name);
    fs::remove_file(&file).ok();
    let condition = format!("proc.args contains {mark}-");
    let arguments = ["record", &condition, "--for", "10m", "--file", file.to_str().unwrap()];
    let mut recording = Asking::start(agent, name, &arguments, place);
    // The head of the file comes once the agent watches.
    let begun = || fs::metadata(&file).is_ok_and(|file| file.len() > 0);
    recording.until(begun, || {});
    for number in 0..DEEDS {
        run("/bin/cat", &["/etc/hostname", &format!("/nothing/{mark}-{number}")]);
    }
    recording.interrupt()
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
    let condition =
        format!("evt.type = execve and proc.args contains {mark} and proc.args endswith -7");
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
