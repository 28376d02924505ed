//! One file of the log: made at its full size, filled, sealed, deleted.

use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::{FallocateFlags, fallocate};

use crate::{
    OpenError,
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
    file: File,
    /// Offset after the last record written.
    pub(crate) end: u64,
}

impl Active {
    /// Makes a segment whose space is on the disk before it takes a record. It appears under its
    /// name only when all of it is durable.
    pub(crate) fn create(dir: &Path, first: u64, bytes: u64) -> io::Result<Self> {
        let header = Header { first, salt: RandomState::new().hash_one(first) };
        let temporary = dir.join("new.tmp");
        let path = path_of(dir, first);
        let made = (|| {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&temporary)?;
            preallocate(&file, bytes)?;
            file.write_all_at(&header.to_bytes(), 0)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            sync_dir(dir)?;
            Ok(file)
        })();
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                // Gives the space back; if that fails too, the next attempt truncates the file.
                drop(fs::remove_file(&temporary));
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
        seal(&self.file, &self.segment, next, self.end)
    }
}

fn seal(file: &File, segment: &Segment, next: u64, end: u64) -> io::Result<()> {
    file.sync_data()?;
    let mut bytes = Vec::new();
    push(&mut bytes, segment.salt, next, Flags::SEAL.and(Flags::SYNCED), &[]);
    file.write_all_at(&bytes, end)?;
    file.sync_data()?;
    let length = end + bytes.len() as u64;
    file.set_len(length)?;
    file.sync_all()?;
    segment.bytes.store(length, Ordering::Relaxed);
    Ok(())
}

/// Reserves disk space, so that writing to it later cannot find the disk full.
fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        let step = (bytes - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..step as usize], at)?;
        at += step;
    }
    Ok(())
}

pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Where a segment stands among its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Last,
    Earlier,
}

/// Reads a whole segment after a restart. The last one may end in a commit nobody was told of: that
/// is cut off and the segment sealed. Returns it and the bytes cut.
pub(crate) fn recover(path: &Path, first: u64, place: Place) -> Result<(Segment, u64), OpenError> {
    let failed = |action| move |source| OpenError::Io { action, path: path.to_owned(), source };
    let damaged = |offset, reason: &str| OpenError::Damaged {
        file: path.to_owned(),
        offset,
        reason: reason.to_owned(),
    };
    let file =
        Arc::new(OpenOptions::new().read(true).write(true).open(path).map_err(failed("open"))?);
    let length = file.metadata().map_err(failed("inspect"))?.len();
    let mut header = [0; HEADER_BYTES as usize];
    if length < HEADER_BYTES {
        return Err(damaged(0, "it is shorter than a header"));
    }
    file.read_exact_at(&mut header, 0).map_err(failed("read"))?;
    let header = match Header::parse(header) {
        Ok(header) if header.first == first => header,
        Ok(_) => return Err(damaged(0, "the header's sequence is not that of the file name")),
        Err(HeaderError::Damaged(reason)) => return Err(damaged(0, reason)),
        Err(HeaderError::Version(version)) => {
            return Err(OpenError::Version { file: path.to_owned(), version });
        }
    };

    let segment = Segment::new(path.to_owned(), header, length);
    let mut frames = Frames::new(Arc::clone(&file), header.salt, HEADER_BYTES);
    let (mut sequence, mut call) = (first, (first, HEADER_BYTES));
    let bad = loop {
        let offset = frames.offset();
        match frames.next(sequence, length).map_err(failed("read"))? {
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
        return Ok((segment, 0));
    };
    if place == Place::Earlier {
        return Err(damaged(frames.offset(), reason));
    }
    let rest = remainder(&file, header.salt, frames.offset(), sequence).map_err(failed("read"))?;
    if rest.synced {
        return Err(damaged(frames.offset(), reason));
    }
    let torn = frames.offset() - call.1 + rest.written_bytes;
    seal(&file, &segment, call.0, call.1).map_err(failed("seal"))?;
    Ok((segment, torn))
}
