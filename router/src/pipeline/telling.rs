//! Makes notifications of groups.

use std::{cmp::Reverse, mem, sync::Arc};

use alert::{Finding, GroupState, Notification, NotificationId};
use jiff::Timestamp;

use super::{
    DecisionKind, Effect, Notified, NotifyReason, Pipeline,
    group::{self, Group, Lane},
    roll::Place,
    shelf::Letter,
};

/// Findings a notification lists; its totals count all.
const FINDINGS_LISTED_MAX: usize = 20;

/// What of a group may be shown at one moment.
#[derive(Clone)]
struct Shown {
    /// Its active findings with the highest scores, the newest of equals first.
    findings: Vec<Finding>,
    /// The highest score of all that are shown or could be.
    score: u8,
    /// Findings that are left out, as something hides them.
    hidden: u64,
}

impl Pipeline {
    /// Makes the notifications of a group that are due.
    pub(super) fn flush(
        &mut self,
        sequence: u64,
        slot: u32,
        state: GroupState,
        effects: &mut Vec<Effect>,
    ) {
        let now = self.clock.now();
        for index in self.due(slot, now) {
            self.withhold(sequence, slot, index, effects);
        }
        let mut due = self.due(slot, now);
        due.retain(|index| !self.is_needless(slot, *index));
        let Some(group) = self.groups.get(slot) else { return };
        if let Some((last, others)) = due.split_last() {
            let shown = self.shown(slot, group);
            for index in others {
                self.tell(sequence, slot, *index, state, shown.clone(), effects);
            }
            self.tell(sequence, slot, *last, state, shown, effects);
        }
        self.schedule(slot);
    }

    /// Returns which outputs of a group are to be told now.
    fn due(&self, slot: u32, now: Timestamp) -> Vec<usize> {
        let lanes = self.groups.get(slot).map_or(&[][..], |group| &group.lanes);
        let is_due = |lane: &Lane| lane.due.is_some_and(|(at, _)| at <= now);
        (0..lanes.len()).filter(|index| is_due(&lanes[*index])).collect()
    }

    /// Returns whether an output is only to be told of ends, and there are none that it may be told
    /// of. It then needs no notification.
    fn is_needless(&mut self, slot: u32, index: usize) -> bool {
        let now = self.clock.now();
        let Some(group) = self.groups.get(slot) else { return false };
        let lane = &group.lanes[index];
        if lane.waiting > 0 || lane.due.is_none_or(|(_, why)| why != NotifyReason::Resolved) {
            return false;
        }
        let has_ended = lane.number > 0
            && group.members.iter().any(|member| {
                let ended = self.findings.get(*member).is_some_and(|live| live.ended.is_some());
                ended && !self.is_left_out(group, slot, *member)
            });
        if has_ended && self.destinations.is_told_of_ends(lane.output) {
            return false;
        }
        if let Some(lane) = self.groups.get_mut(slot).map(|group| &mut group.lanes[index]) {
            lane.due = None;
            if has_ended {
                // As if it was told: the next of what ended is news.
                lane.notified_at = Some(now);
            }
        }
        true
    }

    /// Returns what of a group may be shown now.
    fn shown(&self, at: u32, group: &Group) -> Shown {
        let (now, config) = (self.clock.now(), &self.config.score);
        let rank = |slot: &u32| {
            let live = self.findings.get(*slot)?;
            let points = live.points_at(now, config);
            Some((Reverse(points), Reverse(live.first_seen), live.fingerprint, *slot))
        };
        let is_shown = |slot: &&u32| !self.is_left_out(group, at, **slot);
        let mut ranked: Vec<_> = group.members.iter().filter(is_shown).filter_map(rank).collect();
        let hidden = (group.members.len() - ranked.len()) as u64;
        if ranked.len() > FINDINGS_LISTED_MAX {
            ranked.select_nth_unstable(FINDINGS_LISTED_MAX);
            ranked.truncate(FINDINGS_LISTED_MAX);
        }
        ranked.sort_unstable();
        let highest = ranked.first().map(|(Reverse(points), ..)| *points);
        let view = |slot: u32| self.findings.get(slot)?.view(config, &self.clock);
        Shown {
            findings: ranked.iter().filter_map(|(.., slot)| view(*slot)).collect(),
            // Without members it tells of what was.
            score: highest.unwrap_or(group.score),
            hidden,
        }
    }

    /// Makes one notification, in place of an undelivered one of the same group and output.
    fn tell(
        &mut self,
        sequence: u64,
        slot: u32,
        index: usize,
        state: GroupState,
        Shown { findings, score, hidden }: Shown,
        effects: &mut Vec<Effect>,
    ) {
        let now = self.clock.now();
        let Some(group) = self.groups.get_mut(slot) else { return };
        let urgency = self.config.score.lanes.lane(group.priority, score);
        let lane = &mut group.lanes[index];
        let findings = match self.destinations.is_told_of_ends(lane.output) {
            true => findings,
            false => without_ended(findings),
        };
        let why = lane.due.take().map_or(NotifyReason::Updated, |(_, why)| why);
        let output = self.destinations.name(lane.output);
        let replaced =
            self.pending.current(group.id, lane.output).and_then(|id| self.pending.remove(id));
        lane.number += 1;
        lane.notified_at = Some(now);
        lane.notified_priority = lane.notified_priority.max(group.priority);
        let (waiting, first, last) = (mem::take(&mut lane.waiting), lane.first, lane.last);
        let told = replaced.as_ref().map_or(lane.told, |letter| letter.told);
        let alerts_count = group.alerts.saturating_sub(lane.withheld);
        lane.told = alerts_count;
        let (alerts, first, last) = match &replaced {
            Some(old) if old.alerts > 0 && waiting > 0 => (old.alerts + waiting, old.first, last),
            Some(old) if old.alerts > 0 => (old.alerts, old.first, old.last),
            _ if waiting > 0 => (waiting, first, last),
            _ => (0, 0, 0),
        };
        let (number, output_number) = (lane.number, lane.output);
        let id = NotificationId(group::digest64(&[
            &group.id.0.to_be_bytes(),
            output.as_bytes(),
            &number.to_be_bytes(),
        ]));
        let notification = Notification {
            id,
            group: group.id,
            sequence: number,
            state,
            route: group.settings.route.to_string(),
            output: output.to_string(),
            labels: group.labels.clone(),
            priority: group.priority,
            score,
            lane: Some(urgency),
            alerts_count,
            alerts_new_count: alerts_count.saturating_sub(told),
            findings_count: group.findings.saturating_sub(hidden),
            findings_hidden_count: hidden,
            first_seen: group.first_seen,
            last_seen: self.clock.wall(group.last_seen).max(group.first_seen),
            created: self.clock.wall(now),
            findings,
            storm: group.storm.as_ref().map(|storm| storm.view()),
        };
        // A notification is a struct of texts and JSON values, which always serialise.
        let raw = serde_json::value::to_raw_value(&notification).unwrap_or_default().into();
        let letter = Letter {
            id,
            place: Place::default(),
            group: group.id,
            output: output_number,
            number,
            priority: group.priority,
            lane: Some(urgency),
            alerts,
            first,
            last,
            told,
            receipt: None,
            death: None,
            notification: raw,
        };
        let notified = Notified {
            notification: id,
            group: group.id,
            output: output.clone(),
            route: group.settings.route.clone(),
            first,
            last,
            alerts,
            findings: group.findings,
            hidden,
            priority: group.priority,
            score,
            lane: Some(urgency),
            state,
            why,
            replaces: replaced.map(|letter| letter.id),
        };
        self.totals.notifications += 1;
        self.decide(sequence, DecisionKind::Notified(notified), effects);
        if self.destinations.is_configured(output_number) {
            self.pending.insert(sequence, letter);
            effects.push(Effect::Notify(Arc::new(notification)));
            self.bound_pending(sequence, effects);
        } else {
            self.bury(sequence, letter, 0, "output removed", effects);
        }
    }

    /// Returns undelivered notifications, most urgent first, then the oldest; each is only read when
    /// it is asked for.
    pub(super) fn undelivered(
        &self,
        wanted: impl Fn(&Letter) -> bool,
    ) -> impl Iterator<Item = Arc<Notification>> {
        let mut letters: Vec<&Letter> =
            self.pending.iter().filter(|letter| wanted(letter)).collect();
        letters.sort_by_key(|letter| (letter.lane(), Reverse(letter.priority)));
        letters.into_iter().filter_map(Letter::read)
    }
}

/// Returns those that go on; all of them when none does, as there is something to tell.
fn without_ended(findings: Vec<Finding>) -> Vec<Finding> {
    if findings.iter().all(|finding| finding.ended.is_some()) {
        return findings;
    }
    findings.into_iter().filter(|finding| finding.ended.is_none()).collect()
}
