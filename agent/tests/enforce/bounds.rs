//! A rule gone mad does not take the machine down.

use std::process::Command;

use agent::{
    config::EnforceMode::{Enforce, Monitor},
    detect::ENFORCEMENT_STOPPED,
};
use alert::Alert;

use crate::stage::{Fate, KILLED_AT_ONCE, LEFT_ALONE, Stage, fate};

const PREFIX: &str = "evt.type in (execve, execveat) and proc.exepath startswith FOLDER/bad/";
const KILLS_MAX: u32 = 3;

fn ticked(stage: &Stage) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let now = jiff::Timestamp::now();
    stage.detector.lock().unwrap().tick(now, &[], 0, &mut |alert: &Alert| {
        alerts.push(alert.clone());
    });
    alerts
}

#[test]
fn too_many_in_a_minute_stop_it_all_and_raise_an_alert() {
    let bound = |config: &mut agent::config::EnforceConfig, _: &_| {
        config.kills_per_minute_max = KILLS_MAX;
    };
    let Some(stage) = Stage::new(Enforce, &[PREFIX], bound) else { return };
    let bad = stage.victim("bad/victim");
    // Within two minutes of the clock at most twice the bound is ended.
    let fates: Vec<Fate> = (0..20).map(|_| fate(&mut Command::new(&bad))).collect();
    let killed = fates.iter().filter(|fate| **fate == KILLED_AT_ONCE).count();
    assert!((KILLS_MAX as usize..=2 * KILLS_MAX as usize).contains(&killed), "{fates:?}");
    assert!(fates[killed..].iter().all(|fate| *fate == LEFT_ALONE), "once stopped, it stays so");
    assert!(stage.enforcer.status().stopped);
    let told = ticked(&stage);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].rule, ENFORCEMENT_STOPPED);
    assert_eq!(ticked(&stage).len(), 0, "it is told once");
    // It holds for what is done after the fact, and after other rules were loaded.
    stage.load(&[PREFIX]);
    assert_eq!(fate(&mut Command::new(&bad)), LEFT_ALONE);
    let status = stage.status();
    assert_eq!(status.kernel["killed"], killed as u64);
    assert_eq!(status.kernel.values().sum::<u64>(), 21);
    assert_eq!(status.after.values().sum::<u64>(), 0, "{status:?}");
}

#[test]
fn monitoring_tells_what_would_stop_it_and_does_not_stop() {
    let bound = |config: &mut agent::config::EnforceConfig, _: &_| {
        config.kills_per_minute_max = KILLS_MAX;
    };
    let Some(stage) = Stage::new(Monitor, &[PREFIX], bound) else { return };
    let bad = stage.victim("bad/victim");
    for _ in 0..10 {
        assert_eq!(fate(&mut Command::new(&bad)), LEFT_ALONE);
    }
    assert!(ticked(&stage).is_empty() && !stage.enforcer.status().stopped);
    let counts = stage.status().kernel;
    assert_eq!(counts["would_kill"] + counts["over_bound"], 10);
    assert!(counts["over_bound"] > 0);
}
