//! How long it takes from an order to a death that was seen, over a kept connection.

use std::time::{Duration, Instant};

use alert::order::{KillOutcome, Scope};

use crate::{
    container::container,
    stage::{Stage, order},
};

const TRIALS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_orders_are_each_carried_out() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    for (scope, script) in [
        (Scope::Process, "echo ready; exec sleep 600"),
        (Scope::Tree, "sleep 600 & sleep 600 & echo ready; wait"),
    ] {
        let (mut answered, mut seen) = (Vec::new(), Vec::new());
        for _ in 0..TRIALS {
            let victim = container.run(script);
            let wanted = order(victim.key(), Some(&container.id), scope);
            let began = Instant::now();
            let report = stage.kill(&wanted).await;
            answered.push(began.elapsed());
            assert_eq!(report.outcome, KillOutcome::Dead);
            let last = report.processes.iter().filter_map(|process| process.dead_after_us).max();
            seen.push(Duration::from_micros(last.unwrap()));
        }
        let told = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            (times[TRIALS / 2], times[TRIALS * 99 / 100])
        };
        let (answered, seen) = (told(&mut answered), told(&mut seen));
        eprintln!("{scope:?}: seen dead after {seen:?}, answered after {answered:?} (p50, p99)");
    }
}
