//! What ingest counts: falcosidekick's counters with their labels, and our own.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError, RwLock},
};

use alert::Alert;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, core::Collector,
};

use super::sequences::Finding;

/// Label value for what has no room of its own.
const OTHER: &str = "other";
/// Senders counted each by itself.
const SENDERS_MAX: usize = 1000;

#[derive(Debug)]
pub(super) struct Metrics {
    events: IntCounterVec,
    /// The combinations that have a counter, by the hash of their values.
    series: RwLock<HashMap<u64, IntCounter>>,
    series_max: usize,
    hasher: RandomState,
    overflow: IntCounter,
    inputs_accepted: IntCounter,
    inputs_rejected: IntCounter,
    alerts: IntCounter,
    senders: IntCounterVec,
    limited: IntCounterVec,
    lost: IntCounterVec,
    repeated: IntCounterVec,
    /// Senders that share buckets.
    pub(super) limits_overflow: IntCounter,
    /// The senders that have a counter.
    known_senders: Mutex<HashSet<String>>,
    pub(super) bytes: IntCounter,
    pub(super) backlog_waits: IntCounter,
    pub(super) seconds: Histogram,
    requests: IntCounterVec,
    rejected: IntCounterVec,
}

/// Every reason a request is refused for.
const REASONS: [&str; 21] = [
    "address",
    "auth",
    "backlog",
    "certificate",
    "encoding",
    "full",
    "input",
    "invalid",
    "journal",
    "malformed",
    "method",
    "origin",
    "overload",
    "panic",
    "rate",
    "signature",
    "stale",
    "timeout",
    "too_large",
    "too_many",
    "unknown",
];

const SECONDS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

impl Metrics {
    pub(super) fn new(registry: &Registry, series_max: usize) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let inputs = counters(
            "falcosecurity_falcosidekick_inputs_total",
            "Requests with alerts, by their outcome.",
            &["source", "status"],
        )?;
        let rejected = counters(
            "saker_ingest_rejected_total",
            "Requests that were not taken, by reason.",
            &["reason"],
        )?;
        for reason in REASONS {
            rejected.with_label_values(&[reason]);
        }
        let seconds = HistogramOpts::new(
            "saker_ingest_request_seconds",
            "Time from a request's head to its answer.",
        );
        Ok(Self {
            events: counters(
                "falcosecurity_falcosidekick_falco_events_total",
                "Alerts accepted.",
                &[
                    "hostname",
                    "rule",
                    "priority",
                    "priority_raw",
                    "source",
                    "k8s_ns_name",
                    "k8s_pod_name",
                ],
            )?,
            series: RwLock::default(),
            series_max,
            hasher: RandomState::new(),
            overflow: counter(
                "saker_ingest_series_overflow_total",
                "Alerts counted under `other` because there are too many combinations of labels.",
            )?,
            inputs_accepted: inputs.with_label_values(&["requests", "accepted"]),
            inputs_rejected: inputs.with_label_values(&["requests", "rejected"]),
            alerts: counter("saker_ingest_alerts_total", "Alerts accepted and durable.")?,
            senders: counters(
                "saker_ingest_sender_alerts_total",
                "Alerts accepted and durable, by who sent them and by which input.",
                &["sender", "input"],
            )?,
            limited: counters(
                "saker_ingest_sender_limited_total",
                "Requests refused because their sender sends more than its rate allows.",
                &["sender"],
            )?,
            lost: counters(
                "saker_ingest_sender_lost_total",
                "Alerts that a sender numbered and that never came.",
                &["sender"],
            )?,
            repeated: counters(
                "saker_ingest_sender_repeated_total",
                "Alerts that a sender numbered and that came again.",
                &["sender"],
            )?,
            limits_overflow: counter(
                "saker_ingest_limits_overflow_total",
                "Times a sender was held to a rate shared with others, because there are too many.",
            )?,
            known_senders: Mutex::default(),
            bytes: counter("saker_ingest_bytes_total", "Bytes of bodies as they were sent.")?,
            backlog_waits: counter(
                "saker_ingest_backlog_waits_total",
                "Times alerts waited because the pipeline was as far behind as it may be.",
            )?,
            seconds: registered(
                registry,
                Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?,
            )?,
            requests: counters("saker_ingest_requests_total", "Requests answered.", &["status"])?,
            rejected,
        })
    }

    /// Counts an alert that is durable.
    pub(super) fn accepted(&self, alert: &Alert) {
        self.alerts.inc();
        let hostname = if alert.hostname.is_empty() { "unknown" } else { &alert.hostname };
        let namespace = alert.text("k8s.ns.name").unwrap_or_default();
        let pod = alert.text("k8s.pod.name").unwrap_or_default();
        let priority = alert.priority;
        let key = self
            .hasher
            .hash_one(((hostname, &alert.rule, priority), (&alert.source, namespace, pod)));
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(&key) {
            return counter.inc();
        }
        drop(known);
        let number = priority.sidekick().to_string();
        let raw = priority.name().to_ascii_lowercase();
        let mut known = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.series_max && !known.contains_key(&key) {
            self.overflow.inc();
            let other = [OTHER, OTHER, &number, &raw, OTHER, OTHER, OTHER];
            return self.events.with_label_values(&other).inc();
        }
        let labels = [hostname, &alert.rule, &number, &raw, &alert.source, namespace, pod];
        known.entry(key).or_insert_with(|| self.events.with_label_values(&labels)).inc();
    }

    /// Counts alerts that are durable for their sender.
    pub(super) fn sent(&self, sender: Option<&str>, input: &str, alerts: usize) {
        let labels = [self.label(sender), input];
        self.senders.with_label_values(&labels).inc_by(alerts as u64);
    }

    /// Counts a request of a sender that sends too much.
    pub(super) fn limited(&self, sender: Option<&str>) {
        self.limited.with_label_values(&[self.label(sender)]).inc();
    }

    /// Counts what the numbers of a sender's alerts say.
    pub(super) fn numbered(&self, sender: Option<&str>, finding: Finding) {
        let label = [self.label(sender)];
        if finding.lost > 0 {
            self.lost.with_label_values(&label).inc_by(finding.lost);
        }
        if finding.repeated > 0 {
            self.repeated.with_label_values(&label).inc_by(finding.repeated);
        }
    }

    /// Returns a sender's label. Certificates may name many senders: those beyond a bound are
    /// counted together.
    fn label<'a>(&self, sender: Option<&'a str>) -> &'a str {
        let sender = sender.unwrap_or("unknown");
        let mut known = self.known_senders.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = known.contains(sender) || known.len() < SENDERS_MAX;
        if has_room && !known.contains(sender) {
            known.insert(sender.to_owned());
        }
        drop(known);
        if has_room { sender } else { OTHER }
    }

    /// Counts a request with alerts.
    pub(super) fn answered(&self, status: u16, refused: Option<&'static str>) {
        self.requests.with_label_values(&[&status.to_string()]).inc();
        match refused {
            None => self.inputs_accepted.inc(),
            Some(reason) => {
                self.inputs_rejected.inc();
                self.rejected.with_label_values(&[reason]).inc();
            }
        }
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
