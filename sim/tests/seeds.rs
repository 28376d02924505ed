//! Thousands of seeds of each simulation; a seed that fails is named.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ops::Range,
    panic, thread,
};

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

/// Runs the seeds. What is `expected` to happen in them does, so that nothing holds only because
/// nothing went wrong.
fn every_seed_holds(simulation: Simulation, count: u64, expected: &[&str]) {
    let seeds = seeds(count);
    let run = |first: u64| {
        let (mut failed, mut counts) = (Vec::new(), BTreeMap::new());
        for seed in (seeds.start + first..seeds.end).step_by(THREADS as usize) {
            match panic::catch_unwind(|| simulation.run(seed, Show::Nothing)) {
                Ok(outcome) => add(&mut counts, outcome.counts),
                Err(_) => failed.push(seed),
            }
        }
        (failed, counts)
    };
    let (mut failed, mut counts) = (Vec::new(), BTreeMap::new());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || run(first))).collect();
        for thread in threads {
            let (more_failed, more) = thread.join().expect("a thread");
            failed.extend(more_failed);
            add(&mut counts, more);
        }
    });
    let name = simulation.name();
    assert!(
        failed.is_empty(),
        "seeds {failed:?} fail; `cargo run -p sim -- {name} --seed {}` shows what happened",
        failed[0],
    );
    for what in expected {
        assert!(counts.get(what).is_some_and(|count| *count >= 3), "{what}: {counts:?}");
    }
}

fn add(counts: &mut BTreeMap<&'static str, u64>, more: BTreeMap<&'static str, u64>) {
    for (what, count) in more {
        *counts.entry(what).or_default() += count;
    }
}

fn a_seed_replays_exactly(simulation: Simulation, count: u64) {
    let mut hashes = BTreeSet::new();
    for seed in 0..count {
        let first = simulation.run(seed, Show::Nothing);
        assert_eq!(simulation.run(seed, Show::Nothing), first, "seed {seed}");
        hashes.insert(first.hash);
    }
    assert_eq!(hashes.len() as u64, count, "two seeds have one history");
}

#[test]
fn what_the_journal_answered_is_there_after_every_crash() {
    let expected = [
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
    ];
    every_seed_holds(Simulation::Journal, 3000, &expected);
}

#[test]
fn a_seed_of_the_journal_replays_exactly() {
    a_seed_replays_exactly(Simulation::Journal, 20);
}

#[test]
fn nothing_the_router_accepted_is_lost_and_nobody_hears_of_it_twice() {
    let expected = [
        "a sync failed",
        "no space to reserve",
        "stopped in an operation",
        "kills",
        "power cuts",
        "orderly stops",
        "clock set",
        "posts taken",
        "posts refused",
        "delivered",
        "dead letters",
        "taken",
        "taken, then reset",
        "taken, then hang",
        "reset",
        "500",
        "429",
        "400",
        "401",
        "people answered",
        "silenced",
        "under maintenance",
        "inhibited",
        "withheld",
        "returned",
        "silences that ran out",
        "silences ended",
        "windows that closed",
        "dead letters given up",
        "storms",
        "storms that ended",
        "looks at a disabled output",
        "looks after a snapshot was checked",
    ];
    every_seed_holds(Simulation::Router, 2000, &expected);
}

#[test]
fn a_seed_of_the_router_replays_exactly() {
    a_seed_replays_exactly(Simulation::Router, 20);
}
