//! The summary that is told instead of many notifications while one source floods.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Priority;

/// What a notification says of the storm it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Storm {
    pub began: Timestamp,
    /// When it was over; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The rules with the most alerts, at most ten, the most frequent first.
    pub rules: Vec<StormRule>,
    /// Alerts of all other rules.
    pub others_count: u64,
}

/// One line of a storm's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StormRule {
    pub rule: String,
    /// The most severe priority of its alerts.
    pub priority: Priority,
    /// Its alerts in the storm.
    pub count: u64,
}
