//! What is said on the socket: one request, then answers, each a line of JSON.

use alert::Event;
use serde::{Deserialize, Serialize};

/// What is to be recorded, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub choice: Choice,
    /// From 1 to [`Request::EVENTS_MAX`].
    pub events_max: u32,
    /// From 1 to [`Request::SECONDS_MAX`].
    pub seconds_max: u32,
}

impl Request {
    pub const EVENTS_MAX: u32 = 1000;
    pub const SECONDS_MAX: u32 = 3600;
    /// Longest request, its condition included.
    pub(super) const BYTES_MAX: usize = 64 << 10;

    /// Returns what is wrong with it.
    pub(super) fn fault(&self) -> Option<String> {
        if !(1..=Self::EVENTS_MAX).contains(&self.events_max) {
            return Some(format!("from 1 to {} events can be had", Self::EVENTS_MAX));
        }
        if !(1..=Self::SECONDS_MAX).contains(&self.seconds_max) {
            return Some(format!("from 1 to {} seconds can be asked for", Self::SECONDS_MAX));
        }
        None
    }
}

/// Which events are recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Those for which this condition of the rule language holds.
    Condition(String),
    /// Those that raise an alert of this rule.
    Rule(String),
}

/// One line of the agent's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It listens. No loaded rule needs the kinds in `unwatched`, so that none of them will come.
    Started {
        unwatched: Vec<String>,
    },
    Event(Box<Event>),
    /// The last line.
    Ended {
        why: End,
        seen: u64,
        dropped: u64,
    },
    /// The last line: nothing was recorded.
    Refused {
        why: Refusal,
        message: String,
    },
}

/// Whether it is worth asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The request is wrong, or cannot be satisfied.
    Wrong,
    /// Somebody else records.
    Busy,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// As many events as were asked for.
    Events,
    /// The time is over.
    Time,
    /// More bytes than one recording may have.
    Bytes,
    /// The agent stops.
    Stopped,
}
