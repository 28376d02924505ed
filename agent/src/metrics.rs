//! What Prometheus learns about the agent. Names and meanings are declared here, once.

mod around;
mod enforce;
mod rules;

use alert::{EventKind, Missing, Priority};
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use self::{around::AroundMetrics, enforce::EnforceMetrics, rules::RuleMetrics};
use crate::{
    detect::Counts,
    enrich::resolver::ResolverTotals,
    sensor::{HoldEnd, KindCounters, RepeatCounts},
    status::AgentStatus,
};

/// What serves hooks, by the letters of `docs/sensor.md`: system call hooks and trampolines.
const BACKENDS: [char; 2] = ['S', 'T'];

/// The agent's metrics. Updated once a second.
#[derive(Debug)]
pub(crate) struct Metrics {
    events: IntCounter,
    alerts: IntCounterVec,
    held_back: IntCounter,
    muted: IntCounter,
    repeats: IntCounterVec,
    kernel_events: IntCounterVec,
    hooks: IntGaugeVec,
    hooks_unavailable: IntGauge,
    processes: IntGauge,
    container_lookups: IntCounterVec,
    containers_known: IntGauge,
    held_events: IntGauge,
    held_events_total: IntCounterVec,
    address_names: IntGauge,
    address_names_refused: IntGauge,
    address_name_lookups: IntCounterVec,
    rules: IntGauge,
    rules_stale: IntGauge,
    rule: RuleMetrics,
    enforce: EnforceMetrics,
    around: AroundMetrics,
    spool_alerts: IntGauge,
    spool_lag_seconds: Gauge,
    spool_bytes: IntGauge,
    spool_bytes_max: IntGauge,
    delivered: IntCounter,
    delivery_failures: IntCounter,
    refused: IntCounter,
    dead_letters: IntCounter,
}

impl Metrics {
    /// Registers all of them, at zero.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("saker_agent_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters =
                IntCounterVec::new(Opts::new(format!("saker_agent_{name}"), help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("saker_agent_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let hooks = IntGaugeVec::new(
            Opts::new("saker_agent_hooks", "Hooks attached, by what serves them."),
            &["backend"],
        )?;
        registry.register(Box::new(hooks.clone()))?;
        let spool_lag_seconds = Gauge::new(
            "saker_agent_spool_lag_seconds",
            "Age of the oldest alert the router does not have.",
        )?;
        registry.register(Box::new(spool_lag_seconds.clone()))?;
        let metrics = Self {
            events: counter("events_total", "Events matched against the rules.")?,
            alerts: counters("alerts_total", "Alerts raised.", &["priority"])?,
            held_back: counter(
                "alerts_held_back_total",
                "Alerts not raised because their rule was too noisy.",
            )?,
            muted: counter(
                "muted_events_total",
                "Events of muted processes that the agent left out; the kernel counts its own.",
            )?,
            repeats: counters(
                "repeats_total",
                "Records looked for among those that came to nothing, by what was found; and forgotten ones.",
                &["outcome"],
            )?,
            kernel_events: counters(
                "kernel_events_total",
                "Events by kind, as the kernel side counted them.",
                &["kind", "outcome"],
            )?,
            hooks,
            hooks_unavailable: gauge(
                "hooks_unavailable",
                "What the rules need and this kernel does not give.",
            )?,
            processes: gauge("processes", "Processes remembered.")?,
            container_lookups: counters(
                "container_lookups_total",
                "Look-ups of containers at their runtime, by their end.",
                &["result"],
            )?,
            containers_known: gauge("containers_known", "Containers remembered.")?,
            held_events: gauge("held_events", "Events that wait for their container's metadata.")?,
            held_events_total: counters(
                "held_events_total",
                "Events that waited for their container's metadata, by the end of their wait.",
                &["end"],
            )?,
            address_names: gauge("address_names", "Addresses with a name that rules mention.")?,
            address_names_refused: gauge(
                "address_names_refused",
                "Names that rules mention and that are too many to be looked up.",
            )?,
            address_name_lookups: counters(
                "address_name_lookups_total",
                "Look-ups of names that rules mention, by their end.",
                &["result"],
            )?,
            rules: gauge("rules", "Rules in force.")?,
            rules_stale: gauge(
                "rules_stale",
                "1 while changed rule files are bad and the old ones stay in force.",
            )?,
            rule: RuleMetrics::new(registry)?,
            enforce: EnforceMetrics::new(registry)?,
            around: AroundMetrics::new(registry)?,
            spool_alerts: gauge("spool_alerts", "Alerts the router does not have.")?,
            spool_lag_seconds,
            spool_bytes: gauge("spool_bytes", "Size of the spool.")?,
            spool_bytes_max: gauge("spool_bytes_max", "Size the spool may have.")?,
            delivered: counter("delivered_total", "Alerts the router acknowledged.")?,
            delivery_failures: counter(
                "delivery_failures_total",
                "Attempts to deliver a batch that failed.",
            )?,
            refused: counter("refused_total", "Alerts lost because the spool was full.")?,
            dead_letters: counter(
                "dead_letters_total",
                "Alerts put aside because the router refuses them.",
            )?,
        };
        for priority in Priority::ALL {
            metrics.alerts.with_label_values(&[priority.name()]).reset();
        }
        for backend in BACKENDS {
            metrics.hooks.with_label_values(&[&backend.to_string()]).set(0);
        }
        for kind in EventKind::reported() {
            for (outcome, _) in KindCounters::default().named() {
                metrics.kernel_events.with_label_values(&[kind.name(), outcome]).reset();
            }
        }
        for result in std::iter::once("found").chain(Missing::ALL.map(Missing::name)) {
            metrics.container_lookups.with_label_values(&[result]).reset();
        }
        for result in ["found", "failed"] {
            metrics.address_name_lookups.with_label_values(&[result]).reset();
        }
        for end in HoldEnd::ALL {
            metrics.held_events_total.with_label_values(&[end.name()]).reset();
        }
        for (outcome, _) in RepeatCounts::default().named() {
            metrics.repeats.with_label_values(&[outcome]).reset();
        }
        Ok(metrics)
    }

    /// Takes over what each rule cost; `changed` says that these are other rules than before.
    pub(crate) fn update_rules(&self, costs: &[::rules::RuleCost], changed: bool) {
        self.rule.update(costs, changed);
    }

    /// Takes over what became of the look-ups of names.
    pub(crate) fn update_names(&self, totals: &ResolverTotals) {
        self.address_names.set(signed(totals.addresses));
        self.address_names_refused.set(signed(totals.refused));
        for (result, count) in [("found", totals.found), ("failed", totals.failed)] {
            raise(&self.address_name_lookups.with_label_values(&[result]), count);
        }
    }

    pub(crate) fn update(&self, status: &AgentStatus, counts: &Counts) {
        raise(&self.events, status.events.total);
        for (priority, count) in Priority::ALL.iter().zip(&counts.alerts) {
            let count = count.load(std::sync::atomic::Ordering::Relaxed);
            raise(&self.alerts.with_label_values(&[priority.name()]), count);
        }
        raise(&self.held_back, status.alerts_held_back);
        raise(&self.muted, status.sensor.muted);
        for (outcome, count) in status.sensor.repeats.named() {
            raise(&self.repeats.with_label_values(&[outcome]), count);
        }
        for kind in &status.sensor.kinds {
            for (outcome, count) in kind.counters.named() {
                raise(&self.kernel_events.with_label_values(&[&kind.kind, outcome]), count);
            }
        }
        for backend in BACKENDS {
            let attached = status.sensor.hooks.iter().filter(|hook| hook.backend == backend);
            let hooks = self.hooks.with_label_values(&[&backend.to_string()]);
            hooks.set(signed(attached.count() as u64));
        }
        self.hooks_unavailable.set(signed(status.sensor.unavailable.len() as u64));
        self.processes.set(signed(status.sensor.processes));
        let containers = &status.sensor.containers;
        for (result, count) in &containers.lookups {
            raise(&self.container_lookups.with_label_values(&[result]), *count);
        }
        self.containers_known.set(signed(containers.known));
        self.held_events.set(signed(containers.held));
        for (end, count) in &containers.hold_ends {
            raise(&self.held_events_total.with_label_values(&[end]), *count);
        }
        self.rules.set(signed(status.rules.rules as u64));
        self.rules_stale.set(status.rules.error.is_some().into());
        if let Some(enforce) = &status.enforce {
            self.enforce.update(enforce);
        }
        if let Some(around) = &status.around {
            self.around.update(around);
        }
        if let Some(uplink) = &status.uplink {
            self.spool_alerts.set(signed(uplink.pending));
            self.spool_lag_seconds.set(uplink.lag_seconds);
            self.spool_bytes.set(signed(uplink.spool_bytes));
            self.spool_bytes_max.set(signed(uplink.spool_bytes_max));
            raise(&self.delivered, uplink.delivered);
            raise(&self.delivery_failures, uplink.failures);
            raise(&self.refused, uplink.refused);
            raise(&self.dead_letters, uplink.dead_letters);
        }
    }
}

/// Orders by what was ordered and what came of it; counted as they end.
#[derive(Clone, Debug)]
pub struct OrderMetrics(IntCounterVec);

impl OrderMetrics {
    /// Every pair of labels there is. `none` is an order of a client that may not give any.
    const PAIRS: [(&str, &[&str]); 6] = [
        ("kill_process", KILL_OUTCOMES),
        ("kill_tree", KILL_OUTCOMES),
        ("process", &["done", "gone", "invalid", "busy", "failed"]),
        ("container", &["done", "invalid", "busy", "failed"]),
        ("watch", &["done", "gone", "invalid", "busy", "failed"]),
        ("none", &["forbidden", "invalid"]),
    ];

    /// Registers the counter, at zero.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "saker_agent_orders_total",
            "Orders by what was ordered and what came of it.",
        );
        let orders = IntCounterVec::new(options, &["action", "outcome"])?;
        registry.register(Box::new(orders.clone()))?;
        for (action, outcomes) in Self::PAIRS {
            for outcome in outcomes {
                orders.with_label_values(&[action, outcome]).reset();
            }
        }
        Ok(Self(orders))
    }

    pub(crate) fn count(&self, action: &'static str, outcome: &'static str) {
        self.0.with_label_values(&[action, outcome]).inc();
    }
}

const KILL_OUTCOMES: &[&str] =
    &["dead", "gone", "refused", "would_kill", "unknown", "repeated", "invalid", "busy", "failed"];

/// A counter never falls: a sensor started anew counts from zero, and so does Prometheus.
fn raise(counter: &IntCounter, total: u64) {
    let before = counter.get();
    if total < before {
        counter.reset();
    }
    counter.inc_by(total - counter.get());
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
