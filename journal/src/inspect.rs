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
    Access, DiskFile, FileSystem, OpenError, ReadError, cursor,
    log::Files,
    scan::{self, Check, End, Scan},
    segment::{self, Segment},
    walk::Walk,
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
    /// What is wrong, in the order of the files. All but a batch that cannot be unpacked, which no
    /// disk and no crash makes, keeps the journal from being opened.
    pub problems: Vec<OpenError>,
    files: Vec<Arc<Segment>>,
}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentView {
    pub path: PathBuf,
    /// Of its format.
    pub version: u32,
    /// Sequences of its records.
    pub records: Range<u64>,
    pub file_bytes: u64,
    /// Up to the end of its last record.
    pub used_bytes: u64,
    /// What its records take unpacked.
    pub unpacked_bytes: u64,
    /// When its first and its last record were written, as far as the clock was right, in
    /// milliseconds since 1970. Version 1 does not tell.
    pub times_ms: Option<(u64, u64)>,
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
        Records { segments, wanted, walk: None }
    }

    /// Returns the sequence of the first record written at this time or later, in milliseconds since
    /// 1970, or that after the last one. It may be given to [`Self::read`].
    ///
    /// Of records in the files of version 1 only those surely written before are left out.
    pub fn written_since(&self, time_ms: u64) -> Result<u64, ReadError> {
        let end = self.records().end;
        let Some(index) = segment::written_since(&self.files, time_ms) else { return Ok(end) };
        let segment = &self.files[index];
        let found = Walk::written_since(Arc::clone(segment), open(segment)?, time_ms)?;
        Ok(found.unwrap_or(end))
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
            self.problems.push(scan::damaged(path, 0, "records before it are missing"));
        }
        match scan.end {
            End::Sealed => {}
            End::Open { torn_bytes, .. } if newest => {
                // What a process has not finished writing is not torn.
                self.torn_bytes = if self.in_use { 0 } else { torn_bytes };
            }
            End::Open { offset, reason, .. } | End::Damaged { offset, reason } => {
                self.problems.push(scan::damaged(path, offset, reason));
            }
        }
        self.segments.push(SegmentView {
            path: path.to_owned(),
            version: scan.segment.version,
            records: first..scan.segment.next(),
            file_bytes: scan.segment.bytes(),
            used_bytes: scan.segment.end(),
            unpacked_bytes: scan.segment.unpacked_bytes(),
            times_ms: scan.segment.times_ms(),
            sealed: scan.end == End::Sealed,
        });
        self.files.push(Arc::new(scan.segment));
    }

    /// Scans a segment, again if it may have grown or been cut to its length under the first look.
    fn scan(&self, path: &Path, first: u64, newest: bool) -> Result<Scan, OpenError> {
        let mut looks = if self.in_use && newest { LOOKS_MAX } else { 1 };
        loop {
            looks -= 1;
            let scan = scan::scan(&FileSystem, path, first, Access::Read, Check::Records);
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
    walk: Option<Walk>,
}

impl Records {
    fn step(&mut self) -> Result<Option<(u64, Bytes)>, ReadError> {
        loop {
            let Some(walk) = &mut self.walk else {
                let Some(segment) = self.segments.pop() else { return Ok(None) };
                let file = open(&segment)?;
                self.walk = Some(Walk::new(segment, file, self.wanted.start));
                continue;
            };
            match walk.next()? {
                Some(record) if record.0 < self.wanted.end => return Ok(Some(record)),
                Some(_) | None => self.walk = None,
            }
        }
    }
}

impl Iterator for Records {
    type Item = Result<(u64, Bytes), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().inspect_err(|_| self.walk = None).transpose()
    }
}

fn open(segment: &Segment) -> Result<Arc<dyn DiskFile>, ReadError> {
    match File::open(&segment.path) {
        Ok(file) => Ok(Arc::new(file)),
        Err(source) => Err(ReadError::Io { path: segment.path.clone(), source }),
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
