//! Takes decisions up into the history, behind the pipeline and at its own pace.
//!
//! It may fall behind, and nothing waits for it: when the journal needs room, alerts are let go that
//! the history then has only decisions about.

mod carry;
mod open;

use std::{collections::BTreeSet, fs, io, path::PathBuf, sync::Arc, time::Instant};

use jiff::Timestamp;
use journal::{Cursor, CursorError, ReadError};
use service::ErrorChain;
use tokio::runtime;
use tracing::{info, warn};

pub(super) use self::carry::carry;
use self::open::Open;
use super::{
    HistoryConfig, QUERY_TIME_MAX,
    account::Owed,
    aging::Aging,
    folder::{self, File, day_of},
    metrics::Metrics,
    part::{Part, PartError, Place},
    reader::PartReader,
};
use crate::{
    core::{Handle, Stopped},
    pipeline::Decision,
};

/// Name of the journal cursor.
pub(super) const CURSOR: &str = "history";
/// Decisions taken up at once.
const BATCH_MAX: usize = 2048;
/// Share of the disk that the history leaves free.
const FREE_SHARE: u64 = 20;
/// What journal and decision log may still grow by, and some segments, are left free too, up to this
/// share of the disk.
const GROWTH_SHARE: u64 = 2;
pub(super) const FREE_SEGMENTS: u64 = 4;

/// The history cannot go on for now.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error("the router is stopping")]
    Stopped(#[from] Stopped),
    #[error("failed to use `{}`", .path.display())]
    Part { path: PathBuf, source: PartError },
    #[error("failed to read decisions")]
    Decisions(#[from] ReadError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error("failed to keep the folder")]
    Folder(#[from] io::Error),
}

/// What a step left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    More,
    Nothing,
}

/// What it is given.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) core: Handle,
    pub(super) folder: PathBuf,
    pub(super) config: HistoryConfig,
    /// Space that snapshots and the history's own transactions may need at any time.
    pub(super) reserve_bytes: u64,
    pub(super) metrics: Metrics,
}

#[derive(Debug)]
pub(super) struct Indexer {
    settings: Settings,
    runtime: runtime::Handle,
    cursor: Cursor,
    open: Option<Open>,
    swept: Option<Instant>,
    aging: Aging,
}

impl Indexer {
    /// Blocks while it makes the cursor.
    pub(super) fn new(settings: Settings) -> Result<Self, IndexError> {
        let cursor = settings.core.journal().cursor(CURSOR)?;
        let runtime = runtime::Handle::current();
        let aging = Aging::new(settings.config.days_max);
        Ok(Self { settings, runtime, cursor, open: None, swept: None, aging })
    }

    /// Takes some decisions up; blocks.
    pub(super) fn step(&mut self) -> Result<Left, IndexError> {
        // Everything decided before is in the log by now.
        let applied = self.settings.core.applied();
        let result = self.step_on(applied);
        if let Err(error) = &result {
            self.open = None;
            self.put_aside_if_damaged(error)?;
            self.release(applied, 0)?;
        }
        result
    }

    fn step_on(&mut self, applied: u64) -> Result<Left, IndexError> {
        if self.open.is_none() {
            self.open = Some(self.reopen()?);
        }
        let (batch, gap) = self.read()?;
        let left = if batch.len() < BATCH_MAX { Left::Nothing } else { Left::More };
        if !self.write(&batch, applied)? {
            // What was read and not written is read again.
            let place = self.open.take().map_or(0, |open| open.place.sequence);
            self.release(applied, place.min(applied))?;
            return Ok(Left::Nothing);
        }
        if gap {
            self.settings.metrics.gaps.inc();
            warn!(
                "decisions were forgotten before the history had them; it goes on with the newest"
            );
            self.open = Some(self.begin()?);
        }
        let done = match (left, &self.open) {
            (Left::More, Some(open)) => open.place.sequence.min(applied),
            _ => applied,
        };
        self.settings.metrics.behind(applied.saturating_sub(done));
        self.release(applied, done)?;
        self.sweep()?;
        Ok(left)
    }

    /// Puts a file out of the way that would fail each time.
    fn put_aside_if_damaged(&self, error: &IndexError) -> Result<(), IndexError> {
        let IndexError::Part { path, source } = error else { return Ok(()) };
        if !is_damaged(source) {
            return Ok(());
        }
        for file in folder::list(&self.settings.folder)?.iter().filter(|file| file.path == *path) {
            let aside = file.put_aside()?;
            warn!(
                file = %path.display(), aside = %aside.display(), error = %ErrorChain(source),
                "a part of the history is damaged and put aside"
            );
        }
        Ok(())
    }

    /// Finds out where the history ends, and goes on there if the decisions still are there.
    fn reopen(&self) -> Result<Open, IndexError> {
        fs::create_dir_all(&self.settings.folder)?;
        let mut files = folder::list(&self.settings.folder)?;
        while let Some(file) = files.pop() {
            let opened = Part::open(&file.path).and_then(|part| {
                let reader = PartReader::open(&file.path, Instant::now() + QUERY_TIME_MAX)?;
                Ok((part, reader.place()?))
            });
            match opened {
                Ok((part, Some(place))) => {
                    let Some(after) = self.after(place)? else { break };
                    let decisions = self.settings.core.decisions().read(after)?;
                    let (alerts, sources) = (None, BTreeSet::new());
                    return Ok(Open { file, part, place, decisions, alerts, sources });
                }
                // Made, but nothing was written to it.
                Ok((part, None)) => {
                    drop(part);
                    file.delete()?;
                }
                Err(source) => return Err(IndexError::Part { path: file.path, source }),
            }
        }
        self.begin()
    }

    /// Returns where in the log the decisions after a place are; `None` if some are forgotten.
    fn after(&self, place: Place) -> Result<Option<u64>, IndexError> {
        let log = self.settings.core.decisions();
        let first = log.range().start;
        let found = log.find(place.sequence).and_then(|at| {
            // What is forgotten may have been of this record too.
            let is_cut = at == first && first > 0 && at < log.range().end;
            if is_cut && log.at(first)?.is_some_and(|it| it.sequence >= place.sequence) {
                return Ok(None);
            }
            let next = log.find(place.sequence.saturating_add(1))?;
            Ok(Some(at.saturating_add(place.count).min(next)))
        });
        match found {
            Err(ReadError::Deleted { .. }) => Ok(None),
            found => Ok(found?),
        }
    }

    /// Begins anew: with all that was ever decided if the log still has it, else with what is owed
    /// now and what is decided from now on.
    fn begin(&self) -> Result<Open, IndexError> {
        let log = self.settings.core.decisions();
        let (place, since, owed) = if log.range().start == 0 {
            let first = if log.range().is_empty() { None } else { log.at(0)? };
            let since = first.map_or_else(service::clock::now, |first| first.time);
            (Place::default(), since, Owed::default())
        } else {
            let asked = self.settings.core.ask(|state| (state.pipeline.ledger(), state.position));
            let (ledger, position) = self.runtime.block_on(asked)?;
            let sequence = position.saturating_sub(1);
            let place = Place { sequence, count: i64::MAX.cast_unsigned() };
            (place, service::clock::now(), Owed::of(&ledger))
        };
        let number = folder::list(&self.settings.folder)?.last().map_or(1, |file| file.number + 1);
        let file = File::new(&self.settings.folder, number, day_of(since));
        let made = Part::open(&file.path).and_then(|mut part| {
            let mut batch = part.batch()?;
            batch.anchor(since, &owed)?;
            batch.begin_after(place);
            batch.commit()?;
            Ok(part)
        });
        let part = made.map_err(|source| IndexError::Part { path: file.path.clone(), source })?;
        let decisions = log.read(self.after(place)?.unwrap_or(log.range().start))?;
        info!(sequence = place.sequence, "the history begins");
        Ok(Open { file, part, place, decisions, alerts: None, sources: BTreeSet::new() })
    }

    /// Reads decisions, and whether the next ones are forgotten.
    fn read(&mut self) -> Result<(Vec<Decision>, bool), IndexError> {
        let Some(open) = &mut self.open else { return Ok((Vec::new(), false)) };
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX {
            match open.decisions.next_bytes() {
                Ok(Some(bytes)) => match serde_json::from_slice(&bytes) {
                    Ok(decision) => batch.push(decision),
                    Err(error) => {
                        self.settings.metrics.failures.inc();
                        warn!(%error, "a decision is unreadable; the history goes on without it");
                    }
                },
                Ok(None) => break,
                Err(ReadError::Deleted { .. }) => return Ok((batch, true)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((batch, false))
    }

    /// Writes decisions, in as many transactions and files as they need; returns false if the disk
    /// is too full for all of them.
    fn write(&mut self, mut rest: &[Decision], applied: u64) -> Result<bool, IndexError> {
        while let Some(first) = rest.first() {
            let is_short = self.is_short_of_space()?;
            self.settings.metrics.paused(is_short);
            if is_short {
                return Ok(false);
            }
            self.roll_if_due(first.time)?;
            let Some(open) = &mut self.open else { return Ok(false) };
            let day = open.file.day;
            let end = rest.iter().position(|decision| day_of(decision.time) > day);
            let part = &rest[..end.unwrap_or(rest.len())];
            let written = open
                .write(part, self.settings.core.journal(), &self.settings.metrics)
                .map_err(|source| IndexError::Part { path: open.file.path.clone(), source })?;
            rest = &rest[written..];
            self.release(applied, 0)?;
        }
        Ok(true)
    }

    /// Goes on in another file when a day begins, or when the file is large.
    fn roll_if_due(&mut self, time: Timestamp) -> Result<(), IndexError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let day = day_of(time);
        if day <= open.file.day && open.file.bytes() < self.settings.config.part_bytes_max() {
            return Ok(());
        }
        let file = File::new(&self.settings.folder, open.file.number + 1, day.max(open.file.day));
        let part = Part::open(&file.path)
            .map_err(|source| IndexError::Part { path: file.path.clone(), source })?;
        (open.part, open.file) = (part, file);
        open.sources.clear();
        Ok(())
    }

    /// Lets the journal delete what is taken up; or what is not, when it needs room.
    fn release(&self, applied: u64, done: u64) -> Result<(), IndexError> {
        let passed = if is_short(self.settings.core.journal()) { applied } else { done };
        if passed > self.cursor.position() {
            self.cursor.commit(passed)?;
        }
        Ok(())
    }

    /// Returns whether nothing may be written as the disk is nearly full, though all old files are
    /// deleted: the journal comes first.
    fn is_short_of_space(&mut self) -> Result<bool, IndexError> {
        if !self.is_tight()? {
            return Ok(false);
        }
        self.swept = None;
        self.sweep()?;
        Ok(self.is_tight()?)
    }

    fn is_tight(&self) -> io::Result<bool> {
        let disk = rustix::fs::statvfs(&self.settings.folder)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let core = &self.settings.core;
        let journal = core.journal().stat();
        let growth =
            journal.bytes_max.saturating_sub(journal.bytes) + core.decisions().room_bytes();
        let reserve = self.settings.reserve_bytes;
        let needed = growth.saturating_add(reserve).min(total / GROWTH_SHARE);
        Ok(free < needed.max(reserve).max(total / FREE_SHARE))
    }

    /// Deletes the oldest files beyond the bounds.
    fn sweep(&mut self) -> Result<(), IndexError> {
        if self.swept.is_some_and(|swept| swept.elapsed() < super::SWEEP_INTERVAL) {
            return Ok(());
        }
        self.swept = Some(Instant::now());
        let files = folder::list(&self.settings.folder)?;
        let mut bytes: u64 = files.iter().map(File::bytes).sum();
        let machine = Arc::clone(self.settings.core.machine());
        let today = day_of(machine.now());
        let mut kept = files.len();
        for pair in files.windows(2) {
            let [file, next] = pair else { break };
            if bytes <= self.settings.config.bytes_max.0
                && !self.is_tight()?
                && !self.aging.takes(machine.instant(), today, next.day)
            {
                break;
            }
            carry(file, next)?;
            bytes -= file.bytes();
            file.delete()?;
            kept -= 1;
            info!(file = %file.path.display(), "deleted the oldest part of the history");
        }
        self.settings.metrics.sizes(bytes, kept);
        Ok(())
    }
}

/// Returns whether the journal needs the room of what it holds for the history.
pub(super) fn is_short(journal: &journal::Journal) -> bool {
    journal.stat().is_short()
}

fn is_damaged(error: &PartError) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        PartError::Sqlite(error) => {
            matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
        }
        PartError::Damaged(_) | PartError::Foreign(_) => true,
        PartError::Deadline | PartError::Folder(_) | PartError::Compress(_) => false,
    }
}
