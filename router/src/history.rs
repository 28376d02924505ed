//! What was decided, as far back as there is room for: SQLite files that follow the decision log.
//!
//! `explain`, lists of alerts and the account of a span read it. It is derived: it may fall behind,
//! be damaged or be deleted, and no alert waits for it or is lost with it.

mod account;
mod aging;
mod folder;
mod indexer;
mod metrics;
mod part;
mod query;
mod reader;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use journal::{CursorError, Journal};
use prometheus::Registry;
use schemars::JsonSchema;
use serde::Deserialize;
use service::{ErrorChain, config::HumanBytes, retry, shutdown::Shutdown};
use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub use self::{
    account::{OutputSpan, SourceLedger, SpanLedger},
    part::PartError,
    query::{ChangesPage, Past, PastPage},
};
use self::{
    indexer::{CURSOR, FREE_SEGMENTS, IndexError, Indexer, Left, Settings},
    metrics::Metrics,
};
pub(crate) use self::{
    query::{Asked, subject},
    reader::{AlertFilter, ChangeFilter},
};
use crate::core::Handle;

/// Folder of the history in the data folder.
const FOLDER: &str = "history";
/// Parts that fill the whole room: that many times the history is cut by an eighth of it.
const PARTS: u64 = 8;
const PART_BYTES_MIN: u64 = 1 << 20;
/// Time between two transactions, so that one is worth its `fsync`.
const PAUSE: Duration = Duration::from_millis(250);
/// How often old files are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Longest time one question may take.
pub(crate) const QUERY_TIME_MAX: Duration = Duration::from_secs(10);
const DELAYS: retry::Delays =
    retry::Delays { min: Duration::from_millis(250), max: Duration::from_secs(30) };

/// Bounds of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Size of all files; the oldest are deleted.
    pub bytes_max: HumanBytes,
    /// Days that are kept; 0: there is no history.
    pub days_max: u16,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { bytes_max: HumanBytes(4 << 30), days_max: 30 }
    }
}

impl HistoryConfig {
    fn part_bytes_max(self) -> u64 {
        (self.bytes_max.0 / PARTS).max(PART_BYTES_MIN)
    }
}

/// The history, as whoever asks it sees it.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
}

/// Starts following the decision log; nothing if no days are kept.
///
/// What cannot be done is tried again, and told in the log and the metrics.
pub(crate) fn start(
    core: Handle,
    data: &Path,
    config: HistoryConfig,
    segment_bytes: u64,
    registry: &Registry,
    shutdown: &Shutdown,
) -> prometheus::Result<(Option<Arc<History>>, JoinHandle<()>)> {
    let settings = Settings {
        core,
        folder: data.join(FOLDER),
        config,
        reserve_bytes: segment_bytes.saturating_mul(FREE_SEGMENTS),
        metrics: Metrics::register(registry)?,
    };
    let is_kept = config.days_max > 0;
    let history = is_kept.then(|| Arc::new(History { folder: settings.folder.clone() }));
    let stop = shutdown.token().clone();
    let task = shutdown.spawn("history", async move {
        if is_kept {
            follow(settings, stop).await;
        } else {
            let journal = settings.core.journal().clone();
            let removed = tokio::task::spawn_blocking(move || journal.remove_cursor(CURSOR));
            if let Ok(Err(error)) = removed.await {
                warn!(error = %ErrorChain(&error), "the journal still keeps records for a history");
            }
        }
    });
    Ok((history, task))
}

/// Lets go what a journal that is short of room still holds for the history.
pub(crate) fn give_way(journal: &Journal) -> Result<(), CursorError> {
    if indexer::is_short(journal) { journal.remove_cursor(CURSOR) } else { Ok(()) }
}

async fn follow(settings: Settings, stop: CancellationToken) {
    let mut applied = settings.core.watch();
    let mut indexer = None;
    let mut failures = 0;
    while !stop.is_cancelled() {
        applied.borrow_and_update();
        let started = Instant::now();
        let settings_of_step = settings.clone();
        let step = tokio::task::spawn_blocking(move || {
            let made = match indexer {
                Some(indexer) => Ok(indexer),
                None => Indexer::new(settings_of_step),
            };
            made.map(|mut indexer| {
                let result = indexer.step();
                (indexer, result)
            })
        });
        let result = match step.await {
            Ok(Ok((back, result))) => {
                indexer = Some(back);
                result
            }
            Ok(Err(error)) => {
                indexer = None;
                Err(error)
            }
            Err(error) => {
                error!(%error, "the history is not written any more");
                return;
            }
        };
        match result {
            Ok(Left::More) => {
                failures = 0;
                // However far behind, half of a processor is left to those who take alerts.
                stop.run_until_cancelled(sleep(started.elapsed())).await;
            }
            Ok(Left::Nothing) => {
                failures = 0;
                stop.run_until_cancelled(wait(&mut applied)).await;
            }
            Err(IndexError::Stopped(_)) => return,
            Err(error) => {
                settings.metrics.failures.inc();
                if failures == 0 {
                    warn!(error = %ErrorChain(&error), "the history cannot be written, will retry");
                }
                failures += 1;
                stop.run_until_cancelled(sleep(DELAYS.after(failures))).await;
            }
        }
    }
}

/// Waits until there is something to take up, and then a little more.
async fn wait(applied: &mut watch::Receiver<u64>) {
    // Files are looked after also when nothing happens.
    tokio::time::timeout(SWEEP_INTERVAL, applied.changed()).await.ok();
    sleep(PAUSE).await;
}

#[cfg(test)]
mod tests;
