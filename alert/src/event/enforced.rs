//! What was done about a process because a rule with an action matched.

use serde::{Deserialize, Serialize};

/// What became of a process, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforced {
    pub outcome: EnforcedOutcome,
    /// The rules whose action it was.
    pub rules: Vec<Box<str>>,
}

/// What became of a process that a rule forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnforcedOutcome {
    Killed,
    /// Only monitored.
    WouldKill,
    /// One that is never ended.
    Protected,
    /// Too many in this minute.
    OverBound,
    /// The kernel refused.
    Failed,
    /// It had ended by itself.
    Gone,
}

impl EnforcedOutcome {
    /// All outcomes.
    pub const ALL: [Self; 6] =
        [Self::Killed, Self::WouldKill, Self::Protected, Self::OverBound, Self::Failed, Self::Gone];

    /// Returns the value of `saker.enforced`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::WouldKill => "would_kill",
            Self::Protected => "protected",
            Self::OverBound => "over_bound",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}
