//! What is recorded around alerts, for Prometheus.

use prometheus::{IntCounter, IntGauge, Registry};

use super::{raise, signed};
use crate::status::AroundStatus;

#[derive(Debug)]
pub(super) struct AroundMetrics {
    recordings: IntCounter,
    failed: IntCounter,
    removed: IntCounter,
    ring_bytes: IntGauge,
}

impl AroundMetrics {
    /// Registers them, at zero, whether or not anything is recorded.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("saker_agent_around_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let ring_bytes = IntGauge::new(
            "saker_agent_around_ring_bytes",
            "Memory of the events that a recording around an alert would begin with.",
        )?;
        registry.register(Box::new(ring_bytes.clone()))?;
        Ok(Self {
            recordings: counter(
                "recordings_total",
                "Recordings of what was around alerts that were completed.",
            )?,
            failed: counter("failed_total", "Alerts without a whole recording around them.")?,
            removed: counter("removed_total", "Recordings removed to make room for others.")?,
            ring_bytes,
        })
    }

    pub(super) fn update(&self, status: &AroundStatus) {
        raise(&self.recordings, status.recordings);
        raise(&self.failed, status.failed);
        raise(&self.removed, status.removed);
        self.ring_bytes.set(signed(status.ring_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_there_from_the_start_and_follow_the_status() {
        let registry = Registry::new();
        let metrics = AroundMetrics::new(&registry).unwrap();
        assert_eq!(registry.gather().len(), 4);
        let status = AroundStatus {
            recordings: 3,
            failed: 2,
            removed: 1,
            ring_bytes: 4096,
            ..AroundStatus::default()
        };
        metrics.update(&status);
        let counts = [&metrics.recordings, &metrics.failed, &metrics.removed].map(IntCounter::get);
        assert_eq!((counts, metrics.ring_bytes.get()), ([3, 2, 1], 4096));
        metrics.update(&AroundStatus { ring_bytes: 0, ..status });
        assert_eq!((metrics.recordings.get(), metrics.ring_bytes.get()), (3, 0));
    }
}
