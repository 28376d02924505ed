//! What a person is shown, and what rules are said to miss.

use std::sync::Arc;

use rules::{RuleSet, Source};

use super::*;

fn hook(kinds: &[&str], note: Option<&str>) -> HookReport {
    HookReport {
        program: "saker_open".to_owned(),
        target: "sys_exit".to_owned(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        backend: 'S',
        note: note.map(str::to_owned),
    }
}

fn needs() -> Needs {
    let rule = |name: &str, condition: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
        )
    };
    let text = rule("Opens", "evt.type = openat")
        + &rule("Both", "evt.type in (execve, connect)")
        + &rule("Connects", "evt.type = connect");
    let loaded = RuleSet::load(&[Source { name: "r".to_owned(), text }]).unwrap();
    Needs::of(&loaded.rules)
}

fn status() -> AgentStatus {
    let counters =
        KindCounters { seen: 1000, filtered: 980, sent: 19, lost: 1, ..Default::default() };
    let mut sensor = SensorReport {
        running: true,
        hooks: vec![
            hook(&["openat"], Some("no trampoline: bpf_raw_tracepoint_open: not supported")),
            hook(&["execve"], None),
        ],
        unavailable: vec![UnavailableReport { what: "connect".into(), why: "refused".into() }],
        kinds: vec![KindReport { kind: "openat".into(), counters, ..KindReport::default() }],
        processes: 10,
        processes_max: 100,
        ..SensorReport::default()
    };
    let needs = needs();
    sensor.explain(&needs);
    AgentStatus {
        version: "1".into(),
        hostname: "h".into(),
        started: jiff::Timestamp::UNIX_EPOCH,
        time: jiff::Timestamp::from_second(3 * 3600 + 120).unwrap(),
        rules: RulesStatus::default(),
        rule_gaps: gaps(&needs, &sensor),
        sensor,
        events: Rate::default(),
        alerts: Rate::default(),
        alerts_held_back: 0,
        memory: MemoryStatus::default(),
        uplink: None,
        actions: None,
        around: None,
        enforce: None,
    }
}

#[test]
fn a_rule_that_no_event_reaches_is_told_from_one_that_misses_some() {
    let gap = |rule: &str, unseen: &[&str], weaker: &[&str], blind| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        RuleGap { rule: rule.into(), unseen: owned(unseen), weaker: owned(weaker), blind }
    };
    assert_eq!(
        status().rule_gaps,
        [
            gap("Opens", &[], &["openat"], false),
            gap("Both", &["connect"], &[], false),
            gap("Connects", &["connect"], &[], true),
        ]
    );
}

#[test]
fn the_screen_begins_with_what_is_wrong_and_says_what_serves_each_kind() {
    let text = status().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "agent 1 on h, up 3 h 2 min, trouble:");
    assert_eq!(lines[1], "  events lost     openat 1");
    assert_eq!(lines[2], "  not watched     connect: refused");
    assert_eq!(lines[3], "  blind rules     Connects");
    assert_eq!(lines[4], "");
    let row = lines.iter().find(|line| line.starts_with("openat ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["openat", "1", "S", "sys_exit", "0.0", "98.0%", "0.0", "1", "-"]);
    assert!(text.contains("\nno trampoline for 1 kinds: not supported (openat)\n"), "{text}");
    // Nobody has asked for an exec yet; a connect that no hook sees is told in the table.
    assert!(text.contains("\nwatched, and nothing came: execve\n"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("connect ")), "{text}");
    assert!(text.contains("sysctl kernel.bpf_stats_enabled=1"), "{text}");
    let longest = lines.iter().map(|line| line.chars().count()).max();
    assert!(longest <= Some(110), "{text}");
}

#[test]
fn a_status_is_read_back_as_it_was_written() {
    let status = status();
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<AgentStatus>(&text).unwrap(), status);
    let quiet = AgentStatus { sensor: SensorReport::default(), rule_gaps: Vec::new(), ..status };
    assert!(quiet.to_string().starts_with("agent 1 on h, up 3 h 2 min, nothing wrong\n\n"));
}

#[test]
fn needs_are_found_out_once_for_each_set() {
    let set = RuleSet::of_condition("evt.type = execve").unwrap();
    let needs = Needs::of(&set);
    assert!(needs.is_of(&set));
    assert!(!needs.is_of(&RuleSet::of_condition("evt.type = execve").unwrap()));
    assert_eq!(Arc::strong_count(&set), 2);
}
