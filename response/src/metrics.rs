//! What the responder tells Prometheus. Every label value is known from the start.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use service::metrics::register;

use crate::{
    action::{Action, Mode},
    audit::Audit,
    book::{Book, Response, State},
    config::ResponseConfig,
    engine::Taken,
    entry::ResultKind,
    gate::{Gate, Pass, Verdict},
    plan::Plan,
};

const STEPS: [&str; 2] = ["look", "act"];
/// What is taken back a little late is nothing to worry about.
const OVERDUE_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The responder's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    alerts: IntCounterVec,
    plans: IntCounterVec,
    gates: IntCounterVec,
    outcomes: IntCounterVec,
    pending: IntGaugeVec,
    budget: IntGaugeVec,
    containments: IntGauge,
    overdue: IntGauge,
    audit_bytes: IntGauge,
    audit_entries: IntGauge,
    audit_failed: IntGauge,
    stopped: IntGauge,
    undo_failures: IntCounter,
    told: IntCounterVec,
    seconds: HistogramVec,
}

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).map(|made| register(registry, made))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(name, help), labels).map(|made| register(registry, made))
        };
        let gauge =
            |name: &str, help: &str| IntGauge::new(name, help).map(|made| register(registry, made));
        let seconds = HistogramOpts::new(
            "saker_response_seconds",
            "Time a response's steps took: `look` until its facts were known, `act` until its end was \
             seen.",
        )
        .buckets(vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0, 60.0]);
        let metrics = Self {
            alerts: counters(
                "saker_response_alerts_total",
                "Alerts that came from the router, by what was made of them.",
                &["result"],
            )?,
            plans: counters(
                "saker_response_plans_total",
                "Plans made, by the lowest mode that applied.",
                &["action", "mode"],
            )?,
            gates: counters(
                "saker_response_gates_total",
                "Answers of the gates.",
                &["gate", "verdict"],
            )?,
            outcomes: counters(
                "saker_response_outcomes_total",
                "Responses that ended, by what was seen.",
                &["action", "outcome"],
            )?,
            pending: gauges(
                "saker_response_pending",
                "Responses that are not over, by state.",
                &["state"],
            )?,
            budget: gauges(
                "saker_response_budget_tokens",
                "Actions the budgets still allow: of the cluster (scope `cluster`, its namespace \
                 empty), and of each listed namespace.",
                &["scope", "namespace"],
            )?,
            containments: gauge(
                "saker_response_active_containments",
                "Labels and isolations in force, to be taken back when their time is over.",
            )?,
            overdue: gauge(
                "saker_response_overdue_containments",
                "Labels and isolations still in force more than a minute after their time was over.",
            )?,
            audit_bytes: gauge("saker_response_audit_bytes", "Size of the audit's files.")?,
            audit_entries: gauge(
                "saker_response_audit_entries_total",
                "Entries of the audit: the sequence of its last line.",
            )?,
            audit_failed: gauge(
                "saker_response_audit_failed",
                "1 when the audit takes no more entries: nothing is done then.",
            )?,
            stopped: gauge(
                "saker_response_stopped",
                "1 while a person has stopped all responses.",
            )?,
            undo_failures: register(
                registry,
                IntCounter::new(
                    "saker_response_undo_failures_total",
                    "Attempts to take a containment back that failed; they are made again.",
                )?,
            ),
            told: counters(
                "saker_response_news_total",
                "Alerts for people about responses, by whether the router took them.",
                &["end"],
            )?,
            seconds: register(registry, HistogramVec::new(seconds, &["action", "step"])?),
        };
        metrics.zero();
        Ok(metrics)
    }

    fn zero(&self) {
        for taken in Taken::ALL {
            self.alerts.with_label_values(&[taken.name()]);
        }
        for end in ["sent", "lost"] {
            self.told.with_label_values(&[end]);
        }
        for action in Action::ALL {
            for mode in [Mode::Off, Mode::DryRun, Mode::Approve, Mode::Auto] {
                self.plans.with_label_values(&[action.name(), mode.name()]);
            }
            for result in ResultKind::ALL {
                self.outcomes.with_label_values(&[action.name(), result.name()]);
            }
            for step in STEPS {
                self.seconds.with_label_values(&[action.name(), step]);
            }
        }
        for gate in Gate::ALL {
            for pass in Pass::ALL {
                self.gates.with_label_values(&[gate.name(), pass.name()]);
            }
        }
        for state in State::NAMES {
            self.pending.with_label_values(&[state]);
        }
        self.budget.with_label_values(&["cluster", ""]);
    }

    pub(crate) fn alert(&self, result: &str) {
        self.alerts.with_label_values(&[result]).inc();
    }

    pub(crate) fn planned(&self, plan: &Plan) {
        self.plans.with_label_values(&[plan.action.name(), plan.mode.name()]).inc();
    }

    pub(crate) fn judged(&self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            let labels = [verdict.gate.name(), verdict.result.name()];
            self.gates.with_label_values(&labels).inc();
        }
    }

    pub(crate) fn ended(&self, action: Action, result: ResultKind) {
        self.outcomes.with_label_values(&[action.name(), result.name()]).inc();
    }

    pub(crate) fn undo_failed(&self) {
        self.undo_failures.inc();
    }

    pub(crate) fn told(&self, end: &str) {
        self.told.with_label_values(&[end]).inc();
    }

    pub(crate) fn took(&self, action: Action, step: &str, time: Duration) {
        self.seconds.with_label_values(&[action.name(), step]).observe(time.as_secs_f64());
    }

    pub(crate) fn measure(
        &self,
        book: &Book,
        audit: &Audit,
        config: &ResponseConfig,
        now: Timestamp,
    ) {
        for name in State::NAMES {
            let open =
                |response: &Response| response.state.is_open() && response.state.name() == name;
            self.pending.with_label_values(&[name]).set(gauge(book.count(open) as u64));
        }
        let in_force = book.count(Response::in_force);
        self.containments.set(gauge(in_force as u64));
        let overdue = |response: &Response| response.is_beyond_its_time(now - OVERDUE_AFTER);
        self.overdue.set(gauge(book.count(overdue) as u64));
        self.audit_bytes.set(gauge(audit.bytes()));
        self.audit_entries.set(gauge(audit.head().sequence));
        self.audit_failed.set(i64::from(audit.failure().is_some()));
        self.stopped.set(i64::from(book.stopped.is_some()));
        let namespaces = config.namespaces();
        let shares = namespaces.len();
        let mut least = config.budgets.cluster.actions_max;
        for namespace in namespaces {
            let of_cluster = book.spending.left_of_cluster(&config.budgets, shares, namespace, now);
            let own = book.spending.left_of_namespace(&config.budgets, namespace, now);
            least = least.min(of_cluster);
            let left = i64::from(of_cluster.min(own));
            self.budget.with_label_values(&["namespace", namespace]).set(left);
        }
        self.budget.with_label_values(&["cluster", ""]).set(i64::from(least));
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
