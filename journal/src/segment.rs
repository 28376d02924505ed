//! One file of the log: made at its full size, filled, sealed, deleted.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    Access, Disk, DiskFile, FORMAT_VERSION, OpenError,
    frame::{self, HEADER_BYTES, Header},
    index::Index,
    locked,
    scan::{Check, End, Scan, damaged, scan},
};

const SUFFIX: &str = ".segment";

/// What readers and retention know of a segment. Its file is opened by who needs it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) version: u32,
    pub(crate) first: u64,
    pub(crate) salt: u64,
    pub(crate) path: PathBuf,
    /// Sequence after its last durable record.
    next: AtomicU64,
    /// Offset after its last durable record.
    end: AtomicU64,
    /// Size of the file.
    bytes: AtomicU64,
    index: Mutex<Index>,
}

impl Segment {
    pub(crate) fn new(path: PathBuf, header: Header, bytes: u64) -> Self {
        Self {
            version: header.version,
            first: header.first,
            salt: header.salt,
            path,
            next: AtomicU64::new(header.first),
            end: AtomicU64::new(HEADER_BYTES),
            bytes: AtomicU64::new(bytes),
            index: Mutex::new(Index::new(header.first)),
        }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Makes the records before `next`, which end at `end`, visible to readers.
    pub(crate) fn advance(&self, next: u64, end: u64) {
        self.next.store(next, Ordering::Release);
        self.end.store(end, Ordering::Release);
    }

    /// Remembers a batch: its first record and where it begins, when it was written if that is
    /// known, and what its records take unpacked.
    pub(crate) fn note(&self, sequence: u64, offset: u64, time_ms: Option<u64>, bytes: usize) {
        locked(&self.index).note(sequence, offset, time_ms, bytes);
    }

    /// Returns the nearest place at or before record `sequence`.
    pub(crate) fn seek(&self, sequence: u64) -> (u64, u64) {
        locked(&self.index).seek(sequence)
    }

    /// Returns the last known place before which nothing was written at this time or later.
    pub(crate) fn seek_time(&self, time_ms: u64) -> (u64, u64) {
        locked(&self.index).seek_time(time_ms)
    }

    /// Returns the earliest and the latest time at which a batch was written, if that is known.
    pub(crate) fn times_ms(&self) -> Option<(u64, u64)> {
        locked(&self.index).times_ms()
    }

    /// Returns what its records take unpacked.
    pub(crate) fn unpacked_bytes(&self) -> u64 {
        locked(&self.index).unpacked_bytes()
    }
}

/// Returns the first of some segments that may hold a record written at this time or later.
///
/// Version 1 tells no times: such a segment was written before the one that follows it.
pub(crate) fn written_since(segments: &[Arc<Segment>], time_ms: u64) -> Option<usize> {
    let (mut found, mut later_ms) = (None, u64::MAX);
    for (index, segment) in segments.iter().enumerate().rev() {
        let (earliest, latest) = match segment.times_ms() {
            Some(times_ms) => times_ms,
            None if segment.next() > segment.first => (later_ms, later_ms),
            None => continue,
        };
        if latest >= time_ms {
            found = Some(index);
        }
        later_ms = earliest;
    }
    found
}

/// Returns the sequence a segment's file name tells, or `None` for another file.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

fn path_of(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}{SUFFIX}"))
}

/// The segment being filled.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    /// Offset after the last record written.
    pub(crate) end: u64,
}

impl Active {
    /// Makes a segment whose space is on the disk before it takes a record. It appears under its
    /// name only when all of it is durable.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, first: u64, bytes: u64) -> io::Result<Self> {
        let header = Header { version: FORMAT_VERSION, first, salt: disk.salt() };
        let temporary = dir.join("new.tmp");
        let path = path_of(dir, first);
        let made = (|| {
            let file = disk.open(&temporary, Access::Create)?;
            file.reserve(bytes)?;
            start(disk, dir, &*file, &header, (&temporary, &path))?;
            Ok(file)
        })();
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                // Gives the space back; if that fails too, the next attempt truncates the file.
                drop(disk.remove(&temporary));
                return Err(error);
            }
        };
        Ok(Self { segment: Arc::new(Segment::new(path, header, bytes)), file, end: HEADER_BYTES })
    }

    /// Makes a segment of a file whose space is taken already.
    pub(crate) fn create_from(
        disk: &dyn Disk,
        dir: &Path,
        first: u64,
        spare: &Path,
    ) -> io::Result<Self> {
        let header = Header { version: FORMAT_VERSION, first, salt: disk.salt() };
        let path = path_of(dir, first);
        let file = disk.open(spare, Access::Write)?;
        start(disk, dir, &*file, &header, (spare, &path))?;
        let bytes = file.length()?;
        Ok(Self { segment: Arc::new(Segment::new(path, header, bytes)), file, end: HEADER_BYTES })
    }

    /// Returns whether `bytes` fit and the seal after them.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.end + bytes as u64 + frame::FRAME_BYTES as u64 <= self.segment.bytes()
    }

    /// Writes at the end, without moving it.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Ends the segment: from now on anything wrong in it is damage.
    pub(crate) fn seal(self, next: u64) -> io::Result<()> {
        seal(&*self.file, &self.segment, next, self.end)
    }
}

/// Writes the header of a file that has its space, and gives it its name.
fn start(
    disk: &dyn Disk,
    dir: &Path,
    file: &dyn DiskFile,
    header: &Header,
    (from, to): (&Path, &Path),
) -> io::Result<()> {
    file.write_all_at(&header.to_bytes(), 0)?;
    file.sync_all()?;
    disk.rename(from, to)?;
    disk.sync_dir(dir)
}

fn seal(file: &dyn DiskFile, segment: &Segment, next: u64, end: u64) -> io::Result<()> {
    file.sync_data()?;
    let length = write_seal(file, segment, next, end)?;
    file.sync_data()?;
    file.set_length(length)?;
    file.sync_all()?;
    segment.bytes.store(length, Ordering::Relaxed);
    Ok(())
}

/// Writes the sealing frame and returns where it ends.
fn write_seal(file: &dyn DiskFile, segment: &Segment, next: u64, end: u64) -> io::Result<u64> {
    let bytes = frame::sealing(segment.salt, next);
    file.write_all_at(&bytes, end)?;
    Ok(end + bytes.len() as u64)
}

/// Seals a segment that is sealed already: its records were synced before, but its end perhaps not.
fn seal_again(file: &dyn DiskFile, segment: &Segment) -> io::Result<()> {
    let length = write_seal(file, segment, segment.next(), segment.end())?;
    file.set_length(length)?;
    file.sync_all()?;
    segment.bytes.store(length, Ordering::Relaxed);
    Ok(())
}

/// Where a segment stands among its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Last,
    Earlier,
}

/// Reads a whole segment after a restart. The last one may end in a commit nobody was told of: that
/// is cut off and the segment sealed. Returns it and the bytes cut.
pub(crate) fn recover(
    disk: &dyn Disk,
    path: &Path,
    first: u64,
    place: Place,
) -> Result<(Segment, u64), OpenError> {
    let Scan { segment, file, end, proven } =
        scan(disk, path, first, Access::Write, Check::Frames)?;
    let failed = |source| OpenError::Io { action: "seal", path: path.to_owned(), source };
    // What was read may be in memory only: a killed process had not synced it, or a sync failed,
    // after which the kernel takes for written what is not. So the last segment's end is written
    // again.
    match (end, place) {
        (End::Sealed, Place::Earlier) => Ok((segment, 0)),
        (End::Sealed, Place::Last) => {
            seal_again(&*file, &segment).map_err(failed)?;
            Ok((segment, 0))
        }
        (End::Open { torn_bytes, .. }, Place::Last) => {
            write_again(&*file, proven, segment.end())
                .and_then(|()| seal(&*file, &segment, segment.next(), segment.end()))
                .map_err(failed)?;
            Ok((segment, torn_bytes))
        }
        (End::Open { offset, reason, .. }, Place::Earlier)
        | (End::Damaged { offset, reason }, _) => Err(damaged(path, offset, reason)),
    }
}

/// Has the disk write what a file holds already.
fn write_again(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let mut bytes =
        vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX).min(1 << 20)];
    let mut at = start;
    while at < end {
        let step = (end - at).min(bytes.len() as u64);
        let part = &mut bytes[..step as usize];
        file.read_exact_at(part, at)?;
        file.write_all_at(part, at)?;
        at += step;
    }
    Ok(())
}
