//! Thousands of seeds of each simulation; a seed that fails is named.

use std::{env, ops::Range, panic, thread};

use sim::{Simulation, trace::Show};

/// Threads that share the seeds; each simulation has one of its own.
const THREADS: u64 = 2;

/// Returns the seeds to run: always the same ones, unless a person asks for others.
fn seeds(count: u64) -> Range<u64> {
    match env::var("SAKER_SIM_SEEDS") {
        Ok(text) => sim::parse_seeds(&text).expect("SAKER_SIM_SEEDS is FIRST..END"),
        Err(_) => 0..count,
    }
}

fn every_seed_holds(simulation: Simulation, count: u64) {
    let seeds = seeds(count);
    let run = |first: u64| {
        let mut failed = Vec::new();
        for seed in (seeds.start + first..seeds.end).step_by(THREADS as usize) {
            if panic::catch_unwind(|| simulation.run(seed, Show::Nothing)).is_err() {
                failed.push(seed);
            }
        }
        failed
    };
    let failed: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || run(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    });
    assert!(
        failed.is_empty(),
        "seeds {failed:?} fail; `cargo run -p sim -- {} --seed {}` shows what happened",
        simulation.name(),
        failed[0],
    );
}

fn a_seed_replays_exactly(simulation: Simulation) {
    for seed in 0..20 {
        let first = simulation.run(seed, Show::Nothing);
        assert_eq!(simulation.run(seed, Show::Nothing), first, "seed {seed}");
        assert_ne!(simulation.run(seed + 1, Show::Nothing).hash, first.hash, "seed {seed}");
    }
}

#[test]
fn what_the_journal_answered_is_there_after_every_crash() {
    every_seed_holds(Simulation::Journal, 3000);
}

#[test]
fn a_seed_of_the_journal_replays_exactly() {
    a_seed_replays_exactly(Simulation::Journal);
}

#[test]
fn the_disk_does_all_that_can_go_wrong() {
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..300 {
        for (what, count) in Simulation::Journal.run(seed, Show::Nothing).counts {
            *counts.entry(what).or_insert(0) += count;
        }
    }
    for what in [
        "a sync failed",
        "a write failed",
        "a write into reserved space found the disk full",
        "no space to reserve",
        "stopped in an operation",
        "kills",
        "power cuts",
        "calls taken",
        "calls refused",
        "opens that failed",
    ] {
        assert!(counts.get(what).is_some_and(|count| *count >= 20), "{what}: {counts:?}");
    }
}
