//! What is said: one request, then answers, each a line of JSON.

use alert::{AlertId, Event};
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
    /// Size at which a recording ends, up to [`Request::BYTES_MAX`]; absent, that. Of several, all
    /// together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// Recordings of what is around moments; absent, one from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Surroundings>,
}

/// Which moments have what is around them recorded, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    /// The events that are such moments. Those in the seconds after one are in its recording and begin
    /// no other.
    pub of: Choice,
    /// Seconds before a moment, and as many after it; up to [`Surroundings::SECONDS_MAX`].
    pub seconds: u32,
    /// The agent's memory for the seconds before, up to [`Surroundings::RING_BYTES_MAX`].
    #[serde(default = "Surroundings::ring_bytes")]
    pub ring_bytes_max: u64,
    /// It ends after so many recordings; at least 1.
    pub recordings_max: u32,
}

impl Surroundings {
    pub const SECONDS_MAX: u32 = 300;
    pub const RING_BYTES_MAX: u64 = 64 << 20;
    /// Unless somebody asks for more or less.
    pub const RING_BYTES: u64 = 16 << 20;

    const fn ring_bytes() -> u64 {
        Self::RING_BYTES
    }

    fn fault(&self) -> Option<String> {
        if !(1..=Self::SECONDS_MAX).contains(&self.seconds) {
            let max = Self::SECONDS_MAX;
            return Some(format!("from 1 to {max} seconds around a moment can be had"));
        }
        if !(1..=Self::RING_BYTES_MAX).contains(&self.ring_bytes_max) {
            let max = Self::RING_BYTES_MAX >> 20;
            return Some(format!("the seconds before a moment can have {max} MiB at most"));
        }
        (self.recordings_max == 0).then(|| "at least one recording can be had".to_owned())
    }
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
        let around = self.around.as_ref()?;
        if self.form != Form::Recording || !matches!(self.choice, Choice::Condition(_)) {
            let fault =
                "what is around a moment is chosen by a condition, and comes as a recording";
            return Some(fault.to_owned());
        }
        around.fault()
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
    /// Those that raise an alert of this rule, or of any where `*` stands for any text in the name.
    Rule(String),
}

/// What a recording is made around.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Nanoseconds since 1970.
    pub time_ns: u64,
    /// The rule that raised an alert; absent where a condition chose the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// That alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertId>,
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
    /// What this request is called in `DELETE /v1/events/{id}`, which ends it; where it came over HTTP,
    /// the first line.
    Called(AlertId),
    /// It listens. This machine gives no events of the kinds in `unwatched`.
    Started {
        unwatched: Vec<String>,
    },
    Event(Box<Event>),
    /// The recording of what is around this begins. `from_ns` is the time of its first event so far:
    /// the memory for the seconds before may have been too small for all of them.
    Around {
        moment: Moment,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_ns: Option<u64>,
    },
    /// The next bytes of a recording, in base64 (RFC 4648, section 4).
    Part(String),
    /// The recording, or that which was begun last, is whole.
    Whole {
        events: u64,
    },
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
    /// As many recordings as were asked for.
    Recordings,
    /// Who asked said so: it closed its side of the connection.
    Enough,
    /// The time is over.
    Time,
    /// The recording has its full size.
    Bytes,
    /// The agent stops.
    Stopped,
}
