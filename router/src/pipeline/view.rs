//! What the API shows of the pipeline's state.

use std::{collections::BTreeMap, sync::Arc};

use alert::{GroupId, NotificationId, Priority};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which part of a list to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    pub offset: usize,
    pub limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { offset: 0, limit: 100 }
    }
}

/// Which findings to return; all of what is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingsQuery {
    pub rule: Option<String>,
    pub score_min: u8,
    pub priority_min: Option<Priority>,
    pub group: Option<GroupId>,
    #[serde(flatten)]
    pub page: Page,
}

/// An open group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    pub id: GroupId,
    pub route: Arc<str>,
    pub labels: BTreeMap<String, String>,
    pub priority: Priority,
    pub score: u8,
    pub alerts_count: u64,
    pub findings_count: u64,
    pub findings_open: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub outputs: Vec<GroupOutputView>,
}

/// How far one output is told of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupOutputView {
    pub output: Arc<str>,
    /// Notifications made.
    pub notifications: u32,
    pub notified_at: Option<Timestamp>,
    /// When the next notification is due, if one is.
    pub due: Option<Timestamp>,
    /// Routed alerts not yet in a notification.
    pub waiting: u64,
    /// The undelivered notification.
    pub pending: Option<NotificationId>,
}

/// A notification that was not delivered and is kept for a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterView {
    pub notification: NotificationId,
    pub group: GroupId,
    pub output: Arc<str>,
    pub at: Timestamp,
    pub attempts: u32,
    pub reason: String,
    /// Routed alerts it covers.
    pub alerts: u64,
    pub priority: Priority,
}

/// Sizes, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub findings: u64,
    pub findings_evicted: u64,
    pub groups: u64,
    pub groups_evicted: u64,
    pub pending: u64,
    pub dead_letters: u64,
    pub dead_letters_dropped: u64,
    pub silences_active: u64,
    pub notifications: u64,
    pub timers: u64,
}
