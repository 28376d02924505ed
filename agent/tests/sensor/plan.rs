//! What rules leave to be attached: nothing on the end of calls where only starts that succeed count.

use agent::sensor::SensorOptions;
use rules::{RuleSet, Source};

use crate::watch::start;

/// Returns where the programs are that a sensor attaches for rules of these conditions, in the order of
/// their names; `None` where there are no rights to start one.
fn targets(conditions: &[&str]) -> Option<Vec<String>> {
    let rule = |(number, condition): (usize, &&str)| {
        format!(
            "- {{rule: r{number}, desc: d, priority: INFO, output: o, condition: '{condition}'}}\n"
        )
    };
    let text = conditions.iter().enumerate().map(rule).collect();
    let source = Source { name: "t".to_owned(), text };
    let needed = RuleSet::load(&[source]).unwrap().rules.requirements();
    let successes_only = needed.successes_only();
    let sensor = start(&needed.kinds, SensorOptions { successes_only, ..Default::default() })?;
    let mut targets: Vec<_> =
        sensor.status().hooks().iter().map(|hook| hook.target.clone()).collect();
    targets.sort_unstable();
    Some(targets)
}

/// Where processes and cgroups come and go, which is always watched.
pub(crate) const LIFE: [&str; 5] = [
    "cgroup_mkdir",
    "cgroup_rmdir",
    "sched_process_exec",
    "sched_process_exit",
    "sched_process_fork",
];

#[test]
fn rules_for_starts_and_forks_that_succeed_attach_nothing_to_calls() {
    let conditions = [
        "evt.type in (execve, execveat) and evt.rawres = 0 and proc.name = a",
        "evt.type in (clone, clone3, fork, vfork) and evt.rawres >= 0",
        "evt.type = procexit",
    ];
    let Some(targets) = targets(&conditions) else { return };
    assert_eq!(targets, LIFE);
}

#[test]
fn a_rule_that_a_failed_start_can_match_attaches_what_sees_it() {
    for condition in
        ["evt.type = execve and proc.name = a", "evt.type = execve and evt.res = ENOENT"]
    {
        let Some(targets) = targets(&["evt.type = execve and evt.rawres = 0", condition]) else {
            return;
        };
        let others: Vec<_> = targets.iter().filter(|target| !LIFE.contains(&&***target)).collect();
        // A trampoline on the call where the kernel grants it.
        assert!(matches!(&others[..], [one] if one.contains("sys_")), "{condition}: {others:?}");
    }
}

#[test]
fn other_calls_are_watched_for_what_succeeds_as_well() {
    let Some(targets) = targets(&["evt.type = unlink and evt.rawres = 0"]) else { return };
    assert!(targets.len() > LIFE.len(), "{targets:?}");
}
