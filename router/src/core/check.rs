//! Replays what lies between two snapshots, to see that the newer one is what the journal says: the
//! core takes most records from memory, and a start must come to the same state without it.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use journal::{Disk, ReadError, Reader};
use xxhash_rust::xxh3::Xxh3Default;

use super::snapshot::{self, SnapshotError};
use crate::{
    pipeline::{Pipeline, RestoreError},
    record::Record,
};

/// More records, or a larger state, are not checked: a check takes as long as a start, and the memory of
/// a second state.
pub(super) const RECORDS_MAX: u64 = 250_000;
const BYTES_MAX: u64 = 64 << 20;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Same,
    /// A start would come to another state than the one that decided.
    Differs,
    /// There are no two snapshots to compare, or they are too large.
    Skipped,
    /// It could not be done.
    Failed,
}

impl Outcome {
    pub(crate) const ALL: [Self; 4] = [Self::Same, Self::Differs, Self::Skipped, Self::Failed];

    /// Returns the metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// Why a check could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error("failed to read the snapshots")]
    Snapshot(#[from] SnapshotError),
    #[error("failed to restore the previous snapshot")]
    Restore(#[from] RestoreError),
    #[error("failed to read the journal")]
    Read(#[from] ReadError),
    #[error("failed to hash the state")]
    Hash(#[from] io::Error),
}

/// Compares the newest snapshot with what the previous one and the journal come to. `records` reads
/// from the previous one on.
pub(super) fn replay(
    disk: &dyn Disk,
    data: &Path,
    mut records: Reader,
) -> Result<Outcome, CheckError> {
    let Some(newest) = snapshot::sum(disk, data)? else { return Ok(Outcome::Skipped) };
    if newest.bytes > BYTES_MAX {
        return Ok(Outcome::Skipped);
    }
    let previous = snapshot::previous(disk, data, BYTES_MAX)?;
    let Some(previous) = previous else { return Ok(Outcome::Skipped) };
    if records.position() != previous.sequence {
        return Ok(Outcome::Skipped);
    }
    let mut pipeline = Pipeline::restore(previous.state())?;
    drop(previous);
    let mut effects = Vec::new();
    while records.position() < newest.sequence
        && let Some((sequence, bytes)) = records.next()?
    {
        if let Ok(record) = serde_json::from_slice::<Record>(&bytes) {
            pipeline.apply(sequence, &record, &mut effects);
            effects.clear();
        }
    }
    let mut hash = BufWriter::new(Hash(Xxh3Default::new()));
    pipeline.freeze().write(&mut hash)?;
    let Hash(hash) = hash.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(match snapshot::checksum(newest.sequence, hash.digest()) == newest.sum {
        true => Outcome::Same,
        false => Outcome::Differs,
    })
}

struct Hash(Xxh3Default);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use journal::{FileSystem, Journal};

    use super::*;

    /// A journal of ticks, and the states after the first and after all of them as snapshots.
    async fn site(data: &Path, tamper: bool) -> Reader {
        let (journal, _) =
            Journal::open(&data.join("journal"), journal::Options::default()).unwrap();
        let ticks: Vec<Record> = (1..=3)
            .map(|second| Record::Tick { now: Timestamp::from_second(second).unwrap() })
            .collect();
        let encoded: Vec<Bytes> = ticks.iter().map(super::super::encode).collect();
        journal.append(encoded).await.unwrap();
        let mut pipeline = Pipeline::new();
        for (sequence, tick) in (0..).zip(&ticks) {
            pipeline.apply(sequence, tick, &mut Vec::new());
            if sequence == 0 || sequence == 2 {
                if sequence == 2 && tamper {
                    let late = Record::Tick { now: Timestamp::from_second(9).unwrap() };
                    pipeline.apply(3, &late, &mut Vec::new());
                }
                let frozen = pipeline.freeze();
                snapshot::write(&FileSystem, data, sequence + 1, |out| frozen.write(out)).unwrap();
            }
        }
        journal.read(1).unwrap()
    }

    #[tokio::test]
    async fn a_state_that_does_not_follow_from_the_journal_is_found() {
        for (tamper, expected) in [(false, Outcome::Same), (true, Outcome::Differs)] {
            let data = tempfile::tempdir().unwrap();
            let records = site(data.path(), tamper).await;
            assert_eq!(replay(&FileSystem, data.path(), records).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn without_two_snapshots_there_is_nothing_to_compare() {
        let data = tempfile::tempdir().unwrap();
        let records = site(data.path(), false).await;
        std::fs::remove_file(data.path().join("snapshot.previous")).unwrap();
        let ended = replay(&FileSystem, data.path(), records).unwrap();
        assert_eq!((ended, ended.label()), (Outcome::Skipped, "skipped"));
    }
}
