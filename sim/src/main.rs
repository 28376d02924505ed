//! Runs simulations by their seeds: `sim --seed 17` shows the history of one.

use std::{ops::Range, panic, process::ExitCode};

use clap::Parser;
use sim::{Simulation, trace::Show};

/// Simulations of Saker's router.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is simulated.
    #[arg(value_enum, default_value = "router")]
    simulation: Simulation,
    /// Shows the whole history of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs these seeds, and tells which of them fail.
    #[arg(long, value_parser = seeds, default_value = "0..1000")]
    seeds: Range<u64>,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    sim::parse_seeds(text).ok_or_else(|| "seeds are given as FIRST..END".to_owned())
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn main() -> ExitCode {
    let Arguments { simulation, seed, seeds } = Arguments::parse();
    if let Some(seed) = seed {
        let outcome = simulation.run(seed, Show::Lines);
        println!("seed {seed}: {outcome:?}");
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    for seed in seeds {
        if panic::catch_unwind(|| simulation.run(seed, Show::Nothing)).is_err() {
            failed.push(seed);
        }
    }
    println!("{} seeds failed: {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
