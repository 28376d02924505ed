//! Hides alerts from people for a bounded time; they are counted all the same.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shim::Condition;

/// The longest a silence may last. What must be quiet for longer is a rule exception.
pub const SILENCE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names one silence.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SilenceId(pub String);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Alerts for which `match` holds between `starts` and `ends` are suppressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Unique; a silence added with the id of another takes its place.
    pub id: SilenceId,
    #[serde(rename = "match")]
    #[schemars(with = "String")]
    pub condition: Condition,
    /// From when; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub starts: Option<Timestamp>,
    /// Until when; at most 30 days after the start.
    #[schemars(with = "String")]
    pub ends: Timestamp,
    /// Who answers for it.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// Where a silence is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilencePhase {
    Pending,
    Active,
    Expired,
}

/// A silence and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilenceView {
    #[serde(flatten)]
    pub silence: Silence,
    pub phase: SilencePhase,
    /// Alerts it hid.
    pub hits: u64,
    /// From the configuration file rather than the API.
    pub configured: bool,
}
