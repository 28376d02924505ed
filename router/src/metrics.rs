//! What the router counts. Ingest has its own list beside its code.

use std::{sync::Arc, time::Duration};

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use crate::{
    core::CheckOutcome,
    pipeline::{Counts, Decision, DecisionKind, NotifyReason, ReasonKind, Verdict},
};

/// Bounds of a delivery attempt's duration, in seconds.
const ATTEMPT_SECONDS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of the time the core takes for one turn of records, in seconds.
const TURN_SECONDS: [f64; 8] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// What the core counts.
#[derive(Debug)]
pub struct CoreMetrics {
    pub(crate) decisions_lost: IntCounter,
    pub(crate) unreadable_records: IntCounter,
    pub(crate) snapshots_failed: IntCounter,
    pub(crate) snapshot_bytes: IntGauge,
    pub(crate) state_checks: IntCounterVec,
    records: IntCounter,
    turn_seconds: Histogram,
    routed: IntCounter,
    suppressed: IntCounterVec,
    withheld: IntCounterVec,
    returned: IntCounterVec,
    storms: IntCounter,
    storm_alerts: IntCounter,
    notifications: IntCounterVec,
}

/// What the dispatcher counts, by output.
#[derive(Debug)]
pub struct DispatchMetrics {
    pub(crate) sidekick: IntCounterVec,
    pub(crate) attempts: IntCounterVec,
    pub(crate) deliveries: IntCounterVec,
    pub(crate) attempt_seconds: HistogramVec,
    pub(crate) fallbacks: IntCounterVec,
    pub(crate) refused: IntCounterVec,
    pub(crate) queue_notifications: IntGaugeVec,
    pub(crate) queue_bytes: IntGaugeVec,
    pub(crate) queue_age: GaugeVec,
    pub(crate) in_flight: IntGaugeVec,
    pub(crate) breaker: IntGaugeVec,
    pub(crate) paused_until: GaugeVec,
    pub(crate) retry_after: IntCounterVec,
}

/// What is counted of the owners of pods.
#[derive(Debug)]
pub(crate) struct OwnerMetrics {
    pub(crate) owners: IntCounterVec,
    pub(crate) waits: IntCounterVec,
    pub(crate) contradictions: IntCounter,
    pub(crate) failures: IntCounterVec,
    pub(crate) refused: IntCounter,
    objects: IntGaugeVec,
    lag: GaugeVec,
}

/// What is counted of the way to the responder.
#[derive(Debug)]
pub(crate) struct ResponderMetrics {
    pub(crate) alerts: IntCounterVec,
    pub(crate) failures: IntCounter,
    pub(crate) lag: Gauge,
    pub(crate) seconds: Histogram,
}

/// The journal's and the pipeline's sizes, read when somebody asks.
#[derive(Debug)]
pub struct SizeMetrics {
    journal_bytes: IntGauge,
    journal_records: IntGauge,
    journal_full: IntGauge,
    journal_failed: IntGauge,
    config_refused: IntGauge,
    behind_records: IntGauge,
    findings: IntGauge,
    groups: IntGauge,
    pending: IntGauge,
    dead_letters: IntGauge,
    silences: IntGauge,
    hidden: IntGauge,
    windows: IntGauge,
    sources: IntGauge,
    sources_refused: IntGauge,
    storms: IntGauge,
}

/// Results of one attempt, as the label `result` has them.
pub(crate) const ATTEMPT_RESULTS: [&str; 5] =
    ["delivered", "unavailable", "timeout", "rejected", "denied"];
/// Ends of a notification, as the label `result` has them.
pub(crate) const DELIVERY_RESULTS: [&str; 2] = ["delivered", "dead_lettered"];

/// What became of an alert's question for its owner, as the label `result` has it.
const OWNER_RESULTS: [&str; 6] =
    ["found", "not_found", "not_synced", "stale", "unreachable", "forbidden"];
/// What hides findings for a time.
const HIDING: [ReasonKind; 3] = [ReasonKind::Silence, ReasonKind::Inhibited, ReasonKind::Window];
/// Kinds that are watched, as the label `kind` has them.
const OWNER_KINDS: [&str; 3] = ["Pod", "ReplicaSet", "Job"];
/// How the wait for an owner ended, as the label `end` has it.
const WAIT_ENDS: [&str; 3] = ["found", "timeout", "full"];
/// Ends of an alert on its way to the responder, as the label `end` has them.
pub(crate) const RESPONDER_ENDS: [&str; 2] = ["sent", "skipped"];
/// Bounds of the time from an alert's acceptance to the responder's answer, in seconds.
const RESPONDER_SECONDS: [f64; 10] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0];

pub(crate) fn registered<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

impl CoreMetrics {
    pub fn register(registry: &Registry) -> prometheus::Result<Arc<Self>> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help));
        let labelled = |name, help, label| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), &[label]))
        };
        let metrics = Self {
            decisions_lost: counter(
                "saker_core_decisions_lost_total",
                "Decisions that could not be written down for explain.",
            )?,
            unreadable_records: counter(
                "saker_core_unreadable_records_total",
                "Journal records that were passed over because they could not be read.",
            )?,
            snapshots_failed: counter(
                "saker_core_snapshots_failed_total",
                "Snapshots of the state that could not be written.",
            )?,
            snapshot_bytes: registered(
                registry,
                IntGauge::new("saker_core_snapshot_bytes", "Size of the newest snapshot."),
            )?,
            state_checks: labelled(
                "saker_core_state_checks_total",
                "Snapshots held against a replay of the journal, by what it came to.",
                "outcome",
            )?,
            records: counter("saker_core_records_total", "Journal records applied.")?,
            turn_seconds: registered(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "saker_core_turn_seconds",
                        "Time the core took for one turn of records.",
                    )
                    .buckets(TURN_SECONDS.to_vec()),
                ),
            )?,
            routed: counter(
                "saker_pipeline_alerts_routed_total",
                "Alerts of which at least one output is told.",
            )?,
            suppressed: labelled(
                "saker_pipeline_alerts_suppressed_total",
                "Alerts of which nobody is told, by reason.",
                "reason",
            )?,
            withheld: labelled(
                "saker_pipeline_alerts_withheld_total",
                "Routed alerts that an output was not told of, hidden by then, by reason.",
                "reason",
            )?,
            returned: labelled(
                "saker_pipeline_findings_returned_total",
                "Active findings that were hidden and no longer are, by the reason that ended.",
                "reason",
            )?,
            storms: counter(
                "saker_pipeline_storms_total",
                "Storms that began: a source flooded, and was told of in summaries from then on.",
            )?,
            storm_alerts: counter(
                "saker_pipeline_storm_alerts_total",
                "Alerts that were counted in the summaries of storms.",
            )?,
            notifications: labelled(
                "saker_pipeline_notifications_total",
                "Notifications made, by what made them.",
                "why",
            )?,
        };
        for outcome in CheckOutcome::ALL {
            metrics.state_checks.with_label_values(&[outcome.label()]);
        }
        for reason in ReasonKind::ALL {
            metrics.suppressed.with_label_values(&[reason.name()]);
        }
        for reason in HIDING {
            metrics.withheld.with_label_values(&[reason.name()]);
            metrics.returned.with_label_values(&[reason.name()]);
        }
        for why in
            ["opened", "updated", "escalated", "counted", "closed", "resolved", "storm_ended"]
        {
            metrics.notifications.with_label_values(&[why]);
        }
        Ok(Arc::new(metrics))
    }

    pub(crate) fn turn(&self, records: usize, took: Duration) {
        self.records.inc_by(records as u64);
        self.turn_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn decided(&self, decision: &Decision) {
        match &decision.kind {
            DecisionKind::Alert(alert) => {
                if alert.routes.iter().any(|routing| routing.storm) {
                    self.storm_alerts.inc();
                }
                match &alert.verdict {
                    Verdict::Routed => self.routed.inc(),
                    Verdict::Suppressed(reason) => {
                        self.suppressed.with_label_values(&[reason.kind().name()]).inc();
                    }
                }
            }
            DecisionKind::Withheld(withheld) => {
                let reason = withheld.reason.kind().name();
                self.withheld.with_label_values(&[reason]).inc_by(withheld.alerts);
            }
            DecisionKind::StormBegan { .. } => self.storms.inc(),
            DecisionKind::Returned { reason, .. } => {
                self.returned.with_label_values(&[reason.kind().name()]).inc();
            }
            DecisionKind::Notified(notified) => {
                let why = match notified.why {
                    NotifyReason::Opened => "opened",
                    NotifyReason::Updated => "updated",
                    NotifyReason::Escalated => "escalated",
                    NotifyReason::Counted => "counted",
                    NotifyReason::Closed => "closed",
                    NotifyReason::Resolved => "resolved",
                    NotifyReason::StormEnded => "storm_ended",
                };
                self.notifications.with_label_values(&[why]).inc();
            }
            _ => {}
        }
    }
}

impl DispatchMetrics {
    pub fn register(registry: &Registry) -> prometheus::Result<Arc<Self>> {
        let counters = |name, help, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauges =
            |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["output"]));
        Ok(Arc::new(Self {
            sidekick: counters(
                "falcosecurity_falcosidekick_outputs_total",
                "Attempts to deliver, by kind of output; the name and labels are falcosidekick's.",
                &["destination", "status"],
            )?,
            attempts: counters(
                "saker_dispatch_attempts_total",
                "Attempts to deliver a notification.",
                &["output", "result"],
            )?,
            deliveries: counters(
                "saker_dispatch_notifications_total",
                "Notifications that came to their end.",
                &["output", "result"],
            )?,
            attempt_seconds: registered(
                registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "saker_dispatch_attempt_seconds",
                        "Duration of an attempt, rendering included.",
                    )
                    .buckets(ATTEMPT_SECONDS.to_vec()),
                    &["output"],
                ),
            )?,
            fallbacks: counters(
                "saker_dispatch_template_fallbacks_total",
                "Parts rendered by the built-in template because the configured one failed.",
                &["output"],
            )?,
            refused: counters(
                "saker_dispatch_queue_refused_total",
                "Notifications left in the router's state because the queue was full.",
                &["output"],
            )?,
            queue_notifications: gauges(
                "saker_dispatch_queue_notifications",
                "Notifications in the queue.",
            )?,
            queue_bytes: gauges("saker_dispatch_queue_bytes", "Size of the queue.")?,
            queue_age: registered(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "saker_dispatch_queue_oldest_seconds",
                        "Age of the oldest notification in the queue.",
                    ),
                    &["output"],
                ),
            )?,
            in_flight: gauges("saker_dispatch_in_flight", "Attempts under way.")?,
            breaker: gauges(
                "saker_dispatch_breaker_state",
                "0 closed, 1 trying, 2 open: nothing is sent for a while, 3 disabled.",
            )?,
            paused_until: registered(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "saker_dispatch_paused_until_seconds",
                        "When an open breaker lets the next attempt through, seconds since 1970; \
                         0 when it is not open.",
                    ),
                    &["output"],
                ),
            )?,
            retry_after: counters(
                "saker_dispatch_retry_after_total",
                "Answers by which the destination asked for time.",
                &["output"],
            )?,
        }))
    }

    /// Makes every series of an output exist, with 0.
    pub(crate) fn zero(&self, output: &str, kind: &str) {
        for status in ["ok", "error"] {
            self.sidekick.with_label_values(&[kind, status]);
        }
        for result in ATTEMPT_RESULTS {
            self.attempts.with_label_values(&[output, result]);
        }
        for result in DELIVERY_RESULTS {
            self.deliveries.with_label_values(&[output, result]);
        }
        self.attempt_seconds.with_label_values(&[output]);
        for counter in [&self.fallbacks, &self.refused, &self.retry_after] {
            counter.with_label_values(&[output]);
        }
        for gauge in [&self.queue_notifications, &self.queue_bytes, &self.in_flight, &self.breaker]
        {
            gauge.with_label_values(&[output]).set(0);
        }
        self.queue_age.with_label_values(&[output]).set(0.0);
        self.paused_until.with_label_values(&[output]).set(0.0);
    }
}

impl OwnerMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help));
        let labelled = |name, help, label, values: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label]);
            let counters = registered(registry, counters)?;
            for value in values {
                counters.with_label_values(&[value]);
            }
            Ok::<_, prometheus::Error>(counters)
        };
        let lag = Opts::new(
            "saker_router_owner_watch_lag_seconds",
            "Time since the API server last said anything about a kind; -1 if it never did.",
        );
        let objects = Opts::new(
            "saker_router_owner_objects",
            "Objects of the cluster that are known, deleted ones that are still kept included.",
        );
        let metrics = Self {
            owners: labelled(
                "saker_router_owners_total",
                "Alerts of a pod, by whether its owner was found.",
                "result",
                &OWNER_RESULTS,
            )?,
            waits: labelled(
                "saker_router_owner_waits_total",
                "Requests with alerts that waited for the cluster to tell of a pod, by how it ended.",
                "end",
                &WAIT_ENDS,
            )?,
            contradictions: counter(
                "saker_router_owner_contradictions_total",
                "Alerts whose sender claimed another place or owner than the cluster knows.",
            )?,
            failures: labelled(
                "saker_router_owner_watch_failures_total",
                "Requests to the API server that failed.",
                "kind",
                &OWNER_KINDS,
            )?,
            refused: counter(
                "saker_router_owner_objects_refused_total",
                "Objects that are not known because there are too many.",
            )?,
            objects: registered(registry, IntGaugeVec::new(objects, &["kind"]))?,
            lag: registered(registry, GaugeVec::new(lag, &["kind"]))?,
        };
        for kind in OWNER_KINDS {
            metrics.measure(kind, 0, None);
        }
        Ok(metrics)
    }

    pub(crate) fn measure(&self, kind: &str, objects: usize, lag: Option<Duration>) {
        let objects = i64::try_from(objects).unwrap_or(i64::MAX);
        self.objects.with_label_values(&[kind]).set(objects);
        let lag = lag.map_or(-1.0, |lag| lag.as_secs_f64());
        self.lag.with_label_values(&[kind]).set(lag);
    }
}

impl ResponderMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let alerts = Opts::new(
            "saker_router_responder_alerts_total",
            "Alerts the responder took, and those that were passed over because they were too old, \
             the journal needed room, or the responder refused them.",
        );
        let alerts = registered(registry, IntCounterVec::new(alerts, &["end"]))?;
        for end in RESPONDER_ENDS {
            alerts.with_label_values(&[end]);
        }
        Ok(Self {
            alerts,
            failures: registered(
                registry,
                IntCounter::new(
                    "saker_router_responder_failures_total",
                    "Attempts to bring alerts to the responder that failed.",
                ),
            )?,
            lag: registered(
                registry,
                Gauge::new(
                    "saker_router_responder_lag_seconds",
                    "Age of the oldest alert the responder has not taken.",
                ),
            )?,
            seconds: registered(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "saker_router_responder_seconds",
                        "Time from an alert's acceptance until the responder has it.",
                    )
                    .buckets(RESPONDER_SECONDS.to_vec()),
                ),
            )?,
        })
    }
}

impl SizeMetrics {
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name, help| registered(registry, IntGauge::new(name, help));
        Ok(Self {
            journal_bytes: gauge("saker_journal_bytes", "Size of the journal's segments.")?,
            journal_records: gauge("saker_journal_records", "Records in the journal.")?,
            journal_full: gauge("saker_journal_full", "1 when the last append found no space.")?,
            journal_failed: gauge(
                "saker_journal_failed",
                "1 when the journal failed: it takes nothing more until a restart.",
            )?,
            config_refused: gauge(
                "saker_router_config_refused",
                "1 while a changed configuration is refused and the old one stays in force.",
            )?,
            behind_records: gauge("saker_core_behind_records", "Records not yet applied.")?,
            findings: gauge("saker_pipeline_findings", "Live findings.")?,
            groups: gauge("saker_pipeline_groups", "Open groups.")?,
            pending: gauge("saker_pipeline_pending_notifications", "Undelivered notifications.")?,
            dead_letters: gauge("saker_pipeline_dead_letters", "Dead letters kept.")?,
            silences: gauge("saker_pipeline_silences_active", "Active silences.")?,
            hidden: gauge(
                "saker_pipeline_findings_hidden",
                "Live findings that people do not hear of: silenced, in a window, or inhibited.",
            )?,
            windows: gauge("saker_pipeline_windows_open", "Maintenance windows that are open.")?,
            storms: gauge(
                "saker_pipeline_storms",
                "Storms that go on: sources that are told of in summaries.",
            )?,
            sources: gauge(
                "saker_pipeline_inhibition_sources",
                "Inhibitions with a source, once for each set of values of their equal fields.",
            )?,
            sources_refused: gauge(
                "saker_pipeline_inhibition_sources_refused",
                "Sources of inhibitions that were left out: one finding with too many sets of values.",
            )?,
        })
    }

    pub(crate) fn set(&self, journal: &journal::Stat, applied: u64, counts: &Counts) {
        let to_gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.journal_bytes.set(to_gauge(journal.bytes));
        self.journal_records.set(to_gauge(journal.records.end - journal.records.start));
        self.journal_full.set(i64::from(journal.full));
        self.journal_failed.set(i64::from(journal.failure.is_some()));
        self.behind_records.set(to_gauge(journal.records.end.saturating_sub(applied)));
        self.findings.set(to_gauge(counts.findings));
        self.groups.set(to_gauge(counts.groups));
        self.pending.set(to_gauge(counts.pending));
        self.dead_letters.set(to_gauge(counts.dead_letters));
        self.silences.set(to_gauge(counts.silences_active));
        self.hidden.set(to_gauge(counts.findings_hidden));
        self.windows.set(to_gauge(counts.windows_open));
        self.storms.set(to_gauge(counts.storms));
        self.sources.set(to_gauge(counts.inhibition_sources));
        self.sources_refused.set(to_gauge(counts.inhibition_sources_refused));
    }
    pub(crate) fn config_refused(&self, refused: bool) {
        self.config_refused.set(i64::from(refused));
    }
}
