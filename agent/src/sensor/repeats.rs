//! Passes over records that tell again what came to nothing before.
//!
//! A program that does one thing over and over fills the ring with records that differ in their moment
//! alone. Of such a record no event is made. What is remembered is the record itself, all of it but the
//! moment, with the process it was of, as that was: another user, program, folder or container makes
//! another [`Process`], behind another `Arc`.

use std::{
    hash::{BuildHasher, Hasher},
    sync::{Arc, Weak},
};

use alert::Process;
use hashbrown::DefaultHashBuilder;
use probe::{
    Record, lasting,
    layout::{Header, Kind},
};
use serde::{Deserialize, Serialize};

use super::{known::Names, observer::Standard};
use crate::enrich::processes::Processes;

/// Records remembered.
const PLACES: usize = 1024;
/// Longer ones are not.
const RECORD_BYTES_MAX: usize = 512;

/// Records that came to nothing, each at the place its hash says.
pub(super) struct Repeats {
    places: Box<[Place]>,
    /// Hashes of records that came to nothing once: most do not come again, and cost no more than this.
    once: Box<[u64]>,
    hasher: DefaultHashBuilder,
    /// By what they came to nothing; without it none is remembered.
    standard: Option<(Standard, Arc<Names>)>,
    counts: RepeatCounts,
}

/// What became of records that could be repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatCounts {
    /// Passed over.
    pub hits: u64,
    /// Looked at as events.
    pub misses: u64,
    /// Forgotten for another one.
    pub evicted: u64,
}

#[derive(Default)]
struct Place {
    hash: u64,
    /// Keeps the address of the process from being used again.
    process: Weak<Process>,
    /// Empty: nothing is remembered here.
    lasting: Vec<u8>,
}

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It comes to nothing.
    Repeated,
    /// It may be remembered, under this hash.
    New(u64),
    /// It is looked at each time.
    Unfit,
}

impl RepeatCounts {
    /// Returns the counts with their names in metrics.
    pub(crate) const fn named(&self) -> [(&'static str, u64); 3] {
        [("hit", self.hits), ("miss", self.misses), ("evicted", self.evicted)]
    }
}

impl Repeats {
    pub(super) fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| Place::default()).collect(),
            once: vec![0; PLACES].into(),
            hasher: DefaultHashBuilder::default(),
            standard: None,
            counts: RepeatCounts::default(),
        }
    }

    pub(super) const fn counts(&self) -> RepeatCounts {
        self.counts
    }

    /// Has what follows judged by a standard, and by these names of files. What was remembered by
    /// another one is forgotten.
    pub(super) fn judge_by(&mut self, standard: Option<Standard>, names: &Arc<Names>) {
        let same = match (&self.standard, standard) {
            (None, None) => true,
            (Some((old, known)), Some(new)) => *old == new && Arc::ptr_eq(known, names),
            _ => false,
        };
        if !same {
            self.places.iter_mut().for_each(|place| *place = Place::default());
            self.standard = standard.map(|standard| (standard, Arc::clone(names)));
        }
    }

    /// Looks whether a record tells what is remembered, of a process that is as it was.
    pub(super) fn look(&mut self, record: &[u8], processes: &mut Processes) -> Look {
        let Some(pieces) = self.fitting(record) else { return Look::Unfit };
        let hash = self.hash(pieces);
        let place = &self.places[place_of(hash)];
        let known = place.hash == hash
            && place.tells(pieces)
            && Header::of(record)
                .is_some_and(|header| processes.brings_nothing(&header, &place.process));
        match known {
            true => {
                self.counts.hits += 1;
                Look::Repeated
            }
            false => {
                self.counts.misses += 1;
                Look::New(hash)
            }
        }
    }

    /// Remembers a record that was looked for and came to nothing, if one of its hash did before.
    pub(super) fn learn(&mut self, hash: u64, record: &[u8], processes: &mut Processes) {
        if std::mem::replace(&mut self.once[place_of(hash)], hash) != hash {
            return;
        }
        let (Some(pieces), Some(header)) = (self.fitting(record), Header::of(record)) else {
            return;
        };
        let Some(process) = processes.as_it_is(&header) else { return };
        let place = &mut self.places[place_of(hash)];
        self.counts.evicted += u64::from(!place.lasting.is_empty() && place.hash != hash);
        place.hash = hash;
        place.process = process;
        place.lasting.clear();
        pieces.into_iter().for_each(|piece| place.lasting.extend_from_slice(piece));
    }

    /// Returns what lasts of a record that may be remembered.
    fn fitting<'a>(&self, record: &'a [u8]) -> Option<[&'a [u8]; 3]> {
        let fits = self.standard.is_some()
            && record.len() <= RECORD_BYTES_MAX
            && Record::kind(record).is_some_and(may_repeat);
        if fits { lasting(record) } else { None }
    }

    fn hash(&self, pieces: [&[u8]; 3]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        pieces.into_iter().for_each(|piece| hasher.write(piece));
        hasher.finish()
    }
}

impl Place {
    fn tells(&self, pieces: [&[u8]; 3]) -> bool {
        let mut rest = &*self.lasting;
        let starts = pieces.into_iter().all(|piece| match rest.strip_prefix(piece) {
            Some(left) => {
                rest = left;
                true
            }
            None => false,
        });
        starts && rest.is_empty()
    }
}

const fn place_of(hash: u64) -> usize {
    hash as usize % PLACES
}

/// Returns whether nothing but its event follows from a record: those of how processes and cgroups live
/// change what is known.
const fn may_repeat(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Execve
            | Kind::ExecveAt
            | Kind::Clone
            | Kind::Clone3
            | Kind::Fork
            | Kind::Vfork
            | Kind::ProcExit
            | Kind::CgroupMade
            | Kind::CgroupRemoved
    )
}

#[cfg(test)]
mod tests;
