//! A disk in memory that does what disks do at their worst: it loses what was not synced, tears what
//! it was writing, runs full, and fails; at random, by a seed.

mod file;
mod names;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use journal::{Access, Disk, DiskFile, Lock};

use self::{file::Inode, names::Names};
use crate::chance::Chance;

/// What the disk does wrong, in cases out of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A write stops short with an error.
    pub write: u64,
    /// A write into space that was reserved finds the disk full all the same.
    pub reserved_full: u64,
    /// A sync fails, and what it was to keep may be gone.
    pub sync: u64,
    /// Files larger than this together do not fit.
    pub bytes_max: Option<u64>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    faults: Faults,
    inodes: Vec<Inode>,
    names: Names,
    operations: u64,
    /// The process ends at this operation, with or without the machine.
    crash_at: Option<u64>,
    off: bool,
    /// The machine's clock.
    time_ms: u64,
    /// What went wrong, for the trace.
    happened: Vec<&'static str>,
}

/// How an operation ends that has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// It was under way as all stopped.
    Off,
}

impl SimDisk {
    /// Returns an empty disk.
    pub fn new(chance: Chance) -> Self {
        let state = State {
            chance,
            faults: Faults::default(),
            inodes: Vec::new(),
            names: Names::default(),
            operations: 0,
            crash_at: None,
            off: false,
            time_ms: 0,
            happened: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Sets the clock, in milliseconds since 1970.
    pub fn set_time(&self, time_ms: u64) {
        self.state().time_ms = time_ms;
    }

    /// Stops the process at an operation some way ahead.
    pub fn crash_after(&self, operations: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.operations + operations.max(1));
    }

    /// Returns whether the machine is off, or the process killed: nothing that is done has an effect.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults = Faults::default();
        state.crash_at = None;
    }

    /// Ends the process, if it runs, and starts it anew: what it wrote stays readable, synced or not.
    pub fn kill(&self) {
        let mut state = self.state();
        state.off = false;
        state.crash_at = None;
    }

    /// Turns the machine off, if it is on, and on again, with what the disk kept: all, nothing, or
    /// some of what was not synced.
    pub fn power_cut(&self) {
        let kept = self.state().chance.one_of([0, 0, 500, 900, 1000]);
        self.power_cut_keeping(kept);
    }

    /// As [`Self::power_cut`]; so many out of a thousand unsynced changes are kept.
    pub fn power_cut_keeping(&self, kept: u64) {
        let mut state = self.state();
        let State { chance, inodes, names, .. } = &mut *state;
        names.crash(chance, kept);
        for inode in inodes.iter_mut() {
            inode.crash(chance, kept);
        }
        drop(state);
        self.kill();
    }

    /// Returns what went wrong since it was last asked.
    pub fn happened(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().happened)
    }

    /// Returns how many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins an operation that changes something.
    fn change(&mut self) -> io::Result<Fate> {
        self.look()?;
        if self.crash_at.is_some_and(|at| at <= self.operations) {
            self.off = true;
            self.happened.push("stopped in an operation");
            return Ok(Fate::Off);
        }
        Ok(Fate::Done)
    }

    /// Begins an operation that changes nothing.
    fn look(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.off { Err(off()) } else { Ok(()) }
    }

    fn inode(&mut self, path: &Path) -> io::Result<usize> {
        self.names.file(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Returns whether so many more bytes fit.
    fn has_room(&self, bytes: u64) -> bool {
        let used: u64 = self.names.files().map(|inode| self.inodes[inode].length()).sum();
        self.faults.bytes_max.is_none_or(|max| used + bytes <= max)
    }

    fn write(&mut self, inode: usize, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fate = self.change()?;
        let grows = (offset + bytes.len() as u64).saturating_sub(self.inodes[inode].length());
        let error = if grows > 0 && !self.has_room(grows) {
            Some(("a write found the disk full", full()))
        } else if self.chance.per_mille(self.faults.write) {
            Some(("a write failed", broken()))
        } else if self.chance.per_mille(self.faults.reserved_full) {
            Some(("a write into reserved space found the disk full", full()))
        } else {
            None
        };
        let Some((what, error)) = error else {
            self.inodes[inode].write(bytes, offset);
            return fate.result();
        };
        let short = self.chance.below(bytes.len() as u64) as usize;
        if grows == 0 {
            self.inodes[inode].write(&bytes[..short], offset);
        }
        self.happened.push(what);
        Err(error)
    }

    fn fails_to_sync(&mut self) -> bool {
        let fails = self.chance.per_mille(self.faults.sync);
        if fails {
            self.happened.push("a sync failed");
        }
        fails
    }

    fn sync(&mut self, inode: usize) -> io::Result<()> {
        self.change()?.result()?;
        if self.fails_to_sync() {
            let State { chance, inodes, .. } = self;
            inodes[inode].lose(chance);
            return Err(broken());
        }
        self.inodes[inode].sync();
        Ok(())
    }
}

impl Fate {
    fn result(self) -> io::Result<()> {
        if self == Self::Off { Err(off()) } else { Ok(()) }
    }
}

impl Disk for SimDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.change()?;
        state.names.make_dir(dir);
        fate.result()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.look()?;
        state.names.list(dir).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let fate = if access == Access::Create {
            state.change()?
        } else {
            state.look().map(|()| Fate::Done)?
        };
        let inode = match state.inode(path) {
            Ok(inode) if access == Access::Create => {
                state.inodes[inode].set_length(0);
                inode
            }
            Ok(inode) => inode,
            Err(error) if access != Access::Create => return Err(error),
            Err(_) => {
                let inode = state.inodes.len();
                if !state.names.make_file(path, inode) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                state.inodes.push(Inode::default());
                inode
            }
        };
        fate.result()?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode }))
    }

    fn exists(&self, path: &Path) -> bool {
        self.state().names.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.change()?;
        state.inode(from)?;
        state.names.rename(from, to);
        fate.result()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.change()?;
        state.inode(path)?;
        state.names.remove(path);
        fate.result()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?.result()?;
        if !state.names.exists(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if state.fails_to_sync() {
            return Err(broken());
        }
        state.names.sync(dir);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.open(path, Access::Create)?;
        // One life of the process has ended before the next begins, and with it its locks.
        Ok(Some(Lock::new(())))
    }

    fn salt(&self) -> u64 {
        self.state().chance.number()
    }

    fn time_ms(&self) -> u64 {
        self.state().time_ms
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look()?;
        Ok(state.inodes[self.inode].length())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.look()?;
        state.inodes[self.inode].read(bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.state().write(self.inode, bytes, offset)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fate = state.change()?;
        let more = length.saturating_sub(state.inodes[self.inode].length());
        if !state.has_room(more) {
            state.happened.push("no space to reserve");
            return Err(full());
        }
        if more > 0 {
            state.inodes[self.inode].set_length(length);
        }
        fate.result()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fate = state.change()?;
        state.inodes[self.inode].set_length(length);
        fate.result()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync(self.inode)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.state().sync(self.inode)
    }
}

fn off() -> io::Error {
    io::Error::other("the machine is off")
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn broken() -> io::Error {
    io::Error::other("the disk failed")
}
