//! What each rule costs, for Prometheus: a bounded number of series, whatever rules are loaded.

use std::collections::BTreeMap;

use prometheus::{IntCounterVec, Opts, Registry};
use rules::RuleCost;

use super::raise;

/// Rules that have series of their own; the others share one.
const RULES_MAX: usize = 500;
const OTHER: &str = "other rules";

/// Counters by rule.
#[derive(Debug)]
pub(super) struct RuleMetrics {
    evaluated: IntCounterVec,
    matched: IntCounterVec,
}

impl RuleMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str| {
            let options = Opts::new(format!("saker_agent_{name}"), help);
            let counters = IntCounterVec::new(options, &["rule"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        Ok(Self {
            evaluated: counters(
                "rule_evaluated_total",
                "Events for which a rule's condition was evaluated; cheaper looks ruled out the rest.",
            )?,
            matched: counters("rule_matched_total", "Events that a rule matched.")?,
        })
    }

    /// Takes over the counts. Series of rules that are gone go as well.
    pub(super) fn update(&self, costs: &[RuleCost], changed: bool) {
        if changed {
            self.evaluated.reset();
            self.matched.reset();
        }
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (number, cost) in costs.iter().enumerate() {
            let name = if number < RULES_MAX { &*cost.rule } else { OTHER };
            let sum = sums.entry(name).or_default();
            *sum = (sum.0 + cost.evaluated, sum.1 + cost.matched);
        }
        for (rule, (evaluated, matched)) in sums {
            raise(&self.evaluated.with_label_values(&[rule]), evaluated);
            raise(&self.matched.with_label_values(&[rule]), matched);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(rule: &str, evaluated: u64) -> RuleCost {
        RuleCost { rule: rule.to_owned(), evaluated, matched: 1, timed: 0, timed_ns: 0 }
    }

    fn series(registry: &Registry) -> usize {
        let families = registry.gather();
        families.iter().map(|family| family.get_metric().len()).sum()
    }

    #[test]
    fn the_number_of_series_is_bounded_and_those_of_gone_rules_go() {
        let registry = Registry::new();
        let metrics = RuleMetrics::new(&registry).unwrap();
        let many: Vec<_> =
            (0..2 * RULES_MAX).map(|number| cost(&format!("R{number}"), 2)).collect();
        metrics.update(&many, true);
        assert_eq!(series(&registry), 2 * (RULES_MAX + 1));
        let others = metrics.evaluated.with_label_values(&[OTHER]).get();
        assert_eq!(others, 2 * RULES_MAX as u64);
        metrics.update(&[cost("R", 7)], true);
        assert_eq!(series(&registry), 2);
        metrics.update(&[cost("R", 9)], false);
        assert_eq!(metrics.evaluated.with_label_values(&["R"]).get(), 9);
    }
}
