//! What rules did to processes, for Prometheus.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::raise;
use crate::enforce::EnforceStatus;

/// Rules that have series of their own; the others share one.
const RULES_MAX: usize = 200;
const OTHER: &str = "other rules";

#[derive(Debug)]
pub(super) struct EnforceMetrics {
    enforced: IntCounterVec,
    stopped: IntGauge,
}

impl EnforceMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "saker_agent_enforced_total",
            "Processes that a rule with an action matched, by what became of them.",
        );
        let enforced = IntCounterVec::new(options, &["rule", "by", "outcome"])?;
        registry.register(Box::new(enforced.clone()))?;
        let stopped = IntGauge::new(
            "saker_agent_enforcement_stopped",
            "1 when rules end no processes any more because there were too many.",
        )?;
        registry.register(Box::new(stopped.clone()))?;
        Ok(Self { enforced, stopped })
    }

    /// Takes over the counts, which never fall.
    pub(super) fn update(&self, status: &EnforceStatus) {
        self.stopped.set(status.stopped.into());
        let mut others = std::collections::BTreeMap::new();
        for (number, rule) in status.rules.iter().enumerate() {
            for (by, outcomes) in [("kernel", &rule.kernel), ("agent", &rule.after)] {
                for (outcome, count) in outcomes {
                    if number < RULES_MAX {
                        raise(&self.enforced.with_label_values(&[&rule.rule, by, outcome]), *count);
                    } else {
                        *others.entry((by, outcome.as_str())).or_insert(0) += count;
                    }
                }
            }
        }
        for ((by, outcome), count) in others {
            raise(&self.enforced.with_label_values(&[OTHER, by, outcome]), count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::EnforceRuleStatus;

    #[test]
    fn the_number_of_series_is_bounded() {
        let registry = Registry::new();
        let metrics = EnforceMetrics::new(&registry).unwrap();
        let rule = |number: usize| EnforceRuleStatus {
            rule: format!("R{number}"),
            kernel: [("killed".to_owned(), 2)].into(),
            ..EnforceRuleStatus::default()
        };
        let rules = (0..RULES_MAX + 7).map(rule).collect();
        metrics.update(&EnforceStatus { stopped: true, rules, ..EnforceStatus::default() });
        let families = registry.gather();
        let series: usize = families.iter().map(|family| family.get_metric().len()).sum();
        assert_eq!(series, RULES_MAX + 2);
        assert_eq!(metrics.enforced.with_label_values(&[OTHER, "kernel", "killed"]).get(), 14);
        assert_eq!(metrics.stopped.get(), 1);
    }
}
