//! What each rule in force costs, as the admin endpoint tells it.

use serde::Serialize;

use super::AgentHandle;

/// The counts of all rules since they were loaded.
#[derive(Clone, Debug, Serialize)]
pub struct RuleCosts {
    /// How long ago that was.
    pub seconds: f64,
    pub rules: Vec<rules::RuleCost>,
}

impl AgentHandle {
    /// Returns what each rule in force cost so far.
    pub fn rule_costs(&self) -> RuleCosts {
        let loaded = self.shared.rules.status().loaded;
        let seconds = loaded.map_or(0.0, |loaded| {
            service::clock::now().duration_since(loaded).as_secs_f64().max(0.0)
        });
        RuleCosts { seconds, rules: self.shared.rules.current().load().costs() }
    }
}
