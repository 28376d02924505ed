//! A durable log of records in segment files: appended in groups, read by many, deleted behind the
//! slowest cursor. The format and its guarantees are in `docs/journal.md`.

mod error;

use std::{ops::Range, path::Path};

use bytes::Bytes;
pub use error::{AppendError, CursorError, OpenError, ReadError};
use tokio::sync::watch;

/// Version in every segment's header.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// One `fdatasync` per commit: an acknowledged record survives a power cut.
    Data,
    /// None until a segment is full: an acknowledged record survives the process, not the machine.
    None,
}

/// Bounds of a journal.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size a segment file is preallocated with.
    pub segment_bytes: u64,
    /// Records one commit takes at most, unless a single call holds more.
    pub group_records_max: usize,
    /// Records waiting for a commit; further calls wait.
    pub queue_records_max: usize,
    pub queue_bytes_max: usize,
    pub record_bytes_max: usize,
    /// Size of all segment files.
    pub bytes_max: u64,
    pub sync: Sync,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            group_records_max: 512,
            queue_records_max: 16_384,
            queue_bytes_max: 64 << 20,
            record_bytes_max: 4 << 20,
            bytes_max: 4 << 30,
            sync: Sync::Data,
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Sequences of the records in the journal.
    pub records: Range<u64>,
    /// Bytes cut from the last segment: a commit nobody was told of.
    pub torn_bytes: u64,
}

/// A journal at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub records: Range<u64>,
    pub segments: usize,
    pub bytes: u64,
    pub bytes_max: u64,
    pub queue_records: usize,
    pub queue_bytes: usize,
    pub cursors: Vec<(String, u64)>,
    /// Commits since it was opened; each is one `fdatasync` under [`Sync::Data`].
    pub commits: u64,
    /// The last append found no space.
    pub full: bool,
    /// Why the journal takes no more records, if it does not.
    pub failure: Option<String>,
}

/// A handle to an open journal. The last one dropped closes it.
#[derive(Clone, Debug)]
pub struct Journal {}

impl Journal {
    /// Opens the journal in `dir`, making it if needed, and cuts a torn tail.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        todo!()
    }

    /// Appends all records or none, and returns their sequences once they are durable.
    pub async fn append(&self, records: Vec<Bytes>) -> Result<Range<u64>, AppendError> {
        todo!()
    }

    /// As [`Self::append`], for a thread without a runtime.
    pub fn append_blocking(&self, records: Vec<Bytes>) -> Result<Range<u64>, AppendError> {
        todo!()
    }

    /// Returns the sequence after the last durable record.
    pub fn durable(&self) -> u64 {
        todo!()
    }

    /// Returns the sequence of the oldest record.
    pub fn first(&self) -> u64 {
        todo!()
    }

    /// Returns a receiver that follows [`Self::durable`].
    pub fn watch(&self) -> watch::Receiver<u64> {
        todo!()
    }

    /// Returns a reader of the records from `from` on.
    pub fn read(&self, from: u64) -> Result<Reader, ReadError> {
        todo!()
    }

    /// Returns the cursor with this name, making it at [`Self::first`] if it is new.
    pub fn cursor(&self, name: &str) -> Result<Cursor, CursorError> {
        todo!()
    }

    /// Forgets a cursor, so that it holds back no deletion.
    pub fn remove_cursor(&self, name: &str) -> Result<(), CursorError> {
        todo!()
    }

    pub fn stat(&self) -> Stat {
        todo!()
    }

    /// Commits what is queued and closes the journal for all its handles.
    pub fn close(self) {
        todo!()
    }
}

/// Reads durable records in order. It never blocks the writer.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Returns the next record, or `None` when there is none yet: call again later.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Result<Option<(u64, Bytes)>, ReadError> {
        todo!()
    }

    /// Returns the sequence of the next record.
    pub fn position(&self) -> u64 {
        todo!()
    }
}

/// A place in the journal that survives a restart and keeps the records after it.
#[derive(Debug)]
pub struct Cursor {}

impl Cursor {
    /// Returns the sequence of the next record to handle.
    pub fn position(&self) -> u64 {
        todo!()
    }

    /// Moves the cursor to `sequence`: everything before it is done and may be deleted.
    pub fn commit(&self, sequence: u64) -> Result<(), CursorError> {
        todo!()
    }
}
