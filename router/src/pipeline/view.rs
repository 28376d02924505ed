//! What the API shows of the pipeline's state.

use std::{collections::BTreeMap, sync::Arc};

use alert::{Finding, Fingerprint, GroupId, Notification, NotificationId, Priority};
use jiff::Timestamp;
use outputs::Receipt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Ledger, Pipeline, ReasonKind, SilenceId, SilenceView,
    finding::Live,
    group::{Group, Lane},
    roll::{Page, Part},
    shelf::Letter,
};

/// Which findings to return; all of what is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingsQuery {
    pub rule: Option<String>,
    pub score_min: u8,
    pub priority_min: Option<Priority>,
    pub group: Option<GroupId>,
    pub page: Page,
}

/// An open group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupView {
    pub id: GroupId,
    pub route: Arc<str>,
    pub labels: BTreeMap<String, String>,
    pub priority: Priority,
    /// The highest one a finding of it had.
    pub score: u8,
    pub alerts_count: u64,
    pub findings_count: u64,
    pub findings_open: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub outputs: Vec<GroupOutputView>,
    /// What it sums up, if it stands for a storm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<alert::Storm>,
}

/// How far one output is told of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    pub findings: u64,
    pub findings_evicted: u64,
    pub groups: u64,
    pub groups_evicted: u64,
    pub pending: u64,
    pub dead_letters: u64,
    pub dead_letters_dropped: u64,
    /// Active ones and those that will be.
    pub silences_active: u64,
    pub notifications: u64,
    pub timers: u64,
    /// Active findings that people do not hear of: silenced, in a window, or inhibited.
    #[serde(default)]
    pub findings_hidden: u64,
    /// Maintenance windows that are open.
    #[serde(default)]
    pub windows_open: u64,
    /// Inhibitions that have a source now, once for each set of values of their `equal`.
    #[serde(default)]
    pub inhibition_sources: u64,
    /// Sources of inhibitions there was no room for: a finding is one for 16 sets of values at most.
    #[serde(default)]
    pub inhibition_sources_refused: u64,
    /// Storms that go on.
    #[serde(default)]
    pub storms: u64,
}

impl Pipeline {
    /// Returns the account of every alert's end.
    pub fn ledger(&self) -> Ledger {
        let suppressed = ReasonKind::ALL
            .into_iter()
            .map(|reason| (reason, self.totals.suppressed[reason as usize]))
            .collect();
        let outputs = self.destinations.iter();
        Ledger {
            accepted: self.totals.accepted,
            suppressed,
            routed: self.totals.routed,
            outputs: outputs.map(|output| (output.name.to_string(), output.ledger)).collect(),
        }
    }

    pub fn counts(&self) -> Counts {
        Counts {
            findings: self.findings.len() as u64,
            findings_evicted: self.totals.findings_evicted,
            groups: self.groups.len() as u64,
            groups_evicted: self.totals.groups_evicted,
            pending: self.pending.len() as u64,
            dead_letters: self.dead.len() as u64,
            dead_letters_dropped: self.totals.dead_letters_dropped,
            silences_active: self.silences.current_len() as u64,
            notifications: self.totals.notifications,
            timers: self.timers.len() as u64,
            findings_hidden: self.hidden_by.len() as u64,
            windows_open: self.windows.all().filter(|entry| entry.is_open()).count() as u64,
            inhibition_sources: self.inhibitions.sources_len() as u64,
            inhibition_sources_refused: self.totals.sources_refused,
            storms: self.storms.going_len() as u64,
        }
    }

    /// Returns all silences, also those that ended within the last day.
    pub fn silences(&self) -> Vec<SilenceView> {
        self.silences.all().map(|entry| entry.view(&self.clock)).collect()
    }

    /// Returns one silence, as above.
    pub fn silence(&self, id: &SilenceId) -> Option<SilenceView> {
        self.silences.get(id).map(|entry| entry.view(&self.clock))
    }

    /// Returns open groups, the most recently opened first.
    pub fn groups(&self, page: Page) -> Part<GroupView> {
        let view = |slot: &u32| self.groups.get(*slot).map(|group| self.group_view(group));
        Part::of(self.groups_opened.newest(page.after), page.limit, view)
    }

    /// Returns an open group.
    pub fn group(&self, id: GroupId) -> Option<GroupView> {
        self.groups.get(*self.by_group.get(&id)?).map(|group| self.group_view(group))
    }

    fn group_view(&self, group: &Group) -> GroupView {
        let output = |lane: &Lane| GroupOutputView {
            output: self.destinations.name(lane.output),
            notifications: lane.number,
            notified_at: lane.notified_at.map(|at| self.clock.wall(at)),
            due: lane.due.map(|(at, _)| self.clock.wall(at)),
            waiting: lane.waiting,
            pending: self.pending.current(group.id, lane.output),
        };
        GroupView {
            id: group.id,
            route: group.settings.route.clone(),
            labels: group.labels.clone(),
            priority: group.priority,
            score: group.score,
            alerts_count: group.alerts,
            findings_count: group.findings,
            findings_open: group.members.len() as u64,
            first_seen: group.first_seen,
            last_seen: self.clock.wall(group.last_seen).max(group.first_seen),
            outputs: group.lanes.iter().map(output).collect(),
            storm: group.storm.as_ref().map(|storm| storm.view()),
        }
    }

    /// Returns findings, the most recently opened first.
    pub fn findings(&self, query: &FindingsQuery) -> Part<Finding> {
        let group = match query.group {
            Some(id) => match self.by_group.get(&id) {
                Some(slot) => Some(*slot),
                None => return Part { items: Vec::new(), next: None },
            },
            None => None,
        };
        let wanted = |live: &&Live| {
            query.rule.as_ref().is_none_or(|rule| **rule == *live.rule)
                && live.points_at(self.clock.now(), &self.config.score) >= query.score_min
                && query.priority_min.is_none_or(|priority| live.priority >= priority)
                && group.is_none_or(|group| live.memberships.iter().any(|at| at.group == group))
        };
        let view = |slot: &u32| {
            let live = self.findings.get(*slot).filter(wanted);
            live.and_then(|it| it.view(&self.config.score, &self.clock))
        };
        Part::of(self.findings_opened.newest(query.page.after), query.page.limit, view)
    }

    /// Returns an open finding.
    pub fn finding(&self, fingerprint: Fingerprint) -> Option<Finding> {
        let live = self.findings.get(*self.by_fingerprint.get(&fingerprint)?)?;
        live.view(&self.config.score, &self.clock)
    }

    /// Returns the names of the fields an open finding's fingerprint was made of.
    pub fn fingerprint_fields(&self, fingerprint: Fingerprint) -> Option<&[Box<str>]> {
        let live = self.findings.get(*self.by_fingerprint.get(&fingerprint)?)?;
        Some(&live.fields)
    }

    /// Returns dead letters that can be replayed, the newest first.
    pub fn dead_letters(&self, page: Page) -> Part<DeadLetterView> {
        Part::of(self.dead.newest(page.after), page.limit, |letter| self.dead_letter(letter))
    }

    /// Returns all of them, as above.
    pub fn all_dead_letters(&self) -> impl Iterator<Item = DeadLetterView> {
        self.dead.iter().rev().filter_map(|letter| self.dead_letter(letter))
    }

    fn dead_letter(&self, letter: &Letter) -> Option<DeadLetterView> {
        let death = letter.death.as_ref()?;
        Some(DeadLetterView {
            notification: letter.id,
            group: letter.group,
            output: self.destinations.name(letter.output),
            at: death.at,
            attempts: death.attempts,
            reason: death.reason.clone(),
            alerts: letter.alerts,
            priority: letter.priority,
        })
    }

    /// Returns an undelivered or dead-lettered notification.
    pub fn notification(&self, id: NotificationId) -> Option<Arc<Notification>> {
        self.pending.get(id).or_else(|| self.dead.get(id))?.read()
    }

    /// Returns the receipt of the group's last delivered notification to the output, for a message
    /// that is to be updated in place.
    pub fn receipt(&self, group: GroupId, output: &str) -> Option<&Receipt> {
        let number = self.destinations.number(output)?;
        let receipt = match self.by_group.get(&group) {
            Some(slot) => {
                let lanes = &self.groups.get(*slot)?.lanes;
                &lanes.iter().find(|lane| lane.output == number)?.receipt
            }
            None => &self.pending.get(self.pending.current(group, number)?)?.receipt,
        };
        receipt.as_deref()
    }
}
