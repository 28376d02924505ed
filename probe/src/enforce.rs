//! `include/enforce.h` in Rust: the tables that say which programs end as they start, as words.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a path that are compared.
pub const PATH_BYTES: usize = 256;
pub const CLAUSES_MAX: usize = 64;
pub const RANGES_MAX: usize = 16;
pub const GUARDS_MAX: usize = 64;
/// Plans the tables have room for at once.
pub const BANKS: usize = 2;
/// Entries of one plan in the tables of paths, beginnings of paths, and names; of inodes. Of files.
pub const TEXTS_MAX: usize = 4096;
pub const INODES_MAX: usize = 256;
pub const FILES_MAX: usize = 1024;
pub const PIDS_MAX: usize = 256;

/// Bits of facts that no table names.
pub mod atom {
    pub const HOST: u32 = 0;
    pub const MEMFD: u32 = 1;
    pub const UPPER_LAYER: u32 = 2;
    pub const PROTECTED: u32 = 3;
    /// The first that a table may give.
    pub const FIRST: u32 = 4;
}

/// Bits of [`Clause::kinds`].
pub mod by {
    pub const EXECVE: u64 = 1;
    pub const EXECVEAT: u64 = 2;
}

/// Values of [`Plan::mode`].
pub mod mode {
    pub const OFF: u64 = 0;
    pub const MONITOR: u64 = 1;
    pub const ENFORCE: u64 = 2;
}

/// Values of [`Enforced::outcome`], and places in [`Counts`].
pub mod outcome {
    pub const KILLED: u64 = 0;
    pub const WOULD_KILL: u64 = 1;
    pub const PROTECTED: u64 = 2;
    pub const OVER_BOUND: u64 = 3;
    pub const FAILED: u64 = 4;
}

/// Names of maps.
pub mod map {
    pub const GENERATION: &str = "enforce_generation";
    pub const PLAN: &str = "enforce_plan";
    pub const PATHS: &str = "enforce_paths";
    pub const PREFIXES: &str = "enforce_prefixes";
    pub const NAMES: &str = "enforce_names";
    pub const INODES: &str = "enforce_inodes";
    pub const FILES: &str = "enforce_files";
    pub const PIDS: &str = "enforce_pids";
    pub const MINUTES: &str = "enforce_minutes";
    pub const COUNTS: &str = "enforce_counts";
}

/// `u8`: 1 to decide about programs at all.
pub const SETTING: &str = "saker_enforce";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct Clause {
    pub needs: u64,
    pub forbids: u64,
    pub guard: u64,
    pub kinds: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct Range {
    pub from: u64,
    pub to: u64,
    pub atom: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct Plan {
    pub mode: u64,
    pub kills_per_minute_max: u64,
    pub path_atoms: u64,
    pub ranges: [Range; RANGES_MAX],
    pub clauses: [Clause; CLAUSES_MAX],
}

/// The plan as the value of its map.
pub type PlanWords = [u64; size_of::<Plan>() / size_of::<u64>()];

/// A minute since boot, kills in it, and whether there were too many once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Minute {
    pub minute: u64,
    pub kills: u64,
    pub tripped: u64,
}

/// A [`Minute`] as the value of its map.
pub type MinuteWords = [u64; 3];

/// What was decided about one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Enforced {
    /// A bit for each guard that held.
    pub guards: u64,
    /// Of the plan whose guards they are.
    pub generation: u64,
    pub outcome: u64,
}

/// The facts that an entry of a table stands for, by [bank].
pub type Atoms = [u64; BANKS];

/// Returns in which bank the plan of a generation is.
pub const fn bank(generation: u64) -> usize {
    (generation >> 1 & 1) as usize
}

/// How often a guard held, by outcome, on one processor.
pub type Counts = [u64; 5];

impl Default for Plan {
    fn default() -> Self {
        Self {
            mode: mode::OFF,
            kills_per_minute_max: 0,
            path_atoms: 0,
            ranges: [Range::default(); RANGES_MAX],
            clauses: [Clause::default(); CLAUSES_MAX],
        }
    }
}

impl Plan {
    /// Returns the plan as the kernel reads it.
    pub fn words(&self) -> PlanWords {
        zerocopy::transmute!(*self)
    }
}

impl Minute {
    pub fn words(self) -> MinuteWords {
        zerocopy::transmute!(self)
    }
}

impl From<MinuteWords> for Minute {
    fn from(words: MinuteWords) -> Self {
        zerocopy::transmute!(words)
    }
}

impl Enforced {
    /// Reads the value of a field.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::read_from_bytes(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::mirror::HeaderFile;

    #[test]
    fn every_size_offset_and_number_is_that_of_the_header_file() {
        let facts = [
            ("SAKER_ENFORCE_PATH_BYTES", PATH_BYTES),
            ("SAKER_ENFORCE_CLAUSES_MAX", CLAUSES_MAX),
            ("SAKER_ENFORCE_RANGES_MAX", RANGES_MAX),
            ("SAKER_ENFORCE_GUARDS_MAX", GUARDS_MAX),
            ("SAKER_ATOM_HOST", atom::HOST as usize),
            ("SAKER_ATOM_MEMFD", atom::MEMFD as usize),
            ("SAKER_ATOM_UPPER_LAYER", atom::UPPER_LAYER as usize),
            ("SAKER_ATOM_PROTECTED", atom::PROTECTED as usize),
            ("SAKER_ATOM_FIRST", atom::FIRST as usize),
            ("SAKER_BY_EXECVE", by::EXECVE as usize),
            ("SAKER_BY_EXECVEAT", by::EXECVEAT as usize),
            ("SAKER_ENFORCE_OFF", mode::OFF as usize),
            ("SAKER_ENFORCE_MONITOR", mode::MONITOR as usize),
            ("SAKER_ENFORCE_ENFORCE", mode::ENFORCE as usize),
            ("SAKER_ENFORCED_KILLED", outcome::KILLED as usize),
            ("SAKER_ENFORCED_WOULD_KILL", outcome::WOULD_KILL as usize),
            ("SAKER_ENFORCED_PROTECTED", outcome::PROTECTED as usize),
            ("SAKER_ENFORCED_OVER_BOUND", outcome::OVER_BOUND as usize),
            ("SAKER_ENFORCED_FAILED", outcome::FAILED as usize),
            ("SAKER_ENFORCED_COUNT", size_of::<Counts>() / 8),
            ("sizeof(struct saker_clause)", size_of::<Clause>()),
            ("offsetof(struct saker_clause, guard)", offset_of!(Clause, guard)),
            ("sizeof(struct saker_range)", size_of::<Range>()),
            ("offsetof(struct saker_range, atom)", offset_of!(Range, atom)),
            ("sizeof(struct saker_enforce_plan)", size_of::<Plan>()),
            ("offsetof(struct saker_enforce_plan, path_atoms)", offset_of!(Plan, path_atoms)),
            ("offsetof(struct saker_enforce_plan, ranges)", offset_of!(Plan, ranges)),
            ("offsetof(struct saker_enforce_plan, clauses)", offset_of!(Plan, clauses)),
            ("sizeof(struct saker_enforce_minute)", size_of::<Minute>()),
            ("offsetof(struct saker_enforce_minute, tripped)", offset_of!(Minute, tripped)),
            ("sizeof(struct saker_enforced)", size_of::<Enforced>()),
            ("offsetof(struct saker_enforced, outcome)", offset_of!(Enforced, outcome)),
        ];
        let mut header = HeaderFile::new("enforce.h");
        for (expression, number) in facts {
            header.number(expression, number as u64);
        }
        header.check();
    }

    #[test]
    fn a_decision_is_read_or_is_none() {
        let mut bytes = [0; 24];
        bytes[0] = 5;
        bytes[16] = outcome::PROTECTED as u8;
        let enforced = Enforced { guards: 5, generation: 0, outcome: outcome::PROTECTED };
        assert_eq!(Enforced::read(&bytes), Some(enforced));
        assert_eq!(Enforced::read(&bytes[1..]), None);
    }
}
