//! Alerts on the disk until the router has them: a stopped router or a killed agent loses none.
//!
//! When the router stays away the spool fills. From four fifths on it refuses what is less severe
//! than Warning, so that the rest is kept for alerts that matter; when it is full the newest wait in
//! memory, then they are refused. Every refusal is counted and told by an alert of its own.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use alert::{Alert, Priority};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use jiff::Timestamp;
use journal::{AppendError, Cursor, Journal, Options};
use tracing::{error, warn};

use crate::sink::AlertSink;

const QUEUE_ALERTS_MAX: usize = 8192;
const GROUP_ALERTS_MAX: usize = 512;
const RETRY_FULL_EVERY: Duration = Duration::from_millis(200);
const CURSOR: &str = "router";

/// What every clone and thread of a spool shares.
#[derive(Debug, Default)]
struct Shared {
    /// Refuse what is less severe than Warning.
    tight: AtomicBool,
    refused: AtomicU64,
    /// When the oldest alert not yet delivered was put in; 0 when there is none.
    oldest_ns: AtomicU64,
}

/// Why the spool could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("failed to open the spool")]
    Open(#[from] journal::OpenError),
    #[error("failed to place the spool's cursor")]
    Cursor(#[from] journal::CursorError),
    #[error("failed to start the spool's thread")]
    Thread(#[source] std::io::Error),
}

/// The spool of one agent.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    journal: Journal,
    cursor: Cursor,
    queue: Sender<Bytes>,
    writing: Option<(Sender<()>, JoinHandle<()>)>,
    shared: Arc<Shared>,
}

/// How far behind the router is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpoolState {
    pub pending: u64,
    pub lag_seconds: f64,
    pub bytes: u64,
    pub bytes_max: u64,
    pub refused: u64,
    pub full: bool,
    pub failure: Option<String>,
}

impl Spool {
    /// Opens or makes the spool in `dir`.
    pub fn open(dir: &Path, bytes_max: u64) -> Result<Self, SpoolError> {
        let segment_bytes = (bytes_max / 16).clamp(1 << 20, 16 << 20) / 8 * 8;
        let options = Options {
            segment_bytes,
            bytes_max: bytes_max.max(2 * segment_bytes),
            record_bytes_max: 1 << 20,
            ..Options::default()
        };
        let (journal, _) = Journal::open(dir, options)?;
        let cursor = journal.cursor(CURSOR)?;
        let shared = Arc::new(Shared::default());
        let (queue, waiting) = bounded(QUEUE_ALERTS_MAX);
        let (open, closing) = bounded(0);
        let writer = Writer {
            journal: journal.clone(),
            waiting,
            open: closing,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(|| writer.run())
            .map_err(SpoolError::Thread)?;
        Ok(Self {
            dir: dir.to_owned(),
            journal,
            cursor,
            queue,
            writing: Some((open, thread)),
            shared,
        })
    }

    /// Returns a way into the spool that never waits.
    pub fn sink(&self) -> SpoolSink {
        SpoolSink { queue: self.queue.clone(), shared: Arc::clone(&self.shared) }
    }

    /// Returns the end the uplink empties it by.
    pub fn outlet(&self) -> Outlet {
        Outlet {
            dir: self.dir.clone(),
            journal: self.journal.clone(),
            cursor: self.cursor.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns a reader of the spool's state.
    pub fn gauge(&self) -> Gauge {
        Gauge(self.outlet())
    }

    /// Writes what waits; later alerts are refused. All its sinks must be gone.
    pub fn finish_writing(&mut self) {
        // Nobody receives from a queue of none.
        self.queue = bounded(0).0;
        let Some((open, thread)) = self.writing.take() else { return };
        drop(open);
        if thread.join().is_err() {
            error!("the spool's thread panicked");
        }
    }

    /// Writes what waits and closes the spool. All its sinks must be gone.
    pub fn close(mut self) {
        self.finish_writing();
        self.journal.close();
    }
}

/// Reads how the spool is doing.
#[derive(Clone, Debug)]
pub struct Gauge(Outlet);

impl Gauge {
    pub fn state(&self, now: Timestamp) -> SpoolState {
        let Outlet { journal, shared, .. } = &self.0;
        let stat = journal.stat();
        let pending = self.0.pending();
        let oldest_ns = shared.oldest_ns.load(Ordering::Relaxed);
        let lag = match pending {
            0 => 0.0,
            _ if oldest_ns == 0 => 0.0,
            _ => (now.as_nanosecond() - i128::from(oldest_ns)).max(0) as f64 / 1e9,
        };
        SpoolState {
            pending,
            lag_seconds: lag,
            bytes: stat.bytes,
            bytes_max: stat.bytes_max,
            refused: shared.refused.load(Ordering::Relaxed),
            full: stat.full,
            failure: stat.failure,
        }
    }

    /// Returns the count of alerts lost to a full or failed spool.
    pub fn refused(&self) -> u64 {
        self.0.shared.refused.load(Ordering::Relaxed)
    }
}

/// Puts alerts into the spool.
#[derive(Clone, Debug)]
pub struct SpoolSink {
    queue: Sender<Bytes>,
    shared: Arc<Shared>,
}

impl AlertSink for SpoolSink {
    fn alert(&mut self, alert: &Alert) {
        let tight = self.shared.tight.load(Ordering::Relaxed)
            || self.queue.len() > QUEUE_ALERTS_MAX / 4 * 3;
        let refuse = tight && alert.priority < Priority::Warning;
        if refuse || self.queue.try_send(encode(alert, service::clock::now())).is_err() {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An alert in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    pub sequence: u64,
    pub spooled_ns: u64,
    /// Falco's JSON, without a line end.
    pub json: Bytes,
}

fn encode(alert: &Alert, now: Timestamp) -> Bytes {
    let now_ns = u64::try_from(now.as_nanosecond()).unwrap_or_default();
    let mut record = Vec::with_capacity(1024);
    record.extend_from_slice(&now_ns.to_le_bytes());
    alert::wire::write_falco(alert, &mut record);
    if record.last() == Some(&b'\n') {
        record.pop();
    }
    record.into()
}

fn decode(sequence: u64, record: &Bytes) -> Spooled {
    let head = record.first_chunk().copied().unwrap_or_default();
    Spooled {
        sequence,
        spooled_ns: u64::from_le_bytes(head),
        json: record.slice(record.len().min(8)..),
    }
}

/// The spool's other end.
#[derive(Clone, Debug)]
pub struct Outlet {
    dir: PathBuf,
    journal: Journal,
    cursor: Cursor,
    shared: Arc<Shared>,
}

impl Outlet {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn pending(&self) -> u64 {
        self.journal.durable().saturating_sub(self.cursor.position())
    }

    /// Returns a receiver that changes when there is more.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        self.journal.watch()
    }

    /// Returns the oldest alerts the router does not have. Blocks while it reads.
    pub fn peek(
        &self,
        alerts_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Spooled>, journal::ReadError> {
        let mut reader = self.journal.read(self.cursor.position())?;
        let (mut alerts, mut bytes) = (Vec::new(), 0);
        while alerts.len() < alerts_max && bytes < bytes_max {
            let Some((sequence, record)) = reader.next()? else { break };
            bytes += record.len();
            if bytes > bytes_max && !alerts.is_empty() {
                break;
            }
            alerts.push(decode(sequence, &record));
        }
        let oldest_ns = alerts.first().map_or(0, |alert| alert.spooled_ns);
        self.shared.oldest_ns.store(oldest_ns, Ordering::Relaxed);
        Ok(alerts)
    }

    /// Forgets the alerts before `sequence`. Blocks while it writes.
    pub fn commit(&self, sequence: u64) -> Result<(), journal::CursorError> {
        self.cursor.commit(sequence)
    }
}

struct Writer {
    journal: Journal,
    waiting: Receiver<Bytes>,
    /// Disconnected when the spool is being closed.
    open: Receiver<()>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Returns when all sinks are gone and what they sent is written.
    fn run(self) {
        while let Ok(first) = self.waiting.recv() {
            let mut records = vec![first];
            records.extend(self.waiting.try_iter().take(GROUP_ALERTS_MAX - 1));
            self.write(records);
            let stat = self.journal.stat();
            self.shared.tight.store(stat.bytes > stat.bytes_max / 5 * 4, Ordering::Relaxed);
        }
    }

    /// Gives the uplink time to make room; newer alerts wait in the queue. Returns false when the
    /// spool is being closed, so that nothing is worth waiting for.
    fn wait_for_room(&self) -> bool {
        self.shared.tight.store(true, Ordering::Relaxed);
        self.open.recv_timeout(RETRY_FULL_EVERY) == Err(RecvTimeoutError::Timeout)
    }

    fn write(&self, records: Vec<Bytes>) {
        loop {
            match self.journal.append_blocking(records.clone()) {
                Ok(_) => return,
                Err(AppendError::Full) if self.wait_for_room() => {}
                Err(AppendError::TooLarge) if records.len() > 1 => {
                    for record in records {
                        self.write(vec![record]);
                    }
                    return;
                }
                Err(error) => {
                    warn!(alerts = records.len(), %error, "alerts could not be spooled");
                    self.shared.refused.fetch_add(records.len() as u64, Ordering::Relaxed);
                    return;
                }
            }
        }
    }
}
