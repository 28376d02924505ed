//! The probe's tables, as the agent writes them.

use std::fmt;

use aya::{
    Ebpf,
    maps::{Array, HashMap, LpmTrie, MapData, MapError, PerCpuArray, lpm_trie::Key},
};
use probe::enforce::{Counts, GUARDS_MAX, Minute, MinuteWords, PlanWords, map, outcome};

use super::tables::{NameKey, PathKey, Tables};

/// Places in the map of minutes.
const PROBE: u32 = 0;
const AGENT: u32 = 1;

/// A probe's tables and what is in them.
pub(crate) struct Kernel {
    generation: Array<MapData, u64>,
    plan: Array<MapData, PlanWords>,
    paths: HashMap<MapData, PathKey, u64>,
    prefixes: LpmTrie<MapData, PathKey, u64>,
    names: HashMap<MapData, NameKey, u64>,
    inodes: HashMap<MapData, u64, u64>,
    files: HashMap<MapData, [u64; 2], u64>,
    pids: HashMap<MapData, u32, u64>,
    minutes: Array<MapData, MinuteWords>,
    counts: PerCpuArray<MapData, Counts>,
    /// What was written last.
    tables: Tables,
    protected: Vec<[u64; 2]>,
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
            tables: Tables::default(),
            protected: Vec::new(),
            number: 0,
        })
    }

    /// Puts tables in the place of those before, as generation `number`, which is even and greater
    /// than any before. While they change, and after a failure, the probe decides nothing.
    pub(super) fn install(&mut self, tables: &Tables, number: u64) -> Result<(), MapError> {
        self.generation.set(0, number - 1, 0)?;
        let before = std::mem::take(&mut self.tables);
        for path in before.paths.keys() {
            self.paths.remove(path)?;
        }
        for (path, bytes) in before.prefixes.keys() {
            self.prefixes.remove(&Key::new(bytes * 8, *path))?;
        }
        for name in before.names.keys() {
            self.names.remove(name)?;
        }
        for inode in before.inodes.keys() {
            self.inodes.remove(inode)?;
        }
        // From here on everything written is removed by the next one, whatever fails.
        self.tables = tables.clone();
        for (path, atoms) in &tables.paths {
            self.paths.insert(path, atoms, 0)?;
        }
        for ((path, bytes), atoms) in &tables.prefixes {
            self.prefixes.insert(&Key::new(bytes * 8, *path), atoms, 0)?;
        }
        for (name, atoms) in &tables.names {
            self.names.insert(name, atoms, 0)?;
        }
        for (inode, atoms) in &tables.inodes {
            self.inodes.insert(inode, atoms, 0)?;
        }
        self.plan.set(0, tables.plan.words(), 0)?;
        self.clear_counts()?;
        self.number = number;
        self.generation.set(0, number, 0)
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

    /// Returns how often each guard held since the tables were put in place, by outcome.
    pub(super) fn counts(&self, guards: usize) -> Vec<Counts> {
        let sum = |guard: u32| {
            let mut sum = Counts::default();
            let Ok(per_cpu) = self.counts.get(&guard, 0) else { return sum };
            for one in per_cpu.iter() {
                sum.iter_mut().zip(one).for_each(|(sum, count)| *sum += count);
            }
            sum
        };
        (0..guards.min(GUARDS_MAX) as u32).map(sum).collect()
    }

    fn clear_counts(&mut self) -> Result<(), MapError> {
        let processors = aya::util::nr_cpus().map_err(|(_, error)| MapError::IoError(error))?;
        for guard in 0..GUARDS_MAX as u32 {
            let zeros = vec![[0; outcome::FAILED as usize + 1]; processors];
            let zeros = aya::maps::PerCpuValues::try_from(zeros).map_err(MapError::IoError)?;
            self.counts.set(guard, zeros, 0)?;
        }
        Ok(())
    }
}
