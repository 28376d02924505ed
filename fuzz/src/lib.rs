//! Fuzz targets: what comes from outside is read or refused, whatever it is. Each target is a
//! function of the input that panics when something does not hold; the fuzzer and the tests call
//! the same one. `docs/fuzzing.md` says what each holds.

mod mutate;
mod targets;

use std::{fs, io, path::PathBuf};

pub use self::mutate::Mutator;

/// Longest input.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Taken,
    Refused,
}

/// Something that reads what comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]) -> Read,
    /// Pieces that inputs of this kind are made of.
    pub words: &'static [&'static str],
}

/// Every target, by name.
pub const TARGETS: [Target; 9] = [
    targets::condition::TARGET,
    targets::config::TARGET,
    targets::evaluate::TARGET,
    targets::ingest::TARGET,
    targets::journal::TARGET,
    targets::output::TARGET,
    targets::record::TARGET,
    targets::rules::TARGET,
    targets::template::TARGET,
];

impl Target {
    pub fn by_name(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Returns the inputs that are kept of it, by the names of their files.
    pub fn corpus(self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(self.name);
        let mut inputs = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            inputs
                .push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
        }
        inputs.sort();
        Ok(inputs)
    }
}

/// Does this with the input, if it is text; anything else is refused.
fn with_text(input: &[u8], read: impl FnOnce(&str) -> Read) -> Read {
    std::str::from_utf8(input).map_or(Read::Refused, read)
}

impl Read {
    /// Returns what a result says.
    fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Taken } else { Self::Refused }
    }
}
