//! Delivers notifications: a queue and a task per output, so that one output's trouble touches no
//! other. Everything is bounded; what finds no room waits in the pipeline's state.

mod breaker;
mod budget;
mod deliver;
mod lane;
mod queue;
mod retry;
mod settings;
mod size;
mod worker;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use alert::{Notification, NotificationId};
use arc_swap::ArcSwap;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

pub use self::{
    breaker::BreakerState,
    budget::Rate,
    queue::QueueLimits,
    retry::Retry,
    settings::{Send, Settings},
};
use self::{
    queue::{Pushed, Queue},
    worker::{Counts, Health, Lookout, Worker},
};
use crate::{
    api::types::OutputStatus,
    core::{Handle, Sink},
    metrics::DispatchMetrics,
};

/// All outputs' queues and tasks.
#[derive(Debug)]
pub struct Dispatcher {
    outputs: ArcSwap<BTreeMap<String, Arc<Lookout>>>,
    tasks: Mutex<BTreeMap<String, Task>>,
    core: Handle,
    metrics: Arc<DispatchMetrics>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Task {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// Returns one without outputs.
    pub fn new(core: Handle, metrics: Arc<DispatchMetrics>) -> Self {
        Self {
            outputs: ArcSwap::default(),
            tasks: Mutex::default(),
            core,
            metrics,
            stop: CancellationToken::new(),
        }
    }

    /// Adds outputs, and returns their names. One that is there already keeps its queue; its
    /// breaker closes, as whatever was wrong may be right now. Must run inside the runtime.
    pub fn add(&self, outputs: BTreeMap<String, Settings>) -> BTreeSet<String> {
        let names = outputs.keys().cloned().collect();
        let mut tasks = self.tasks();
        let mut all = (*self.outputs.load_full()).clone();
        for (name, settings) in outputs {
            self.metrics.zero(&name, settings.target.kind);
            if let Some(lookout) = all.get(&name) {
                lookout.settings.store(Arc::new(settings));
                lookout.queue.wake();
                continue;
            }
            let lookout = Arc::new(Lookout::new(&name, settings));
            tasks.insert(name.clone(), self.spawn(&lookout));
            all.insert(name, lookout);
        }
        self.outputs.store(Arc::new(all));
        names
    }

    /// Returns the outputs there are.
    pub fn names(&self) -> BTreeSet<String> {
        self.outputs.load().keys().cloned().collect()
    }

    /// Removes all other outputs. Their attempts under way end; nothing more is sent.
    pub fn keep(&self, names: &BTreeSet<String>) {
        let mut tasks = self.tasks();
        let mut all = (*self.outputs.load_full()).clone();
        all.retain(|name, _| names.contains(name));
        self.outputs.store(Arc::new(all));
        tasks.retain(|name, task| {
            let stays = names.contains(name);
            if !stays {
                task.stop.cancel();
            }
            stays
        });
    }

    /// Returns how every output does, by name.
    pub fn status(&self) -> Vec<OutputStatus> {
        let now = self.core.machine().instant();
        self.outputs.load().values().map(|lookout| status(lookout, now)).collect()
    }

    /// Brings the gauges of the queues up to date.
    pub(crate) fn measure(&self) {
        let now = self.core.machine().instant();
        for (name, lookout) in &**self.outputs.load() {
            let stat = lookout.queue.stat();
            let age = stat.oldest.map_or(0.0, |oldest| (now - oldest).as_secs_f64());
            let to_gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
            let metrics = &self.metrics;
            metrics
                .queue_notifications
                .with_label_values(&[name])
                .set(to_gauge(stat.notifications));
            metrics.queue_bytes.with_label_values(&[name]).set(to_gauge(stat.bytes));
            metrics.queue_age.with_label_values(&[name]).set(age);
        }
    }

    /// Starts no more attempts, and waits for those under way. Returns the outputs that did not
    /// finish in time; what they were sending stays pending and comes again after the start.
    pub async fn drain(&self, bound: Duration) -> Vec<String> {
        let machine = &**self.core.machine();
        let deadline = machine.instant() + bound;
        let tasks = std::mem::take(&mut *self.tasks());
        for task in tasks.values() {
            task.stop.cancel();
        }
        self.stop.cancel();
        let mut unfinished = Vec::new();
        for (name, mut task) in tasks {
            match machine.until(deadline, &mut task.task).await {
                Some(Ok(())) => {}
                Some(Err(error)) => error!(output = name, %error, "an output's task failed"),
                None => {
                    task.task.abort();
                    unfinished.push(name);
                }
            }
        }
        unfinished
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<String, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, lookout: &Arc<Lookout>) -> Task {
        let stop = self.stop.child_token();
        let metrics = Arc::clone(&self.metrics);
        let worker = Worker::new(Arc::clone(lookout), self.core.clone(), metrics, stop.clone());
        Task { stop, task: tokio::spawn(worker.run()) }
    }
}

impl Sink for Dispatcher {
    fn notify(&self, notification: Arc<Notification>) {
        let outputs = self.outputs.load();
        let Some(lookout) = outputs.get(&notification.output) else {
            debug!(output = notification.output, "a notification for an output that is gone");
            return;
        };
        if lookout.queue.push(notification, self.core.machine().instant()) == Pushed::Refused {
            self.metrics.refused.with_label_values(&[&*lookout.name]).inc();
        }
    }

    fn withdraw(&self, output: &str, notification: NotificationId) {
        if let Some(lookout) = self.outputs.load().get(output) {
            lookout.queue.withdraw(notification);
        }
    }
}

impl Lookout {
    fn new(name: &str, settings: Settings) -> Self {
        Self {
            name: name.into(),
            queue: Queue::new(settings.queue),
            settings: ArcSwap::from_pointee(settings),
            counts: Counts::default(),
            health: Mutex::new(Health {
                breaker: BreakerState::Closed,
                last_error: None,
                last_delivered: None,
            }),
        }
    }
}

fn status(lookout: &Lookout, now: Instant) -> OutputStatus {
    let stat = lookout.queue.stat();
    let health = lookout.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
    OutputStatus {
        name: lookout.name.to_string(),
        kind: lookout.settings.load().target.kind.to_owned(),
        breaker: health.breaker,
        queued: stat.notifications,
        queued_bytes: stat.bytes,
        under_way: stat.held,
        oldest_seconds: stat.oldest.map(|oldest| (now - oldest).as_secs()),
        attempts: lookout.counts.attempts.load(Ordering::Relaxed),
        delivered: lookout.counts.delivered.load(Ordering::Relaxed),
        dead_lettered: lookout.counts.dead_lettered.load(Ordering::Relaxed),
        last_delivered: health.last_delivered,
        last_error: health.last_error,
    }
}
