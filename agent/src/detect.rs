//! Turns events into alerts: one for every rule an event matches, unless the rule is too noisy.

mod limited;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alert::{Alert, AlertId, Enforced, Event, EventKind, Field, Fields, Priority};
use arc_swap::ArcSwap;
use hashbrown::HashMap;
use jiff::Timestamp;
use rules::{Matcher, Rule, RuleSet};
use serde_json::json;

use self::limited::Limited;
use crate::{
    enforce::Enforcer,
    sensor::{Noisy, Outcome},
    sink::AlertSink,
};

/// Rule of the alert that says a rule was too noisy.
pub const HELD_BACK: &str = "Saker: alerts held back";
/// Rule of the alert that says the kernel dropped events.
pub const EVENTS_LOST: &str = "Saker: events lost";
/// Rule of the alert that says events were not let through.
pub const EVENTS_LIMITED: &str = "Saker: events limited";
/// Rule of the alert that says rules end no processes any more.
pub const ENFORCEMENT_STOPPED: &str = "Saker: enforcement stopped";
/// Rule of the alert that says the spool refused alerts.
pub const ALERTS_LOST: &str = "Saker: alerts lost";

const INTERNAL: &str = "internal";
const OUTPUT_BYTES_MAX: usize = 32 << 10;
const FIELD_BYTES_MAX: usize = 8 << 10;
/// Time between two alerts about the same trouble of our own.
const REPORT_EVERY: Duration = Duration::from_mins(1);
/// An event this much older than one before it tells of a clock that was set back.
const DISORDER_MAX: Duration = Duration::from_secs(1);

/// How many alerts one rule may raise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Alerts per second in the long run; infinite for no limit.
    pub rate: f64,
    /// Alerts at once.
    pub burst: f64,
}

impl Limits {
    pub const fn none() -> Self {
        Self { rate: f64::INFINITY, burst: f64::INFINITY }
    }
}

/// What was counted, readable from any thread.
#[derive(Debug, Default)]
pub struct Counts {
    pub events: AtomicU64,
    pub alerts: [AtomicU64; 8],
    pub held_back: AtomicU64,
}

impl Counts {
    pub fn alerts_total(&self) -> u64 {
        self.alerts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// Matches events. One thread at a time uses it; the rules may be replaced meanwhile.
#[derive(Debug)]
pub struct Detector {
    rules: Arc<ArcSwap<RuleSet>>,
    current: Arc<RuleSet>,
    matcher: Matcher,
    hostname: String,
    limits: Limits,
    buckets: HashMap<String, Bucket>,
    counts: Arc<Counts>,
    lost: Reported,
    refused: Reported,
    limited: Limited,
    enforcer: Option<Arc<Enforcer>>,
}

/// One rule's allowance, and what it cost.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_ns: u64,
    held_back: u64,
    reported_ns: u64,
}

/// A growing count and the part of it an alert has told.
#[derive(Debug, Default)]
struct Reported {
    count: u64,
    reported_ns: Option<u64>,
}

impl Reported {
    /// Returns how much is to be told now, at most once a minute.
    fn due(&mut self, count: u64, now_ns: u64) -> Option<u64> {
        let new = count.saturating_sub(self.count);
        let waited = self.reported_ns.is_none_or(|last| report_due(now_ns, last));
        if new == 0 || !waited {
            return None;
        }
        (self.count, self.reported_ns) = (count, Some(now_ns));
        Some(new)
    }
}

/// A report from the future was made before the clock was set back: nothing says how long ago.
fn report_due(now_ns: u64, reported_ns: u64) -> bool {
    reported_ns > now_ns || since(now_ns, reported_ns) >= REPORT_EVERY
}

fn since(now_ns: u64, then_ns: u64) -> Duration {
    Duration::from_nanos(now_ns.saturating_sub(then_ns))
}

impl Detector {
    pub fn new(rules: Arc<RuleSet>, hostname: String, limits: Limits) -> Self {
        Self::following(Arc::new(ArcSwap::new(rules)), hostname, limits)
    }

    /// Takes its rules from `rules`, now and whenever they are replaced there.
    pub fn following(rules: Arc<ArcSwap<RuleSet>>, hostname: String, limits: Limits) -> Self {
        let current = rules.load_full();
        let matcher = matcher(&current);
        Self {
            rules,
            current,
            matcher,
            hostname,
            limits,
            buckets: HashMap::new(),
            counts: Arc::default(),
            lost: Reported::default(),
            refused: Reported::default(),
            limited: Limited::default(),
            enforcer: None,
        }
    }

    /// Has this act on processes that rules match.
    pub fn enforcing(mut self, enforcer: Option<Arc<Enforcer>>) -> Self {
        self.enforcer = enforcer;
        self
    }

    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Names the rules in force. What was settled by others is not by these.
    pub fn generation(&self) -> u64 {
        self.rules.load().generation()
    }

    /// Counts events that were passed over because they are like one that was settled.
    pub fn passed_over(&self, events: u64) {
        self.counts.events.fetch_add(events, Ordering::Relaxed);
    }

    /// Hands the alerts this event is worth to `sink`. It is settled if it matches no rule, nor would
    /// another one like it.
    pub fn observe(&mut self, event: &Event, sink: &mut dyn AlertSink) -> Outcome {
        let loaded = self.rules.load();
        if !Arc::ptr_eq(&loaded, &self.current) {
            self.current = Arc::clone(&loaded);
            self.matcher = matcher(&self.current);
            self.buckets
                .retain(|name, _| self.current.rules().iter().any(|rule| rule.name == *name));
        }
        drop(loaded);
        self.counts.events.fetch_add(1, Ordering::Relaxed);
        let (now_ns, limits) = (event.time_ns, self.limits);
        let (buckets, hostname, counts) = (&mut self.buckets, &self.hostname, &self.counts);
        let enforcer = self.enforcer.as_deref();
        let mut matched = 0;
        self.matcher.matches(event, &mut |rule| {
            // First: what a rule does is not held back with its alerts.
            let enforced = enforcer.and_then(|enforcer| enforcer.matched(&rule.name, event));
            matched += usize::from(enforced.is_some());
            let allowed = match buckets.get_mut(&rule.name) {
                Some(bucket) => bucket.take(limits, now_ns),
                None => {
                    buckets.insert(rule.name.clone(), Bucket::new(limits, now_ns));
                    true
                }
            };
            if !allowed {
                counts.held_back.fetch_add(1, Ordering::Relaxed);
                return;
            }
            counts.alerts[rule.priority as usize].fetch_add(1, Ordering::Relaxed);
            let mut alert = alert_of(rule, event, hostname);
            if let Some(enforced) = enforced {
                alert.fields.extend(enforced_fields(&enforced));
            }
            sink.alert(&alert);
        });
        if matched == 0
            && let Some(enforcer) = enforcer
        {
            enforcer.unmatched(event);
        }
        match self.matcher.is_settled() {
            true => Outcome::Settled,
            false => Outcome::Open,
        }
    }

    /// Tells what went wrong since it last did: noisy rules, events the sensor lost by kind, and
    /// alerts the spool refused. Called about once a second.
    pub fn tick(
        &mut self,
        now: Timestamp,
        lost: &[(EventKind, u64)],
        refused: u64,
        sink: &mut dyn AlertSink,
    ) {
        let now_ns = u64::try_from(now.as_nanosecond()).unwrap_or_default();
        // A quiet machine would not show what its rules cost for minutes.
        self.matcher.flush_costs();
        for (rule, count) in self.noisy_rules(now_ns) {
            let output = format!(
                "Rule was too noisy, {count} of its alerts were held back (rule={rule} count={count})"
            );
            let fields = [("rule", json!(rule)), ("count", json!(count))];
            self.raise(HELD_BACK, Priority::Warning, output, fields, now, sink);
        }
        if let Some(new) = self.lost.due(lost.iter().map(|(_, count)| count).sum(), now_ns) {
            let kinds = lost.iter().filter(|(_, count)| *count > 0);
            let kinds: Vec<_> =
                kinds.map(|(kind, count)| format!("{}={count}", kind.name())).collect();
            let kinds = kinds.join(" ");
            let output = format!(
                "Events were lost before rules could see them, the machine was too busy or somebody keeps it so (new={new} since start: {kinds})"
            );
            let fields = [("count", json!(new)), ("since_start", json!(kinds))];
            self.raise(EVENTS_LOST, Priority::Error, output, fields, now, sink);
        }
        if self.enforcer.as_ref().is_some_and(|enforcer| enforcer.tick()) {
            let output = "Rules end no processes any more, there were too many within a minute: \
                          the agent only monitors until it is started anew"
                .to_owned();
            self.raise(ENFORCEMENT_STOPPED, Priority::Critical, output, [], now, sink);
        }
        if let Some(new) = self.refused.due(refused, now_ns) {
            let output = format!(
                "Alerts were lost because the spool was full, the router is away or slow (count={new})"
            );
            let fields = [("count", json!(new))];
            self.raise(ALERTS_LOST, Priority::Error, output, fields, now, sink);
        }
    }

    /// Tells of events by kind that were not let through since the start, and when it is over.
    /// `noisy` finds the worst cgroups. Called about once a second.
    pub fn limited(
        &mut self,
        now: Timestamp,
        limited: &[(EventKind, u64)],
        noisy: impl FnOnce() -> Vec<Noisy>,
        sink: &mut dyn AlertSink,
    ) {
        let now_ns = u64::try_from(now.as_nanosecond()).unwrap_or_default();
        if let Some(told) = self.limited.tick(now_ns, limited, noisy) {
            self.raise(EVENTS_LIMITED, told.priority, told.output, told.fields, now, sink);
        }
    }

    /// Returns the rules held back since the last report, and how often.
    fn noisy_rules(&mut self, now_ns: u64) -> Vec<(String, u64)> {
        let due = self.buckets.iter_mut().filter_map(|(rule, bucket)| {
            if bucket.held_back == 0 || !report_due(now_ns, bucket.reported_ns) {
                return None;
            }
            bucket.reported_ns = now_ns;
            Some((rule.clone(), std::mem::take(&mut bucket.held_back)))
        });
        due.collect()
    }

    fn raise<const N: usize>(
        &self,
        rule: &str,
        priority: Priority,
        output: String,
        fields: [(&str, serde_json::Value); N],
        time: Timestamp,
        sink: &mut dyn AlertSink,
    ) {
        self.counts.alerts[priority as usize].fetch_add(1, Ordering::Relaxed);
        sink.alert(&Alert {
            id: AlertId::random(),
            time,
            received: time,
            rule: rule.to_owned(),
            priority,
            source: INTERNAL.to_owned(),
            hostname: self.hostname.clone(),
            output,
            tags: Vec::new(),
            fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ends: None,
        });
    }
}

impl Bucket {
    /// A full bucket with one alert taken.
    fn new(limits: Limits, now_ns: u64) -> Self {
        Self { tokens: limits.burst - 1.0, filled_ns: now_ns, held_back: 0, reported_ns: 0 }
    }

    fn take(&mut self, limits: Limits, now_ns: u64) -> bool {
        let seconds = since(now_ns, self.filled_ns).as_secs_f64();
        // Events of several processors come a little out of order; more than that is a clock that
        // was set back, and time goes on from there.
        if now_ns > self.filled_ns || since(self.filled_ns, now_ns) > DISORDER_MAX {
            self.filled_ns = now_ns;
        }
        // Infinity times zero is no number; `max` and `min` then pick the other side.
        let gained = (seconds * limits.rate).max(0.0);
        self.tokens = (self.tokens + gained).min(limits.burst);
        if self.tokens < 1.0 {
            self.held_back += 1;
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// Returns a matcher that times a sample of its work, for who asks what rules cost.
fn matcher(rules: &Arc<RuleSet>) -> Matcher {
    rules.matcher().timed_with(service::clock::monotonic_ns)
}

fn alert_of(rule: &Rule, event: &Event, hostname: &str) -> Alert {
    let rendered = rule.render(event);
    let time = Timestamp::from_nanosecond(event.time_ns.into()).unwrap_or_default();
    Alert {
        id: AlertId::random(),
        time,
        received: time,
        rule: rule.name.clone(),
        priority: rule.priority,
        source: rule.source.clone(),
        hostname: hostname.to_owned(),
        output: cut(rendered.output, OUTPUT_BYTES_MAX),
        tags: rule.tags.clone(),
        fields: bounded(rendered.fields),
        ends: None,
    }
}

/// Returns what was done, under the names of the fields that tell it.
fn enforced_fields(enforced: &Enforced) -> [(String, serde_json::Value); 2] {
    [
        (Field::SakerEnforced.name().to_owned(), json!(enforced.outcome.name())),
        (Field::SakerEnforcedBy.name().to_owned(), json!(enforced.rules.join(", "))),
    ]
}

/// A process chooses how long its arguments are; an alert has a size all the same.
fn bounded(mut fields: Fields) -> Fields {
    for value in fields.values_mut() {
        if let serde_json::Value::String(text) = value {
            *text = cut(std::mem::take(text), FIELD_BYTES_MAX);
        }
    }
    fields
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - '…'.len_utf8()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_rule_may_raise_a_burst_and_then_its_rate() {
        let limits = Limits { rate: 2.0, burst: 3.0 };
        let mut bucket = Bucket::new(limits, 0);
        let mut raised =
            |from: u64, count: u64| (0..count).filter(|n| bucket.take(limits, from + n)).count();
        assert_eq!(raised(1, 10), 2, "the first was taken when the bucket was made");
        assert_eq!(raised(SECOND + 100, 10), 2);
        assert_eq!(raised(100 * SECOND, 10), 3);
        assert_eq!(raised(50 * SECOND, 10), 0, "time that goes back gives nothing");
        assert_eq!(bucket.held_back, 8 + 8 + 7 + 10);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing() {
        let limits = Limits { rate: 1.0, burst: 1.0 };
        let mut bucket = Bucket::new(limits, 9000 * SECOND);
        assert!(!bucket.take(limits, 100 * SECOND), "no time passed");
        assert!(bucket.take(limits, 101 * SECOND), "it goes on from the new time");
        assert!(!bucket.take(limits, 101 * SECOND - 5), "two processors' events, out of order");
        assert!(bucket.take(limits, 102 * SECOND));

        let mut reported = Reported::default();
        assert_eq!(reported.due(5, 9000 * SECOND), Some(5));
        assert_eq!(reported.due(6, 100 * SECOND), Some(1));
        assert_eq!(reported.due(7, 101 * SECOND), None);
    }

    #[test]
    fn without_limits_everything_is_raised() {
        let mut bucket = Bucket::new(Limits::none(), 5);
        assert!((0..10_000).all(|_| bucket.take(Limits::none(), 5)));
        assert!(bucket.take(Limits::none(), 50 * SECOND));
    }

    #[test]
    fn the_same_trouble_is_told_once_a_minute() {
        let mut reported = Reported::default();
        assert_eq!(reported.due(0, 0), None);
        assert_eq!(reported.due(5, SECOND), Some(5));
        assert_eq!(reported.due(9, 30 * SECOND), None);
        assert_eq!(reported.due(9, 61 * SECOND), Some(4));
        assert_eq!(reported.due(9, 500 * SECOND), None);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("aäöü".to_owned(), 7), "aäöü");
        assert_eq!(cut("aäöüx".to_owned(), 7), "aä…");
    }
}
