//! Writes what happened around alerts of chosen rules: the seconds before and after each, in a file
//! that the alert names.
//!
//! A sensor of its own, as a [tap](crate::tap) has, fills a ring of packed events. An alert of a chosen
//! rule has the ring written, and what follows. Alerts while a file is open are in that file. Files are
//! named by the alert's id, never by what a process chose.

mod folder;
mod window;

use std::{
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use alert::Alert;
use service::ErrorChain;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};

use crate::{config::AroundConfig, status::AroundStatus, tap::Tapped};

pub(crate) use window::Window;

/// Alerts on their way to the thread that writes.
const ALERTS_MAX: usize = 16;
/// Events taken at once.
const BATCH_EVENTS_MAX: usize = 256;
/// How often an open file is looked at while nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SECOND_NS: u64 = 1_000_000_000;

/// Chooses alerts and has what is around them written.
#[derive(Debug)]
pub(crate) struct Around {
    rules: Vec<String>,
    span_ns: u64,
    alerts: Sender<Chosen>,
    /// The file that was begun last, and until when it goes on.
    last: Option<(String, u64)>,
    counts: Arc<AroundCounts>,
    thread: Option<JoinHandle<()>>,
}

/// What was counted, readable from any thread.
#[derive(Debug)]
pub(crate) struct AroundCounts {
    folder: PathBuf,
    rules: Vec<String>,
    recordings: AtomicU64,
    failed: AtomicU64,
    removed: AtomicU64,
    ring_bytes: AtomicU64,
}

impl AroundCounts {
    pub(crate) fn status(&self) -> AroundStatus {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        AroundStatus {
            folder: self.folder.clone(),
            rules: self.rules.clone(),
            recordings: count(&self.recordings),
            failed: count(&self.failed),
            removed: count(&self.removed),
            ring_bytes: count(&self.ring_bytes),
        }
    }
}

/// An alert that a file is begun for.
#[derive(Debug)]
struct Chosen {
    name: String,
    time_ns: u64,
}

impl Around {
    /// Starts the thread that writes what comes out of `tapped`. Must be called inside a runtime.
    pub(crate) fn start(
        config: &AroundConfig,
        hostname: String,
        tapped: Tapped,
    ) -> io::Result<Self> {
        let folder = config.folder();
        folder::make(&folder)?;
        let (alerts, chosen) = channel(ALERTS_MAX);
        let counts = Arc::new(AroundCounts {
            folder: folder.clone(),
            rules: config.rules.clone(),
            recordings: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            removed: AtomicU64::new(0),
            ring_bytes: AtomicU64::new(0),
        });
        let span_ns = config.span_ns();
        let work = Work {
            window: Window::new(hostname, span_ns, config.bytes_max.0),
            name: String::new(),
            config: config.clone(),
            folder,
            counts: Arc::clone(&counts),
        };
        let runtime = tokio::runtime::Handle::current();
        let run = move || runtime.block_on(work.run(tapped, chosen));
        let thread = std::thread::Builder::new().name("around".to_owned()).spawn(run)?;
        let rules = config.rules.clone();
        Ok(Self { rules, span_ns, alerts, last: None, counts, thread: Some(thread) })
    }

    pub(crate) fn counts(&self) -> Arc<AroundCounts> {
        Arc::clone(&self.counts)
    }

    /// Returns the name of the file that what is around this alert is written to, if its rule was
    /// chosen and it can be.
    pub(crate) fn alert(&mut self, alert: &Alert) -> Option<String> {
        if !self.rules.iter().any(|rule| rules::wildcard(rule, &alert.rule)) {
            return None;
        }
        let time_ns = u64::try_from(alert.time.as_nanosecond()).unwrap_or_default();
        if let Some((name, until)) = &self.last
            && time_ns <= *until
        {
            return Some(name.clone());
        }
        let name = format!("{}.saker", alert.id);
        match self.alerts.try_send(Chosen { name: name.clone(), time_ns }) {
            Ok(()) => {
                self.last = Some((name.clone(), time_ns + self.span_ns));
                Some(name)
            }
            Err(_) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Completes what is open. Must not be called on a thread of the runtime.
    pub(crate) fn stop(mut self) {
        let thread = self.thread.take();
        drop(self);
        if thread.is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread that writes what is around alerts panicked");
        }
    }
}

/// What the thread has.
struct Work {
    window: Window<BufWriter<File>>,
    /// Of the file that was begun last.
    name: String,
    config: AroundConfig,
    folder: PathBuf,
    counts: Arc<AroundCounts>,
}

impl Work {
    async fn run(mut self, mut tapped: Tapped, mut chosen: Receiver<Chosen>) {
        let mut batch = Vec::with_capacity(BATCH_EVENTS_MAX);
        loop {
            batch.clear();
            tokio::select! {
                taken = tapped.events.recv_many(&mut batch, BATCH_EVENTS_MAX) => {
                    if taken == 0 {
                        warn!("no more events for what is around alerts: their sensor ended");
                        break;
                    }
                    let taken = batch.iter().try_for_each(|event| self.window.event(event));
                    self.told(taken);
                }
                alert = chosen.recv() => match alert {
                    Some(alert) => {
                        let begun = self.begin(alert);
                        self.told(begun);
                    }
                    None => break,
                },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.end_if_over();
            self.counts.ring_bytes.store(self.window.ring_bytes(), Ordering::Relaxed);
        }
        batch.clear();
        // An open file gets what had happened by the end.
        while self.window.open_bytes().is_some()
            && tapped.rest(&mut batch, BATCH_EVENTS_MAX).await > 0
        {
            let taken = batch.drain(..).try_for_each(|event| self.window.event(&event));
            self.told(taken);
        }
        let ended = self.end();
        self.told(ended);
    }

    /// A file that cannot be written is given up; the next alert begins another.
    fn told(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.window.abandon();
            let name = &self.name;
            warn!(error = %ErrorChain(&error), name, "what is around an alert is not recorded");
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Begins a file with what the ring has.
    fn begin(&mut self, alert: Chosen) -> io::Result<()> {
        self.end()?;
        let file = folder::create(&self.folder.join(&alert.name))?;
        self.name = alert.name;
        self.window.begin(alert.time_ns, BufWriter::new(file)).map(|_| ())
    }

    fn end_if_over(&mut self) {
        let bytes_max = self.config.bytes_max.0.saturating_mul(2);
        let full = self.window.open_bytes().is_some_and(|bytes| bytes > bytes_max);
        if full || self.window.is_over(now_ns()) {
            let ended = self.end();
            self.told(ended);
        }
    }

    /// Completes the open file, and makes room for the next.
    fn end(&mut self) -> io::Result<()> {
        let Some((out, _)) = self.window.end()? else { return Ok(()) };
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.counts.recordings.fetch_add(1, Ordering::Relaxed);
        info!(name = self.name, "recorded what is around an alert");
        let removed =
            folder::tidy(&self.folder, self.config.files_max, self.config.folder_bytes_max.0)?;
        self.counts.removed.fetch_add(removed, Ordering::Relaxed);
        Ok(())
    }
}

/// Returns the time, nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    u64::try_from(service::clock::now().as_nanosecond()).unwrap_or_default()
}

/// Returns where files go unless told otherwise.
pub(crate) fn default_folder() -> PathBuf {
    Path::new("/var/lib/saker").join("recordings")
}

pub(crate) const fn seconds_ns(seconds: u64) -> u64 {
    seconds.saturating_mul(SECOND_NS)
}

#[cfg(test)]
mod tests;
