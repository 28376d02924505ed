//! What was refused at the door since the start, by priority: the account of alerts nobody kept.

use alert::{Alert, Priority};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Why alerts that could be read are refused.
const REASONS: [&str; 4] = ["full", "backlog", "journal", "too_large"];

/// Alerts by priority, in the order of [`Priority::ALL`].
pub(crate) type Counts = [u64; Priority::ALL.len()];

#[derive(Debug)]
pub(super) struct Refused {
    alerts: IntCounterVec,
}

/// Returns whether alerts may use the journal's reserve: one of Critical or above takes those that
/// are appended together with it along.
pub(crate) fn is_urgent(alerts: &[Alert]) -> bool {
    alerts.iter().any(|alert| alert.priority >= Priority::Critical)
}

pub(super) fn counts(alerts: &[Alert]) -> Counts {
    let mut counts = Counts::default();
    for alert in alerts {
        counts[alert.priority as usize] += 1;
    }
    counts
}

impl Refused {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = Opts::new(
            "saker_ingest_refused_alerts_total",
            "Alerts that were read and not taken, by priority and reason.",
        );
        let alerts = IntCounterVec::new(opts, &["priority", "reason"])?;
        registry.register(Box::new(alerts.clone()))?;
        let refused = Self { alerts };
        for priority in Priority::ALL {
            for reason in REASONS {
                refused.counter(priority, reason);
            }
        }
        Ok(refused)
    }

    fn counter(&self, priority: Priority, reason: &str) -> IntCounter {
        self.alerts.with_label_values(&[&priority.name().to_ascii_lowercase(), reason])
    }

    pub(super) fn count(&self, counts: Counts, reason: &str) {
        for (priority, count) in Priority::ALL.into_iter().zip(counts) {
            self.counter(priority, reason).inc_by(count);
        }
    }

    /// Returns how many were refused for want of room.
    pub(super) fn for_room(&self) -> Counts {
        Priority::ALL.map(|priority| self.counter(priority, REASONS[0]).get())
    }
}
