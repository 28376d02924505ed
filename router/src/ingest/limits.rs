//! How much each sender may send: two buckets that fill with time, one of alerts and one of bytes.
//!
//! A request is let in while there is something in both, and then takes out what it holds, if need
//! be more than there is: no request is too large to ever be let in, and what is sent on average
//! stays within the rate.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ::http::StatusCode;
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{HumanBytes, HumanDuration};
use tokio::time::Instant;

use super::{Terms, decode::Refusal};
use crate::machine::Machine;

/// Senders with buckets of their own.
const BUCKETS_MAX: usize = 10_000;
/// How often room is looked for when there are so many.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait a sender is asked for.
const RETRY_AFTER_SECONDS_MAX: f64 = 60.0;
/// Name of those that found no room: they share buckets.
const OTHERS: &str = "";

/// How much a sender may send. 0: as much as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Alerts per second, on average.
    pub alerts_per_second: u32,
    /// Bytes of bodies per second as they are sent, on average.
    pub bytes_per_second: HumanBytes,
    /// What may come at once: as much as in this time.
    pub burst: HumanDuration,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            alerts_per_second: 100_000,
            bytes_per_second: HumanBytes(256 << 20),
            burst: HumanDuration(Duration::from_secs(10)),
        }
    }
}

/// Returns the name of a sender that only has an address; whoever has one of IPv6 has many.
pub(super) fn anonymous(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("@{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("@{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

/// What a request takes out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) alerts: usize,
    pub(super) bytes: usize,
}

/// The buckets of all senders, in bounded memory.
#[derive(Debug)]
pub(super) struct Limits {
    machine: Arc<dyn Machine>,
    table: Mutex<Table>,
    /// How often a sender found no room of its own.
    overflow: IntCounter,
}

#[derive(Debug)]
struct Table {
    buckets: HashMap<Box<str>, Buckets>,
    swept: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Buckets {
    alerts: f64,
    bytes: f64,
    filled: Instant,
}

impl Limits {
    pub(super) fn new(machine: Arc<dyn Machine>, overflow: IntCounter) -> Self {
        let table = Table { buckets: HashMap::new(), swept: None };
        Self { machine, table: Mutex::new(table), overflow }
    }

    /// Says whether there is anything left for a sender, and when there will be.
    pub(super) fn check(&self, sender: &str, terms: &Terms) -> Result<(), Refusal> {
        let rate = terms.rate(sender);
        let buckets = self.with(sender, terms, |buckets| *buckets);
        let wait = [
            (buckets.alerts, f64::from(rate.alerts_per_second)),
            (buckets.bytes, rate.bytes_per_second.0 as f64),
        ];
        let seconds = wait
            .into_iter()
            .filter(|(left, per_second)| *per_second > 0.0 && *left < 1.0)
            .map(|(left, per_second)| (1.0 - left) / per_second)
            .fold(None, |longest: Option<f64>, wait| Some(longest.map_or(wait, |it| it.max(wait))));
        let Some(seconds) = seconds else { return Ok(()) };
        let error = "this sender sends more than its rate allows";
        Err(Refusal {
            retry_after_seconds: Some(seconds.clamp(1.0, RETRY_AFTER_SECONDS_MAX).ceil() as u32),
            ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate", error)
        })
    }

    /// Takes out what a request of the sender holds.
    pub(super) fn spend(&self, sender: &str, terms: &Terms, load: Load) {
        self.with(sender, terms, |buckets| {
            buckets.alerts -= load.alerts as f64;
            buckets.bytes -= load.bytes as f64;
        });
    }

    fn with<T>(&self, sender: &str, terms: &Terms, work: impl FnOnce(&mut Buckets) -> T) -> T {
        let now = self.machine.instant();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = table.has_room(sender, now, terms);
        if !has_room {
            self.overflow.inc();
        }
        let sender = if has_room { sender } else { OTHERS };
        let rate = terms.rate(sender);
        if !table.buckets.contains_key(sender) {
            table.buckets.insert(sender.into(), Buckets::full(rate, now));
        }
        let Some(buckets) = table.buckets.get_mut(sender) else {
            return work(&mut Buckets::full(rate, now));
        };
        buckets.fill(rate, now);
        work(buckets)
    }
}

impl Table {
    /// Returns whether a sender has buckets, or may have. Full ones are as good as none.
    fn has_room(&mut self, sender: &str, now: Instant, terms: &Terms) -> bool {
        if self.buckets.len() < BUCKETS_MAX || self.buckets.contains_key(sender) {
            return true;
        }
        if self.swept.is_none_or(|swept| now - swept >= SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.buckets.retain(|sender, buckets| {
                let rate = terms.rate(sender);
                buckets.fill(rate, now);
                !buckets.is_full(rate)
            });
        }
        self.buckets.len() < BUCKETS_MAX
    }
}

impl Buckets {
    fn full(rate: RateConfig, now: Instant) -> Self {
        let (alerts, bytes) = sizes(rate);
        Self { alerts, bytes, filled: now }
    }

    fn fill(&mut self, rate: RateConfig, now: Instant) {
        let seconds = (now - self.filled).as_secs_f64();
        self.filled = now;
        let (alerts, bytes) = sizes(rate);
        self.alerts = (self.alerts + seconds * f64::from(rate.alerts_per_second)).min(alerts);
        self.bytes = (self.bytes + seconds * rate.bytes_per_second.0 as f64).min(bytes);
    }

    fn is_full(&self, rate: RateConfig) -> bool {
        let (alerts, bytes) = sizes(rate);
        (rate.alerts_per_second == 0 || self.alerts >= alerts)
            && (rate.bytes_per_second.0 == 0 || self.bytes >= bytes)
    }
}

/// Returns what the buckets hold at most, and at least one of each.
fn sizes(rate: RateConfig) -> (f64, f64) {
    let seconds = rate.burst.0.as_secs_f64();
    let alerts = f64::from(rate.alerts_per_second) * seconds;
    (alerts.max(1.0), (rate.bytes_per_second.0 as f64 * seconds).max(1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use journal::{Disk, Journal, OpenError, Recovery};
    use serde_json::json;

    use super::*;
    use crate::machine::{Local, Sleep, Work};

    /// A machine whose clock only a test moves.
    #[derive(Debug)]
    struct Still {
        start: Instant,
        millis: AtomicU64,
    }

    impl Machine for Still {
        fn now(&self) -> jiff::Timestamp {
            Local.now()
        }
        fn instant(&self) -> Instant {
            self.start + Duration::from_millis(self.millis.load(Ordering::Relaxed))
        }
        fn sleep_until(&self, moment: Instant) -> Sleep {
            Local.sleep_until(moment)
        }
        fn seed(&self) -> u64 {
            0
        }
        fn disk(&self) -> Arc<dyn Disk> {
            Local.disk()
        }
        fn open_journal(
            &self,
            dir: &std::path::Path,
            options: journal::Options,
        ) -> Result<(Journal, Recovery), OpenError> {
            Local.open_journal(dir, options)
        }
        fn aside(&self, name: &str, work: Work) -> std::io::Result<()> {
            Local.aside(name, work)
        }
    }

    struct Case {
        clock: Arc<Still>,
        limits: Limits,
        terms: Terms,
    }

    impl Case {
        fn new(ingest: serde_json::Value) -> Self {
            let clock = Arc::new(Still { start: Instant::now(), millis: AtomicU64::new(0) });
            let terms = Terms::new(serde_json::from_value(ingest).unwrap());
            let overflow = IntCounter::new("overflow", "Senders without room.").unwrap();
            let limits = Limits::new(Arc::clone(&clock) as Arc<dyn Machine>, overflow);
            Self { limits, clock, terms }
        }

        fn at(&self, millis: u64) {
            self.clock.millis.store(millis, Ordering::Relaxed);
        }

        /// Sends, and returns how long the sender is asked to wait if it is refused.
        fn send(&self, sender: &str, alerts: usize, bytes: usize) -> Option<u32> {
            if let Err(refusal) = self.limits.check(sender, &self.terms) {
                assert_eq!((refusal.status.as_u16(), refusal.reason), (429, "rate"));
                return refusal.retry_after_seconds;
            }
            self.limits.spend(sender, &self.terms, Load { alerts, bytes });
            None
        }
    }

    #[test]
    fn a_sender_gets_its_burst_at_once_and_then_its_rate() {
        let rate = json!({"alerts_per_second": 10, "bytes_per_second": "0", "burst": "2s"});
        let case = Case::new(json!({"rate": rate}));
        assert_eq!(case.send("a", 20, 1 << 30), None);
        assert_eq!(case.send("a", 1, 1), Some(1));
        case.at(99);
        assert_eq!(case.send("a", 1, 1), Some(1));
        case.at(101);
        assert_eq!(case.send("a", 1, 1), None);
        assert_eq!(case.send("b", 20, 1), None, "another sender");
        case.at(1_000_000);
        assert_eq!((case.send("a", 20, 1), case.send("a", 1, 1)), (None, Some(1)));
    }

    #[test]
    fn a_request_larger_than_the_burst_is_let_in_and_paid_for_afterwards() {
        let rate = json!({"alerts_per_second": 0, "bytes_per_second": "100", "burst": "1s"});
        let case = Case::new(json!({"rate": rate}));
        assert_eq!(case.send("a", 1_000_000, 1100), None);
        assert_eq!(case.send("a", 1, 1), Some(11));
        case.at(9_000);
        assert_eq!(case.send("a", 1, 1), Some(2));
        case.at(10_100);
        assert_eq!(case.send("a", 1, 10_000_000), None);
        assert_eq!(case.send("a", 1, 1), Some(60), "the longest wait that is asked for");
    }

    #[test]
    fn a_sender_may_have_a_rate_of_its_own() {
        let own = json!({"alerts_per_second": 1, "burst": "1s"});
        let case = Case::new(json!({"senders": {"slow": {"token": "t", "rate": own}}}));
        assert_eq!(case.send("slow", 1, 1), None);
        assert_eq!(case.send("slow", 1, 1), Some(1));
        assert_eq!((case.send("other", 100, 1), case.send("other", 100, 1)), (None, None));
    }

    #[test]
    fn senders_beyond_the_table_share_and_whoever_is_idle_makes_room() {
        let rate = json!({"alerts_per_second": 1, "burst": "1s"});
        let case = Case::new(json!({"rate": rate}));
        for sender in 0..BUCKETS_MAX {
            assert_eq!(case.send(&sender.to_string(), 1, 1), None);
        }
        assert_eq!(case.send("late", 1, 1), None);
        assert_eq!(case.send("later", 1, 1), Some(1), "it shares with the one before");
        let size = || case.limits.table.lock().unwrap().buckets.len();
        assert_eq!(size(), BUCKETS_MAX + 1);
        assert!(case.limits.overflow.get() >= 2);
        case.at(5_000);
        assert_eq!(case.send("later", 1, 1), None);
        assert!(size() < 3);
    }
}
