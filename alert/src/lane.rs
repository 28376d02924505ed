//! How soon a notification is delivered.

use serde::{Deserialize, Serialize};

use crate::Priority;

/// A class of notifications; an earlier one overtakes a later one on its way to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    Urgent,
    Elevated,
    Ordinary,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Elevated, Self::Ordinary];

    /// Returns the name as it is in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Elevated => "elevated",
            Self::Ordinary => "ordinary",
        }
    }

    /// Returns the lane of a priority alone.
    pub const fn of(priority: Priority) -> Self {
        match priority {
            Priority::Critical | Priority::Alert | Priority::Emergency => Self::Urgent,
            Priority::Warning | Priority::Error => Self::Elevated,
            Priority::Debug | Priority::Informational | Priority::Notice => Self::Ordinary,
        }
    }
}
