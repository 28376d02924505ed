//! When the state is written down: often enough that a start is short, and rarely enough that it does
//! not keep the thread from its records.

use std::{sync::Arc, time::Duration};

use journal::{Cursor, Journal, Reader};
use service::ErrorChain;
use tokio::{sync::oneshot, time::Instant};
use tracing::{error, warn};

use super::{
    Options,
    check::{self, Outcome},
    snapshot,
};
use crate::{
    metrics::CoreMetrics,
    pipeline::{Frozen, Pipeline},
};

/// Least time between two snapshots that are only due because the journal is short of space.
const SHORT_OF_SPACE_PAUSE: Duration = Duration::from_secs(1);
/// One is due again only after this many times the time the last one stopped the thread,
const REST_FACTOR: u32 = 20;
/// and after this many times the time it was written in aside. What came meanwhile is applied again after a kill.
const ASIDE_FACTOR: u32 = 4;

/// When the next snapshot is due, and the one being written.
#[derive(Debug)]
pub(super) struct Snapshots {
    options: Options,
    metrics: Arc<CoreMetrics>,
    /// Keeps what the snapshots on disk need.
    cursor: Arc<Cursor>,
    /// Of the newest one on disk.
    sequence: u64,
    taken: Instant,
    rest: Duration,
    /// When one was last held against the journal.
    checked: Option<Instant>,
    writing: Option<oneshot::Receiver<Option<Taken>>>,
}

/// A snapshot that is on disk.
#[derive(Clone, Copy, Debug)]
struct Taken {
    sequence: u64,
    /// For how long it was written.
    took: Duration,
}

impl Snapshots {
    /// `sequence` is that of the newest one on disk.
    pub(super) fn new(
        options: Options,
        metrics: Arc<CoreMetrics>,
        cursor: Cursor,
        sequence: u64,
    ) -> Self {
        let taken = options.machine.instant();
        let cursor = Arc::new(cursor);
        Self {
            options,
            metrics,
            cursor,
            sequence,
            taken,
            rest: Duration::ZERO,
            checked: None,
            writing: None,
        }
    }

    /// Has one written aside if it is due. `position` is the sequence of the next record to apply.
    pub(super) fn take_if_due(&mut self, pipeline: &Pipeline, position: u64, journal: &Journal) {
        if !self.is_idle() {
            return;
        }
        let machine = Arc::clone(&self.options.machine);
        let elapsed = machine.instant() - self.taken;
        if elapsed < self.rest {
            return;
        }
        let short = journal.stat().is_short() && elapsed >= SHORT_OF_SPACE_PAUSE;
        let records = position - self.sequence;
        let due = records >= self.options.snapshot_records
            || (records > 0 && elapsed >= self.options.snapshot_interval)
            || (short && self.cursor.position() < position);
        if !due {
            return;
        }
        let started = machine.instant();
        let state = pipeline.freeze();
        self.taken = machine.instant();
        self.rest = (self.taken - started) * REST_FACTOR;
        let (finished, writing) = oneshot::channel();
        let records = if short { None } else { self.records_to_check(position, journal) };
        let check = records.map(|records| self.check(records));
        let job = self.job(state, position, short);
        let work = Box::new(move || {
            let taken = job();
            if let (Some(_), Some(check)) = (taken, check) {
                check();
            }
            finished.send(taken).ok();
        });
        match machine.aside("snapshot", work) {
            Ok(()) => self.writing = Some(writing),
            Err(error) => warn!(%error, "failed to start a thread that writes a snapshot"),
        }
    }

    /// Writes one and waits for it.
    pub(super) fn take(&mut self, pipeline: &Pipeline, position: u64, short: bool) {
        if let Some(taken) = self.job(pipeline.freeze(), position, short)() {
            self.sequence = taken.sequence;
        }
    }

    /// Waits for the one being written, and writes the last one.
    pub(super) async fn finish(mut self, pipeline: &Pipeline, position: u64) {
        if let Some(writing) = self.writing.take()
            && let Ok(Some(taken)) = writing.await
        {
            self.sequence = taken.sequence;
        }
        if position > self.sequence {
            self.take(pipeline, position, false);
        }
    }

    /// Returns whether none is being written, and notes the end of the one that was.
    fn is_idle(&mut self) -> bool {
        let Some(writing) = &mut self.writing else { return true };
        match writing.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => return false,
            Ok(Some(Taken { sequence, took })) => {
                self.sequence = sequence;
                self.rest = self.rest.max(took * ASIDE_FACTOR);
            }
            Ok(None) | Err(oneshot::error::TryRecvError::Closed) => {
                self.metrics.snapshots_failed.inc();
            }
        }
        self.writing = None;
        true
    }

    /// Returns the records since the newest one, if the next is to be held against them.
    fn records_to_check(&mut self, position: u64, journal: &Journal) -> Option<Reader> {
        let (every, now) = (self.options.check_interval, self.options.machine.instant());
        let is_due = self.checked.is_none_or(|checked| now - checked >= every);
        let is_small = self.sequence > 0 && position - self.sequence <= check::RECORDS_MAX;
        if every.is_zero() || !is_due || !is_small {
            return None;
        }
        self.checked = Some(now);
        journal.read(self.sequence).ok()
    }

    /// Returns what holds the newest one on disk against the one before and the records since.
    fn check(&self, records: Reader) -> impl FnOnce() + Send + use<> {
        let (machine, data) = (Arc::clone(&self.options.machine), self.options.data.clone());
        let metrics = Arc::clone(&self.metrics);
        move || {
            let from = records.position();
            let replayed = check::replay(&*machine.disk(), &data, records);
            let outcome = replayed.unwrap_or_else(|error| {
                warn!(from, error = %ErrorChain(&error), "failed to check a snapshot");
                Outcome::Failed
            });
            if outcome == Outcome::Differs {
                error!(from, "a replay of the journal comes to another state: a start will, too");
            }
            metrics.state_checks.with_label_values(&[outcome.label()]).inc();
        }
    }

    /// Returns what writes one, and then lets the journal delete what none needs; when space is
    /// `short`, also what only the previous one does.
    fn job(
        &self,
        state: Frozen,
        sequence: u64,
        short: bool,
    ) -> impl FnOnce() -> Option<Taken> + Send + use<> {
        let (machine, data) = (Arc::clone(&self.options.machine), self.options.data.clone());
        let (metrics, cursor) = (Arc::clone(&self.metrics), Arc::clone(&self.cursor));
        let needed = if short { sequence } else { self.sequence };
        move || {
            let started = machine.instant();
            let written =
                snapshot::write(&*machine.disk(), &data, sequence, |out| state.write(out));
            drop(state);
            let took = machine.instant() - started;
            match written {
                Ok(bytes) => metrics.snapshot_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX)),
                Err(error) => {
                    warn!(error = %ErrorChain(&error), "failed to write a snapshot; will try again");
                    return None;
                }
            }
            if let Err(error) = cursor.commit(needed) {
                warn!(error = %ErrorChain(&error), "failed to move the journal's cursor");
            }
            Some(Taken { sequence, took })
        }
    }
}
