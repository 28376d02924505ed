//! What the API answers and takes. The command line reads these too.

use std::path::Path;

use alert::{Alert, NotificationId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

pub use crate::{
    dispatch::BreakerState,
    history::{ChangesPage, OutputSpan, Past, PastPage, SourceLedger, SpanLedger},
    live::Tail,
    pipeline::{
        Counts, DeadLetterView, Decision, GroupView, InhibitionView, Interval, Ledger,
        OutputLedger, Preview, Silence, SilenceId, SilenceView, Window, WindowView,
    },
};

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct List<T> {
    pub items: Vec<T>,
    /// Cursor of the next part; absent when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Answer of `GET /api/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub version: String,
    pub started: Timestamp,
    /// Alerts are accepted: the journal takes them.
    pub ready: bool,
    pub journal: JournalStatus,
    /// Records in the journal that are not yet decided upon.
    pub behind_records: u64,
    pub counts: Counts,
    /// The sum of the ledger that does not hold; absent as long as all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_error: Option<String>,
    pub config: ConfigStatus,
    pub outputs: Vec<OutputStatus>,
    /// The way to the responder; absent when alerts go to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<ResponderStatus>,
}

/// How far the responder is told of alerts. Counts are since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponderStatus {
    /// Alerts it took.
    pub sent: u64,
    /// Alerts that were passed over.
    pub skipped: u64,
    /// Records decided upon that it was not yet asked to take.
    pub behind_records: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent: Option<Timestamp>,
    /// Why it took none the last time; absent when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalStatus {
    /// Sequence of the oldest record, and of the next one.
    pub first: u64,
    pub next: u64,
    pub bytes: u64,
    pub bytes_max: u64,
    pub full: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub loaded: Timestamp,
    /// Why a newer one was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl ConfigStatus {
    pub(crate) fn loaded(file: Option<&Path>) -> Self {
        Self {
            file: file.map(|file| file.display().to_string()),
            loaded: service::clock::now(),
            refused: None,
        }
    }
}

/// One of the answer to `GET /api/v1/outputs`. Counts are since the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputStatus {
    pub name: String,
    pub kind: String,
    pub breaker: BreakerState,
    /// Notifications in the queue.
    pub queued: usize,
    pub queued_bytes: usize,
    /// Attempts, or ends of notifications on their way to the journal.
    pub under_way: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
    pub attempts: u64,
    pub delivered: u64,
    pub dead_lettered: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivered: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Answer of `GET /api/v1/explain/{alert-id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// What was decided about the alert when it came, and what about the notifications that tell
    /// of it, in order. Empty when nothing is known of it.
    pub decisions: Vec<Decision>,
    /// The alert itself, while the journal has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Box<Alert>>,
    /// When the responder took it, if that was not long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder_took: Option<Timestamp>,
    /// Since when decisions are known; what came before is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<Timestamp>,
    /// Some outputs have not yet taken it.
    pub pending: bool,
    /// The search ended before it saw everything, as it took too long.
    pub incomplete: bool,
}

/// Body of `POST /api/v1/silences` and `PUT /api/v1/silences/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Alerts for which this condition holds are hidden; or those for which all `matchers` hold.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Alertmanager's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matchers: Vec<String>,
    /// Only within these times of the calendar, as often as they come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<Interval>,
    /// At once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Timestamp>,
    /// Either this or `duration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<HumanDuration>,
    pub author: String,
    pub comment: String,
}

/// Body of `PUT /api/v1/windows/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWindow {
    pub window: Window,
    pub by: String,
}

/// Body of requests that only need to say who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct By {
    pub by: String,
}

/// Body of `POST /api/v1/deadletters/{id}/replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayOne {
    pub by: String,
    /// To this output in place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Body of `POST /api/v1/deadletters/replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayAll {
    pub by: String,
    /// Only those of this output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Only those that became dead letters before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// To this output in place of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Body of `POST /api/v1/deadletters/purge`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeAll {
    pub by: String,
    /// Only those of this output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Only those that became dead letters before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
}

/// Answer to a purge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Purged {
    /// Not kept any more.
    pub notifications: Vec<NotificationId>,
    /// Alerts they told of.
    pub alerts: u64,
}

/// Answer to a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// Delivered again, as soon as the output takes them.
    pub notifications: Vec<NotificationId>,
    pub refused: Vec<Refused>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    pub notification: NotificationId,
    pub reason: String,
}
