//! What those who write rules ask of a running agent: events as tests, and what rules cost.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use e2e::{Folder, eventually, program};
use serde_json::Value;

use crate::{
    deeds::{copy, run, shell, watched},
    world,
};

/// Runs `saker record` with the agent of this world and does something again and again until it has
/// what it wants; returns what it wrote.
#[track_caller]
fn recorded(arguments: &[&str], mut deed: impl FnMut()) -> String {
    let (agent, folder) = (world::agent().unwrap(), Folder::new("recorded"));
    // A pipe holds 64 KiB, which the command lines of many ancestors exceed.
    let written = folder.join("events.yaml");
    let mut saker = Command::new(program("saker"));
    saker.arg("record").args(arguments).arg("--socket").arg(agent.socket());
    saker.stdout(File::create(&written).unwrap()).stderr(Stdio::piped());
    let mut recorder = saker.spawn().unwrap();
    eventually("a recording", || {
        deed();
        match recorder.try_wait().unwrap() {
            Some(_) => Ok(()),
            None => Err("it waits for more".to_owned()),
        }
    });
    let done = recorder.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    fs::read_to_string(written).unwrap()
}

fn test_rules(folder: &Folder, text: &str, rules: &str) -> (bool, String) {
    let (case, rules) = (folder.write("case.yaml", text), folder.write("rules.yaml", rules));
    let mut saker = Command::new(program("saker"));
    let tested = saker.args(["rules", "test"]).arg(rules).arg(case).output().unwrap();
    let told = [tested.stdout, tested.stderr].concat();
    (tested.status.success(), String::from_utf8_lossy(&told).into_owned())
}

const RULE: &str = "\
- rule: Recorded
  desc: d
  condition: >
    evt.type = execve and proc.name = saker-recorded and proc.args contains 'it: #1'
    and proc.pname exists and proc.exepath endswith /saker-recorded
  output: 'ran %proc.cmdline'
  priority: NOTICE
";

#[test]
fn a_recorded_exec_is_a_case_that_its_rule_matches() {
    watched!();
    let folder = Folder::new("record");
    let program = copy("/bin/true", folder.join("saker-recorded"));
    let condition = "evt.type = execve and proc.name = saker-recorded";
    let arguments = [condition, "--for", "60s", "--max", "2", "--rule", "Recorded"];
    let deed = || run(Command::new(&program).args(["-t", "it: #1", "\"q\" \\ ü"]));
    let text = recorded(&arguments, deed);
    let (passed, told) = test_rules(&folder, &text, RULE);
    assert!(passed && told.contains("1 rule tested, 2 cases, 0 failed"), "{told}\n{text}");
    let (passed, told) = test_rules(&folder, &text, &RULE.replace("#1", "#2"));
    assert!(!passed && told.contains("proc.args contains"), "{told}");
}

#[test]
fn an_alert_is_recorded_as_what_its_rule_must_leave_out_and_without_secrets() {
    watched!();
    let arguments = ["--alert-rule", "Deed: password hashes read", "--redact"];
    let deed = || shell("cat /etc/shadow /nothing/saker-recorded-secret; true");
    let text = recorded(&arguments, deed);
    assert!(text.contains("  ignore:") && text.contains("/etc/shadow"), "{text}");
    assert!(!text.contains("saker-recorded-secret"), "{text}");
    let folder = Folder::new("record");
    let rules = std::fs::read_to_string(world::rules()).unwrap();
    let (passed, told) = test_rules(&folder, &text, &rules);
    assert!(!passed && told.contains("matches this event, but must not"), "{told}");
}

#[test]
fn top_shows_what_rules_cost_this_machine() {
    watched!();
    let agent = world::agent().unwrap();
    let address = format!("http://{}", agent.admin.address());
    let mut saker = Command::new(program("saker"));
    saker.args(["rules", "top", "--interval", "1s", "--format", "json", "--agent", &address]);
    let mut top = saker.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(top.stdout.take().unwrap()).lines();
    eventually("the rule's cost", || {
        (0..200).for_each(|_| shell("cat /etc/shadow /nothing/saker-recorded-top; true"));
        let look: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let rules = look["rules"].as_array().unwrap();
        let has_cost = |rule: &&Value| {
            rule["matched"].as_u64() > Some(0)
                && rule["nanoseconds"].as_f64() > Some(0.0)
                && rule["share"].as_f64() > Some(0.0)
        };
        rules.iter().find(has_cost).map(|_| ()).ok_or_else(|| format!("{look:#}"))
    });
    top.kill().unwrap();
    top.wait().unwrap();
}
