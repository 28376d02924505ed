//! The probe's tables, as the agent writes them.

use std::fmt;

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, LpmTrie, MapData, MapError, PerCpuArray, lpm_trie::Key},
};
use probe::enforce::{
    Atoms, BANKS, Counts, GUARDS_MAX, Minute, MinuteWords, PlanWords, bank, map, outcome,
};

use super::tables::{Entries, NameKey, PathKey, Tables};

/// Places in the map of minutes.
const PROBE: u32 = 0;
const AGENT: u32 = 1;

/// A probe's tables and what is in them.
pub(crate) struct Kernel {
    generation: Array<MapData, u64>,
    plan: Array<MapData, PlanWords>,
    paths: HashMap<MapData, PathKey, Atoms>,
    prefixes: LpmTrie<MapData, PathKey, Atoms>,
    names: HashMap<MapData, NameKey, Atoms>,
    inodes: HashMap<MapData, u64, Atoms>,
    files: HashMap<MapData, [u64; 2], u64>,
    pids: HashMap<MapData, u32, u64>,
    minutes: Array<MapData, MinuteWords>,
    counts: PerCpuArray<MapData, Counts>,
    /// What is written in each bank, and as which generation; 0 while it is being written.
    banks: [(u64, Tables); BANKS],
    protected: Vec<[u64; 2]>,
    /// The generation in force, 0 for none.
    number: u64,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Kernel {
    /// Takes the tables out of a loaded probe; `None` if it has none.
    pub(crate) fn take(ebpf: &mut Ebpf) -> Option<Self> {
        let mut take = |name| ebpf.take_map(name);
        Some(Self {
            generation: Array::try_from(take(map::GENERATION)?).ok()?,
            plan: Array::try_from(take(map::PLAN)?).ok()?,
            paths: HashMap::try_from(take(map::PATHS)?).ok()?,
            prefixes: LpmTrie::try_from(take(map::PREFIXES)?).ok()?,
            names: HashMap::try_from(take(map::NAMES)?).ok()?,
            inodes: HashMap::try_from(take(map::INODES)?).ok()?,
            files: HashMap::try_from(take(map::FILES)?).ok()?,
            pids: HashMap::try_from(take(map::PIDS)?).ok()?,
            minutes: Array::try_from(take(map::MINUTES)?).ok()?,
            counts: PerCpuArray::try_from(take(map::COUNTS)?).ok()?,
            banks: Default::default(),
            protected: Vec::new(),
            number: 0,
        })
    }

    /// Puts tables in the place of those before, as generation `number`, which is even and two more
    /// than the one before: the probe goes by one or the other. After a failure it decides nothing.
    pub(super) fn install(&mut self, tables: &Tables, number: u64) -> Result<(), MapError> {
        let written = self.write(tables, number).and_then(|()| self.generation.set(0, number, 0));
        match written {
            Ok(()) => self.number = number,
            Err(_) => {
                self.number = 0;
                drop(self.generation.set(0, 0, 0));
            }
        }
        written
    }

    /// Writes tables into the bank that is not in force.
    fn write(&mut self, tables: &Tables, number: u64) -> Result<(), MapError> {
        self.generation.set(0, self.number + 1, 0)?;
        let bank = bank(number);
        // From here on everything written is removed by a later one, whatever fails.
        let before = std::mem::replace(&mut self.banks[bank], (0, tables.clone())).1;
        let now = self.banks.each_ref().map(|(_, tables)| tables);
        let paths = Entries::of(&before.paths, now.map(|tables| &tables.paths));
        put(&mut self.paths, &paths)?;
        let names = Entries::of(&before.names, now.map(|tables| &tables.names));
        put(&mut self.names, &names)?;
        let inodes = Entries::of(&before.inodes, now.map(|tables| &tables.inodes));
        put(&mut self.inodes, &inodes)?;
        let prefixes = Entries::of_prefixes(&before.prefixes, now.map(|tables| &tables.prefixes));
        for ((path, bytes), atoms) in &prefixes.present {
            self.prefixes.insert(&Key::new(bytes * 8, *path), atoms, 0)?;
        }
        for (path, bytes) in &prefixes.gone {
            gone(self.prefixes.remove(&Key::new(bytes * 8, *path)))?;
        }
        self.plan.set(bank as u32, tables.plan.words(), 0)?;
        self.clear_counts(bank)?;
        self.banks[bank].0 = number;
        Ok(())
    }

    /// Makes the probe spare these executables, by inode and device.
    pub(super) fn protect_files(&mut self, files: Vec<[u64; 2]>) -> Result<(), MapError> {
        for file in files.iter().filter(|file| !self.protected.contains(file)) {
            self.files.insert(file, 1, 0)?;
        }
        for file in self.protected.iter().filter(|file| !files.contains(file)) {
            self.files.remove(file)?;
        }
        self.protected = files;
        Ok(())
    }

    /// Makes the probe spare these processes, by pid and start.
    pub(super) fn protect_pids(
        &mut self,
        pids: impl Iterator<Item = (u32, u64)>,
    ) -> Result<(), MapError> {
        for (pid, start_ns) in pids {
            self.pids.insert(pid, start_ns, 0)?;
        }
        Ok(())
    }

    /// Returns what the probe ended in its last minute.
    pub(super) fn minute(&self) -> Minute {
        self.minutes.get(&PROBE, 0).map(Minute::from).unwrap_or_default()
    }

    /// Tells the probe what the agent ended, and whether anything may be ended at all.
    pub(super) fn tell(&mut self, minute: Minute) -> Result<(), MapError> {
        self.minutes.set(AGENT, minute.words(), 0)
    }

    /// Returns how often each guard of a generation held; nothing once another is in its place.
    pub(super) fn counts(&self, generation: u64) -> Vec<Counts> {
        let bank = bank(generation);
        if self.banks[bank].0 != generation {
            return Vec::new();
        }
        let sum = |guard: u32| {
            let mut sum = Counts::default();
            let Ok(per_cpu) = self.counts.get(&guard, 0) else { return sum };
            for one in per_cpu.iter() {
                sum.iter_mut().zip(one).for_each(|(sum, count)| *sum += count);
            }
            sum
        };
        places(bank).map(sum).collect()
    }

    fn clear_counts(&mut self, bank: usize) -> Result<(), MapError> {
        let processors = aya::util::nr_cpus().map_err(|(_, error)| MapError::IoError(error))?;
        for guard in places(bank) {
            let zeros = vec![[0; outcome::FAILED as usize + 1]; processors];
            let zeros = aya::maps::PerCpuValues::try_from(zeros).map_err(MapError::IoError)?;
            self.counts.set(guard, zeros, 0)?;
        }
        Ok(())
    }
}

/// Returns where the counts of a bank's guards are.
fn places(bank: usize) -> std::ops::Range<u32> {
    let first = bank * GUARDS_MAX;
    first as u32..(first + GUARDS_MAX) as u32
}

fn put<K: Pod>(
    map: &mut HashMap<MapData, K, Atoms>,
    entries: &Entries<'_, K>,
) -> Result<(), MapError> {
    for (key, atoms) in &entries.present {
        map.insert(*key, atoms, 0)?;
    }
    for key in &entries.gone {
        gone(map.remove(key))?;
    }
    Ok(())
}

/// What is not there is gone as well: writing it may have failed.
fn gone(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error()) =>
        {
            Ok(())
        }
        other => other,
    }
}
