//! Changed rules, while deeds go on that other rules forbid or tell of.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::running::{Running, may_watch, program};

const ROUNDS: usize = 20;

/// Writes rules: two that stay, one that needs other kinds of event each time, and as many more as
/// make a number that is told when they are in force.
fn write_rules(folder: &Path, round: usize) {
    let at = folder.display();
    let rule = |name: &str, condition: &str, output: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  priority: INFO\n  condition: {condition}\n  output: \"{output}\"\n"
        )
    };
    let mut text =
        rule("Deed", &format!("evt.type = openat and fd.name startswith {at}/deeds/"), "%fd.name");
    text += &rule(
        "Forbidden",
        &format!("evt.type in (execve, execveat) and proc.exepath startswith {at}/bad/"),
        "%proc.pid",
    );
    text += &match round % 3 {
        0 => rule(
            "Removed",
            &format!("evt.type in (unlink, unlinkat) and fs.path.name startswith {at}/removed/"),
            "%fs.path.name",
        ),
        1 => rule("Other", "evt.type in (connect, ptrace, bind) and proc.env[SAKER] = x", "other"),
        _ => rule("Other", "evt.type in (mkdir, mkdirat, chmod) and fs.path.name = /x/y", "other"),
    };
    for number in 0..round {
        text += &rule(&format!("More {number}"), "evt.type = openat and fd.name = /x/y", "more");
    }
    // At once: who looks at half a file finds other rules.
    fs::write(folder.join("rules.new"), text).expect("rules");
    fs::rename(folder.join("rules.new"), folder.join("rules.yaml")).expect("rules");
}

/// Starts it with these rules, before the first round.
fn start(folder: &Path, command: &mut Command) -> Running {
    write_rules(folder, 0);
    for name in ["deeds", "removed", "bad"] {
        fs::create_dir(folder.join(name)).expect("folder");
    }
    fs::copy("/bin/echo", folder.join("bad/echo")).expect("program");
    let config = folder.join("saker.yaml");
    let text = "agent:\n  limits: { rule_alerts_per_second_max: 100000, rule_alerts_burst_max: 100000 }\n  \
                enforce:\n    mode: enforce\n    kills_per_minute_max: 100000\n    \
                rules: [ { rule: Forbidden, action: kill } ]\n";
    fs::write(&config, text).expect("configuration");
    let rules = folder.join("rules.yaml");
    let mut agent = Running::start(
        command.arg("--config").arg(config).arg("--rules").arg(rules).arg("--stdout"),
    );
    agent.says("watching the kernel");
    agent
}

/// Ends what others do, also when something is wrong.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Opens numbered files until it is told to end; returns how many.
fn deeds(folder: &Path, stop: &AtomicBool) -> u64 {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        drop(File::open(folder.join(format!("deeds/{number}"))));
        number += 1;
        // Each is an alert: a thousand a second are enough.
        std::thread::sleep(Duration::from_millis(1));
    }
    number
}

/// Starts the forbidden program until it is told to end; returns how often, and which ran.
fn crimes(folder: &Path, stop: &AtomicBool) -> (u64, Vec<u32>) {
    let (mut count, mut ran) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let mut command = Command::new(folder.join("bad/echo"));
        command.arg("ran").stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().expect("spawn");
        let pid = child.id();
        let output = child.wait_with_output().expect("output");
        if !output.stdout.is_empty() || output.status.signal() != Some(9) {
            ran.push(pid);
        }
        count += 1;
        // Each is an alert too.
        std::thread::sleep(Duration::from_millis(5));
    }
    (count, ran)
}

fn remove(folder: &Path, number: usize) {
    let file = folder.join(format!("removed/{number}"));
    fs::write(&file, "").expect("file");
    fs::remove_file(file).expect("removed");
}

/// Returns how often each text was the output of the rule.
fn told(said: &[String], rule: &str) -> BTreeMap<String, u64> {
    let mut told = BTreeMap::new();
    for line in said.iter().filter(|line| line.starts_with('{')) {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        if alert["rule"] == rule {
            *told.entry(alert["output"].as_str().expect("output").to_owned()).or_default() += 1;
        }
    }
    told
}

#[test]
fn it_is_not_blind_for_a_moment_while_it_takes_rules_that_need_other_events() {
    if !may_watch() {
        return;
    }
    let dir = tempfile::tempdir().expect("dir");
    let folder = dir.path();
    let mut agent = start(folder, &mut program());
    let stop = AtomicBool::new(false);
    let (deeds, (crimes, ran)) = std::thread::scope(|scope| {
        let end = End(&stop);
        let deeds = scope.spawn(|| deeds(folder, &stop));
        let crimes = scope.spawn(|| crimes(folder, &stop));
        for round in 1..=ROUNDS {
            write_rules(folder, round);
            agent.signal(Signal::HUP);
            agent.says(&format!("rules={}", 3 + round));
            // What the new rules ask for is watched from the moment they are said to be in force.
            remove(folder, round);
        }
        drop(end);
        (deeds.join().expect("deeds"), crimes.join().expect("crimes"))
    });
    let said = agent.end();
    let log = || -> Vec<_> {
        let notable = |line: &&String| !line.contains("a rule acted") && !line.starts_with('{');
        said.iter().filter(notable).collect()
    };
    assert!(ran.is_empty(), "{} of {crimes} ran, {ran:?}: {:#?}", ran.len(), log());
    let once = |name: &str, numbers: &mut dyn Iterator<Item = u64>| -> BTreeMap<String, u64> {
        numbers.map(|number| (format!("{}/{name}/{number}", folder.display()), 1)).collect()
    };
    let expected = once("deeds", &mut (0..deeds));
    let found = told(&said, "Deed");
    let odd: Vec<_> =
        expected.keys().filter(|name| found.get(*name) != Some(&1)).take(10).collect();
    assert!(found == expected, "{deeds} deeds, {} told, not once: {odd:?}", found.len());
    let rounds = &mut (1..=ROUNDS as u64).filter(|round| round % 3 == 0);
    assert_eq!(told(&said, "Removed"), once("removed", rounds));
    assert_eq!(told(&said, "Forbidden").values().sum::<u64>(), crimes);
    assert!(deeds > 100 && crimes > 20, "{deeds} {crimes}");
}

#[test]
fn rules_that_cannot_be_watched_are_not_taken_and_the_old_ones_stay() {
    if !may_watch() {
        return;
    }
    let dir = tempfile::tempdir().expect("dir");
    let folder = dir.path();
    // In a view of the machine of its own, from which the kernel's types are taken away later.
    let mut command = Command::new("unshare");
    command.args(["--mount", env!("CARGO_BIN_EXE_saker-agent")]);
    command.env_remove("SAKER_CONFIG").env("SAKER_AGENT__ADMIN", "127.0.0.1:0");
    let mut agent = start(folder, &mut command);
    let hide = Command::new("nsenter")
        .args(["--mount", "--target", &agent.child.id().to_string()])
        .args(["mount", "--bind", "/dev/null", "/sys/kernel/btf/vmlinux"])
        .status();
    assert!(hide.expect("nsenter").success());
    write_rules(folder, 1);
    agent.signal(Signal::HUP);
    let line = agent.says("the old ones stay in force");
    assert!(line.contains("BTF"), "{line}");
    drop(File::open(folder.join("deeds/7")));
    remove(folder, 7);
    agent.says("removed/7");
    let said = agent.end();
    assert_eq!(told(&said, "Deed").values().sum::<u64>(), 1);
}
