//! The task that brings alerts to the responder.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use journal::{Cursor, ReadError, Reader};
use service::{ErrorChain, retry};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    Peer, Progress,
    batch::{Batch, Line, Wanted},
    peer::Answer,
};
use crate::{
    core::{Handle, PIPELINE_CURSOR},
    pipeline::SilenceId,
};

/// Name of the journal cursor.
const CURSOR: &str = "responder";
const DELAYS: retry::Delays =
    retry::Delays { min: Duration::from_millis(100), max: Duration::from_secs(10) };
/// Longest time the cursor lags behind records that concern nobody.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How often a wait looks whether the journal needs room.
const ROOM_INTERVAL: Duration = Duration::from_millis(250);
/// Time an attempt under way has to end when the router stops.
const GRACE: Duration = Duration::from_secs(1);
/// Attempts with one alert that the responder refuses before it is passed over.
const REFUSALS_MAX: u32 = 5;

pub(super) struct Feed {
    core: Handle,
    peers: watch::Receiver<Option<Arc<Peer>>>,
    progress: Arc<Progress>,
    stop: CancellationToken,
}

/// The feed to one responder.
struct Stream<'a> {
    feed: &'a Feed,
    peer: &'a Peer,
    applied: watch::Receiver<u64>,
    cursor: Arc<Cursor>,
    committed: Instant,
    /// Stands at `position`, or is to be placed there.
    reader: Option<Reader>,
    position: u64,
    failures: u32,
    refusals: u32,
    alerts_max: usize,
}

/// The feed cannot go on; the journal or the core has ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the router is stopping")]
    Stopped,
    #[error("a task was aborted")]
    Aborted(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Cursor(#[from] journal::CursorError),
}

impl Feed {
    pub(super) fn new(
        core: Handle,
        peers: watch::Receiver<Option<Arc<Peer>>>,
        progress: Arc<Progress>,
        stop: CancellationToken,
    ) -> Self {
        Self { core, peers, progress, stop }
    }

    /// Feeds whichever responder is configured until the router stops.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let peer = self.peers.borrow_and_update().clone();
            let mut changes = self.peers.clone();
            let fed = async {
                match &peer {
                    Some(peer) => Stream::open(&self, peer).await?.run().await,
                    None => self.forget().await,
                }
            };
            let ended = tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                ended = fed => ended,
            };
            match ended {
                Ok(()) | Err(Ended::Stopped) => return,
                Err(error) => {
                    failures += 1;
                    error!(error = %ErrorChain(&error), "cannot read alerts for the responder, will retry");
                    self.progress.trouble.store(Some(Arc::new(ErrorChain(&error).to_string())));
                    self.stop.run_until_cancelled(sleep(DELAYS.after(failures))).await;
                }
            }
        }
    }

    /// Without a responder nothing is held for it.
    async fn forget(&self) -> Result<(), Ended> {
        let journal = self.core.journal().clone();
        tokio::task::spawn_blocking(move || journal.remove_cursor(CURSOR)).await??;
        self.progress.trouble.store(None);
        self.progress.oldest.store(None);
        self.stop.cancelled().await;
        Ok(())
    }
}

impl<'a> Stream<'a> {
    async fn open(feed: &'a Feed, peer: &'a Peer) -> Result<Self, Ended> {
        let journal = feed.core.journal().clone();
        let cursor = tokio::task::spawn_blocking(move || journal.cursor(CURSOR)).await??;
        let position = cursor.position();
        feed.progress.position.store(position, Ordering::Relaxed);
        Ok(Self {
            feed,
            peer,
            applied: feed.core.watch(),
            cursor: Arc::new(cursor),
            committed: Instant::now(),
            reader: None,
            position,
            failures: 0,
            refusals: 0,
            alerts_max: peer.config.batch_alerts_max.max(1),
        })
    }

    async fn run(mut self) -> Result<(), Ended> {
        while !self.feed.stop.is_cancelled() {
            let applied = *self.applied.borrow_and_update();
            if self.position >= applied {
                self.feed.progress.oldest.store(None);
                self.rest().await?;
                continue;
            }
            let let_go = self.let_go();
            let batch = self.read(applied, let_go.unwrap_or_default()).await?;
            // Also where only other records are let go: while the cursor holds them, no attempt is
            // made.
            if batch.skipped > 0 || let_go.is_some() {
                self.feed.progress.skip(batch.skipped);
                self.advance(batch.lines.first().map_or(batch.next, |line| line.sequence));
                self.commit().await?;
            }
            let (next, lines) = (batch.next, self.judge(batch.lines).await?);
            let Some(first) = lines.first() else {
                self.advance(next);
                if self.committed.elapsed() >= COMMIT_INTERVAL {
                    self.commit().await?;
                }
                continue;
            };
            self.feed.progress.oldest.store(Some(Arc::new(first.0.alert.received)));
            match self.post(&lines).await {
                Answer::Accepted => self.accepted(&lines, next).await?,
                Answer::Refused { why } => self.refused(&lines, next, why).await?,
                Answer::Unavailable { retry_after, why } => {
                    self.fail(why);
                    let delay = retry_after.unwrap_or_else(|| DELAYS.after(self.failures));
                    self.pause(delay).await;
                }
            }
        }
        self.commit().await
    }

    /// Waits for more.
    async fn rest(&mut self) -> Result<(), Ended> {
        let is_behind = self.cursor.position() < self.position;
        tokio::select! {
            () = self.feed.stop.cancelled() => {}
            changed = self.applied.changed() => changed.map_err(|_| Ended::Stopped)?,
            () = sleep(COMMIT_INTERVAL), if is_behind => self.commit().await?,
        }
        Ok(())
    }

    async fn read(&mut self, applied: u64, let_go: u64) -> Result<Batch, Ended> {
        let config = &self.peer.config;
        let age_max = SignedDuration::try_from(config.age_max.0).unwrap_or(SignedDuration::MAX);
        let not_before = service::clock::now().checked_sub(age_max).unwrap_or_default();
        let wanted = Wanted {
            records: self.position..applied,
            let_go,
            not_before,
            condition: config.condition.clone(),
            alerts_max: self.alerts_max,
            bytes_max: usize::try_from(config.batch_bytes_max.0).unwrap_or(usize::MAX),
        };
        let journal = self.feed.core.journal().clone();
        let (reader, position) = (self.reader.take(), self.position);
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = match reader {
                Some(reader) => reader,
                None => match journal.read(position) {
                    // Whoever has cut the journal short has passed these over.
                    Err(ReadError::Deleted { first, .. }) => journal.read(first)?,
                    other => other?,
                },
            };
            let batch = wanted.read(&mut reader)?;
            Ok::<_, ReadError>((reader, batch))
        });
        let (reader, batch) = reading.await??;
        self.reader = Some(reader);
        Ok(batch)
    }

    /// Asks the pipeline which alerts are for the responder, and which silence hides them.
    async fn judge(&self, lines: Vec<Line>) -> Result<Vec<(Line, Option<SilenceId>)>, Ended> {
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let condition = self.peer.config.condition.clone();
        let judged = self.feed.core.ask(move |state| {
            let alerts = lines.iter().map(|line| &line.alert);
            let judged = state.pipeline.judge_again(alerts, condition.as_ref());
            let pairs = lines.into_iter().zip(judged);
            pairs
                .filter(|(_, judged)| judged.matches)
                .map(|(line, it)| (line, it.silenced))
                .collect()
        });
        judged.await.map_err(|_| Ended::Stopped)
    }

    /// Makes one attempt. It is given up when the journal has no room for what it holds.
    async fn post(&self, lines: &[(Line, Option<SilenceId>)]) -> Answer {
        let mut body = Vec::new();
        for (line, silenced) in lines {
            line.write(silenced.as_ref(), &mut body);
        }
        let stopping = async {
            self.feed.stop.cancelled().await;
            sleep(GRACE).await;
        };
        let given_up = |why: &str| Answer::Unavailable { retry_after: None, why: why.to_owned() };
        tokio::select! {
            answer = self.peer.post(body) => answer,
            () = self.needs_room() => given_up("no answer, and the journal needs the room"),
            () = stopping => given_up("no answer before the router stopped"),
        }
    }

    async fn accepted(
        &mut self,
        lines: &[(Line, Option<SilenceId>)],
        next: u64,
    ) -> Result<(), Ended> {
        if self.failures > 0 {
            info!(attempts = self.failures + 1, "the responder takes alerts again");
        }
        (self.failures, self.refusals) = (0, 0);
        self.feed.progress.trouble.store(None);
        let taken = lines.iter().map(|(line, _)| (line.sequence, line.alert.received));
        self.feed.progress.take(taken);
        self.alerts_max = (self.alerts_max * 2).min(self.peer.config.batch_alerts_max.max(1));
        self.advance(next);
        self.commit().await
    }

    /// Finds out which alert of a batch is to blame, and passes that one over in the end.
    async fn refused(
        &mut self,
        lines: &[(Line, Option<SilenceId>)],
        next: u64,
        why: String,
    ) -> Result<(), Ended> {
        let [(line, _)] = lines else {
            self.alerts_max = (lines.len() / 2).max(1);
            self.reader = None;
            return Ok(());
        };
        self.refusals += 1;
        if self.refusals < REFUSALS_MAX {
            self.fail(why);
            self.pause(DELAYS.after(self.failures)).await;
            return Ok(());
        }
        self.refusals = 0;
        error!(alert = %line.alert.id, error = %why, "the responder refuses an alert, passed over");
        self.feed.progress.skip(1);
        self.advance(next);
        self.commit().await
    }

    fn fail(&mut self, why: String) {
        self.failures = self.failures.saturating_add(1);
        // What was read is read again: meanwhile it may have become too old.
        self.reader = None;
        self.feed.progress.metrics.failures.inc();
        // Once when it begins, then now and then: the status tells the rest.
        if self.failures == 1 || self.failures.is_multiple_of(50) {
            warn!(failures = self.failures, error = %why, "the responder does not take alerts, will retry");
        }
        self.feed.progress.trouble.store(Some(Arc::new(why)));
    }

    async fn pause(&self, delay: Duration) {
        let wait = async {
            tokio::select! {
                () = sleep(delay) => {}
                () = self.needs_room() => {}
            }
        };
        self.feed.stop.run_until_cancelled(wait).await;
    }

    fn advance(&mut self, next: u64) {
        self.position = next;
        self.feed.progress.position.store(next, Ordering::Relaxed);
    }

    /// A commit that fails is made good by the next: until then the responder may get alerts twice.
    async fn commit(&mut self) -> Result<(), Ended> {
        self.committed = Instant::now();
        let (cursor, position) = (Arc::clone(&self.cursor), self.position);
        let committed = tokio::task::spawn_blocking(move || cursor.commit(position)).await?;
        if let Err(error) = committed {
            match self.feed.stop.is_cancelled() {
                true => debug!(error = %ErrorChain(&error), "the cursor stays where it was"),
                false => {
                    warn!(error = %ErrorChain(&error), "failed to move the responder's cursor")
                }
            }
        }
        Ok(())
    }

    /// Returns the record before which alerts are let go, as the journal needs the room they take
    /// and only this feed still holds it. Those of the newest segment take none that could be had.
    fn let_go(&self) -> Option<u64> {
        let stat = self.feed.core.journal().stat();
        let needed = stat.full || stat.is_short() && self.failures > 0;
        let pipeline = stat.cursors.iter().find(|(name, _)| name == PIPELINE_CURSOR)?.1;
        let held = pipeline.min(stat.newest);
        (needed && held > self.cursor.position()).then_some(held)
    }

    /// Returns when [`Self::let_go`] has something to let go.
    async fn needs_room(&self) {
        while self.let_go().is_none() {
            sleep(ROOM_INTERVAL).await;
        }
    }
}
