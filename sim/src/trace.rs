//! What happened in a simulation, line by line, and a hash of it: the same seed gives the same.

use std::{fmt, io::Write as _};

use xxhash_rust::xxh3::Xxh3Default;

/// Whether the lines are shown as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    Nothing,
    Lines,
}

/// The history of one simulation.
pub struct Trace {
    show: Show,
    hash: Xxh3Default,
    lines: u64,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl Trace {
    pub fn new(show: Show) -> Self {
        Self { show, hash: Xxh3Default::new(), lines: 0 }
    }

    /// Notes a line.
    pub fn say(&mut self, line: fmt::Arguments<'_>) {
        let line = line.to_string();
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.lines += 1;
        if self.show == Show::Lines {
            // Whoever stopped reading needs no more of it.
            writeln!(std::io::stdout(), "{line}").ok();
        }
    }

    /// Returns the hash of all lines so far.
    pub fn hash(&self) -> u64 {
        self.hash.digest()
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }
}
