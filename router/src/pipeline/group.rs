//! Findings one route tells of together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alert::{Alert, Fingerprint, GroupId, Priority};
use aws_lc_rs::digest;
use jiff::Timestamp;
use outputs::Receipt;
use serde::{Deserialize, Serialize};

use super::{
    NotifyReason, clock,
    facts::{self, Facts, Key},
    roll::Place,
    route::Settings,
    storm::Summary,
};

/// Longest value a group is named by; what is longer is cut and grouped by its beginning.
const VALUE_BYTES_MAX: usize = 256;

/// An open group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) id: GroupId,
    /// Where it is in the list of groups.
    #[serde(default)]
    pub(super) place: Place,
    pub(super) key: Box<str>,
    #[serde(skip)]
    pub(super) settings: Arc<Settings>,
    pub(super) labels: BTreeMap<String, String>,
    /// The most severe priority so far.
    pub(super) priority: Priority,
    /// The highest score so far.
    pub(super) score: u8,
    pub(super) alerts: u64,
    pub(super) findings: u64,
    /// By the wall clock; everything else is in the pipeline's time.
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// What it sums up, if it stands for a storm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) storm: Option<Box<Summary>>,
    /// Slots of its findings that are still active, in no order that matters.
    #[serde(skip)]
    pub(super) members: Vec<u32>,
    /// Those of `members` that have not ended.
    #[serde(skip)]
    pub(super) open: usize,
    pub(super) lanes: Vec<Lane>,
    /// When its timers are set for.
    pub(super) flush_at: Option<Timestamp>,
    pub(super) close_at: Timestamp,
}

/// How far one output has been told of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Lane {
    /// Number of the output.
    pub(super) output: u16,
    /// Notifications made.
    pub(super) number: u32,
    pub(super) notified_at: Option<Timestamp>,
    pub(super) notified_priority: Priority,
    /// When the next notification is due, and why.
    pub(super) due: Option<(Timestamp, NotifyReason)>,
    /// Routed alerts in no notification yet, and the first and last of their sequences.
    pub(super) waiting: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// The same one by one, and findings that are to be told of again. What an earlier version
    /// wrote has none of the alerts it counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) untold: Vec<Untold>,
    /// Alerts of the group that were withheld from it. Those that return count anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) withheld: u64,
    /// Alerts of the group, apart from those, at the last notification.
    pub(super) told: u64,
    /// Receipt of the last delivered notification.
    pub(super) receipt: Option<Box<Receipt>>,
}

/// What an output is to be told of: an alert that was routed, or a finding that was hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Untold {
    pub(super) finding: Fingerprint,
    pub(super) sequence: u64,
    /// It is a routed alert, and so counts.
    pub(super) is_alert: bool,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Lane {
    pub(super) fn new(output: u16) -> Self {
        Self {
            output,
            number: 0,
            notified_at: None,
            notified_priority: Priority::Debug,
            due: None,
            waiting: 0,
            first: 0,
            last: 0,
            untold: Vec::new(),
            withheld: 0,
            told: 0,
            receipt: None,
        }
    }

    /// Notes what its output is to be told of, and decides when.
    pub(super) fn route(
        &mut self,
        untold: Untold,
        priority: Priority,
        now: Timestamp,
        settings: &Settings,
    ) {
        self.untold.push(untold);
        if untold.is_alert {
            if self.waiting == 0 {
                self.first = untold.sequence;
            }
            self.waiting += 1;
            self.last = untold.sequence;
        }
        let urgent = priority >= Priority::Critical;
        let due = match self.notified_at {
            None if urgent => (now, NotifyReason::Opened),
            None => (clock::after(now, settings.group_wait), NotifyReason::Opened),
            Some(_) if urgent && priority > self.notified_priority => {
                (now, NotifyReason::Escalated)
            }
            Some(at) => {
                let next = clock::after(at, settings.group_interval).max(now);
                (next, NotifyReason::Updated)
            }
        };
        self.due = Some(match self.due {
            Some(set) if set.0 <= due.0 && !set.1.is_without_alerts() => set,
            Some(set) => (set.0.min(due.0), due.1),
            None => due,
        });
    }

    /// Notes that only counts changed, for an output that edits its messages.
    pub(super) fn count(&mut self, now: Timestamp, group_interval: Duration) {
        if let (None, Some(at)) = (self.due, self.notified_at) {
            let next = clock::after(at, group_interval).max(now);
            self.due = Some((next, NotifyReason::Counted));
        }
    }

    /// Notes that something ended, and decides when that is told.
    fn end(&mut self, now: Timestamp, group_interval: Duration) {
        if self.due.is_none_or(|(_, why)| why == NotifyReason::Counted) {
            let next = self.notified_at.map_or(now, |at| clock::after(at, group_interval));
            self.due = Some((next.max(now), NotifyReason::Resolved));
        }
    }
}

impl Group {
    /// Returns the lane of an output, making it if need be.
    pub(super) fn lane(&mut self, output: u16) -> &mut Lane {
        let index = match self.lanes.iter().position(|lane| lane.output == output) {
            Some(index) => index,
            None => {
                self.lanes.push(Lane::new(output));
                self.lanes.len() - 1
            }
        };
        &mut self.lanes[index]
    }

    /// Makes what is due of a lane no longer due, when all that it waits to tell was withheld;
    /// `returns` when it is to tell of a finding again.
    pub(super) fn settle(&mut self, index: usize, returns: bool) {
        let (ends, has_ended) = (self.settings.notify_close, self.members.len() > self.open);
        let lane = &mut self.lanes[index];
        let is_left = lane.waiting > 0 || returns;
        lane.due = lane.due.and_then(|(at, why)| {
            let is_kept = match why {
                NotifyReason::Counted | NotifyReason::Resolved | NotifyReason::StormEnded => true,
                NotifyReason::Closed => is_left || ends && lane.number > 0,
                NotifyReason::Opened | NotifyReason::Updated | NotifyReason::Escalated => is_left,
            };
            let why = if is_kept { why } else { NotifyReason::Resolved };
            (is_kept || has_ended).then_some((at, why))
        });
    }

    /// Notes that one of its findings ended. When none is left that goes on, all outputs are told at
    /// one time, as the group closes with it.
    pub(super) fn end_one(&mut self, now: Timestamp) {
        self.open = self.open.saturating_sub(1);
        for lane in &mut self.lanes {
            lane.end(now, self.settings.group_interval);
        }
        if self.is_over() {
            let last = self.lanes.iter().filter_map(|lane| lane.due).map(|(at, _)| at).max();
            for (at, _) in self.lanes.iter_mut().filter_map(|lane| lane.due.as_mut()) {
                *at = last.unwrap_or(*at);
            }
        }
    }

    /// Returns whether all its findings ended, and that is still to be told.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0 && !self.members.is_empty()
    }

    /// Returns whether an output was told of something at this time or later.
    pub(super) fn has_told_since(&self, time: Timestamp) -> bool {
        self.lanes.iter().any(|lane| lane.notified_at >= Some(time))
    }

    /// Returns when something is next to be told.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|lane| lane.due).map(|(at, _)| at).min()
    }

    /// Returns when it will tell of a finding that was routed to it at `routed`, if it still has to.
    pub(super) fn tells_of(&self, routed: Timestamp) -> Option<Timestamp> {
        let untold =
            self.lanes.iter().filter(|lane| lane.notified_at.is_none_or(|at| at <= routed));
        untold.filter_map(|lane| lane.due).map(|(at, _)| at).max()
    }

    /// Returns when it closes if nothing more happens: after its quiet time, but not before what
    /// is to be told was told, nor its closing within the interval of the last notification.
    pub(super) fn closes_at(&self) -> Timestamp {
        let mut at = clock::after(self.last_seen, self.settings.quiet);
        for lane in &self.lanes {
            at = lane.due.map_or(at, |(due, _)| at.max(due));
            if let (true, Some(notified)) = (self.settings.notify_close, lane.notified_at) {
                at = at.max(clock::after(notified, self.settings.group_interval));
            }
        }
        clock::whole_second(at)
    }
}

/// Writes what tells a route's groups apart into `key`: the route and the values it groups by.
pub(super) fn write_key(
    settings: &Settings,
    alert: &Alert,
    facts: &Facts<'_>,
    fingerprint: Fingerprint,
    key: &mut String,
    value: &mut String,
) {
    key.clear();
    add(key, &settings.route);
    if settings.is_storm {
        // One text more than pairs of names and values: no other group has such a key.
        add(key, "storm");
    }
    write_values(&settings.group_by, alert, facts, fingerprint, key, value);
}

/// Appends names and values to `key`.
pub(super) fn write_values(
    by: &[Key],
    alert: &Alert,
    facts: &Facts<'_>,
    fingerprint: Fingerprint,
    key: &mut String,
    value: &mut String,
) {
    for name in by {
        value.clear();
        name.write(alert, facts, Some(fingerprint), value);
        add(key, name.name());
        add(key, &facts::cut(value, VALUE_BYTES_MAX));
    }
}

/// Appends a text after its length, so that no text can pass for two.
fn add(key: &mut String, text: &str) {
    let mut length = text.len();
    while length > 0 {
        key.push(char::from(b'0' + (length % 10) as u8));
        length /= 10;
    }
    key.push(':');
    key.push_str(text);
}

/// Returns the values a group is named by; those the alert lacks are left out.
pub(super) fn labels(
    by: &[Key],
    alert: &Alert,
    facts: &Facts<'_>,
    fingerprint: Fingerprint,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for name in by {
        let mut value = String::new();
        name.write(alert, facts, Some(fingerprint), &mut value);
        if !value.is_empty() {
            let value = facts::cut(&value, VALUE_BYTES_MAX).into_owned();
            labels.insert(name.name().to_owned(), value);
        }
    }
    labels
}

/// Returns the first 64 bits of a digest over the parts, each with its length.
pub(super) fn digest64(parts: &[&[u8]]) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&context.finish().as_ref()[..8]);
    u64::from_be_bytes(bytes)
}
