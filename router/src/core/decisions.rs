//! The log of everything the pipeline decided, oldest forgotten first. `explain` reads it.
//!
//! It can be lost without losing an alert: the journal is the truth, this is the account.

use bytes::Bytes;
use journal::{AppendError, Journal, ReadError};

use super::{OpenError, Options, decisions_folder};
use crate::pipeline::Decision;

/// Decisions appended at once, and their size: a part of the smallest segment the log may have.
const APPEND_MAX: usize = 1024;
const APPEND_BYTES_MAX: usize = 64 << 10;

/// Reads and writes the log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DecisionLog {
    journal: Journal,
}

/// Reads decisions in their order.
#[derive(Debug)]
pub struct DecisionReader {
    reader: journal::Reader,
}

/// What the log holds already, so that a replay of the journal writes nothing twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Journal sequence of the last decision.
    sequence: u64,
    /// Decisions of that very record.
    count: u64,
}

/// Writes decisions, several at once.
#[derive(Debug)]
pub(super) struct DecisionWriter {
    log: DecisionLog,
    written: Written,
    /// Decisions seen of the record `written.sequence`.
    seen: u64,
    waiting: Vec<Bytes>,
}

impl DecisionWriter {
    pub(super) fn open(options: &Options) -> Result<Self, OpenError> {
        let folder = decisions_folder(&options.data);
        let opened = options.machine.open_journal(&folder, options.decisions.clone());
        let (journal, _) = opened.map_err(OpenError::Decisions)?;
        let log = DecisionLog { journal };
        let written = log.written().map_err(OpenError::DecisionsRead)?;
        Ok(Self { log, written, seen: 0, waiting: Vec::new() })
    }

    pub(super) fn log(&self) -> DecisionLog {
        self.log.clone()
    }

    /// Notes a decision, and returns whether it is new: not yet in the log.
    pub(super) fn note(&mut self, decision: &Decision) -> bool {
        if decision.sequence < self.written.sequence {
            return false;
        }
        if decision.sequence == self.written.sequence && self.seen < self.written.count {
            self.seen += 1;
            return false;
        }
        // As for records: a decision has text keys and finite numbers only.
        self.waiting.push(serde_json::to_vec(decision).expect("a decision serialises").into());
        true
    }

    /// Writes what was noted. All of a record's decisions must be noted before.
    ///
    /// What cannot be written is dropped; returns how many that were, and why.
    pub(super) async fn flush(&mut self) -> Result<(), (usize, AppendError)> {
        // One tick may close a hundred thousand groups: more than the log's queue takes at once.
        while !self.waiting.is_empty() {
            let mut bytes = 0;
            let fit = self.waiting.iter().take(APPEND_MAX).take_while(|decision| {
                bytes += decision.len();
                bytes <= APPEND_BYTES_MAX
            });
            let count = fit.count().max(1);
            let rest = self.waiting.split_off(count);
            let part = std::mem::replace(&mut self.waiting, rest);
            if let Err(error) = self.log.journal.append(part).await {
                return Err((count + std::mem::take(&mut self.waiting).len(), error));
            }
        }
        Ok(())
    }
}

impl DecisionLog {
    /// Returns the places of the oldest decision and of the one after the newest.
    pub fn range(&self) -> std::ops::Range<u64> {
        self.journal.first()..self.journal.durable()
    }

    /// Returns the bytes it may still grow by.
    pub(crate) fn room_bytes(&self) -> u64 {
        let stat = self.journal.stat();
        stat.bytes_max.saturating_sub(stat.bytes)
    }

    /// Returns a reader from a place on.
    pub fn read(&self, from: u64) -> Result<DecisionReader, ReadError> {
        Ok(DecisionReader { reader: self.journal.read(from)? })
    }

    /// Returns the decision at a place; `None` if it is unreadable.
    pub fn at(&self, place: u64) -> Result<Option<Decision>, ReadError> {
        let record = self.journal.read(place)?.next()?;
        Ok(record.and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok()))
    }

    /// Returns the place of the first decision that a record with this sequence, or a later one,
    /// caused; the end if there is none.
    pub fn find(&self, sequence: u64) -> Result<u64, ReadError> {
        let std::ops::Range { start: mut low, end: mut high } = self.range();
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle)? {
                Some(decision) if decision.sequence < sequence => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    fn written(&self) -> Result<Written, ReadError> {
        let mut written = Written::default();
        for place in self.range().rev() {
            let Some(decision) = self.at(place)? else { continue };
            if written.count > 0 && decision.sequence != written.sequence {
                break;
            }
            written.sequence = decision.sequence;
            written.count += 1;
        }
        Ok(written)
    }
}

impl DecisionReader {
    /// Returns the next decision's bytes, or `None` at the end.
    pub fn next_bytes(&mut self) -> Result<Option<Bytes>, ReadError> {
        Ok(self.reader.next()?.map(|(_, bytes)| bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use alert::GroupId;

    use super::*;
    use crate::{
        machine::Local,
        pipeline::{CloseReason, DecisionKind},
    };

    #[tokio::test]
    async fn however_many_decisions_one_record_makes_they_are_written_once() {
        let data = tempfile::tempdir().unwrap();
        let options = Options {
            data: data.path().to_owned(),
            snapshot_records: 1,
            snapshot_interval: Duration::ZERO,
            check_interval: Duration::ZERO,
            backlog_records_max: 1,
            decisions: journal::Options::default(),
            machine: Arc::new(Local),
        };
        let close = |group| Decision {
            sequence: 7,
            time: jiff::Timestamp::UNIX_EPOCH,
            kind: DecisionKind::GroupClosed {
                group: GroupId(group),
                alerts: 1,
                findings: 1,
                why: CloseReason::Quiet,
            },
        };
        for new in [true, false] {
            let mut writer = DecisionWriter::open(&options).unwrap();
            for group in 0..20_000 {
                assert_eq!(writer.note(&close(group)), new);
            }
            writer.flush().await.unwrap();
            assert_eq!(writer.log().range(), 0..20_000);
        }
    }
}
