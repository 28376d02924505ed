//! Rules that are loaded again while forbidden programs are started.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use agent::config::{EnforceConfig, EnforceMode::Enforce};

use crate::stage::{KILLED_AT_ONCE, Stage, fate, outcomes};

const BAD: &str = "evt.type in (execve, execveat) and proc.exepath startswith FOLDER/bad/";
const TRIALS: usize = 200;
const LOADS: u64 = 20;
/// Starts of which no alert is told yet: on a slow machine they would be ever more.
const AHEAD: usize = 100;

#[test]
fn a_forbidden_program_does_not_run_while_other_rules_are_put_in_force() {
    // Nobody knows how many starts there are while the rules are loaded this often.
    let unbounded = |config: &mut EnforceConfig, _: &Path| config.kills_per_minute_max = u32::MAX;
    let Some(stage) = Stage::new(Enforce, &[BAD], unbounded) else { return };
    let bad = stage.victim("bad/victim");
    let others = [
        BAD.replace("/bad/", "/b/"),
        BAD.replace("/bad/", "/worse/"),
        BAD.replace("startswith FOLDER/bad/", "in (FOLDER/bad/a, FOLDER/bad/b)"),
        format!("{BAD} and proc.name = victim and user.uid = 7"),
    ];
    let (stop, loads) = (AtomicBool::new(false), AtomicU64::new(0));
    let trials = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let number = loads.fetch_add(1, Ordering::Relaxed) as usize;
                let others = others[number % 4..].iter().map(String::as_str);
                stage.load(&std::iter::once(BAD).chain(others).collect::<Vec<_>>());
                // Loads that follow each other at once would leave a slow machine no time for the rest.
                stage.wait_for(trials.load(Ordering::Relaxed));
            }
        });
        let more =
            || trials.load(Ordering::Relaxed) < TRIALS || loads.load(Ordering::Relaxed) < LOADS;
        let mut odd = None;
        while odd.is_none() && more() {
            odd = Some(fate(&mut Command::new(&bad))).filter(|fate| *fate != KILLED_AT_ONCE);
            let started = trials.fetch_add(1, Ordering::Relaxed) + 1;
            stage.wait_for(started.saturating_sub(AHEAD));
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(odd, None, "start {trials:?}, load {loads:?}");
    });
    let trials = trials.into_inner();
    let told = stage.alerts(trials);
    let odd = told.iter().find(|alert| outcomes(std::slice::from_ref(alert)) != ["killed"]);
    assert!(odd.is_none(), "load {loads:?}, one of {trials}: {odd:#?}");
    let first = told.iter().filter(|alert| alert.rule == "Forbidden 0").count();
    assert_eq!(first, trials);
    assert_eq!(stage.status().kernel["killed"], trials as u64, "counts go on");
}
