//! What a person is told: one group of findings, for one output, at one moment.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Alert, Fingerprint, Lane, Priority, Storm, hex::Hex};

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Hex::<16>::of(self.0.into()).as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u64::from_str_radix(text, 16).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Hex::<16>::of(self.0.into()).as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_id! {
    /// Names a group: the route and the values it groups by. Stable while the group is open.
    GroupId
}
hex_id! {
    /// Names a notification. The same one, sent again after a crash, has the same id, so that a
    /// receiver can tell; it is the delivery id outputs pass on.
    NotificationId
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// Something in it is active.
    Open,
    /// Nothing happened for the route's quiet time.
    Closed,
}

/// One item of a score, so that a person can see why it is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScoreItem {
    pub reason: String,
    pub points: i32,
}

/// All alerts of one fingerprint while it is active.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    pub fingerprint: Fingerprint,
    pub count: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// When it was over; absent while it goes on, and for events, which have no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// 0 to 100: how much it matters here and now.
    pub score: u8,
    pub score_items: Vec<ScoreItem>,
    /// The first alert of the finding.
    pub sample: Alert,
}

/// One group of findings for one output. This is what templates see; the shape is documented in
/// `docs/templates.md` and its changes are versioned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notification {
    pub id: NotificationId,
    pub group: GroupId,
    /// 1 for the first notification of the group, 2 for its first update, and so on.
    pub sequence: u32,
    pub state: GroupState,
    /// Name of the route that made the group.
    pub route: String,
    /// Name of the configured output.
    pub output: String,
    /// The values the route grouped by.
    pub labels: BTreeMap<String, String>,
    /// The most severe priority in the group.
    pub priority: Priority,
    /// The highest score of its findings, as they are now.
    pub score: u8,
    /// How soon it is delivered, by priority and score; absent in what an earlier version made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// Alerts in the group, duplicates included, but for those this output is not told of.
    pub alerts_count: u64,
    /// Alerts since the group's last notification to this output.
    pub alerts_new_count: u64,
    /// Findings in the group that are not hidden; may be more than are listed.
    pub findings_count: u64,
    /// Further ones that a silence, a window or an inhibition hides.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_hidden_count: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub created: Timestamp,
    /// The findings with the highest scores, at most 20.
    pub findings: Vec<Finding>,
    /// What it sums up, when it is told instead of many because one source floods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<Storm>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Notification {
    /// Returns the finding to show first, if the group still has one.
    pub fn top(&self) -> Option<&Finding> {
        self.findings.first()
    }

    /// Returns how soon it is delivered.
    pub fn lane(&self) -> Lane {
        self.lane.unwrap_or(Lane::of(self.priority))
    }
}
