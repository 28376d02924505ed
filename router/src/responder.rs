//! Tells the responder of alerts, in their order, after the pipeline has decided upon them.
//!
//! The feed reads the journal with a cursor of its own. What the responder did not take is brought
//! again, also after a crash; what is older than `age_max` is passed over, and so is, oldest first,
//! what the journal has no room for while the responder is away: it never holds the journal.

mod batch;
mod feed;
mod peer;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use prometheus::Registry;
use rules::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{
    config::{HumanBytes, HumanDuration, SafeUrl},
    shutdown::Shutdown,
};
use tokio::{sync::watch, task::JoinHandle};

use self::feed::Feed;
pub(crate) use self::peer::Peer;
use crate::{api::types::ResponderStatus, core::Handle, metrics::ResponderMetrics};

/// Alerts of which it is remembered when the responder took them.
const SENT_MAX: usize = 16_384;

/// Where alerts go that something may be done about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponderConfig {
    /// For example `https://saker-responder:2805`.
    pub url: SafeUrl,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// PEM file of the router's own certificate.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Time for one batch, answer included.
    #[serde(default = "default_timeout")]
    pub timeout: HumanDuration,
    #[serde(default = "default_batch_alerts_max")]
    pub batch_alerts_max: usize,
    #[serde(default = "default_batch_bytes_max")]
    pub batch_bytes_max: HumanBytes,
    /// Which alerts it hears of; all if absent.
    #[serde(rename = "match", default)]
    #[schemars(with = "Option<String>")]
    pub condition: Option<Condition>,
    /// Older alerts are passed over: nothing is to be done about them any more.
    #[serde(default = "default_age_max")]
    pub age_max: HumanDuration,
}

const fn default_timeout() -> HumanDuration {
    HumanDuration(Duration::from_secs(10))
}

const fn default_batch_alerts_max() -> usize {
    500
}

const fn default_batch_bytes_max() -> HumanBytes {
    HumanBytes(1 << 20)
}

const fn default_age_max() -> HumanDuration {
    HumanDuration(Duration::from_secs(600))
}

/// The feed, as the rest of the router sees it.
#[derive(Debug)]
pub(crate) struct Responder {
    peer: watch::Sender<Option<Arc<Peer>>>,
    progress: Arc<Progress>,
}

/// How far the feed is, readable from any task.
#[derive(Debug)]
struct Progress {
    metrics: ResponderMetrics,
    configured: AtomicBool,
    /// Sequence of the next record to bring.
    position: AtomicU64,
    sent: AtomicU64,
    skipped: AtomicU64,
    trouble: ArcSwapOption<String>,
    /// When the oldest alert it has not taken was accepted.
    oldest: ArcSwapOption<Timestamp>,
    /// The latest alerts it took, by sequence, and when.
    taken: Mutex<VecDeque<(u64, Timestamp)>>,
}

impl Responder {
    /// Starts the feed. It ends with `shutdown`.
    pub(crate) fn start(
        core: Handle,
        peer: Option<Arc<Peer>>,
        registry: &Registry,
        shutdown: &Shutdown,
    ) -> prometheus::Result<(Self, JoinHandle<()>)> {
        let progress = Arc::new(Progress {
            metrics: ResponderMetrics::register(registry)?,
            configured: AtomicBool::new(peer.is_some()),
            position: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            trouble: ArcSwapOption::empty(),
            oldest: ArcSwapOption::empty(),
            taken: Mutex::default(),
        });
        let (peer, peers) = watch::channel(peer);
        let feed = Feed::new(core, peers, Arc::clone(&progress), shutdown.token().clone());
        let feed = shutdown.spawn("responder", feed.run());
        Ok((Self { peer, progress }, feed))
    }

    /// Puts another configuration in force; the feed goes on where it is.
    pub(crate) fn configure(&self, peer: Option<Arc<Peer>>) {
        self.progress.configured.store(peer.is_some(), Ordering::Relaxed);
        self.peer.send_replace(peer);
    }

    /// Returns how far it is, if alerts go to a responder at all.
    pub(crate) fn status(&self, applied: u64) -> Option<ResponderStatus> {
        let progress = &self.progress;
        progress.configured.load(Ordering::Relaxed).then(|| ResponderStatus {
            sent: progress.sent.load(Ordering::Relaxed),
            skipped: progress.skipped.load(Ordering::Relaxed),
            behind_records: applied.saturating_sub(progress.position.load(Ordering::Relaxed)),
            last_sent: progress.taken().back().map(|(_, at)| *at),
            last_error: progress.trouble.load_full().map(Arc::unwrap_or_clone),
        })
    }

    /// Returns when the responder took the alert, if it was not long ago.
    pub(crate) fn took(&self, sequence: u64) -> Option<Timestamp> {
        let taken = self.progress.taken();
        let index = taken.binary_search_by_key(&sequence, |(sequence, _)| *sequence).ok()?;
        taken.get(index).map(|(_, at)| *at)
    }

    pub(crate) fn measure(&self) {
        let oldest = self.progress.oldest.load_full();
        let lag = oldest.map_or(0.0, |oldest| {
            service::clock::now().duration_since(*oldest).as_secs_f64().max(0.0)
        });
        self.progress.metrics.lag.set(lag);
    }
}

impl Progress {
    fn taken(&self) -> MutexGuard<'_, VecDeque<(u64, Timestamp)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn skip(&self, alerts: u64) {
        self.skipped.fetch_add(alerts, Ordering::Relaxed);
        self.metrics.alerts.with_label_values(&["skipped"]).inc_by(alerts);
    }

    /// Notes that the responder has these.
    fn take(&self, alerts: impl Iterator<Item = (u64, Timestamp)>) {
        let now = service::clock::now();
        let mut taken = self.taken();
        let mut count = 0;
        for (sequence, received) in alerts {
            count += 1;
            let seconds = now.duration_since(received).as_secs_f64().max(0.0);
            self.metrics.seconds.observe(seconds);
            // After a crash or a change of what it hears of, some come again.
            if taken.back().is_none_or(|(last, _)| *last < sequence) {
                taken.push_back((sequence, now));
            }
            if taken.len() > SENT_MAX {
                taken.pop_front();
            }
        }
        drop(taken);
        self.sent.fetch_add(count, Ordering::Relaxed);
        self.metrics.alerts.with_label_values(&["sent"]).inc_by(count);
    }
}
