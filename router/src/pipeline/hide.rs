//! What hides active findings from people, and how they come back when it no longer does.
//!
//! A finding is hidden when its last alert is, or when what it waits to tell is hidden at the flush of
//! its group. What hides it is kept with it, so that the end of a silence or of an inhibiting source
//! has exactly its own findings judged again.

mod hidden;

use std::{collections::BTreeMap, mem, time::Duration};

use alert::{Alert, Fingerprint};
use jiff::Timestamp;
use rules::Subject;

pub(super) use self::hidden::{Hidden, HiddenBy, read_hidden};
use super::{
    DecisionKind, Effect, Inhibition, Pipeline, Reason, Routing,
    arrival::{self, Joined, Joining},
    clock,
    decision::Withheld,
    facts::Facts,
    group::{Group, Lane, Untold},
    inhibit::{Inhibitions, Inhibitor, Moved, Parts},
    timer::Timer,
    window::WindowEffect,
};

/// Findings judged again in one second, so that the end of what hid very many stops nothing else.
const JUDGED_PER_SECOND_MAX: usize = 1000;
/// A source whose quiet time ended this long ago, unnoticed, ended while nothing was running.
const ABSENCE: Duration = Duration::from_secs(60);
/// How long such a source still counts, so that its sender can tell of it again.
const SOURCES_WAIT: Duration = Duration::from_secs(300);

/// Routed alerts of one finding that wait to be told of.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    alerts: u64,
    /// Those of them that come after this one.
    fresh: u64,
    after: u64,
    first: u64,
    last: u64,
}

impl Span {
    fn add(&mut self, entry: &Untold) {
        let Untold { sequence, is_alert, .. } = *entry;
        if !is_alert {
            return;
        }
        if self.alerts == 0 {
            self.first = sequence;
        }
        self.alerts += 1;
        self.fresh += u64::from(sequence > self.after);
        self.last = sequence;
    }
}

impl Pipeline {
    /// Takes the parts of a finding's new alert in, and returns what hides it, if something does;
    /// otherwise whether it was hidden before.
    pub(super) fn hide(
        &mut self,
        alert: &Alert,
        facts: &Facts<'_>,
        subject: &Subject<'_>,
        slot: u32,
    ) -> Result<bool, Reason> {
        if !self.inhibitions.is_empty() {
            let parts = self.inhibitions.parts(alert, facts, subject, |_| true);
            self.take_parts(slot, parts);
        }
        let wall = self.wall();
        self.mark(slot, subject);
        let silence = self.silences.hit(subject, wall).map(Reason::Silence);
        let window = || self.windows.find(subject, WindowEffect::Suppress).map(Reason::Window);
        let inhibitor = || self.inhibitor(slot).map(Reason::Inhibited);
        let reason = silence.or_else(window).or_else(inhibitor);
        if let Some(Reason::Window(name)) = &reason {
            self.windows.count(name, 1);
        }
        match reason {
            Some(reason) => {
                self.set_hidden(slot, &reason, 1, 0);
                Err(reason)
            }
            None => Ok(self.unhide(slot).is_some()),
        }
    }

    fn take_parts(&mut self, slot: u32, parts: Parts) {
        let Some(live) = self.findings.get_mut(slot) else { return };
        if parts.is_empty() && live.parts.is_none() {
            return;
        }
        let held = live.parts.get_or_insert_default();
        self.totals.sources_refused += self.inhibitions.take(live.fingerprint, held, parts);
    }

    fn inhibitor(&self, slot: u32) -> Option<Inhibitor> {
        let live = self.findings.get(slot)?;
        self.inhibitions.inhibitor(live.fingerprint, live.parts.as_ref()?)
    }

    /// Notes that a finding is hidden, with so many more alerts of it, the last withheld of them with
    /// this sequence.
    fn set_hidden(&mut self, slot: u32, reason: &Reason, alerts: u64, withheld_upto: u64) {
        let before =
            self.unhide(slot).map_or((0, 0), |hidden| (hidden.alerts, hidden.withheld_upto));
        let Some(live) = self.findings.get_mut(slot) else { return };
        let (alerts, withheld_upto) = (before.0 + alerts, before.1.max(withheld_upto));
        let hidden = Hidden { reason: reason.clone(), alerts, withheld_upto, judge_at: None };
        live.hidden = Some(Box::new(hidden));
        self.hidden_by.insert(reason, live.fingerprint);
    }

    /// Returns up to where the alerts of a finding that were withheld are counted.
    fn withheld_upto(&self, fingerprint: Fingerprint) -> u64 {
        let slot = self.by_fingerprint.get(&fingerprint);
        let live = slot.and_then(|slot| self.findings.get(*slot));
        live.and_then(|live| live.hidden.as_ref()).map_or(0, |hidden| hidden.withheld_upto)
    }

    /// Notes that a finding is not hidden, and returns what hid it.
    fn unhide(&mut self, slot: u32) -> Option<Box<Hidden>> {
        let live = self.findings.get_mut(slot)?;
        let hidden = live.hidden.take()?;
        match hidden.judge_at {
            Some(at) => self.timers.clear(at, Timer::Judge(live.fingerprint)),
            None => self.hidden_by.remove(&hidden.reason, live.fingerprint),
        }
        Some(hidden)
    }

    /// Has what was hidden for this reason judged again, now or, of very many, soon.
    pub(super) fn reconsider(&mut self, reason: &Reason) {
        let now = self.clock.now();
        for (index, fingerprint) in self.hidden_by.take(reason).enumerate() {
            let wait = Duration::from_secs((index / JUDGED_PER_SECOND_MAX) as u64);
            self.judge_later(fingerprint, clock::after(now, wait));
        }
    }

    fn judge_later(&mut self, fingerprint: Fingerprint, at: Timestamp) {
        let slot = self.by_fingerprint.get(&fingerprint);
        let live = slot.and_then(|slot| self.findings.get_mut(*slot));
        if let Some(hidden) = live.and_then(|live| live.hidden.as_mut()) {
            hidden.judge_at = Some(at);
            self.timers.set(at, Timer::Judge(fingerprint));
        }
    }

    /// Notes what a finding was that is about to be forgotten.
    pub(super) fn forget_hidden(&mut self, slot: u32) {
        self.unhide(slot);
        self.end_source(slot);
    }

    /// Ends what a finding hides; its next alert may make it a source again.
    pub(super) fn end_source(&mut self, slot: u32) {
        let Some(live) = self.findings.get_mut(slot) else { return };
        let Some(parts) = live.parts.take() else { return };
        let source = live.fingerprint;
        for rule in self.inhibitions.forget(source, &parts) {
            self.reconsider(&Reason::Inhibited(Inhibitor { rule, source }));
        }
    }

    /// Returns until when a finding still counts as a source although its quiet time ended at `end`:
    /// nothing was running then, and nobody could tell of it.
    pub(super) fn source_waits(&self, slot: u32, end: Timestamp) -> Option<Timestamp> {
        let is_source = self.findings.get(slot)?.parts.as_ref()?.is_source();
        if is_source { self.news_waits(end) } else { None }
    }

    /// Returns until when there may be news of what ended at `end`, if that was while nothing was
    /// running.
    pub(super) fn news_waits(&self, end: Timestamp) -> Option<Timestamp> {
        let now = self.clock.now();
        let missed = clock::after(end, ABSENCE) < now;
        missed.then(|| clock::whole_second(clock::after(now, SOURCES_WAIT)))
    }

    /// Judges a hidden finding again, as what hid it is gone: hidden by something else, or told of.
    pub(super) fn judge_hidden(
        &mut self,
        sequence: u64,
        fingerprint: Fingerprint,
        effects: &mut Vec<Effect>,
    ) {
        let Some(&slot) = self.by_fingerprint.get(&fingerprint) else { return };
        let Some(hidden) = self.unhide(slot) else { return };
        let Some(live) = self.findings.get(slot).filter(|live| live.ended.is_none()) else {
            return;
        };
        let Ok(sample) = serde_json::from_str::<Alert>(live.sample.get()) else { return };
        let alert = Alert { priority: live.priority, ..sample };
        let score = live.points_at(self.clock.now(), &self.config.score);
        let count = live.count;
        let subject =
            Subject { score: Some(score), ..arrival::subject(&alert, fingerprint, count) };
        if let Some(reason) = self.hides(slot, &subject) {
            self.set_hidden(slot, &reason, hidden.alerts, hidden.withheld_upto);
            return;
        }
        let mut taken = mem::take(&mut self.taken);
        self.routes.take(&subject, &mut taken);
        let wall = self.wall();
        let mut routes = Vec::new();
        let facts = Facts::of(&alert);
        for settings in taken.drain(..) {
            if settings.outputs.is_empty() || settings.hours.closed(wall).is_some() {
                continue;
            }
            let joining = Joining {
                sequence,
                alert: &alert,
                facts: &facts,
                slot,
                ended: None,
                was_hidden: true,
                returns: Some(hidden.alerts),
            };
            let Joined { group, outputs, in_storm } = self.join(&joining, &settings, effects);
            routes.push(Routing {
                route: settings.route.clone(),
                group: Some(group),
                outputs,
                closed: None,
                storm: in_storm,
            });
        }
        self.taken = taken;
        let (reason, alerts) = (hidden.reason, hidden.alerts);
        let returned = DecisionKind::Returned { fingerprint, reason, alerts, routes };
        self.decide(sequence, returned, effects);
    }

    /// Returns what hides a finding now.
    fn hides(&self, slot: u32, subject: &Subject<'_>) -> Option<Reason> {
        let silence = self.silences.find(subject, self.wall()).cloned().map(Reason::Silence);
        let window = || self.windows.find(subject, WindowEffect::Suppress).map(Reason::Window);
        silence.or_else(window).or_else(|| self.inhibitor(slot).map(Reason::Inhibited))
    }

    /// As [`Self::hides`], of a finding that was last judged when its last alert came.
    pub(super) fn hides_since(&self, slot: u32) -> Option<Reason> {
        let live = self.findings.get(slot)?;
        if let Some(hidden) = live.hidden.as_ref().filter(|hidden| hidden.judge_at.is_none()) {
            return Some(hidden.reason.clone());
        }
        let began = self.silences.began_since(live.last_seen)
            || self.windows.began_since(live.last_seen, &self.clock);
        if began && let Ok(sample) = serde_json::from_str::<Alert>(live.sample.get()) {
            let alert = Alert { priority: live.priority, ..sample };
            let subject = arrival::subject(&alert, live.fingerprint, live.count);
            let score = live.points_at(self.clock.now(), &self.config.score);
            return self.hides(slot, &Subject { score: Some(score), ..subject });
        }
        self.inhibitor(slot).map(Reason::Inhibited)
    }

    /// Returns whether a notification of a group is not to list this finding. One that is in a
    /// notification nobody has taken yet is told of in the one that takes its place, and the end of
    /// what was told is not hidden.
    pub(super) fn is_left_out(&self, group: &Group, at: u32, slot: u32) -> bool {
        let Some(live) = self.findings.get(slot) else { return true };
        if live.hidden.is_none() && self.inhibitor(slot).is_none() {
            return false;
        }
        let routed = live.memberships.iter().find(|joined| joined.group == at);
        // It joined the group when it was routed first, and may have been told of ever since.
        let first_seen = self.clock.at_wall(live.first_seen);
        if live.ended.is_some() && group.has_told_since(first_seen) {
            return false;
        }
        let is_owed = |lane: &Lane| {
            let was_told = routed.is_some_and(|joined| Some(joined.routed) < lane.notified_at);
            was_told && self.pending.current(group.id, lane.output).is_some()
        };
        !group.lanes.iter().any(is_owed)
    }

    /// Takes out of what an output is about to be told whatever is hidden by now. What is left
    /// decides whether there is something to tell at all.
    pub(super) fn withhold(
        &mut self,
        sequence: u64,
        slot: u32,
        index: usize,
        effects: &mut Vec<Effect>,
    ) {
        let Some(group) = self.groups.get_mut(slot) else { return };
        let (id, output) = (group.id, group.lanes[index].output);
        let untold = mem::take(&mut group.lanes[index].untold);
        let nothing_hides = self.inhibitions.is_empty()
            && self.silences.current_len() == 0
            && self.windows.is_empty();
        if nothing_hides {
            return;
        }
        let mut by_finding: BTreeMap<Fingerprint, Span> = BTreeMap::new();
        for entry in &untold {
            let span = || Span { after: self.withheld_upto(entry.finding), ..Span::default() };
            by_finding.entry(entry.finding).or_insert_with(span).add(entry);
        }
        let mut returns = false;
        for (fingerprint, span) in by_finding {
            let Span { alerts, fresh, first, last, .. } = span;
            let member = self.by_fingerprint.get(&fingerprint).copied();
            let hidden = member.and_then(|slot| Some((slot, self.hides_since(slot)?)));
            let Some((member, reason)) = hidden else {
                returns |= alerts == 0;
                continue;
            };
            self.set_hidden(member, &reason, fresh, last);
            if alerts == 0 {
                continue;
            }
            if let Some(group) = self.groups.get_mut(slot) {
                group.lanes[index].waiting -= alerts;
                group.lanes[index].withheld += alerts;
            }
            match &reason {
                Reason::Silence(id) => self.silences.count(id, fresh),
                Reason::Window(name) => self.windows.count(name, fresh),
                _ => {}
            }
            let ledger = self.destinations.ledger(output);
            ledger.pending -= alerts;
            ledger.suppressed += alerts;
            let output = self.destinations.name(output);
            let withheld = Withheld { group: id, output, fingerprint, first, last, alerts, reason };
            self.decide(sequence, DecisionKind::Withheld(withheld), effects);
        }
        if let Some(group) = self.groups.get_mut(slot) {
            group.settle(index, returns);
        }
    }

    /// Takes the inhibitions of a new configuration over: what findings are in rules that stay is
    /// kept, what they are in new ones is told by their samples. A new condition may ask for whatever an
    /// alert has, so that no index could tell which samples to read; without a new one none is read.
    pub(super) fn take_over_inhibitions(&mut self, before: &[Inhibition]) {
        if *before == self.config.inhibitions {
            return;
        }
        let moved = Moved::new(before, &self.config.inhibitions);
        self.inhibitions = Inhibitions::new(&self.config.inhibitions);
        let rules = self.config.inhibitions.len() as u32;
        let has_new = (0..rules).any(|rule| moved.is_new(rule));
        let slots: Vec<u32> = self.findings.iter().map(|(slot, _)| slot).collect();
        for slot in &slots {
            let Some(live) = self.findings.get_mut(*slot) else { continue };
            if let Some(held) = &mut live.parts {
                moved.renumber(held);
                self.inhibitions.restore(live.fingerprint, held);
            }
            if !has_new {
                live.parts.take_if(|held| held.is_empty());
                continue;
            }
            let Ok(alert) = serde_json::from_str::<Alert>(live.sample.get()) else { continue };
            let alert = Alert { priority: live.priority, ..alert };
            let subject = arrival::subject(&alert, live.fingerprint, live.count);
            let score = live.points_at(self.clock.now(), &self.config.score);
            let subject = Subject { score: Some(score), ..subject };
            let facts = Facts::of(&alert);
            let parts = self.inhibitions.parts(&alert, &facts, &subject, |rule| moved.is_new(rule));
            if parts.is_empty() && live.parts.as_ref().is_none_or(|held| held.is_empty()) {
                live.parts = None;
                continue;
            }
            let held = live.parts.get_or_insert_default();
            self.totals.sources_refused += self.inhibitions.add(live.fingerprint, held, parts);
        }
        self.reconsider_inhibited(&slots);
    }

    /// Has those judged again that were hidden by what is no source any more.
    fn reconsider_inhibited(&mut self, slots: &[u32]) {
        for slot in slots {
            let Some(live) = self.findings.get(*slot) else { continue };
            let Some(hidden) = &live.hidden else { continue };
            let reason = &hidden.reason;
            let Reason::Inhibited(by) = reason else { continue };
            if hidden.judge_at.is_none() && self.inhibitor(*slot).as_ref() != Some(by) {
                let reason = reason.clone();
                self.reconsider(&reason);
            }
        }
    }

    /// Notes again what follows from a finding that was restored.
    pub(super) fn restore_hidden(&mut self, slot: u32) {
        let Some(live) = self.findings.get(slot) else { return };
        if let Some(parts) = &live.parts {
            self.inhibitions.restore(live.fingerprint, parts);
        }
        if let Some(hidden) = &live.hidden {
            match hidden.judge_at {
                Some(at) => self.timers.set(at, Timer::Judge(live.fingerprint)),
                None => self.hidden_by.insert(&hidden.reason, live.fingerprint),
            }
        }
    }
}
