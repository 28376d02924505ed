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
    Access, Disk, DiskFile, OpenError,
    frame::{self, Flags, Frames, HEADER_BYTES, Header, HeaderError, Step, push, remainder},
    locked,
};

const SUFFIX: &str = ".segment";
/// Distance between two marks of the index.
const MARK_BYTES: u64 = 256 << 10;

/// What readers and retention know of a segment. Its file is opened by who needs it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) salt: u64,
    pub(crate) path: PathBuf,
    /// Sequence after its last durable record.
    next: AtomicU64,
    /// Offset after its last durable record.
    end: AtomicU64,
    /// Size of the file.
    bytes: AtomicU64,
    /// Every so often, where a record begins: (sequence, offset).
    marks: Mutex<Vec<(u64, u64)>>,
}

impl Segment {
    fn new(path: PathBuf, header: Header, bytes: u64) -> Self {
        Self {
            first: header.first,
            salt: header.salt,
            path,
            next: AtomicU64::new(header.first),
            end: AtomicU64::new(HEADER_BYTES),
            bytes: AtomicU64::new(bytes),
            marks: Mutex::new(vec![(header.first, HEADER_BYTES)]),
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

    /// Remembers that record `sequence` begins at `offset`, unless a mark is near.
    pub(crate) fn mark(&self, sequence: u64, offset: u64) {
        let mut marks = locked(&self.marks);
        if marks.last().is_none_or(|(_, last)| offset - last >= MARK_BYTES) {
            marks.push((sequence, offset));
        }
    }

    /// Returns the nearest place at or before record `sequence`.
    pub(crate) fn seek(&self, sequence: u64) -> (u64, u64) {
        let marks = locked(&self.marks);
        let after = marks.partition_point(|(first, _)| *first <= sequence);
        after.checked_sub(1).map_or((self.first, HEADER_BYTES), |index| marks[index])
    }
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
        let header = Header { first, salt: disk.salt() };
        let temporary = dir.join("new.tmp");
        let path = path_of(dir, first);
        let made = (|| {
            let file = disk.open(&temporary, Access::Create)?;
            file.reserve(bytes)?;
            file.write_all_at(&header.to_bytes(), 0)?;
            file.sync_all()?;
            disk.rename(&temporary, &path)?;
            disk.sync_dir(dir)?;
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
    let mut bytes = Vec::new();
    push(&mut bytes, segment.salt, next, Flags::SEAL.and(Flags::SYNCED), &[]);
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

/// A segment that was read to its end.
pub(crate) struct Scan {
    pub(crate) segment: Segment,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) end: End,
    /// Offset up to which it was synced, as its frames tell.
    proven: u64,
}

/// What stands after the last record of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its seal: nothing was ever to follow.
    Sealed,
    /// Nothing, or a commit nobody was told of.
    Open { offset: u64, torn_bytes: u64, reason: &'static str },
    /// What is not as it was written, for records are missing that were synced once.
    Damaged { offset: u64, reason: &'static str },
}

/// Reads a whole segment and checks every record. Changes nothing.
pub(crate) fn scan(
    disk: &dyn Disk,
    path: &Path,
    first: u64,
    access: Access,
) -> Result<Scan, OpenError> {
    let failed = |action| move |source| OpenError::Io { action, path: path.to_owned(), source };
    let file = disk.open(path, access).map_err(failed("open"))?;
    let length = file.length().map_err(failed("inspect"))?;
    let header = read_header(&*file, path, first, length)?;
    let segment = Segment::new(path.to_owned(), header, length);
    let mut frames = Frames::new(Arc::clone(&file), header.salt, HEADER_BYTES);
    let (mut sequence, mut call, mut proven) = (first, (first, HEADER_BYTES), HEADER_BYTES);
    let bad = loop {
        let offset = frames.offset();
        let step = frames.next(sequence, length).map_err(failed("read"))?;
        if let Step::Frame { flags, .. } = &step
            && flags.has(Flags::SYNCED)
        {
            proven = offset;
        }
        match step {
            Step::Frame { flags, .. } if flags.has(Flags::SEAL) => break None,
            Step::Frame { flags, .. } => {
                segment.mark(sequence, offset);
                sequence += 1;
                if !flags.has(Flags::MORE) {
                    call = (sequence, frames.offset());
                }
            }
            Step::End => break Some("it ends before it is sealed"),
            Step::Bad(reason) => break Some(reason),
        }
    };
    segment.advance(call.0, call.1);
    let Some(reason) = bad else {
        return Ok(Scan { segment, file, end: End::Sealed, proven });
    };
    let offset = frames.offset();
    let rest = remainder(&*file, header.salt, offset, sequence).map_err(failed("read"))?;
    let end = match rest.synced {
        true => End::Damaged { offset, reason },
        false => End::Open { offset, torn_bytes: offset - call.1 + rest.written_bytes, reason },
    };
    Ok(Scan { segment, file, end, proven })
}

fn read_header(
    file: &dyn DiskFile,
    path: &Path,
    first: u64,
    length: u64,
) -> Result<Header, OpenError> {
    let damaged = |reason: &str| damaged(path, 0, reason);
    let mut header = [0; HEADER_BYTES as usize];
    if length < HEADER_BYTES {
        return Err(damaged("it is shorter than a header"));
    }
    file.read_exact_at(&mut header, 0).map_err(|source| OpenError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    match Header::parse(header) {
        Ok(header) if header.first == first => Ok(header),
        Ok(_) => Err(damaged("the header's sequence is not that of the file name")),
        Err(HeaderError::Damaged(reason)) => Err(damaged(reason)),
        Err(HeaderError::Version(version)) => {
            Err(OpenError::Version { file: path.to_owned(), version })
        }
    }
}

pub(crate) fn damaged(path: &Path, offset: u64, reason: &str) -> OpenError {
    OpenError::Damaged { file: path.to_owned(), offset, reason: reason.to_owned() }
}

/// Reads a whole segment after a restart. The last one may end in a commit nobody was told of: that
/// is cut off and the segment sealed. Returns it and the bytes cut.
pub(crate) fn recover(
    disk: &dyn Disk,
    path: &Path,
    first: u64,
    place: Place,
) -> Result<(Segment, u64), OpenError> {
    let Scan { segment, file, end, proven } = scan(disk, path, first, Access::Write)?;
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
