//! What becomes of an alert when it arrives: found, scored, silenced or routed, grouped.

use std::{mem, sync::Arc};

use alert::{Alert, Fingerprint, GroupId, Priority, ScoreItem};
use jiff::Timestamp;
use rules::Subject;

use super::{
    AlertDecision, CloseReason, DecisionKind, Effect, Pipeline, Reason, Routing, Verdict, clock,
    facts::{self, Facts},
    finding::{self, Live, Membership},
    fingerprint::Identity,
    group::{self, Group, Untold},
    route::Settings,
    sample, score,
    timer::Timer,
};

/// Longest rule name a finding is listed by.
const RULE_BYTES_MAX: usize = 256;

impl Pipeline {
    /// Decides what becomes of an alert. It is counted in its finding unless it came before.
    pub(super) fn arrive(&mut self, sequence: u64, alert: &Alert, effects: &mut Vec<Effect>) {
        self.totals.accepted += 1;
        self.hear(alert);
        self.notices.came(alert);
        let facts = Facts::of(alert);
        let identity = self.fingerprints.identify(alert, &facts);
        // Another alert under a used id is another alert: an id alone must not hide one.
        let is_new = self.seen.insert(alert.id.as_u128() ^ identity.fingerprint.0);
        let over = alert.ends.filter(|ends| *ends <= self.wall());
        let (slot, verdict, routes) = if let (true, Some(ends)) = (is_new, over) {
            let slot = self.by_fingerprint.get(&identity.fingerprint).copied();
            self.resolve(slot, ends);
            (slot, Verdict::Suppressed(Reason::Resolved), Vec::new())
        } else if is_new {
            let (slot, ended) = self.count(sequence, alert, &facts, &identity, effects);
            let (verdict, routes) = self.judge(sequence, alert, &facts, (slot, ended), effects);
            self.schedule_new_finding(slot);
            (Some(slot), verdict, routes)
        } else {
            let slot = self.by_fingerprint.get(&identity.fingerprint).copied();
            (slot, Verdict::Suppressed(Reason::Redelivered), Vec::new())
        };
        match &verdict {
            Verdict::Routed => self.totals.routed += 1,
            Verdict::Suppressed(reason) => self.totals.suppressed[reason.kind() as usize] += 1,
        }
        let live = slot.and_then(|slot| self.findings.get(slot));
        let score = live.map(|live| live.score_at(self.clock.now(), &self.config.score));
        let (score, score_items) = score.map_or_else(nothing, |score| (score.points, score.items));
        let decision = AlertDecision {
            alert: alert.id,
            fingerprint: identity.fingerprint,
            fingerprint_fields: identity.fields,
            finding_count: live.map_or(0, |live| live.count),
            score,
            score_items,
            verdict,
            window: live.filter(|_| is_new).and_then(|live| live.marked.clone()),
            routes,
        };
        self.decide(sequence, DecisionKind::Alert(decision), effects);
    }

    /// Counts the alert in its finding, opening one if need be. Returns its slot, and when it had
    /// ended if it goes on again.
    fn count(
        &mut self,
        sequence: u64,
        alert: &Alert,
        facts: &Facts<'_>,
        identity: &Identity,
        effects: &mut Vec<Effect>,
    ) -> (u32, Option<Timestamp>) {
        let now = self.clock.now();
        let tactics = self.chains.observe(|| workload(alert, facts), &alert.tags, now);
        if let Some(&slot) = self.by_fingerprint.get(&identity.fingerprint) {
            self.findings.touch(slot);
            let ended = self.go_on(slot, alert);
            if let Some(live) = self.findings.get_mut(slot) {
                live.count += 1;
                live.last_seen = now;
                if alert.priority > live.priority || tactics > live.tactics {
                    live.priority = live.priority.max(alert.priority);
                    live.tactics = live.tactics.max(tactics);
                    let subject = subject(alert, live.fingerprint, live.count);
                    live.score =
                        score::score(&self.config.score, &subject, live.tactics, live.rare);
                }
            }
            return (slot, ended);
        }
        while self.findings.len() >= self.config.limits.findings_max.max(1)
            && let Some(oldest) = self.findings.oldest()
        {
            self.evict_finding(sequence, oldest, effects);
        }
        let live = self.open_finding(sequence, alert, identity, tactics);
        let place = live.place;
        let slot = self.findings.insert(live);
        self.findings_opened.insert(place, slot);
        self.by_fingerprint.insert(identity.fingerprint, slot);
        (slot, None)
    }

    fn open_finding(
        &mut self,
        sequence: u64,
        alert: &Alert,
        identity: &Identity,
        tactics: u8,
    ) -> Live {
        let rare = !self.known.contains(identity.fingerprint.0);
        let subject = subject(alert, identity.fingerprint, 1);
        Live {
            fingerprint: identity.fingerprint,
            place: self.findings_opened.next(sequence),
            fields: identity.fields.clone(),
            rule: facts::cut(&alert.rule, RULE_BYTES_MAX).into(),
            priority: alert.priority,
            hidden: None,
            marked: None,
            parts: None,
            rare,
            tactics,
            count: 1,
            first_seen: self.wall(),
            last_seen: self.clock.now(),
            quiet: None,
            ends: alert.ends,
            starts: finding::start(alert),
            ended: None,
            close_at: None,
            score: score::score(&self.config.score, &subject, tactics, rare),
            sample: sample::sample(alert, &self.config.limits).into(),
            memberships: Vec::new(),
        }
    }

    /// Decides whether the alert is hidden, and if not, which groups it joins.
    fn judge(
        &mut self,
        sequence: u64,
        alert: &Alert,
        facts: &Facts<'_>,
        (slot, ended): (u32, Option<Timestamp>),
        effects: &mut Vec<Effect>,
    ) -> (Verdict, Vec<Routing>) {
        let Some(live) = self.findings.get(slot) else {
            return (Verdict::Suppressed(Reason::NoRoute), Vec::new());
        };
        let subject = Subject {
            score: Some(live.score.points),
            ..subject(alert, live.fingerprint, live.count)
        };
        let fingerprint = live.fingerprint;
        let was_hidden = match self.hide(alert, facts, &subject, slot) {
            Ok(was_hidden) => was_hidden,
            Err(reason) => return (Verdict::Suppressed(reason), Vec::new()),
        };
        let mut taken = mem::take(&mut self.taken);
        self.routes.take(&subject, &mut taken);
        let (wall, mut floods) = (self.wall(), false);
        let mut verdict = Verdict::Suppressed(Reason::NoRoute);
        let mut routings = Vec::with_capacity(taken.len());
        for settings in taken.drain(..) {
            if settings.outputs.is_empty() {
                if verdict == Verdict::Suppressed(Reason::NoRoute) {
                    verdict = Verdict::Suppressed(Reason::NoOutput);
                }
                let outputs = settings.output_names.clone();
                let route = settings.route.clone();
                routings.push(Routing { route, group: None, outputs, closed: None, storm: false });
                continue;
            }
            if let Some(reason) = settings.hours.closed(wall).map(Reason::from) {
                let (route, outputs) = (settings.route.clone(), self.no_outputs.clone());
                let closed = Some(reason.to_string().into());
                routings.push(Routing { route, group: None, outputs, closed, storm: false });
                if verdict.is_without_taker() {
                    verdict = Verdict::Suppressed(reason);
                }
                continue;
            }
            let joining =
                Joining { sequence, alert, facts, slot, ended, was_hidden, returns: None };
            let Joined { group, outputs, in_storm } = self.join(&joining, &settings, effects);
            let is_told = !outputs.is_empty();
            floods |= is_told && settings.storm.is_some();
            if is_told {
                verdict = Verdict::Routed;
            } else if verdict != Verdict::Routed {
                verdict = Verdict::Suppressed(Reason::Duplicate);
            }
            routings.push(Routing {
                route: settings.route.clone(),
                group: Some(group),
                outputs,
                closed: None,
                storm: in_storm,
            });
        }
        self.taken = taken;
        if floods && alert.priority < Priority::Critical {
            self.flood(sequence, alert, facts, fingerprint, effects);
        }
        (verdict, routings)
    }

    /// Counts the alert in its group of a route; returns the group and whether it is to be told of
    /// the alert: the first of its finding, the first since it was hidden or since its end was told,
    /// or one after the repeat interval.
    pub(super) fn join(
        &mut self,
        joining: &Joining<'_>,
        settings: &Arc<Settings>,
        effects: &mut Vec<Effect>,
    ) -> Joined {
        let now = self.clock.now();
        let storm = self.storm_settings(joining, settings);
        let settings = storm.as_ref().unwrap_or(settings);
        let slot = self.group_of(joining, settings, effects);
        let (outputs, names) = self.told(joining.alert, settings);
        self.groups.touch(slot);
        let (Some(group), Some(live)) =
            (self.groups.get_mut(slot), self.findings.get_mut(joining.slot))
        else {
            let outputs = self.no_outputs.clone();
            return Joined { group: GroupId(0), outputs, in_storm: false };
        };
        let (alerts, fingerprint) = (joining.returns.unwrap_or(1), live.fingerprint);
        group.alerts += alerts;
        group.last_seen = now;
        group.priority = group.priority.max(joining.alert.priority);
        group.score = group.score.max(live.score.points);
        live.quiet = live.quiet.max(Some(settings.quiet));
        let is_told = match live.membership(slot) {
            None => {
                let index = group.members.len() as u32;
                live.memberships.push(Membership { group: slot, index, routed: now });
                group.members.push(joining.slot);
                group.open += 1;
                group.findings += 1;
                true
            }
            Some(membership) => {
                let repeats = clock::after(membership.routed, settings.repeat_interval) <= now;
                let is_back = joining.ended.is_some_and(|ended| group.has_told_since(ended));
                let is_told = repeats || is_back || joining.was_hidden;
                if is_told {
                    membership.routed = now;
                }
                is_told
            }
        };
        if is_told {
            for &output in outputs.iter() {
                let is_alert = joining.returns.is_none();
                if is_alert {
                    let ledger = self.destinations.ledger(output);
                    ledger.routed += 1;
                    ledger.pending += 1;
                }
                let untold =
                    Untold { finding: live.fingerprint, sequence: joining.sequence, is_alert };
                group.lane(output).route(untold, joining.alert.priority, now, settings);
            }
        } else {
            for lane in &mut group.lanes {
                if self.destinations.is_updated_in_place(lane.output) {
                    lane.count(now, settings.group_interval);
                }
            }
        }
        let outputs = if is_told { names } else { self.no_outputs.clone() };
        let joined = Joined { group: group.id, outputs, in_storm: settings.is_storm };
        self.schedule(slot);
        if settings.is_storm {
            self.count_in_storm(slot, joining, fingerprint, alerts);
        }
        joined
    }

    /// Returns the slot of the alert's group, opening it if need be.
    fn group_of(
        &mut self,
        joining: &Joining<'_>,
        settings: &Arc<Settings>,
        effects: &mut Vec<Effect>,
    ) -> u32 {
        let Joining { sequence, alert, facts, .. } = *joining;
        let fingerprint =
            self.findings.get(joining.slot).map_or(Fingerprint(0), |live| live.fingerprint);
        group::write_key(settings, alert, facts, fingerprint, &mut self.key, &mut self.value);
        if let Some(&slot) = self.by_key.get(self.key.as_str()) {
            return slot;
        }
        while self.groups.len() >= self.config.limits.groups_max.max(1)
            && let Some(oldest) = self.groups.oldest()
        {
            self.totals.groups_evicted += 1;
            self.close_group(sequence, oldest, CloseReason::Evicted, effects);
        }
        let key: Box<str> = self.key.as_str().into();
        // The sequence is the generation: a group that closed and opens again is another one, also
        // within one record.
        let id = (0..)
            .map(|attempt: u64| {
                GroupId(group::digest64(&[
                    key.as_bytes(),
                    &sequence.to_be_bytes(),
                    &attempt.to_be_bytes(),
                ]))
            })
            .find(|id| !self.by_group.contains_key(id) && !self.opened.contains(id))
            .unwrap_or(GroupId(sequence));
        self.opened.insert(id);
        let now = self.clock.now();
        let place = self.groups_opened.next(sequence);
        let mut group = Group {
            id,
            place,
            key: key.clone(),
            settings: settings.clone(),
            labels: group::labels(&settings.group_by, alert, facts, fingerprint),
            priority: alert.priority,
            score: 0,
            alerts: 0,
            findings: 0,
            first_seen: self.wall(),
            last_seen: now,
            storm: None,
            members: Vec::new(),
            open: 0,
            lanes: Vec::new(),
            flush_at: None,
            close_at: now,
        };
        group.close_at = group.closes_at();
        self.timers.set(group.close_at, Timer::CloseGroup(id));
        let slot = self.groups.insert(group);
        self.groups_opened.insert(place, slot);
        self.by_key.insert(key, slot);
        self.by_group.insert(id, slot);
        slot
    }
}

/// Where an alert went.
pub(super) struct Joined {
    pub(super) group: GroupId,
    /// Who is to be told of it; nobody when its finding is known.
    pub(super) outputs: Arc<[Arc<str>]>,
    /// The group is the summary of a storm.
    pub(super) in_storm: bool,
}

/// An alert on its way into a group.
pub(super) struct Joining<'a> {
    pub(super) sequence: u64,
    pub(super) alert: &'a Alert,
    pub(super) facts: &'a Facts<'a>,
    /// Slot of its finding.
    pub(super) slot: u32,
    /// When it had ended, if it goes on again.
    pub(super) ended: Option<Timestamp>,
    pub(super) was_hidden: bool,
    /// It is no new alert but stands for a finding that is hidden no longer, with so many alerts
    /// that were.
    pub(super) returns: Option<u64>,
}

/// Returns what tells the alert's workload from all others.
fn workload(alert: &Alert, facts: &Facts<'_>) -> u64 {
    let place = facts.workload().unwrap_or(alert.hostname.as_str().into());
    let names = [facts.cluster, facts.namespace, Some(&*place)];
    group::digest64(&names.map(|text| text.unwrap_or_default().as_bytes()))
}

pub(super) fn subject(alert: &Alert, fingerprint: Fingerprint, count: u64) -> Subject<'_> {
    Subject { count: Some(count), fingerprint: Some(fingerprint), ..Subject::new(alert) }
}

fn nothing() -> (u8, Arc<[ScoreItem]>) {
    (0, Arc::default())
}
