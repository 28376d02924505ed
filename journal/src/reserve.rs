//! The reserve: room that only urgent records may use. A part of it is a file that is on the disk
//! before it is needed, for others may have filled the disk by then.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{Access, Disk, Options};

const FILE: &str = "reserve";
const UNFINISHED: &str = "reserve.tmp";
/// A smaller reserve holds nothing worth the file.
const BYTES_MIN: u64 = 4096;

/// What an append may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// All but the reserve.
    Common,
    Reserve,
}

impl Options {
    /// Returns the size of the file that is kept, which becomes a segment; 0 without a reserve.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.reserve_bytes.min(self.segment_bytes) & !7
    }

    pub(crate) fn check_reserve(&self) -> Result<(), &'static str> {
        if self.reserve_bytes == 0 {
            return Ok(());
        }
        if self.reserve_bytes < BYTES_MIN {
            return Err("`reserve_bytes` must be 0 or at least 4096");
        }
        let beside = self.bytes_max.checked_sub(self.reserve_bytes);
        if beside.is_none_or(|beside| beside < 2 * self.segment_bytes) {
            return Err("`bytes_max` must have room for two segments beside `reserve_bytes`");
        }
        Ok(())
    }

    /// Returns the largest reserve of so many percent of `bytes_max` that fits beside two segments.
    #[must_use]
    pub fn reserve_percent(self, percent: u8) -> Self {
        let wanted = self.bytes_max / 100 * u64::from(percent);
        let beside = self.bytes_max.saturating_sub(2 * self.segment_bytes);
        let reserve_bytes = wanted.min(beside);
        Self { reserve_bytes: if reserve_bytes < BYTES_MIN { 0 } else { reserve_bytes }, ..self }
    }
}

pub(crate) fn path_of(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Returns whether the file is there at its size, and its space is taken. Removes it when it has
/// another size, or the disk no longer has its space.
pub(crate) fn find(disk: &dyn Disk, dir: &Path, bytes: u64) -> io::Result<bool> {
    let path = path_of(dir);
    if !disk.exists(&path) {
        return Ok(false);
    }
    let file = disk.open(&path, Access::Write)?;
    // A copy of the folder has holes where zeros were.
    if bytes > 0 && file.length()? == bytes && file.reserve(bytes).is_ok() {
        return Ok(true);
    }
    disk.remove(&path)?;
    Ok(false)
}

/// Makes the file. It appears under its name only when its space is taken.
pub(crate) fn make(disk: &dyn Disk, dir: &Path, bytes: u64) -> io::Result<()> {
    let unfinished = dir.join(UNFINISHED);
    let made = (|| {
        let file = disk.open(&unfinished, Access::Create)?;
        file.reserve(bytes)?;
        file.sync_all()?;
        disk.rename(&unfinished, &path_of(dir))?;
        disk.sync_dir(dir)
    })();
    if made.is_err() {
        // Gives the space back; if that fails too, the next attempt truncates the file.
        drop(disk.remove(&unfinished));
    }
    made
}
