//! What happens as time passes: groups tell and close, findings and silences end.

use std::time::Duration;

use alert::{GroupId, GroupState, Lane};
use hashbrown::HashSet;
use jiff::Timestamp;

use super::{
    CloseReason, Decision, DecisionKind, Effect, NotifyReason, Pipeline, Reason, SilenceId, clock,
    group::Group, timer::Timer,
};

impl Pipeline {
    /// Fires every timer that is due. What is urgent comes first.
    pub(super) fn fire(&mut self, sequence: u64, effects: &mut Vec<Effect>) {
        let now = self.clock.now();
        let start = effects.len();
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Flush(id) => {
                    if let Some(&slot) = self.by_group.get(&id) {
                        if let Some(group) = self.groups.get_mut(slot) {
                            group.flush_at = None;
                        }
                        self.tell_due(sequence, slot, effects);
                    }
                }
                Timer::CloseGroup(id) => {
                    if let Some(&slot) = self.by_group.get(&id) {
                        self.close_group_if_quiet(sequence, slot, effects);
                    }
                }
                Timer::CloseFinding(fingerprint) => {
                    if let Some(&slot) = self.by_fingerprint.get(&fingerprint) {
                        self.close_finding_if_quiet(slot);
                    }
                }
                Timer::Judge(fingerprint) => self.judge_hidden(sequence, fingerprint, effects),
                Timer::Report => self.report(),
                Timer::Storm(key) => self.turn_storm(sequence, &key, effects),
                Timer::Window(name) => self.turn_window(sequence, &name, effects),
                Timer::Silence(id) => self.end_silence_if_over(sequence, &id, effects),
            }
        }
        urgent_first(&mut effects[start..]);
    }

    /// Sets the group's timer for what it has to tell.
    pub(super) fn schedule(&mut self, slot: u32) {
        let Some(group) = self.groups.get_mut(slot) else { return };
        let due = group.due();
        if due == group.flush_at {
            return;
        }
        if let Some(at) = group.flush_at {
            self.timers.clear(at, Timer::Flush(group.id));
        }
        if let Some(at) = due {
            self.timers.set(at, Timer::Flush(group.id));
        }
        group.flush_at = due;
    }

    /// Tells what is due of a group; one whose findings have all ended closes with it.
    fn tell_due(&mut self, sequence: u64, slot: u32, effects: &mut Vec<Effect>) {
        if self.groups.get(slot).is_some_and(Group::is_over) {
            self.close_group(sequence, slot, CloseReason::Resolved, effects);
        } else {
            self.flush(sequence, slot, GroupState::Open, effects);
        }
    }

    fn close_group_if_quiet(&mut self, sequence: u64, slot: u32, effects: &mut Vec<Effect>) {
        let now = self.clock.now();
        let Some(group) = self.groups.get_mut(slot) else { return };
        let closes_at = group.closes_at();
        let firing = group.members.iter().filter_map(|member| self.findings.get(*member));
        let ends = firing.filter(|live| live.is_firing()).filter_map(|live| live.close_at);
        // What goes on is no quiet; a second later its end is known, or put off.
        let last = ends.max().map(|ends| clock::after(ends.max(now), Duration::from_secs(1)));
        let closes_at = last.unwrap_or(closes_at).max(closes_at);
        if closes_at > now {
            group.close_at = closes_at;
            self.timers.set(closes_at, Timer::CloseGroup(group.id));
        } else if group.is_over() {
            self.close_group(sequence, slot, CloseReason::Resolved, effects);
        } else {
            self.close_group(sequence, slot, CloseReason::Quiet, effects);
        }
    }

    /// Closes a group: what it still has to tell is told now, and its findings leave it.
    pub(super) fn close_group(
        &mut self,
        sequence: u64,
        slot: u32,
        why: CloseReason,
        effects: &mut Vec<Effect>,
    ) {
        let now = self.clock.now();
        if let Some(group) = self.groups.get_mut(slot) {
            let tells_close = why == CloseReason::Quiet && group.settings.notify_close;
            for lane in &mut group.lanes {
                let has_ends = why == CloseReason::Resolved
                    || lane.due.is_some_and(|(_, why)| why == NotifyReason::Resolved);
                let tells_ends = has_ends && self.destinations.is_told_of_ends(lane.output);
                let ends_storm = lane.due.is_some_and(|(_, why)| why == NotifyReason::StormEnded);
                let is_due = lane.waiting > 0
                    || ends_storm
                    || !lane.untold.is_empty()
                    || (tells_close || tells_ends) && lane.number > 0;
                let reason = if has_ends { NotifyReason::Resolved } else { NotifyReason::Closed };
                lane.due = is_due.then_some((now, reason));
            }
        }
        self.flush(sequence, slot, GroupState::Closed, effects);
        let Some(group) = self.groups.remove(slot) else { return };
        if let Some(at) = group.flush_at {
            self.timers.clear(at, Timer::Flush(group.id));
        }
        self.timers.clear(group.close_at, Timer::CloseGroup(group.id));
        self.by_key.remove(&group.key);
        self.by_group.remove(&group.id);
        self.groups_opened.remove(group.place);
        for lane in group.lanes {
            let pending = self.pending.current(group.id, lane.output);
            if let Some(letter) = pending.and_then(|id| self.pending.get_mut(id)) {
                letter.receipt = lane.receipt;
            }
        }
        for member in group.members {
            if let Some(live) = self.findings.get_mut(member) {
                live.memberships.retain(|membership| membership.group != slot);
            }
        }
        let (alerts, findings) = (group.alerts, group.findings);
        let closed = DecisionKind::GroupClosed { group: group.id, alerts, findings, why };
        self.decide(sequence, closed, effects);
    }

    /// Sets the timer of a finding that has none yet.
    pub(super) fn schedule_new_finding(&mut self, slot: u32) {
        if let Some(live) = self.findings.get_mut(slot)
            && live.close_at.is_none()
        {
            let at = live.closes_at(&self.clock);
            live.close_at = Some(at);
            self.timers.set(at, Timer::CloseFinding(live.fingerprint));
        }
    }

    pub(super) fn close_finding_if_quiet(&mut self, slot: u32) {
        let now = self.clock.now();
        let due = self.findings.get(slot).and_then(|live| live.close_at);
        let waits = due.and_then(|due| self.source_waits(slot, due));
        let Some(live) = self.findings.get_mut(slot) else { return };
        live.close_at = None;
        let mut at = live.closes_at(&self.clock);
        if live.is_firing() && at <= now {
            return match due.and_then(|due| self.news_waits(due)) {
                Some(until) => self.end_later(slot, until),
                None => self.end_finding(slot),
            };
        }
        let mut is_untold = false;
        if let Some(until) = waits {
            is_untold = true;
            at = at.max(until);
        }
        for membership in &live.memberships {
            let group = self.groups.get(membership.group);
            let since = live.ended.map_or(membership.routed, |ended| ended.max(membership.routed));
            if let Some(due) = group.and_then(|group| group.tells_of(since)) {
                is_untold = true;
                at = at.max(clock::whole_second(due));
            }
        }
        // When it is due already, the group's timer is before this one's.
        if is_untold || at > now {
            live.close_at = Some(at);
            self.timers.set(at, Timer::CloseFinding(live.fingerprint));
        } else {
            self.forget_finding(slot);
        }
    }

    /// Makes room by forgetting a finding; the next alert like it opens a new one.
    pub(super) fn evict_finding(&mut self, sequence: u64, slot: u32, effects: &mut Vec<Effect>) {
        if let Some(live) = self.findings.get(slot) {
            let (fingerprint, count) = (live.fingerprint, live.count);
            self.totals.findings_evicted += 1;
            self.forget_finding(slot);
            self.decide(sequence, DecisionKind::FindingEvicted { fingerprint, count }, effects);
        }
    }

    fn forget_finding(&mut self, slot: u32) {
        self.forget_hidden(slot);
        let Some(live) = self.findings.remove(slot) else { return };
        self.by_fingerprint.remove(&live.fingerprint);
        self.findings_opened.remove(live.place);
        self.known.insert(live.fingerprint.0);
        if let Some(at) = live.close_at {
            self.timers.clear(at, Timer::CloseFinding(live.fingerprint));
        }
        for membership in live.memberships {
            let Some(group) = self.groups.get_mut(membership.group) else { continue };
            group.open -= usize::from(live.ended.is_none());
            let index = membership.index as usize;
            if index < group.members.len() {
                group.members.swap_remove(index);
            }
            // The last member took its place.
            let moved = group.members.get(index).and_then(|moved| self.findings.get_mut(*moved));
            if let Some(moved) = moved.and_then(|moved| moved.membership(membership.group)) {
                moved.index = membership.index;
            }
        }
    }

    /// Sets the timer of a silence by where it is in its life.
    pub(super) fn schedule_silence(&mut self, id: &SilenceId) {
        if let Some(entry) = self.silences.get_mut(id) {
            let at = entry.deadline(&self.clock);
            entry.timer = Some(at);
            self.timers.set(at, Timer::Silence(id.clone()));
        }
    }

    /// Removes the timer of a silence that is about to change.
    pub(super) fn unschedule_silence(&mut self, id: &SilenceId) {
        if let Some(at) = self.silences.get_mut(id).and_then(|entry| entry.timer.take()) {
            self.timers.clear(at, Timer::Silence(id.clone()));
        }
    }

    fn end_silence_if_over(&mut self, sequence: u64, id: &SilenceId, effects: &mut Vec<Effect>) {
        let now = self.clock.now();
        self.tell_of_end(id);
        let deadline = self.silences.get_mut(id).map(|entry| entry.deadline(&self.clock));
        if deadline.is_some_and(|deadline| deadline > now) {
            self.schedule_silence(id);
            if !self.silences.is_within(id, self.wall()) {
                self.reconsider(&Reason::Silence(id.clone()));
            }
        } else if self.silences.is_current(id) {
            self.end_silence(sequence, id, None, effects);
        } else {
            let reports = self.config.silence_notices.weekly_hits_min.is_some();
            self.silences.forget(id, reports);
        }
    }

    /// Ends a silence; nothing happens when it has ended before.
    pub(super) fn end_silence(
        &mut self,
        sequence: u64,
        id: &SilenceId,
        by: Option<String>,
        effects: &mut Vec<Effect>,
    ) {
        if !self.silences.is_current(id) {
            return;
        }
        self.unschedule_silence(id);
        let hits = self.silences.end(id, self.clock.now()).unwrap_or_default();
        self.schedule_silence(id);
        self.reconsider(&Reason::Silence(id.clone()));
        let expired = DecisionKind::SilenceExpired { silence: id.clone(), hits, by };
        self.decide(sequence, expired, effects);
    }

    /// Returns when the next timer is due, in the pipeline's time.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

/// Puts what groups with something urgent are told of before the rest. A group's notifications keep
/// their order: a later one takes the place of an earlier one.
fn urgent_first(effects: &mut [Effect]) {
    let urgent = effects.iter().filter_map(notified).filter(|(_, lane)| *lane == Lane::Urgent);
    let urgent: HashSet<GroupId> = urgent.map(|(group, _)| group).collect();
    if !urgent.is_empty() {
        effects.sort_by_key(|effect| {
            !notified(effect).is_some_and(|(group, _)| urgent.contains(&group))
        });
    }
}

/// Returns the group and the lane of a notification that is made or told of.
fn notified(effect: &Effect) -> Option<(GroupId, Lane)> {
    match effect {
        Effect::Notify(notification) => Some((notification.group, notification.lane())),
        Effect::Decided(Decision { kind: DecisionKind::Notified(notified), .. }) => {
            Some((notified.group, notified.lane()))
        }
        _ => None,
    }
}
