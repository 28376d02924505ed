//! What can go wrong, as the caller must tell it apart.

use std::{io, path::PathBuf};

/// The journal could not be opened. Nothing was changed, unless the source says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("journal options do not fit together: {0}")]
    Options(&'static str),
    #[error("journal `{}` is in use by another process", .0.display())]
    Locked(PathBuf),
    /// Something other than the torn tail of the last segment is wrong: a disk, not a crash, does
    /// that. Nobody but a person may decide to go on without the records.
    #[error("journal file `{}` is damaged at offset {offset}: {reason}", .file.display())]
    Damaged { file: PathBuf, offset: u64, reason: String },
    #[error("journal file `{}` has format version {version}; this program reads version {}", .file.display(), crate::FORMAT_VERSION)]
    Version { file: PathBuf, version: u32 },
    #[error("failed to {action} `{}`", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// Records were not taken. None of the call's records is in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The disk or `bytes_max` is exhausted, or what is left of them is for urgent records. A later
    /// call may succeed.
    #[error("journal is full")]
    Full,
    /// A write or sync failed. What the disk holds is unknown, so no call will succeed until the
    /// journal is opened again.
    #[error("journal failed and takes no more records")]
    Failed,
    /// A record exceeds `record_bytes_max`, or the call exceeds the queue or a segment.
    #[error("records are larger than the journal takes at once")]
    TooLarge,
    #[error("journal is closed")]
    Closed,
}

/// A record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Retention removed the record; the oldest one left is `first`.
    #[error("record {sequence} was deleted; the oldest one left is {first}")]
    Deleted { sequence: u64, first: u64 },
    /// The reader was placed after the last durable record.
    #[error("record {sequence} does not exist yet; the next one is {next}")]
    Ahead { sequence: u64, next: u64 },
    #[error("journal file `{}` is damaged at offset {offset}: {reason}", .file.display())]
    Damaged { file: PathBuf, offset: u64, reason: String },
    #[error("failed to read `{}`", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A cursor could not be read or moved.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    #[error("cursor name `{}` is not made of a-z, 0-9, `-` and `_`, at most 64", .0.escape_debug())]
    Name(String),
    #[error(
        "cursor `{name}` cannot move to {to}: it is at {position} and the journal ends at {end}"
    )]
    Range { name: String, to: u64, position: u64, end: u64 },
    #[error("journal is closed")]
    Closed,
    #[error("failed to {action} `{}`", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}
