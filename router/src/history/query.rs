//! Asks the history. Everything here blocks, and ends at a deadline.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use alert::{Alert, AlertId, GroupId, NotificationId};
use jiff::Timestamp;
use rules::{Condition, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::ErrorChain;
use tracing::warn;

use super::{
    History,
    account::{SpanLedger, minute_of},
    folder,
    part::{PartError, Place},
    reader::{About, AlertFilter, AlertRow, ChangeFilter, PartReader},
};
use crate::{
    pipeline::{Decision, DecisionKind, PastPreview, Silence},
    record::Record,
};

/// Alerts looked at in one go when a condition decides.
const LOOKED_AT_ONCE: usize = 256;
/// Notifications that are followed for one alert.
const FOLLOWED_MAX: usize = 1000;

/// An alert that was decided upon some time ago.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// Absent if the journal had no room for it until the history had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    pub decision: Decision,
}

/// Alerts, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastPage {
    pub items: Vec<Past>,
    /// Where older ones begin: `before` of the next request. Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// A file could not be read, or the search took too long: there may be more than is told.
    pub incomplete: bool,
}

/// Changes that people made, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangesPage {
    pub items: Vec<Decision>,
    /// Where older ones begin: `before` of the next request. Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// A file could not be read, or the search took too long: there may be more than is told.
    pub incomplete: bool,
}

/// What the history has of one alert.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What was decided when it came, each time that it did.
    pub(crate) decisions: Vec<Decision>,
    pub(crate) alert: Option<Box<Alert>>,
}

/// The files of the history, open for one question.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The oldest first.
    parts: Vec<PartReader>,
    incomplete: bool,
}

impl History {
    /// Opens all files; what is asked of them ends at the deadline.
    pub(crate) fn open(&self, deadline: Instant) -> std::io::Result<Asked> {
        let (mut parts, mut incomplete) = (Vec::new(), false);
        for file in folder::list(&self.folder)? {
            match PartReader::open(&file.path, deadline) {
                Ok(part) => parts.push(part),
                Err(error) => {
                    let path = file.path.display();
                    warn!(file = %path, error = %ErrorChain(&error), "a part of the history is left out");
                    incomplete = true;
                }
            }
        }
        Ok(Asked { parts, incomplete })
    }
}

impl Asked {
    /// Returns whether something could not be read.
    pub(crate) fn incomplete(&self) -> bool {
        self.incomplete
    }

    /// Returns the first record it has an alert of and when that was decided upon, and the last
    /// record it has decisions about.
    pub(crate) fn span(&mut self) -> Option<(u64, Timestamp, u64)> {
        let first = self.first(PartReader::first_alert)?;
        let last = self.last(PartReader::place)?;
        Some((first.0, first.1, last.sequence))
    }

    /// Returns an alert, wherever it is.
    pub(crate) fn find(&mut self, id: AlertId) -> Found {
        let mut found = Found::default();
        for part in &self.parts {
            for row in or_note(part.alert(id), &mut self.incomplete) {
                found.alert = found.alert.or_else(|| read(row.record));
                found.decisions.push(row.decision);
            }
        }
        found
    }

    /// Calls `take` with the decisions about some groups from a record on, and about the
    /// notifications that tell of that record, in their order; until it returns false.
    pub(crate) fn follow(
        &mut self,
        groups: &[GroupId],
        sequence: u64,
        mut take: impl FnMut(Decision) -> bool,
    ) {
        let mut notifications = BTreeSet::new();
        for part in &self.parts {
            let mut decisions: BTreeMap<Place, Decision> = BTreeMap::new();
            for group in groups {
                let about = part.decisions(About::Group(*group), sequence);
                decisions.extend(or_note(about, &mut self.incomplete));
            }
            notifications
                .extend(decisions.values().filter_map(|decision| tells(decision, sequence)));
            while notifications.len() > FOLLOWED_MAX {
                notifications.pop_last();
            }
            for notification in &notifications {
                let about = part.decisions(About::Notification(*notification), sequence);
                decisions.extend(or_note(about, &mut self.incomplete));
            }
            if !decisions.into_values().all(&mut take) {
                return;
            }
        }
    }

    /// Returns alerts for which the filter and the condition hold, the newest first.
    pub(crate) fn alerts(
        mut self,
        mut filter: AlertFilter,
        condition: Option<&Condition>,
        limit: usize,
    ) -> PastPage {
        let mut page = PastPage::default();
        for part in self.parts.iter().rev() {
            loop {
                let wanted = limit + 1 - page.items.len();
                let asked = if condition.is_some() { LOOKED_AT_ONCE.max(wanted) } else { wanted };
                let rows = match part.alerts(&filter, asked) {
                    Ok(rows) => rows,
                    Err(PartError::Deadline) => {
                        // Where to go on from is known.
                        page.next = filter.before;
                        page.incomplete = true;
                        return page;
                    }
                    failed => or_note(failed, &mut self.incomplete),
                };
                let is_last = rows.len() < asked;
                for row in rows {
                    filter.before = Some(row.sequence);
                    let past = past(row);
                    if condition.is_none_or(|condition| holds(condition, &past)) {
                        page.items.push(past);
                    }
                    if page.items.len() > limit {
                        page.items.pop();
                        page.next = page.items.last().map(|past| past.decision.sequence);
                        page.incomplete = self.incomplete;
                        return page;
                    }
                }
                if is_last {
                    break;
                }
            }
        }
        page.incomplete = self.incomplete;
        page
    }

    /// Returns what people changed, the newest first.
    pub(crate) fn changes(mut self, filter: &ChangeFilter, limit: usize) -> ChangesPage {
        let mut found = Vec::new();
        for part in self.parts.iter().rev() {
            let changes = part.changes(filter, limit + 1 - found.len());
            found.extend(or_note(changes, &mut self.incomplete));
            if found.len() > limit {
                found.truncate(limit);
                let next = found.last().map(|(place, _)| place.to_string());
                let items = found.into_iter().map(|(_, decision)| decision).collect();
                return ChangesPage { items, next, incomplete: self.incomplete };
            }
        }
        let items = found.into_iter().map(|(_, decision)| decision).collect();
        ChangesPage { items, next: None, incomplete: self.incomplete }
    }

    /// Returns what a silence would have hidden of the alerts decided upon since then; the newest are
    /// looked at first.
    pub(crate) fn would_have_hidden(mut self, silence: &Silence, since: Timestamp) -> PastPreview {
        let mut filter = AlertFilter { from: Some(since), ..AlertFilter::default() };
        let mut preview = PastPreview { since, ..PastPreview::default() };
        for part in self.parts.iter().rev() {
            loop {
                let rows = part.alerts(&filter, LOOKED_AT_ONCE);
                let is_over = matches!(rows, Err(PartError::Deadline));
                let rows = or_note(rows, &mut self.incomplete);
                let is_last = rows.len() < LOOKED_AT_ONCE;
                for row in rows {
                    filter.before = Some(row.sequence);
                    preview.examined += 1;
                    let past = past(row);
                    let Some(alert) = &past.alert else { continue };
                    let subject = subject(alert, &past.decision);
                    if silence.would_have_hidden(&subject, past.decision.time) {
                        preview.alerts += 1;
                        preview.told += u64::from(past.decision.is_routed());
                    }
                }
                if is_over {
                    preview.incomplete = true;
                    return preview;
                }
                if is_last {
                    break;
                }
            }
        }
        preview.incomplete = self.incomplete;
        preview
    }

    /// Returns the account of the whole minutes from `from` to `until`; `None` as long as nothing is
    /// known.
    pub(crate) fn ledger(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Option<SpanLedger>, PartError> {
        let mut anchored = None;
        for (number, part) in self.parts.iter().enumerate().rev() {
            if let Some((since, owed)) = part.anchor()? {
                anchored = Some((number, since, owed));
                break;
            }
        }
        let Some((first, since, owed)) = anchored else { return Ok(None) };
        let begin = minute_of(since);
        let from = minute_of(from).max(begin);
        let until = minute_of(until).max(from);
        // The clock may have been set back after the beginning.
        let lowest = if from == begin { i64::MIN } else { from };
        let highest = if until == begin { i64::MIN } else { until };
        let (mut before, mut inside) = (owed.clone(), BTreeMap::new());
        let mut after = owed;
        let time = |minute: i64| {
            Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::MAX)
        };
        for part in &self.parts[first..] {
            part.account(i64::MIN..lowest, |line, alerts| {
                before.add(&line, alerts);
                after.add(&line, alerts);
            })?;
            part.account(lowest..highest, |line, alerts| {
                after.add(&line, alerts);
                *inside.entry(line).or_default() += alerts;
            })?;
        }
        let mut ledger = SpanLedger::new(time(from), time(until));
        for (line, alerts) in &inside {
            ledger.add(line, *alerts);
        }
        ledger.owed(before, after);
        Ok(Some(ledger))
    }

    fn first<T>(&mut self, of: impl Fn(&PartReader) -> Result<Option<T>, PartError>) -> Option<T> {
        let mut incomplete = false;
        let found = self.parts.iter().find_map(|part| or_note(of(part), &mut incomplete));
        self.incomplete |= incomplete;
        found
    }

    fn last<T>(&mut self, of: impl Fn(&PartReader) -> Result<Option<T>, PartError>) -> Option<T> {
        let mut incomplete = false;
        let found = self.parts.iter().rev().find_map(|part| or_note(of(part), &mut incomplete));
        self.incomplete |= incomplete;
        found
    }
}

/// Returns what was found; a file that cannot be read is noted and has nothing.
fn or_note<T: Default>(result: Result<T, PartError>, incomplete: &mut bool) -> T {
    result.unwrap_or_else(|error| {
        warn!(error = %ErrorChain(&error), "a part of the history is left out");
        *incomplete = true;
        T::default()
    })
}

/// Returns the notification that tells of a record, if the decision is that there is one.
fn tells(decision: &Decision, sequence: u64) -> Option<NotificationId> {
    match &decision.kind {
        DecisionKind::Notified(made) if made.first <= sequence && sequence <= made.last => {
            Some(made.notification)
        }
        _ => None,
    }
}

fn past(row: AlertRow) -> Past {
    Past { alert: read(row.record).map(|alert| *alert), decision: row.decision }
}

fn read(record: Option<Vec<u8>>) -> Option<Box<Alert>> {
    match serde_json::from_slice(&record?) {
        Ok(Record::Alert(alert)) => Some(alert),
        _ => None,
    }
}

fn holds(condition: &Condition, past: &Past) -> bool {
    let Some(alert) = &past.alert else { return false };
    condition.matches(&subject(alert, &past.decision))
}

/// Returns what conditions about decided alerts see.
pub(crate) fn subject<'a>(alert: &'a Alert, decision: &Decision) -> Subject<'a> {
    let mut subject = Subject::new(alert);
    if let DecisionKind::Alert(decision) = &decision.kind {
        subject.score = Some(decision.score);
        subject.count = Some(decision.finding_count);
        subject.fingerprint = Some(decision.fingerprint);
    }
    subject
}
