//! How much a finding matters here and now: 0 to 100, itemised.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use alert::{Priority, ScoreItem};
use hashbrown::HashMap;
use jiff::Timestamp;
use rules::Subject;
use serde::{Deserialize, Serialize, Serializer};

use super::{clock, config::ScoreConfig};

/// Workloads whose tactics are remembered; beyond it the first seen is forgotten.
const WORKLOADS_MAX: usize = 16_384;
const CHAIN_WINDOW: Duration = Duration::from_secs(3600);
const CHAIN_TACTICS_MIN: u32 = 3;

/// Points every priority starts from.
const fn base(priority: Priority) -> i32 {
    match priority {
        Priority::Debug => 5,
        Priority::Informational => 10,
        Priority::Notice => 20,
        Priority::Warning => 40,
        Priority::Error => 55,
        Priority::Critical => 75,
        Priority::Alert => 85,
        Priority::Emergency => 95,
    }
}

/// ATT&CK tactics by the tags rules carry. Version 19 split Defense Evasion into Stealth and
/// Defense Impairment; all three names are one tactic here, so that old and new rules agree.
const TACTICS: [&[&str]; 14] = [
    &["mitre_reconnaissance"],
    &["mitre_resource_development"],
    &["mitre_initial_access"],
    &["mitre_execution"],
    &["mitre_persistence"],
    &["mitre_privilege_escalation"],
    &["mitre_defense_evasion", "mitre_stealth", "mitre_defense_impairment"],
    &["mitre_credential_access"],
    &["mitre_discovery"],
    &["mitre_lateral_movement"],
    &["mitre_collection"],
    &["mitre_command_and_control"],
    &["mitre_exfiltration"],
    &["mitre_impact"],
];

fn tactics(tags: &[String]) -> u16 {
    let named = |tag: &String| TACTICS.iter().position(|names| names.contains(&tag.as_str()));
    tags.iter().filter_map(named).fold(0, |mask, tactic| mask | 1 << tactic)
}

/// A score and why it is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Score {
    pub(super) points: u8,
    pub(super) items: Arc<[ScoreItem]>,
}

/// Returns the score of a finding's alert. `tactics` is how many its workload showed, `rare`
/// whether its fingerprint is new.
pub(super) fn score(
    config: &ScoreConfig,
    subject: &Subject<'_>,
    tactics: u32,
    rare: bool,
) -> Score {
    let mut items = Vec::with_capacity(2);
    let priority = subject.alert.priority;
    items.push(ScoreItem { reason: format!("priority {priority}"), points: base(priority) });
    for rule in &config.criticality {
        if rule.condition.matches(subject) {
            let reason = rule.reason.as_deref().unwrap_or(rule.condition.text()).to_owned();
            items.push(ScoreItem { reason, points: rule.points.into() });
        }
    }
    if tactics >= CHAIN_TACTICS_MIN && config.chain_points > 0 {
        let reason = format!("{tactics} ATT&CK tactics in this workload");
        items.push(ScoreItem { reason, points: config.chain_points.into() });
    }
    if rare && config.rarity_points > 0 {
        let reason = "not seen before".to_owned();
        items.push(ScoreItem { reason, points: config.rarity_points.into() });
    }
    let sum: i32 = items.iter().map(|item| item.points).sum();
    Score { points: sum.clamp(0, 100) as u8, items: items.into() }
}

/// The tactics each workload showed lately.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "VecDeque<(u64, Chain)>")]
pub(super) struct Chains {
    order: VecDeque<u64>,
    chains: HashMap<u64, Chain>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chain {
    tactics: u16,
    since: Timestamp,
}

impl Chains {
    /// Notes the tactics an alert's tags name and returns how many its workload showed within an
    /// hour.
    pub(super) fn observe(&mut self, workload: u64, tags: &[String], now: Timestamp) -> u32 {
        let tactics = tactics(tags);
        if tactics == 0 {
            return 0;
        }
        if !self.chains.contains_key(&workload) {
            if self.order.len() >= WORKLOADS_MAX
                && let Some(first) = self.order.pop_front()
            {
                self.chains.remove(&first);
            }
            self.order.push_back(workload);
        }
        let chain = self.chains.entry(workload).or_insert(Chain { tactics: 0, since: now });
        if clock::after(chain.since, CHAIN_WINDOW) < now {
            *chain = Chain { tactics: 0, since: now };
        }
        chain.tactics |= tactics;
        chain.tactics.count_ones()
    }
}

/// In the order they were first seen.
impl Serialize for Chains {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.order.iter().map(|key| (key, self.chains.get(key))))
    }
}

impl From<VecDeque<(u64, Chain)>> for Chains {
    fn from(entries: VecDeque<(u64, Chain)>) -> Self {
        Self {
            order: entries.iter().map(|(key, _)| *key).collect(),
            chains: entries.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::alert_with;

    #[test]
    fn a_score_is_the_sum_of_its_items_within_bounds() {
        let mut alert = alert_with(serde_json::json!({}));
        let check = |alert: &alert::Alert, tactics, rare| {
            let subject = Subject::new(alert);
            score(&ScoreConfig::default(), &subject, tactics, rare)
        };
        let scored = check(&alert, 3, true);
        let sum: i32 = scored.items.iter().map(|item| item.points).sum();
        assert_eq!((i32::from(scored.points), scored.items.len()), (sum, 3));
        alert.priority = Priority::Emergency;
        assert_eq!(check(&alert, 14, true).points, 100);
        assert_eq!(check(&alert, 2, false).points, 95);
    }

    #[test]
    fn tactics_are_counted_per_workload_within_an_hour() {
        let mut chains = Chains::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(chains.observe(1, &tags(&["mitre_execution", "T1059"]), at(0)), 1);
        assert_eq!(chains.observe(1, &tags(&["mitre_execution"]), at(1)), 1);
        assert_eq!(chains.observe(1, &tags(&["mitre_stealth"]), at(2)), 2);
        assert_eq!(chains.observe(1, &tags(&["mitre_defense_evasion"]), at(2)), 2);
        assert_eq!(chains.observe(2, &tags(&["mitre_impact"]), at(2)), 1);
        assert_eq!(chains.observe(1, &tags(&["mitre_impact"]), at(3)), 3);
        assert_eq!(chains.observe(1, &tags(&["mitre_impact"]), at(4000)), 1);
        assert_eq!(chains.observe(1, &[], at(4000)), 0);
        for workload in 0..20_000 {
            chains.observe(workload, &tags(&["mitre_impact"]), at(4001));
        }
        assert_eq!(chains.order.len(), WORKLOADS_MAX);
    }
}
