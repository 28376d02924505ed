//! Why each thing ended where it did. Scanning these answers `explain`: an alert's decision names
//! its groups, the first [`Notified`] of a group that covers its sequence names the notification,
//! and later decisions about that notification tell its end.

mod reason;

use std::sync::Arc;

use alert::{AlertId, Fingerprint, GroupId, GroupState, Lane, NotificationId, Priority, ScoreItem};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::reason::{Reason, ReasonKind};
use super::SilenceId;

/// One thing the pipeline decided, with the journal record that made it decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Journal sequence of the record that caused it.
    pub sequence: u64,
    /// When, by the wall clock.
    pub time: Timestamp,
    #[serde(flatten)]
    pub kind: DecisionKind,
}

impl Decision {
    /// Returns whether somebody is told of the alert that this is about.
    pub(crate) fn is_routed(&self) -> bool {
        matches!(&self.kind, DecisionKind::Alert(alert) if alert.verdict == Verdict::Routed)
    }
}

/// What was decided; `kind` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DecisionKind {
    /// Exactly one for every [`crate::record::Record::Alert`].
    Alert(AlertDecision),
    /// A notification was made for an output.
    Notified(Notified),
    /// An output took a notification.
    Delivered {
        notification: NotificationId,
        group: GroupId,
        output: Arc<str>,
        attempts: u32,
        /// Routed alerts it settles.
        alerts: u64,
        /// It was a dead letter, and reached the output all the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        was_dead: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote_id: Option<String>,
    },
    /// An output will not take a notification; it is kept for a replay.
    DeadLettered {
        notification: NotificationId,
        group: GroupId,
        output: Arc<str>,
        attempts: u32,
        alerts: u64,
        reason: String,
    },
    /// There was no room to keep this dead letter for a replay. Its alerts stay counted.
    DeadLetterDropped {
        notification: NotificationId,
        output: Arc<str>,
        alerts: u64,
    },
    /// A person had a dead letter delivered again.
    Replayed {
        notification: NotificationId,
        output: Arc<str>,
        alerts: u64,
        by: String,
        /// The other output it goes to now. It is owed there; of its own output it stays counted as
        /// dead-lettered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Arc<str>>,
        /// The newer, undelivered notification that took its alerts over, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        into: Option<NotificationId>,
    },
    /// A person gave a dead letter up. Its alerts stay counted as dead-lettered.
    Purged {
        notification: NotificationId,
        output: Arc<str>,
        alerts: u64,
        by: String,
    },
    /// A newer notification of the same group and output, replayed from the dead letters, took
    /// this one's alerts over.
    Superseded {
        notification: NotificationId,
        by: NotificationId,
    },
    /// A replay could not be done.
    ReplayRefused {
        notification: NotificationId,
        by: String,
        reason: String,
    },
    SilenceAdded {
        silence: SilenceId,
        author: String,
        ends: Timestamp,
    },
    SilenceRefused {
        silence: SilenceId,
        author: String,
        reason: String,
    },
    /// A silence ended, by its time or by a person.
    SilenceExpired {
        silence: SilenceId,
        hits: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Alerts that were routed are hidden by the time they would be told of.
    Withheld(Withheld),
    /// What hid an active finding is gone: people are told of it.
    Returned {
        fingerprint: Fingerprint,
        /// What hid it.
        reason: Reason,
        /// Its alerts that were hidden.
        alerts: u64,
        /// Who is told; nobody when no route with outputs takes it at this time.
        routes: Vec<Routing>,
    },
    WindowAdded {
        window: String,
        by: String,
    },
    WindowRefused {
        window: String,
        by: String,
        reason: String,
    },
    /// A person removed it, or it will not open again.
    WindowRemoved {
        window: String,
        hits: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    WindowOpened {
        window: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    WindowClosed {
        window: String,
        hits: u64,
    },
    /// There was no room for this finding; its alerts stay counted, its next one starts a new one.
    FindingEvicted {
        fingerprint: Fingerprint,
        count: u64,
    },
    /// A source floods: what follows of it, below Critical, is told in one summary of each route.
    StormBegan {
        /// The source.
        storm: Arc<str>,
        /// Its alerts that people were told of one by one until then.
        alerts: u64,
    },
    /// Few came of it any more.
    StormEnded {
        storm: Arc<str>,
        began: Timestamp,
        /// Alerts the summaries count.
        alerts: u64,
    },
    GroupClosed {
        group: GroupId,
        alerts: u64,
        findings: u64,
        why: CloseReason,
    },
    /// A configuration took effect.
    Configured {
        routes: usize,
        silences: usize,
        outputs: usize,
    },
}

impl DecisionKind {
    /// Returns who is on record for a change; `None` if nobody asked for this.
    pub fn changed_by(&self) -> Option<&str> {
        match self {
            Self::Replayed { by, .. }
            | Self::Purged { by, .. }
            | Self::ReplayRefused { by, .. }
            | Self::SilenceAdded { author: by, .. }
            | Self::SilenceRefused { author: by, .. }
            | Self::SilenceExpired { by: Some(by), .. }
            | Self::WindowAdded { by, .. }
            | Self::WindowRefused { by, .. }
            | Self::WindowRemoved { by: Some(by), .. } => Some(by),
            Self::Configured { .. } => Some("configuration"),
            _ => None,
        }
    }
}

/// What became of one alert, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertDecision {
    pub alert: AlertId,
    pub fingerprint: Fingerprint,
    /// The fields the fingerprint was made of: those of the recipe that the alert had.
    pub fingerprint_fields: Arc<[Box<str>]>,
    /// Alerts of its finding so far, this one included. A redelivered alert is not counted again.
    pub finding_count: u64,
    pub score: u8,
    pub score_items: Arc<[ScoreItem]>,
    pub verdict: Verdict,
    /// The maintenance window that marks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Arc<str>>,
    /// The routes that took it, in their order, with its group in each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Routing>,
}

/// Where one route took an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Routing {
    /// The route's path, for example `soc/critical`.
    pub route: Arc<str>,
    /// Absent when the route has no outputs, or tells nobody at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The outputs that will be told; empty when the group was told of this finding before.
    pub outputs: Arc<[Arc<str>]>,
    /// Why the route tells nobody at this time: `muted:NAME` of an interval, or `inactive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Arc<str>>,
    /// The group is the summary of a storm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub storm: bool,
}

/// The end of an alert as far as the pipeline decides it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At least one output will be told of it.
    Routed,
    Suppressed(Reason),
}

impl Verdict {
    /// Returns whether no route took the alert to any output.
    pub(super) const fn is_without_taker(&self) -> bool {
        matches!(self, Self::Suppressed(Reason::NoRoute | Reason::NoOutput))
    }
}

impl Notified {
    /// Returns how soon it is delivered.
    pub fn lane(&self) -> Lane {
        self.lane.unwrap_or(Lane::of(self.priority))
    }
}

/// A notification was made. It covers the alerts that were routed to its group and output from
/// sequence `first` to `last`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notified {
    pub notification: NotificationId,
    pub group: GroupId,
    pub output: Arc<str>,
    pub route: Arc<str>,
    /// Journal sequences of the first and last routed alert it covers, those of `replaces` included.
    pub first: u64,
    pub last: u64,
    /// Routed alerts it covers; 0 when it only tells new counts or the group's end.
    pub alerts: u64,
    pub findings: u64,
    /// Those of `findings` that it says nothing of, as something hides them.
    #[serde(default)]
    pub hidden: u64,
    pub priority: Priority,
    /// The highest score of what it tells of, and how soon it is delivered for it; 0 and absent in
    /// what an earlier version decided.
    #[serde(default)]
    pub score: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    pub state: GroupState,
    pub why: NotifyReason,
    /// The older, undelivered notification of the same group and output it takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<NotificationId>,
}

/// Routed alerts of one finding that an output is not told of, as they were hidden by the time its
/// group's notification was due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Withheld {
    pub group: GroupId,
    pub output: Arc<str>,
    pub fingerprint: Fingerprint,
    /// Journal sequences of the first and last of them.
    pub first: u64,
    pub last: u64,
    pub alerts: u64,
    pub reason: Reason,
}

/// What made the pipeline notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    /// The first of its group.
    Opened,
    /// More was routed to the group.
    Updated,
    /// A priority of Critical or above that the group had not had before.
    Escalated,
    /// Only counts changed, and the output edits its messages.
    Counted,
    /// The group closed.
    Closed,
    /// Findings of it ended.
    Resolved,
    /// The storm it sums up is over.
    StormEnded,
}

impl NotifyReason {
    /// Returns whether it is a reason to notify though no alert was routed.
    pub(super) const fn is_without_alerts(self) -> bool {
        matches!(self, Self::Counted | Self::Resolved)
    }
}

/// Why a group closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Nothing happened for the route's quiet time.
    Quiet,
    /// The configuration no longer has its route, or no longer storms there.
    RouteRemoved,
    /// There was no room for it.
    Evicted,
    /// All its findings ended.
    Resolved,
}
