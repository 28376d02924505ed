//! All that is left to chance, drawn from one seed.

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// A source of chance: the same seed draws the same.
#[derive(Clone, Debug)]
pub struct Chance(SmallRng);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// Returns another source, whose draws do not depend on how often this one is asked later.
    pub fn split(&mut self) -> Self {
        Self::new(self.0.random())
    }

    /// Returns a number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.random_range(0..bound) }
    }

    /// Returns a number of the range.
    pub fn within(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// Returns true so many times out of a thousand.
    pub fn per_mille(&mut self, share: u64) -> bool {
        share > 0 && self.below(1000) < share
    }

    /// Returns true so many times out of a hundred.
    pub fn percent(&mut self, share: u64) -> bool {
        share > 0 && self.below(100) < share
    }

    /// Returns one of these.
    pub fn one_of<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N as u64) as usize]
    }

    pub fn number(&mut self) -> u64 {
        self.0.random()
    }
}
