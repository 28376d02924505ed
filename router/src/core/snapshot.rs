//! The pipeline's state on disk, so that a start reads only the journal's end.
//!
//! Two files are kept, the newest and the one before it. The journal is deleted up to the older
//! one, so that a damaged newest file costs time and nothing else.

use std::{
    io::{self, BufWriter, IntoInnerError, Write},
    path::{Path, PathBuf},
};

use journal::{Access, Disk, DiskFile, Journal};
use tracing::warn;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::OpenError;
use crate::pipeline::Pipeline;

const MAGIC: [u8; 8] = *b"SAKERST1";
/// Magic, sequence, checksum of what follows it.
const HEADER_BYTES: usize = 8 + 8 + 8;
const NEWEST: &str = "snapshot";
const PREVIOUS: &str = "snapshot.previous";
const UNFINISHED: &str = "snapshot.new";

/// A snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("failed to {action} `{}`", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` and its predecessor are damaged", .0.display())]
    Damaged(PathBuf),
}

/// Bytes of the state that are in memory while it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// The state after every record before `sequence`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) sequence: u64,
    /// As it is in the file.
    bytes: Vec<u8>,
    path: PathBuf,
}

impl Snapshot {
    pub(super) fn state(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }
}

/// Returns the pipeline as it was, and the sequence of the next record to apply.
pub(super) fn restore(
    journal: &Journal,
    disk: &dyn Disk,
    data: &Path,
) -> Result<(Pipeline, u64), OpenError> {
    let Some(snapshot) = read(disk, data)? else {
        let first = journal.first();
        if first > 0 {
            return Err(OpenError::NoSnapshot { data: data.to_owned(), first });
        }
        return Ok((Pipeline::new(), 0));
    };
    let (sequence, end) = (snapshot.sequence, journal.durable());
    if sequence > end {
        let data = data.to_owned();
        return Err(OpenError::SnapshotAhead { data, snapshot: sequence, journal: end });
    }
    let restored = Pipeline::restore(snapshot.state());
    let pipeline = restored.map_err(|source| OpenError::Restore { path: snapshot.path, source })?;
    Ok((pipeline, sequence))
}

/// Writes a snapshot in place of the newest one, which becomes the previous one. `state` hands the
/// state out. Returns the file's size.
pub(super) fn write(
    disk: &dyn Disk,
    data: &Path,
    sequence: u64,
    state: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<u64, SnapshotError> {
    let unfinished = data.join(UNFINISHED);
    let newest = data.join(NEWEST);
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::Io { action, path, source }
    };
    let file = disk.open(&unfinished, Access::Create).map_err(io("create", &unfinished))?;
    let written = || {
        let body = Body { file: &*file, end: HEADER_BYTES as u64, sum: Xxh3Default::new() };
        let mut body = BufWriter::with_capacity(BUFFER_BYTES, body);
        state(&mut body)?;
        let body = body.into_inner().map_err(IntoInnerError::into_error)?;
        file.write_all_at(&header(sequence, body.sum.digest()), 0)?;
        file.sync_all()?;
        Ok(body.end)
    };
    let length = written().map_err(io("write", &unfinished))?;
    match disk.rename(&newest, &data.join(PREVIOUS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io("rename", &newest)(error));
        }
        _ => {}
    }
    disk.rename(&unfinished, &newest).map_err(io("rename", &unfinished))?;
    disk.sync_dir(data).map_err(io("sync", data))?;
    Ok(length)
}

/// What comes after the header.
struct Body<'a> {
    file: &'a dyn DiskFile,
    end: u64,
    sum: Xxh3Default,
}

impl Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.end)?;
        self.sum.update(bytes);
        self.end += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the newest readable snapshot, or `None` if there never was one.
fn read(disk: &dyn Disk, data: &Path) -> Result<Option<Snapshot>, SnapshotError> {
    let mut found = false;
    for name in [NEWEST, PREVIOUS] {
        let path = data.join(name);
        let bytes = match contents(disk, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(SnapshotError::Io { action: "read", path, source }),
        };
        found = true;
        match parse(&bytes) {
            Some(sequence) => {
                return Ok(Some(Snapshot { sequence, bytes, path }));
            }
            None => warn!(file = %path.display(), "a snapshot is damaged; trying the one before"),
        }
    }
    if found { Err(SnapshotError::Damaged(data.join(NEWEST))) } else { Ok(None) }
}

/// Returns the one before the newest, if there is one and it is not larger than so.
pub(super) fn previous(
    disk: &dyn Disk,
    data: &Path,
    bytes_max: u64,
) -> Result<Option<Snapshot>, SnapshotError> {
    let path = data.join(PREVIOUS);
    if sum_of(disk, &path)?.is_none_or(|sum| sum.bytes > bytes_max) {
        return Ok(None);
    }
    let read = contents(disk, &path);
    let bytes =
        read.map_err(|source| SnapshotError::Io { action: "read", path: path.clone(), source })?;
    let Some(sequence) = parse(&bytes) else { return Err(SnapshotError::Damaged(path)) };
    Ok(Some(Snapshot { sequence, bytes, path }))
}

/// What the header of a snapshot says.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) sequence: u64,
    pub(super) sum: u64,
    /// Size of the file.
    pub(super) bytes: u64,
}

/// Returns what the newest snapshot says of itself, if there is one.
pub(super) fn sum(disk: &dyn Disk, data: &Path) -> Result<Option<Sum>, SnapshotError> {
    sum_of(disk, &data.join(NEWEST))
}

fn sum_of(disk: &dyn Disk, path: &Path) -> Result<Option<Sum>, SnapshotError> {
    let io = |source| SnapshotError::Io { action: "read", path: path.to_owned(), source };
    let file = match disk.open(path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io)?,
    };
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).map_err(io)?;
    let (sequence, sum) = fields(&header);
    Ok(Some(Sum { sequence, sum, bytes: file.length().map_err(io)? }))
}

/// Returns a header's sequence and checksum.
fn fields(header: &[u8; HEADER_BYTES]) -> (u64, u64) {
    let [_, sequence, sum] = [0, 8, 16].map(|at| {
        let bytes = header[at..at + 8].try_into();
        bytes.map_or(0, u64::from_le_bytes)
    });
    (sequence, sum)
}

fn contents(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Returns the header of a state that has this hash.
fn header(sequence: u64, hash: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..].copy_from_slice(&checksum(sequence, hash).to_le_bytes());
    header
}

/// Returns the sequence of a whole and undamaged snapshot.
fn parse(bytes: &[u8]) -> Option<u64> {
    let (header, state) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let (sequence, sum) = fields(header);
    (header[..8] == MAGIC && sum == checksum(sequence, xxh3_64(state))).then_some(sequence)
}

/// Returns the checksum of a state that has this hash.
pub(super) fn checksum(sequence: u64, hash: u64) -> u64 {
    hash ^ sequence.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use journal::FileSystem;

    use super::*;

    fn sequence(data: &Path) -> Option<u64> {
        read(&FileSystem, data).unwrap().map(|snapshot| snapshot.sequence)
    }

    #[test]
    fn the_newest_whole_snapshot_is_read() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(sequence(data.path()), None);
        let put = |sequence, state: &[u8]| {
            let length = write(&FileSystem, data.path(), sequence, |out| out.write_all(state));
            assert_eq!(length.unwrap(), (HEADER_BYTES + state.len()) as u64);
        };
        put(7, b"seven");
        let long = vec![b'n'; 3 * BUFFER_BYTES + 1];
        put(9, &long);
        let snapshot = read(&FileSystem, data.path()).unwrap().unwrap();
        assert_eq!((snapshot.sequence, snapshot.state()), (9, &*long));
        let before = |bytes_max| previous(&FileSystem, data.path(), bytes_max).unwrap();
        assert_eq!(before(1000).map(|snapshot| snapshot.sequence), Some(7));
        assert_eq!(before(HEADER_BYTES as u64), None, "it is larger");

        let newest = data.path().join(NEWEST);
        let mut bytes = fs::read(&newest).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&newest, bytes).unwrap();
        assert_eq!(sequence(data.path()), Some(7));

        fs::remove_file(&newest).unwrap();
        assert_eq!(sequence(data.path()), Some(7), "a crash between the renames");

        fs::write(&newest, b"SAKER").unwrap();
        fs::write(data.path().join(PREVIOUS), b"").unwrap();
        assert!(matches!(read(&FileSystem, data.path()), Err(SnapshotError::Damaged(_))));
    }
}
