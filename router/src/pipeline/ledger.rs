//! The account of every alert's end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pipeline::ReasonKind;

/// What became of all alerts so far. Adds up after every record; [`Ledger::check`] says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// Alert records seen: each is either suppressed or routed.
    pub accepted: u64,
    /// Every reason is present, also with 0.
    pub suppressed: BTreeMap<ReasonKind, u64>,
    /// Alerts of which at least one output is told.
    pub routed: u64,
    /// Every output that was ever configured.
    pub outputs: BTreeMap<String, OutputLedger>,
}

/// What one output owes and has done, in alerts. An alert that two routes (`continue`) took to the
/// same output counts twice, as the output is told twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputLedger {
    pub routed: u64,
    /// Waiting in a group, or in an undelivered notification.
    pub pending: u64,
    pub delivered: u64,
    /// Also those no longer kept for a replay.
    pub dead_lettered: u64,
    /// Routed, but hidden by the time they would have been told.
    #[serde(default)]
    pub suppressed: u64,
}

impl Ledger {
    /// Returns the first sum that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        let suppressed: u64 = self.suppressed.values().sum();
        if self.accepted != suppressed + self.routed {
            return Err(format!(
                "accepted {} is not suppressed {suppressed} + routed {}",
                self.accepted, self.routed
            ));
        }
        for (name, output) in &self.outputs {
            let OutputLedger { routed, pending, delivered, dead_lettered, suppressed } = *output;
            if routed != pending + delivered + dead_lettered + suppressed {
                return Err(format!(
                    "output `{name}`: routed {routed} is not pending {pending} + delivered \
                     {delivered} + dead-lettered {dead_lettered} + suppressed {suppressed}"
                ));
            }
        }
        Ok(())
    }
}
