//! One rule matched one event, or one alert was received. Never changed afterwards.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Priority;

/// Fields of an alert by name, for example `proc.name`. A field the event lacked is `null`.
pub type Fields = BTreeMap<String, serde_json::Value>;

/// Names one alert for ever. An upstream UUID is kept; else it is a UUIDv7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct AlertId(Uuid);

impl AlertId {
    /// Returns a new id, ordered by time.
    pub fn random() -> Self {
        Self(Uuid::now_v7())
    }

    pub const fn from_u128(id: u128) -> Self {
        Self(Uuid::from_u128(id))
    }

    pub const fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AlertId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// An alert as it travels from the agent, through the journal, to every output.
///
/// Serialises as Saker's own record; [`crate::wire`] reads and writes Falco's format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alert {
    pub id: AlertId,
    /// When the event happened.
    pub time: Timestamp,
    /// When the router accepted it.
    pub received: Timestamp,
    pub rule: String,
    pub priority: Priority,
    /// Where the event came from: `syscall`, `k8s_audit`, `internal`, `alertmanager` …
    pub source: String,
    pub hostname: String,
    /// The rule's formatted text.
    pub output: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// When what it tells of is over, unless it comes again with a later end. Absent for an event,
    /// which only happens; an end that is not in the future says that it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
}

impl Alert {
    /// Returns a field's text, or `None` when it is missing, null or not text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(serde_json::Value::as_str)
    }

    /// Returns whether all it says is that something is over.
    pub fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= self.received)
    }
}
