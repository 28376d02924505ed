//! The pipeline's state on disk, so that a start reads only the journal's end.
//!
//! Two files are kept, the newest and the one before it. The journal is deleted up to the older
//! one, so that a damaged newest file costs time and nothing else.

use std::{
    io,
    path::{Path, PathBuf},
};

use journal::{Access, Disk, Journal};
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

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

/// The state after every record before `sequence`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) sequence: u64,
    pub(super) state: Vec<u8>,
    pub(super) path: PathBuf,
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
    let pipeline = Pipeline::restore(&snapshot.state)
        .map_err(|source| OpenError::Restore { path: snapshot.path, source })?;
    Ok((pipeline, sequence))
}

/// Writes a snapshot in place of the newest one, which becomes the previous one.
pub(super) fn write(
    disk: &dyn Disk,
    data: &Path,
    sequence: u64,
    state: &[u8],
) -> Result<(), SnapshotError> {
    let unfinished = data.join(UNFINISHED);
    let newest = data.join(NEWEST);
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::Io { action, path, source }
    };
    let file = disk.open(&unfinished, Access::Create).map_err(io("create", &unfinished))?;
    file.write_all_at(&header(sequence, state), 0)
        .and_then(|()| file.write_all_at(state, HEADER_BYTES as u64))
        .and_then(|()| file.sync_all())
        .map_err(io("write", &unfinished))?;
    match disk.rename(&newest, &data.join(PREVIOUS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io("rename", &newest)(error));
        }
        _ => {}
    }
    disk.rename(&unfinished, &newest).map_err(io("rename", &unfinished))?;
    disk.sync_dir(data).map_err(io("sync", data))
}

/// Returns the newest readable snapshot, or `None` if there never was one.
pub(super) fn read(disk: &dyn Disk, data: &Path) -> Result<Option<Snapshot>, SnapshotError> {
    let mut found = false;
    for name in [NEWEST, PREVIOUS] {
        let path = data.join(name);
        let mut bytes = match contents(disk, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(SnapshotError::Io { action: "read", path, source }),
        };
        found = true;
        match parse(&bytes) {
            Some(sequence) => {
                return Ok(Some(Snapshot { sequence, state: bytes.split_off(HEADER_BYTES), path }));
            }
            None => warn!(file = %path.display(), "a snapshot is damaged; trying the one before"),
        }
    }
    if found { Err(SnapshotError::Damaged(data.join(NEWEST))) } else { Ok(None) }
}

fn contents(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn header(sequence: u64, state: &[u8]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..].copy_from_slice(&checksum(sequence, state).to_le_bytes());
    header
}

/// Returns the sequence of a whole and undamaged snapshot.
fn parse(bytes: &[u8]) -> Option<u64> {
    let (header, state) = bytes.split_at_checked(HEADER_BYTES)?;
    let sequence = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let sum = u64::from_le_bytes(header[16..].try_into().ok()?);
    (header[..8] == MAGIC && sum == checksum(sequence, state)).then_some(sequence)
}

fn checksum(sequence: u64, state: &[u8]) -> u64 {
    xxh3_64(state) ^ sequence.rotate_left(32)
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
        write(&FileSystem, data.path(), 7, b"seven").unwrap();
        write(&FileSystem, data.path(), 9, b"nine").unwrap();
        let snapshot = read(&FileSystem, data.path()).unwrap().unwrap();
        assert_eq!((snapshot.sequence, snapshot.state), (9, b"nine".to_vec()));

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
