//! Simulations: the real code in a world where disk, time, chance, senders and destinations are
//! driven by one seed, and everything that can go wrong does. What must hold is checked at every
//! step; a seed that fails replays exactly. `docs/simulation.md` says what is injected and what is
//! checked.

pub mod chance;
pub mod disk;
pub mod journal;
pub mod router;
pub mod time;
pub mod trace;

/// What one simulation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of every line of its history: equal for equal seeds.
    pub hash: u64,
    pub lines: u64,
    /// How often each thing worth knowing happened.
    pub counts: std::collections::BTreeMap<&'static str, u64>,
}

/// What can be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Simulation {
    /// The journal alone, over a disk that fails.
    Journal,
    /// The router, from its senders to its destinations.
    Router,
}

impl Simulation {
    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Router => "router",
        }
    }

    /// Runs one seed. Panics when something does not hold.
    pub fn run(self, seed: u64, show: trace::Show) -> Outcome {
        match self {
            Self::Journal => journal::simulate(seed, show),
            Self::Router => router::simulate(seed, show),
        }
    }
}

/// Reads `FIRST..END`.
pub fn parse_seeds(text: &str) -> Option<std::ops::Range<u64>> {
    let (first, end) = text.split_once("..")?;
    Some(first.parse().ok()?..end.parse().ok()?)
}
