//! One output's task: starts attempts as queue, breaker and budget allow, and turns what comes of
//! them into retries or journal records. It shares nothing with other outputs.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alert::GroupId;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use outputs::Receipt;
use rand::{SeedableRng, rngs::SmallRng};
use service::ErrorChain;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    breaker::{Breaker, BreakerState, Permit},
    budget::Budget,
    deliver::{Attempt, attempt},
    queue::{Job, Pushed, Queue},
    settings::Settings,
};
use crate::{
    core::Handle,
    machine::{Machine, Sleep},
    metrics::DispatchMetrics,
    record::Record,
};

/// Ends of notifications on their way to the journal; no attempt starts beyond.
const SETTLING_MAX: usize = 64;
/// Wait before the end of a notification is journaled again after the journal took nothing.
const SETTLE_RETRY: Duration = Duration::from_millis(500);
/// A dead letter's reason is cut here.
const REASON_CHARS_MAX: usize = 500;

/// What the rest of the router sees of one output.
#[derive(Debug)]
pub(crate) struct Lookout {
    pub(crate) name: Arc<str>,
    pub(crate) queue: Queue,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) counts: Counts,
    pub(crate) health: std::sync::Mutex<Health>,
}

/// Since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) attempts: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) dead_lettered: AtomicU64,
}

/// How the output does.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) breaker: BreakerState,
    pub(crate) last_error: Option<String>,
    pub(crate) last_delivered: Option<jiff::Timestamp>,
}

/// The task's own state.
pub(crate) struct Worker {
    lookout: Arc<Lookout>,
    core: Handle,
    metrics: Arc<DispatchMetrics>,
    settings: Arc<Settings>,
    breaker: Breaker,
    budget: Option<Budget>,
    chance: SmallRng,
    attempts: JoinSet<Ended>,
    under_way: HashMap<Id, Job>,
    settling: JoinSet<GroupId>,
    /// Parts of whose failing template the log has heard.
    fallback_warned: BTreeSet<&'static str>,
    /// No attempt starts any more.
    stop: CancellationToken,
}

/// An attempt that ended.
struct Ended {
    attempt: Attempt,
    fallbacks: Vec<templates::Fallback>,
    took: Duration,
}

impl Ended {
    fn panicked() -> Self {
        let reason = "the output panicked".to_owned();
        let attempt = Attempt::Unavailable { reason, retry_after: None };
        Self { attempt, fallbacks: Vec::new(), took: Duration::ZERO }
    }
}

impl Worker {
    pub(crate) fn new(
        lookout: Arc<Lookout>,
        core: Handle,
        metrics: Arc<DispatchMetrics>,
        stop: CancellationToken,
    ) -> Self {
        let settings = lookout.settings.load_full();
        Self {
            breaker: Breaker::new(settings.retry.failures_max),
            budget: settings.send.rate.map(|rate| Budget::new(rate, core.machine().instant())),
            chance: SmallRng::seed_from_u64(core.machine().seed()),
            lookout,
            core,
            metrics,
            settings,
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            settling: JoinSet::new(),
            fallback_warned: BTreeSet::new(),
            stop,
        }
    }

    /// Works until told to stop; then waits for what is under way.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let stopping = stop.is_cancelled();
            if stopping && self.attempts.is_empty() && self.settling.is_empty() {
                return;
            }
            self.take_settings();
            let wake = if stopping { None } else { self.start_attempts() };
            self.refill().await;
            self.show();
            let wake = wake.map(|wake| self.core.machine().sleep_until(wake));
            // Whichever comes first, all else is looked at again.
            tokio::select! {
                biased;
                Some(settled) = self.settling.join_next() => self.settled(settled),
                Some(ended) = self.attempts.join_next_with_id() => self.ended(ended),
                () = self.lookout.queue.changed() => {}
                () = woken(wake) => {}
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// Starts what may start now, and returns when to look again if nothing else happens.
    fn start_attempts(&mut self) -> Option<Instant> {
        loop {
            let now = self.core.machine().instant();
            if self.attempts.len() >= self.settings.send.concurrency.max(1)
                || self.settling.len() >= SETTLING_MAX
            {
                return None;
            }
            match self.breaker.permit(now) {
                Permit::Now => {}
                Permit::At(at) => return Some(at),
                Permit::Later => return None,
            }
            if let Some(Err(at)) = self.budget.as_mut().map(|budget| budget.ready(now)) {
                return Some(at);
            }
            let Some(job) = self.lookout.queue.pop(now) else { return self.lookout.queue.due() };
            if let Some(budget) = &mut self.budget {
                budget.take();
            }
            self.breaker.start();
            self.start(job);
        }
    }

    fn start(&mut self, mut job: Job) {
        job.attempts += 1;
        job.first_attempt.get_or_insert(self.core.machine().instant());
        let target = Arc::clone(&self.settings.target);
        let core = self.core.clone();
        let notification = Arc::clone(&job.notification);
        let number = job.attempts;
        self.lookout.counts.attempts.fetch_add(1, Ordering::Relaxed);
        let task = self.attempts.spawn(async move {
            let started = core.machine().instant();
            let (attempt, fallbacks) = attempt(&target, &core, &notification, number).await;
            Ended { attempt, fallbacks, took: core.machine().instant() - started }
        });
        self.under_way.insert(task.id(), job);
    }

    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                error!(output = %self.lookout.name, %error, "an attempt ended in a panic");
                (error.id(), Ended::panicked())
            }
        };
        let Some(job) = self.under_way.remove(&id) else { return };
        self.count(&ended);
        let reason = match ended.attempt {
            Attempt::Delivered(receipt) => return self.delivered(job, receipt),
            Attempt::Rejected(reason) => {
                if self.breaker.success() {
                    info!(output = %self.lookout.name, "the output answers again");
                }
                return self.dead_letter(job, reason);
            }
            Attempt::Stopped => return self.lookout.queue.release(job.notification.group),
            Attempt::Denied(reason) => {
                let now = self.core.machine().instant();
                let pause = self.breaker.denied(now, &self.settings.retry);
                self.opened(pause, &reason);
                return self.retry(job, reason);
            }
            Attempt::Gone(reason) => {
                let now = self.core.machine().instant();
                let pause = self.breaker.gone(now, &self.settings.retry);
                self.opened(pause, &reason);
                return self.retry(job, reason);
            }
            Attempt::Unavailable { reason, retry_after } => {
                self.failed(retry_after, &reason);
                reason
            }
            Attempt::TimedOut => {
                let bound = self.settings.target.attempt_timeout;
                let reason = format!("no answer within {bound:?}");
                self.failed(None, &reason);
                reason
            }
        };
        let now = self.core.machine().instant();
        let trying = job.first_attempt.map_or(Duration::ZERO, |first| now - first);
        if trying >= self.settings.retry.give_up_after.0 {
            let reason = format!("gave up after {} attempts: {reason}", job.attempts);
            return self.dead_letter(job, reason);
        }
        self.retry(job, reason);
    }

    fn failed(&mut self, retry_after: Option<Duration>, reason: &str) {
        let retry = &self.settings.retry;
        let asked = retry_after.map(|asked| retry.after(asked));
        if asked.is_some() {
            self.metrics.retry_after.with_label_values(&[&*self.lookout.name]).inc();
        }
        let now = self.core.machine().instant();
        if let Some(pause) = self.breaker.failure(now, retry, asked, &mut self.chance) {
            self.opened(pause, reason);
        }
    }

    fn opened(&self, pause: Duration, reason: &str) {
        let reason = cut(reason);
        warn!(output = %self.lookout.name, ?pause, reason, "the output takes nothing: pausing");
    }

    fn retry(&mut self, job: Job, reason: String) {
        debug!(
            output = %self.lookout.name, notification = %job.notification.id,
            attempt = job.attempts, reason, "delivery failed, will retry"
        );
        self.health(|health| health.last_error = Some(cut(&reason)));
        let delay = self.settings.retry.delay(job.attempts, &mut self.chance);
        let not_before = self.core.machine().instant() + delay;
        self.lookout.queue.retry(job, not_before);
    }

    fn delivered(&mut self, job: Job, receipt: Receipt) {
        if self.breaker.success() {
            info!(output = %self.lookout.name, "the output takes notifications again");
        }
        let now = self.core.machine().now();
        self.health(|health| health.last_delivered = Some(now));
        self.lookout.counts.delivered.fetch_add(1, Ordering::Relaxed);
        self.end("delivered");
        let Job { notification, attempts, .. } = job;
        self.settle(notification.group, move |at| Record::Delivered {
            at,
            notification: notification.id,
            group: notification.group,
            output: notification.output.clone(),
            attempts,
            receipt: receipt.clone(),
        });
    }

    fn dead_letter(&mut self, job: Job, reason: String) {
        let reason = cut(&reason);
        warn!(
            output = %self.lookout.name, notification = %job.notification.id,
            attempts = job.attempts, reason, "a notification became a dead letter"
        );
        self.health(|health| health.last_error = Some(reason.clone()));
        self.lookout.counts.dead_lettered.fetch_add(1, Ordering::Relaxed);
        self.end("dead_lettered");
        let Job { notification, attempts, .. } = job;
        self.settle(notification.group, move |at| Record::DeadLettered {
            at,
            notification: notification.id,
            group: notification.group,
            output: notification.output.clone(),
            attempts,
            reason: reason.clone(),
        });
    }

    /// Journals a notification's end. It stays held until the core has applied it, however long the
    /// journal takes nothing; after a restart it would be delivered again, under the same id.
    fn settle(
        &mut self,
        group: GroupId,
        record: impl Fn(Timestamp) -> Record + std::marker::Send + Sync + 'static,
    ) {
        let (core, stop) = (self.core.clone(), self.stop.clone());
        self.settling.spawn(async move {
            settle(&core, &stop, record).await;
            group
        });
    }

    fn settled(&mut self, settled: Result<GroupId, JoinError>) {
        match settled {
            Ok(group) => self.lookout.queue.release(group),
            Err(error) => error!(output = %self.lookout.name, %error, "failed to settle"),
        }
    }

    /// Asks for what the full queue refused, once there is room.
    async fn refill(&self) {
        if !self.lookout.queue.wants_refill() {
            return;
        }
        let lookout = Arc::clone(&self.lookout);
        // It runs on the core's thread: what it sees as pending has no end that was applied, and
        // whatever has one on its way is held here.
        let now = self.core.machine().instant();
        let refilled = self.core.ask(move |state| {
            for notification in state.pipeline.pending_to(&lookout.name) {
                if lookout.queue.push(notification, now) == Pushed::Refused {
                    break;
                }
            }
        });
        if refilled.await.is_err() {
            debug!(output = %self.lookout.name, "no refill: the router is shutting down");
        }
    }

    fn take_settings(&mut self) {
        let settings = self.lookout.settings.load_full();
        if Arc::ptr_eq(&settings, &self.settings) {
            return;
        }
        // Whatever was wrong may be right now.
        self.breaker = Breaker::new(settings.retry.failures_max);
        let now = self.core.machine().instant();
        self.budget = settings.send.rate.map(|rate| Budget::new(rate, now));
        self.lookout.queue.limit(settings.queue);
        self.lookout.queue.hurry();
        self.fallback_warned.clear();
        self.settings = settings;
    }

    fn count(&mut self, Ended { attempt, fallbacks, took }: &Ended) {
        let name = &*self.lookout.name;
        for fallback in fallbacks {
            self.metrics.fallbacks.with_label_values(&[name]).inc();
            if self.fallback_warned.insert(fallback.part) {
                let templates::Fallback { part, file, reason } = fallback;
                warn!(output = name, part, file, reason, "template failed; used the built-in one");
            }
        }
        let status = if matches!(attempt, Attempt::Delivered(_)) { "ok" } else { "error" };
        self.metrics.sidekick.with_label_values(&[self.settings.target.kind, status]).inc();
        self.metrics.attempts.with_label_values(&[name, attempt.result()]).inc();
        self.metrics.attempt_seconds.with_label_values(&[name]).observe(took.as_secs_f64());
    }

    fn end(&self, result: &str) {
        self.metrics.deliveries.with_label_values(&[&*self.lookout.name, result]).inc();
    }

    fn show(&self) {
        let state = self.breaker.state();
        let gauge = match state {
            BreakerState::Closed => 0,
            BreakerState::Trying => 1,
            BreakerState::Open => 2,
            BreakerState::Disabled => 3,
        };
        let name = &*self.lookout.name;
        self.metrics.breaker.with_label_values(&[name]).set(gauge);
        let until = self.breaker.next_attempt();
        let until = until.map_or(0.0, |until| since_1970(&**self.core.machine(), until));
        self.metrics.paused_until.with_label_values(&[name]).set(until);
        let under_way = i64::try_from(self.under_way.len()).unwrap_or(i64::MAX);
        self.metrics.in_flight.with_label_values(&[name]).set(under_way);
        self.health(|health| health.breaker = state);
    }

    fn health(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.lookout.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

/// Appends the record until the journal takes it or there is no more time. Every try tells the time
/// anew: an old one would look like a clock that was set back.
async fn settle(core: &Handle, stop: &CancellationToken, record: impl Fn(Timestamp) -> Record) {
    while let Err(error) = core.append(&[record(core.machine().now())]).await {
        debug!(error = %ErrorChain(&error), "the journal does not take a delivery's end");
        tokio::select! {
            biased;
            () = core.machine().sleep(SETTLE_RETRY) => {}
            () = stop.cancelled() => break,
        }
    }
}

/// Ends when the sleep does; never without one.
async fn woken(wake: Option<Sleep>) {
    match wake {
        Some(wake) => wake.await,
        None => std::future::pending().await,
    }
}

/// Returns a moment of the runtime's clock in seconds since 1970.
fn since_1970(machine: &dyn Machine, moment: Instant) -> f64 {
    let ahead = moment.saturating_duration_since(machine.instant());
    machine.now().as_millisecond() as f64 / 1000.0 + ahead.as_secs_f64()
}

fn cut(reason: &str) -> String {
    let mut cut: String = reason.chars().take(REASON_CHARS_MAX).collect();
    if cut.len() < reason.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use journal::Journal;
    use prometheus::Registry;

    use super::*;
    use crate::{core, live::Live, machine::Local, metrics::CoreMetrics};

    #[tokio::test]
    async fn an_end_the_journal_took_late_tells_the_time_it_was_taken_at() {
        let data = tempfile::tempdir().unwrap();
        let small = journal::Options { segment_bytes: 4096, bytes_max: 8192, ..Default::default() };
        let (journal, _) = Journal::open(&data.path().join("journal"), small).unwrap();
        let options = core::Options {
            data: data.path().to_owned(),
            snapshot_records: 1,
            snapshot_interval: Duration::from_secs(60),
            check_interval: Duration::ZERO,
            backlog_records_max: 1000,
            decisions: journal::Options::default(),
            machine: Arc::new(Local),
        };
        let metrics = CoreMetrics::register(&Registry::new()).unwrap();
        let stop = CancellationToken::new();
        // Its cursor holds everything back, and it is not started.
        let (_core, handle) =
            core::open(journal.clone(), options, Live::new(), metrics, stop.clone()).await.unwrap();
        while journal.append(vec![vec![b' '; 1000].into()]).await.is_ok() {}

        let mut settling = pin!(settle(&handle, &stop, |now| Record::Tick { now }));
        assert_eq!(settling.as_mut().now_or_never(), None);
        while journal.stat().queue_records > 0 {
            tokio::task::yield_now().await;
        }
        let freed = service::clock::now();
        let end = journal.durable();
        journal.cursor("pipeline").unwrap().commit(end).unwrap();
        let mut durable = journal.watch();
        tokio::select! {
            () = settling => panic!("nobody applied it"),
            changed = durable.changed() => changed.unwrap(),
        }
        let (_, bytes) = journal.read(end).unwrap().next().unwrap().unwrap();
        let record: Record = serde_json::from_slice(&bytes).unwrap();
        assert!(record.at().unwrap() >= freed);
    }
}
