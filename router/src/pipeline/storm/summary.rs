//! What one group says of the storm it sums up.

use std::{cmp::Reverse, collections::BTreeMap};

use alert::{Priority, StormRule};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pipeline::facts;

/// Rules a summary counts one by one; the alerts of further ones are counted together.
const RULES_MAX: usize = 256;
/// Rules a summary lists.
const RULES_LISTED_MAX: usize = 10;
/// Longest name of a rule in a summary.
const RULE_BYTES_MAX: usize = 256;

/// Which rules a storm's alerts are of, and when it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::pipeline) struct Summary {
    pub(super) began: Timestamp,
    pub(super) ended: Option<Timestamp>,
    rules: BTreeMap<Box<str>, (Priority, u64)>,
    others: u64,
}

impl Summary {
    pub(super) fn new(began: Timestamp) -> Self {
        Self { began, ended: None, rules: BTreeMap::new(), others: 0 }
    }

    /// Counts alerts of a rule.
    pub(super) fn count(&mut self, rule: &str, priority: Priority, alerts: u64) {
        let rule = facts::cut(rule, RULE_BYTES_MAX);
        if let Some((severest, count)) = self.rules.get_mut(&*rule) {
            *severest = priority.max(*severest);
            *count += alerts;
        } else if self.rules.len() < RULES_MAX {
            self.rules.insert((&*rule).into(), (priority, alerts));
        } else {
            self.others += alerts;
        }
    }

    /// Returns it as the world sees it.
    pub(in crate::pipeline) fn view(&self) -> alert::Storm {
        let mut ranked: Vec<_> = self.rules.iter().collect();
        ranked.sort_by_key(|(rule, (_, count))| (Reverse(*count), (*rule).clone()));
        let rest = ranked.iter().skip(RULES_LISTED_MAX).map(|(_, (_, count))| count);
        let others_count = self.others + rest.sum::<u64>();
        let listed = ranked.iter().take(RULES_LISTED_MAX);
        let rules = listed.map(|(rule, (priority, count))| StormRule {
            rule: rule.to_string(),
            priority: *priority,
            count: *count,
        });
        alert::Storm { began: self.began, ended: self.ended, rules: rules.collect(), others_count }
    }
}
