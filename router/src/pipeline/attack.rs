//! ATT&CK tactics, and how far workloads went along them.

use std::collections::VecDeque;

use hashbrown::HashMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::clock;

/// Version of ATT&CK that the order and the first name of each tactic are of.
pub(super) const VERSION: u8 = 19;
/// Workloads whose tactics are remembered; beyond it the first seen is forgotten.
const WORKLOADS_MAX: usize = 16_384;
const CHAIN_WINDOW: std::time::Duration = std::time::Duration::from_secs(3600);

/// The tactics by the tags rules carry, in the order an attack goes through them. Version 19 split
/// Defense Evasion of version 18 into Stealth and Defense Impairment; all three names are one
/// tactic here, so that old and new rules agree.
const TACTICS: [&[&str]; 14] = [
    &["mitre_reconnaissance"],
    &["mitre_resource_development"],
    &["mitre_initial_access"],
    &["mitre_execution"],
    &["mitre_persistence"],
    &["mitre_privilege_escalation"],
    &["mitre_stealth", "mitre_defense_impairment", "mitre_defense_evasion"],
    &["mitre_credential_access"],
    &["mitre_discovery"],
    &["mitre_lateral_movement"],
    &["mitre_collection"],
    &["mitre_command_and_control"],
    &["mitre_exfiltration"],
    &["mitre_impact"],
];

/// For each tactic, how many different ones came in their order up to it.
type Lengths = [u8; TACTICS.len()];

/// Returns the places of the tactics that tags name, as bits.
fn tactics(tags: &[String]) -> u16 {
    let named = |tag: &String| TACTICS.iter().position(|names| names.contains(&tag.as_str()));
    tags.iter().filter_map(named).fold(0, |mask, tactic| mask | 1 << tactic)
}

/// How far each workload went lately.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "VecDeque<(u64, Chain)>")]
pub(super) struct Chains {
    order: VecDeque<u64>,
    chains: HashMap<u64, Chain>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenChain")]
struct Chain {
    lengths: Lengths,
    since: Timestamp,
}

/// As it is in a snapshot. An earlier version only noted which tactics there were.
#[derive(Deserialize)]
struct WrittenChain {
    #[serde(default)]
    tactics: u16,
    #[serde(default)]
    lengths: Option<Lengths>,
    since: Timestamp,
}

impl From<WrittenChain> for Chain {
    fn from(WrittenChain { tactics, lengths, since }: WrittenChain) -> Self {
        let began = |tactic: usize| u8::from(tactics & 1 << tactic != 0);
        Self { lengths: lengths.unwrap_or_else(|| std::array::from_fn(began)), since }
    }
}

impl Chain {
    fn new(since: Timestamp) -> Self {
        Self { lengths: Lengths::default(), since }
    }

    /// Takes in the tactics of one alert: each goes on from what came before the alert.
    fn take(&mut self, tactics: u16) {
        let before = self.lengths;
        for (tactic, length) in self.lengths.iter_mut().enumerate() {
            if tactics & 1 << tactic != 0 {
                let longest = before[..tactic].iter().max().copied().unwrap_or_default();
                *length = (*length).max(longest + 1);
            }
        }
    }
}

impl Chains {
    /// Notes the tactics an alert's tags name. Returns how many different ones its workload went
    /// through in their order within an hour; 0 when the alert names none.
    pub(super) fn observe(
        &mut self,
        workload: impl FnOnce() -> u64,
        tags: &[String],
        now: Timestamp,
    ) -> u8 {
        let tactics = tactics(tags);
        if tactics == 0 {
            return 0;
        }
        let workload = workload();
        if !self.chains.contains_key(&workload) {
            if self.order.len() >= WORKLOADS_MAX
                && let Some(first) = self.order.pop_front()
            {
                self.chains.remove(&first);
            }
            self.order.push_back(workload);
        }
        let chain = self.chains.entry(workload).or_insert(Chain::new(now));
        if clock::after(chain.since, CHAIN_WINDOW) < now {
            *chain = Chain::new(now);
        }
        chain.take(tactics);
        chain.lengths.iter().max().copied().unwrap_or_default()
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tags(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("mitre_{name}")).collect()
    }

    #[test]
    fn tactics_count_in_the_order_of_an_attack() {
        let mut chains = Chains::default();
        let mut check = |names: &[&str]| chains.observe(|| 1, &tags(names), at(0));
        assert_eq!(check(&["impact"]), 1);
        assert_eq!(check(&["exfiltration"]), 1, "that came before it would");
        assert_eq!(check(&["execution"]), 1);
        assert_eq!(check(&["execution"]), 1, "the same once more");
        assert_eq!(check(&["stealth"]), 2);
        assert_eq!(check(&["defense_evasion"]), 2, "the name of version 18");
        assert_eq!(check(&["persistence"]), 2, "execution, then persistence");
        assert_eq!(check(&["impact"]), 3, "execution, stealth, impact");
        assert_eq!(check(&[]), 0);
    }

    #[test]
    fn the_tactics_of_one_alert_are_one_step() {
        let mut chains = Chains::default();
        let all = tags(&["execution", "persistence", "privilege_escalation"]);
        assert_eq!(chains.observe(|| 1, &all, at(0)), 1);
        assert_eq!(chains.observe(|| 1, &all, at(1)), 2);
    }

    #[test]
    fn each_workload_has_its_own_hour() {
        let mut chains = Chains::default();
        assert_eq!(chains.observe(|| 1, &tags(&["execution"]), at(0)), 1);
        assert_eq!(chains.observe(|| 2, &tags(&["impact"]), at(2)), 1);
        assert_eq!(chains.observe(|| 1, &tags(&["impact"]), at(3)), 2);
        assert_eq!(chains.observe(|| 1, &tags(&["impact"]), at(4000)), 1);
        for workload in 0..20_000 {
            chains.observe(|| workload, &tags(&["impact"]), at(4001));
        }
        assert_eq!((chains.order.len(), chains.chains.len()), (WORKLOADS_MAX, WORKLOADS_MAX));
    }

    #[test]
    fn what_an_earlier_version_noted_in_no_order_is_each_a_beginning() {
        let text = r#"[[7,{"tactics":136,"since":"1970-01-01T00:00:00Z"}]]"#;
        let mut chains: Chains = serde_json::from_str(text).unwrap();
        let again: Chains = serde_json::from_value(serde_json::to_value(&chains).unwrap()).unwrap();
        assert_eq!(again.chains, chains.chains);
        assert_eq!(chains.observe(|| 7, &tags(&["impact"]), at(1)), 2, "after execution");
    }
}
