//! What enforcement does, for a person and for `/status`.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Enforcement at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforceStatus {
    /// `monitor` or `enforce`, as configured.
    pub mode: String,
    /// Too many would have been ended within a minute: nothing is ended until the agent is started
    /// anew.
    pub stopped: bool,
    pub kills_per_minute_max: u32,
    pub rules: Vec<EnforceRuleStatus>,
    /// What stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What one rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforceRuleStatus {
    pub rule: String,
    /// The kernel decides: the program executes no instruction.
    pub in_kernel: bool,
    /// Why some or all of it is done after the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_the_fact: Option<String>,
    /// How often by the kernel, by outcome.
    pub kernel: BTreeMap<String, u64>,
    /// How often after the fact, by outcome.
    pub after: BTreeMap<String, u64>,
}

impl fmt::Display for EnforceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.stopped { "stopped: too many in a minute" } else { &self.mode };
        writeln!(f, "enforce   {mode}, at most {} a minute", self.kills_per_minute_max)?;
        if let Some(trouble) = &self.trouble {
            writeln!(f, "          {trouble}")?;
        }
        for rule in &self.rules {
            let how = match (rule.in_kernel, &rule.after_the_fact) {
                (true, None) => "in the kernel".to_owned(),
                (true, Some(why)) => format!("in the kernel, and after the fact where {why}"),
                (false, why) => {
                    format!("after the fact: {}", why.as_deref().unwrap_or("no reason known"))
                }
            };
            let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
            for (outcome, count) in rule.kernel.iter().chain(&rule.after) {
                *sums.entry(outcome).or_default() += count;
            }
            let counts = sums.iter().filter(|(_, count)| **count > 0);
            let counts: Vec<_> = counts.map(|(name, count)| format!("{count} {name}")).collect();
            let counts = if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") };
            writeln!(f, "          {} {how}; {counts}", rule.rule)?;
        }
        Ok(())
    }
}
