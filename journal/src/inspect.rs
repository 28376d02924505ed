//! Looks at a journal's files from outside: nothing is changed, and a process may be using them.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    Access, FileSystem, OpenError, ReadError, cursor,
    frame::{Flags, Frames, Step},
    log::Files,
    segment::{self, End, Scan, Segment},
};

/// A file that grows while it is looked at may seem damaged; it is looked at so often.
const LOOKS_MAX: usize = 5;

/// A journal's files at one moment, each record read and checked.
#[derive(Debug)]
pub struct Inspection {
    pub dir: PathBuf,
    /// A process has it open.
    pub in_use: bool,
    pub segments: Vec<SegmentView>,
    /// By name.
    pub cursors: Vec<(String, u64)>,
    /// Bytes of a commit nobody was told of, which the next start cuts.
    pub torn_bytes: u64,
    /// What keeps the journal from being opened, in the order of the files.
    pub problems: Vec<OpenError>,
    files: Vec<Arc<Segment>>,
}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentView {
    pub path: PathBuf,
    /// Sequences of its records.
    pub records: Range<u64>,
    pub file_bytes: u64,
    /// Up to the end of its last record.
    pub used_bytes: u64,
    /// It will never change.
    pub sealed: bool,
}

/// Returns whether a folder holds a journal.
pub fn is_journal(dir: &Path) -> Result<bool, OpenError> {
    Files::list(&FileSystem, dir).map(|files| !files.segments.is_empty())
}

impl Inspection {
    /// Reads every record of the journal in `dir`. What is wrong with it is in the result; an error
    /// says that the folder itself could not be read.
    pub fn of(dir: &Path) -> Result<Self, OpenError> {
        let in_use = in_use(dir)?;
        let files = Files::list(&FileSystem, dir)?;
        let mut found = Self {
            dir: dir.to_owned(),
            in_use,
            segments: Vec::with_capacity(files.segments.len()),
            cursors: Vec::new(),
            torn_bytes: 0,
            problems: Vec::new(),
            files: Vec::new(),
        };
        for (index, (first, path)) in files.segments.iter().enumerate() {
            found.look(path, *first, index == 0, index + 1 == files.segments.len());
        }
        for (name, path) in files.cursors {
            let position = match cursor::load(&FileSystem, &path) {
                Ok(position) => position,
                Err(error) => {
                    found.problems.push(error);
                    continue;
                }
            };
            let end = found.records().end;
            // While it is in use, records may have been added since they were counted.
            if position > end && !found.in_use && found.problems.is_empty() {
                found.problems.push(cursor::ahead(&path, position, end));
            }
            found.cursors.push((name, position));
        }
        Ok(found)
    }

    /// Returns the sequences of the records that could be read.
    pub fn records(&self) -> Range<u64> {
        match (self.segments.first(), self.segments.last()) {
            (Some(first), Some(last)) => first.records.start..last.records.end,
            _ => 0..0,
        }
    }

    /// Returns how many bytes the files take.
    pub fn file_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.file_bytes).sum()
    }

    /// Reads the records with these sequences again, in order. A gap that damage left is skipped.
    pub fn read(&self, wanted: Range<u64>) -> Records {
        let overlaps =
            |segment: &&Arc<Segment>| segment.next() > wanted.start && segment.first < wanted.end;
        let mut segments: Vec<_> = self.files.iter().filter(overlaps).cloned().collect();
        segments.reverse();
        Records { segments, wanted, place: None }
    }

    fn look(&mut self, path: &Path, first: u64, oldest: bool, newest: bool) {
        let scan = match self.scan(path, first, newest) {
            Ok(scan) => scan,
            // Retention goes on meanwhile: what was older than this is gone too.
            Err(OpenError::Io { source, .. })
                if self.in_use && source.kind() == io::ErrorKind::NotFound =>
            {
                self.segments.clear();
                self.files.clear();
                return;
            }
            Err(error) => return self.problems.push(error),
        };
        if !oldest && self.files.last().is_some_and(|last| last.next() != first) {
            self.problems.push(segment::damaged(path, 0, "records before it are missing"));
        }
        match scan.end {
            End::Sealed => {}
            End::Open { torn_bytes, .. } if newest => {
                // What a process has not finished writing is not torn.
                self.torn_bytes = if self.in_use { 0 } else { torn_bytes };
            }
            End::Open { offset, reason, .. } | End::Damaged { offset, reason } => {
                self.problems.push(segment::damaged(path, offset, reason));
            }
        }
        self.segments.push(SegmentView {
            path: path.to_owned(),
            records: first..scan.segment.next(),
            file_bytes: scan.segment.bytes(),
            used_bytes: scan.segment.end(),
            sealed: scan.end == End::Sealed,
        });
        self.files.push(Arc::new(scan.segment));
    }

    /// Scans a segment, again if it may have grown or been cut to its length under the first look.
    fn scan(&self, path: &Path, first: u64, newest: bool) -> Result<Scan, OpenError> {
        let mut looks = if self.in_use && newest { LOOKS_MAX } else { 1 };
        loop {
            looks -= 1;
            let scan = segment::scan(&FileSystem, path, first, Access::Read);
            let moved = match &scan {
                Ok(scan) => matches!(scan.end, End::Damaged { .. }),
                Err(OpenError::Io { source, .. }) => source.kind() == io::ErrorKind::UnexpectedEof,
                Err(_) => false,
            };
            if looks == 0 || !moved {
                return scan;
            }
        }
    }
}

/// Records of an [`Inspection`], one after the other.
#[derive(Debug)]
pub struct Records {
    /// Those still to be read, the next one last.
    segments: Vec<Arc<Segment>>,
    wanted: Range<u64>,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    segment: Arc<Segment>,
    frames: Frames,
    /// Of the next record.
    sequence: u64,
}

impl Iterator for Records {
    type Item = Result<(u64, Bytes), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(place) = &mut self.place else {
                match Place::enter(self.segments.pop()?, self.wanted.start) {
                    Ok(place) => self.place = Some(place),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match place.next(self.wanted.end) {
                Ok(Some((sequence, _))) if sequence < self.wanted.start => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => self.place = None,
                Err(error) => {
                    self.place = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Place {
    fn enter(segment: Arc<Segment>, sequence: u64) -> Result<Self, ReadError> {
        let file = File::open(&segment.path)
            .map_err(|source| ReadError::Io { path: segment.path.clone(), source })?;
        let (sequence, offset) = segment.seek(sequence);
        let frames = Frames::new(Arc::new(file), segment.salt, offset);
        Ok(Self { segment, frames, sequence })
    }

    fn next(&mut self, end: u64) -> Result<Option<(u64, Bytes)>, ReadError> {
        if self.sequence >= end.min(self.segment.next()) {
            return Ok(None);
        }
        let sequence = self.sequence;
        match self.frames.next(sequence, self.segment.end()) {
            Ok(Step::Frame { flags, payload }) if !flags.has(Flags::SEAL) => {
                self.sequence += 1;
                Ok(Some((sequence, payload)))
            }
            Ok(Step::Frame { .. } | Step::End) => Ok(None),
            Ok(Step::Bad(reason)) => Err(ReadError::Damaged {
                file: self.segment.path.clone(),
                offset: self.frames.offset(),
                reason: reason.to_owned(),
            }),
            Err(source) => Err(ReadError::Io { path: self.segment.path.clone(), source }),
        }
    }
}

/// Returns whether a process holds the journal's lock.
fn in_use(dir: &Path) -> Result<bool, OpenError> {
    let path = dir.join("lock");
    let failed = |source| OpenError::Io { action: "open", path: path.clone(), source };
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed(source)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}
