//! What is said: one request, then answers, each a line of JSON.

use alert::Event;
use serde::{Deserialize, Serialize};

/// What is wanted, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub choice: Choice,
    #[serde(default)]
    pub form: Form,
    /// At least 1.
    pub events_max: u64,
    /// From 1 to [`Request::SECONDS_MAX`].
    pub seconds_max: u32,
    /// Events a second; more are counted and left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_max: Option<u32>,
    /// Size at which a recording ends, up to [`Request::BYTES_MAX`]; absent, that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
}

impl Request {
    /// A day.
    pub const SECONDS_MAX: u32 = 24 * 3600;
    /// Of one recording.
    pub const BYTES_MAX: u64 = 4 << 30;
    /// Longest request, its condition included.
    pub(super) const TEXT_BYTES_MAX: usize = 80 << 10;

    /// Returns what is wrong with it.
    pub(super) fn fault(&self) -> Option<String> {
        if self.events_max == 0 || self.rate_max == Some(0) || self.bytes_max == Some(0) {
            return Some("at least one event can be had".to_owned());
        }
        if !(1..=Self::SECONDS_MAX).contains(&self.seconds_max) {
            return Some(format!("from 1 to {} seconds can be asked for", Self::SECONDS_MAX));
        }
        None
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max.unwrap_or(Self::BYTES_MAX).min(Self::BYTES_MAX)
    }
}

/// Which events are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Those for which this condition of the rule language holds.
    Condition(String),
    /// Those that raise an alert of this rule.
    Rule(String),
}

/// How events are handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Each by itself, with its whole ancestry.
    #[default]
    Events,
    /// As the bytes of a recording, in [parts](Answer::Part).
    Recording,
}

/// One line of the agent's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It listens. This machine gives no events of the kinds in `unwatched`.
    Started {
        unwatched: Vec<String>,
    },
    Event(Box<Event>),
    /// The next bytes of a recording, in base64 (RFC 4648, section 4).
    Part(String),
    /// So many events were left out so far; said once a second while it grows.
    Behind {
        dropped: u64,
        limited: u64,
    },
    /// The last line. `dropped` were too fast for who asked, `limited` above the rate asked for.
    Ended {
        why: End,
        seen: u64,
        dropped: u64,
        limited: u64,
    },
    /// The last line: there is nothing.
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
    /// Too many others ask.
    Busy,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// As many events as were asked for.
    Events,
    /// Who asked said so: it closed its side of the connection.
    Enough,
    /// The time is over.
    Time,
    /// The recording has its full size.
    Bytes,
    /// The agent stops.
    Stopped,
}
