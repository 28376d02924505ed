//! Tells where an alert went and why, by searching the decision log.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use alert::{Alert, AlertId, Fingerprint, GroupId, NotificationId};
use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use journal::{Journal, ReadError};
use memchr::memmem;
use uuid::Uuid;

use super::{Api, ApiError, error, types::Explanation};
use crate::{
    core::DecisionLog,
    pipeline::{Decision, DecisionKind, Verdict},
    record::Record,
};

/// Longest search.
const SEARCH_MAX: Duration = Duration::from_secs(10);
/// An id made by us tells when the alert came, less than this before it was decided upon.
const SLACK: SignedDuration = SignedDuration::from_secs(60);
/// Decisions an explanation has at most.
const DECISIONS_MAX: usize = 200;

pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    Path(alert): Path<String>,
) -> Result<Json<Explanation>, ApiError> {
    let alert: AlertId = error::id(&alert, "alert")?;
    let _permit = api
        .explanations
        .try_acquire()
        .map_err(|_| ApiError::Busy("other explanations are being searched for"))?;
    let (log, journal) = (api.core.decisions().clone(), api.core.journal().clone());
    let search = tokio::task::spawn_blocking(move || {
        let mut search = Search::new(&log, alert);
        search.run()?;
        Ok::<_, ReadError>(search.finish(&journal))
    });
    let mut explanation = search.await.map_err(|error| ApiError::Refused(error.to_string()))??;
    let mut decisions = explanation.decisions.iter();
    explanation.responder_took = decisions.find_map(|it| api.responder.took(it.sequence));
    if explanation.decisions.is_empty() && !explanation.incomplete {
        let since = match explanation.known_since {
            Some(since) => format!("; decisions are known since {since}"),
            None => String::new(),
        };
        return Err(ApiError::NotFound(format!("decision about alert {alert}{since}")));
    }
    Ok(Json(explanation))
}

/// A search for one alert.
struct Search<'a> {
    log: &'a DecisionLog,
    alert: AlertId,
    deadline: Instant,
    range: Range<u64>,
    known_since: Option<Timestamp>,
    decisions: Vec<Decision>,
    /// Journal sequence of the alert that was decided first.
    sequence: Option<u64>,
    fingerprint: Option<Fingerprint>,
    /// What must still tell of the alert, and the notification that will.
    owed: BTreeMap<(GroupId, Arc<str>), Option<NotificationId>>,
    incomplete: bool,
}

impl<'a> Search<'a> {
    fn new(log: &'a DecisionLog, alert: AlertId) -> Self {
        Self {
            log,
            alert,
            deadline: Instant::now() + SEARCH_MAX,
            range: log.range(),
            known_since: None,
            decisions: Vec::new(),
            sequence: None,
            fingerprint: None,
            owed: BTreeMap::new(),
            incomplete: false,
        }
    }

    fn run(&mut self) -> Result<(), ReadError> {
        if self.range.is_empty() {
            return Ok(());
        }
        self.known_since = self.log.at(self.range.start)?.map(|decision| decision.time);
        let guess = self.guess()?;
        self.scan(guess..self.range.end)?;
        if self.decisions.is_empty() && guess > self.range.start {
            self.scan(self.range.clone())?;
        }
        Ok(())
    }

    /// Returns where the alert's decision should be, by the time in its id.
    fn guess(&self) -> Result<u64, ReadError> {
        let id = Uuid::from_u128(self.alert.as_u128());
        let (Some(made), 7) = (id.get_timestamp(), id.get_version_num()) else {
            return Ok(self.range.start);
        };
        let (seconds, nanoseconds) = made.to_unix();
        let made = Timestamp::new(seconds.cast_signed(), nanoseconds.cast_signed())
            .and_then(|made| made.checked_sub(SLACK));
        let Ok(made) = made else { return Ok(self.range.start) };
        let Range { start: mut low, end: mut high } = self.range;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.log.at(middle)? {
                Some(decision) if decision.time < made => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    fn scan(&mut self, range: Range<u64>) -> Result<(), ReadError> {
        let mut reader = self.log.read(range.start)?;
        let mut needles = vec![self.alert.to_string()];
        for place in range {
            let Some(bytes) = reader.next_bytes()? else { break };
            if place % 1024 == 0 && Instant::now() > self.deadline {
                self.incomplete = true;
                break;
            }
            let concerns = needles.iter().any(|it| memmem::find(&bytes, it.as_bytes()).is_some());
            if concerns && self.take(&bytes) {
                needles = self.needles();
            }
            let settled = self.sequence.is_some() && self.owed.is_empty();
            if settled || self.decisions.len() >= DECISIONS_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Returns the texts one of which is in every decision that is about the alert.
    fn needles(&self) -> Vec<String> {
        let mut needles = vec![self.alert.to_string()];
        for ((group, _), notification) in &self.owed {
            needles.push(group.to_string());
            needles.extend(notification.map(|id| id.to_string()));
        }
        needles
    }

    /// Keeps a decision that is about the alert, and returns whether it is.
    fn take(&mut self, bytes: &Bytes) -> bool {
        let Ok(decision) = serde_json::from_slice::<Decision>(bytes) else { return false };
        let concerns = match &decision.kind {
            DecisionKind::Alert(of) if of.alert == self.alert => {
                if self.sequence.is_none() {
                    self.sequence = Some(decision.sequence);
                    self.fingerprint = Some(of.fingerprint);
                    self.owes(&decision);
                }
                true
            }
            DecisionKind::Notified(notified) => {
                let key = (notified.group, Arc::clone(&notified.output));
                let covers =
                    self.sequence.is_some_and(|at| notified.first <= at && at <= notified.last);
                match self.owed.get_mut(&key) {
                    Some(tells) if covers && (tells.is_none() || *tells == notified.replaces) => {
                        *tells = Some(notified.notification);
                        true
                    }
                    _ => false,
                }
            }
            DecisionKind::Withheld(withheld) => {
                let key = (withheld.group, Arc::clone(&withheld.output));
                let is_ours = self.fingerprint == Some(withheld.fingerprint)
                    && self.sequence.is_some_and(|at| withheld.first <= at && at <= withheld.last)
                    && self.owed.get(&key) == Some(&None);
                if is_ours {
                    self.owed.remove(&key);
                }
                is_ours
            }
            DecisionKind::Delivered { notification, .. } => {
                let before = self.owed.len();
                self.owed.retain(|_, tells| *tells != Some(*notification));
                self.owed.len() < before
            }
            kind => {
                let known = notification_of(kind);
                let telling =
                    self.owed.values_mut().find(|tells| known.is_some() && **tells == known);
                let concerns = telling.is_some();
                if let DecisionKind::Replayed { into: Some(heir), .. }
                | DecisionKind::Superseded { by: heir, .. } = kind
                    && let Some(telling) = telling
                {
                    *telling = Some(*heir);
                }
                concerns
            }
        };
        if concerns {
            self.decisions.push(decision);
        }
        concerns
    }

    fn owes(&mut self, decision: &Decision) {
        let DecisionKind::Alert(of) = &decision.kind else { return };
        if of.verdict != Verdict::Routed {
            return;
        }
        for routing in &of.routes {
            let Some(group) = routing.group else { continue };
            for output in routing.outputs.iter() {
                self.owed.insert((group, Arc::clone(output)), None);
            }
        }
    }

    fn finish(self, journal: &Journal) -> Explanation {
        let alert = self.sequence.and_then(|sequence| read(journal, sequence));
        Explanation {
            pending: !self.owed.is_empty() && !self.dead(),
            decisions: self.decisions,
            alert,
            responder_took: None,
            known_since: self.known_since,
            incomplete: self.incomplete,
        }
    }

    /// Returns whether everything owed became a dead letter.
    fn dead(&self) -> bool {
        self.owed.values().all(|tells| {
            let last = self.decisions.iter().rev().find(|decision| {
                notification_of(&decision.kind).is_some()
                    && notification_of(&decision.kind) == *tells
            });
            last.is_some_and(|last| matches!(last.kind, DecisionKind::DeadLettered { .. }))
        })
    }
}

fn notification_of(kind: &DecisionKind) -> Option<NotificationId> {
    match kind {
        DecisionKind::DeadLettered { notification, .. }
        | DecisionKind::Replayed { notification, .. }
        | DecisionKind::ReplayRefused { notification, .. }
        | DecisionKind::Superseded { notification, .. } => Some(*notification),
        _ => None,
    }
}

fn read(journal: &Journal, sequence: u64) -> Option<Box<Alert>> {
    let (_, bytes) = journal.read(sequence).ok()?.next().ok()??;
    match serde_json::from_slice(&bytes).ok()? {
        Record::Alert(alert) => Some(alert),
        _ => None,
    }
}
