//! Runs the pipeline: one thread reads the journal, applies every record in order, writes the
//! decisions down and hands the notifications on. Nothing else touches the pipeline's state.

mod ahead;
mod applied;
mod check;
mod decisions;
mod handle;
mod runner;
mod snapshot;
mod snapshots;
mod tick;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alert::{Notification, NotificationId};
use journal::{AppendError, CursorError, Journal, ReadError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[cfg(test)]
pub(crate) use self::ahead::CoreEnd;
use self::applied::Applied;
pub(crate) use self::check::Outcome as CheckOutcome;
pub use self::{
    ahead::Appender,
    decisions::{DecisionLog, DecisionReader},
    handle::{Handle, Stopped, SubmitError},
    runner::{Core, Started, State},
};
pub(crate) use self::{ahead::Place, handle::encode, runner::CURSOR as PIPELINE_CURSOR};
use crate::{live::Live, machine::Machine, metrics::CoreMetrics};

/// Folder of the decision log in the data folder.
const DECISIONS: &str = "decisions";
/// Questions that wait for the core's thread; further ones wait to be asked.
const QUESTIONS_MAX: usize = 64;

/// How the core keeps its state.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of snapshots and decisions.
    pub data: PathBuf,
    /// Records applied after which a snapshot is due.
    pub snapshot_records: u64,
    /// Time after which a snapshot is due if anything was applied.
    pub snapshot_interval: Duration,
    /// Time after which the next snapshot is held against a replay; zero: never.
    pub check_interval: Duration,
    /// Alerts in the journal that may wait to be applied: so many urgent ones, and so many others.
    pub backlog_records_max: usize,
    pub decisions: journal::Options,
    pub machine: Arc<dyn Machine>,
}

/// Takes the notifications the pipeline makes. Must not block.
pub trait Sink: Send + Sync {
    /// Delivers it; it takes the place of an older undelivered one of its group and output.
    fn notify(&self, notification: Arc<Notification>);

    /// Forgets it.
    fn withdraw(&self, output: &str, notification: NotificationId);
}

/// The core could not come to the state the journal describes.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to open the decision log")]
    Decisions(#[source] journal::OpenError),
    #[error("failed to read the decision log")]
    DecisionsRead(#[source] ReadError),
    #[error("failed to read the snapshot of the router's state")]
    Snapshot(#[from] snapshot::SnapshotError),
    #[error("failed to restore the router's state from `{}`", .path.display())]
    Restore { path: PathBuf, source: crate::pipeline::RestoreError },
    #[error(
        "the journal starts at record {first}, but there is no snapshot of what came before it in \
         `{}`: was the file `snapshot` deleted?", .data.display()
    )]
    NoSnapshot { data: PathBuf, first: u64 },
    #[error(
        "the snapshot in `{}` is of record {snapshot}, but the journal ends at {journal}: was the \
         journal deleted?", .data.display()
    )]
    SnapshotAhead { data: PathBuf, snapshot: u64, journal: u64 },
    #[error("failed to read the journal")]
    Read(#[from] ReadError),
    #[error("failed to hold the journal's records back from deletion")]
    Cursor(#[from] CursorError),
    #[error("failed to write the configuration to the journal")]
    Append(#[from] AppendError),
}

/// Restores the state, and returns a core that is ready to be configured and started.
///
/// Blocks while it reads what the journal holds beyond the snapshot.
pub async fn open(
    journal: Journal,
    options: Options,
    live: Live,
    metrics: Arc<CoreMetrics>,
    stop: CancellationToken,
) -> Result<(Core, Handle), OpenError> {
    let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
    let (applied, following) = Applied::new();
    let machine = Arc::clone(&options.machine);
    let (appender, behind) = Appender::followed(journal, options.backlog_records_max);
    let ends = (appender.clone(), behind);
    let restored = runner::Core::restore(ends, options, live, metrics, stop, asked, applied);
    let core = restored.await?;
    let decisions = core.decision_log();
    Ok((core, Handle::new(appender, questions, following, decisions, machine)))
}

fn decisions_folder(data: &Path) -> PathBuf {
    data.join(DECISIONS)
}
