//! A process and all that descend from it are ended, and nobody else.

use alert::order::{KillOutcome, Refusal, Scope};

use crate::{
    container::{container, is_dead, key, state, until},
    kill::seen,
    stage::{Stage, order},
};

#[tokio::test]
async fn a_tree_is_killed_whole_and_its_neighbour_lives() {
    let Some(container) = container() else { return };
    let (stage, neighbour) = (Stage::new().await, container.sleeper());
    let script = "sh -c 'sleep 600 & sh -c \"sleep 600 & wait\" & wait' & echo ready; wait";
    let victim = container.run(script);
    until("five of the tree", || container.pids().len() == 6).await;
    let report = stage.kill(&order(victim.key(), Some(&container.id), Scope::Tree)).await;
    assert_eq!(report.outcome, KillOutcome::Dead);
    assert_eq!(report.processes.len(), 5, "{report:?}");
    assert_eq!(report.processes[0].process.pid, victim.pid());
    assert!(report.processes.iter().all(|process| process.dead_after_us.is_some()));
    assert_eq!(container.pids(), [neighbour.pid()]);
    assert_eq!(stage.count("kill_tree", "dead"), 1);
}

#[tokio::test]
async fn a_tree_that_keeps_forking_is_killed_whole() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    for _ in 0..10 {
        let looping = "(while :; do sleep 0.2 & sleep 0.002; done) &";
        let victim = container.run(&format!("{looping} {looping} {looping} echo ready; wait"));
        until("some children", || container.pids().len() > 20).await;
        let report = stage.kill(&order(victim.key(), Some(&container.id), Scope::Tree)).await;
        assert_eq!(report.outcome, KillOutcome::Dead);
        let left = container.pids();
        assert!(left.iter().all(|pid| is_dead(*pid)), "{left:?}");
    }
}

#[tokio::test]
async fn more_than_one_order_may_end_go_on_as_they_were() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    let script = "i=0; while [ $i -lt 520 ]; do sleep 600 & i=$((i+1)); done; echo ready; wait";
    let victim = container.run(script);
    let wanted = order(victim.key(), Some(&container.id), Scope::Tree);
    assert_eq!(stage.refusal(&wanted).await, Refusal::TooMany);
    assert_eq!(container.pids().len(), 521);
    let running = |pid| matches!(state(pid), Some('S' | 'R' | 'D'));
    until("all to go on", || container.pids().into_iter().all(running)).await;
}

#[tokio::test]
async fn only_the_descendants_in_the_container_are_killed() {
    let (Some(container), Some(other)) = (container(), container()) else { return };
    let stage = Stage::new().await;
    let procs = other.procs();
    let script =
        format!("sh -c 'echo $$ > {}; echo ready; exec sleep 600' & wait", procs.display());
    let victim = container.run(&script);
    // One that holds another container's process is a runtime, wherever it is.
    let wanted = order(victim.key(), Some(&container.id), Scope::Tree);
    assert_eq!(stage.refusal(&wanted).await, Refusal::Protected);
    assert_eq!((container.pids().len(), other.pids().len()), (1, 1));
}

#[tokio::test]
async fn an_orphan_the_sensor_remembers_is_of_the_tree() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    let mut victim = container.run("(sleep 600 >&- & echo $!); echo ready; exec sleep 600");
    // The first line was the orphan's pid; the second says that its parent is gone.
    victim.line();
    let orphan = container.pids().into_iter().find(|pid| *pid != victim.pid()).unwrap();
    let orphan = key(orphan).unwrap();
    let tree = || order(victim.key(), Some(&container.id), Scope::Tree);
    let mut dry = tree();
    dry.dry_run = true;
    assert_eq!(stage.kill(&dry).await.processes.len(), 1);
    stage.actions.saw(&seen(orphan, &[victim.key()]));
    let report = stage.kill(&tree()).await;
    assert_eq!(report.outcome, KillOutcome::Dead);
    assert!(report.processes.iter().any(|process| process.process == orphan));
    assert_eq!(container.pids().into_iter().filter(|pid| !is_dead(*pid)).count(), 0);
}
