//! Storms: while one source floods, each route tells of it in one summary instead of many
//! notifications.
//!
//! What is counted is what people would be told of: alerts that are routed, below Critical. A source
//! of which very many came in a short time is in a storm; from then on its alerts join one group per
//! route, which sums them up. The storm is over when a whole calm time brought few. A finding that
//! joined the summary stays there until it is quiet, so that the end of a storm tells of nothing
//! again. Critical and above are told of as ever.

mod source;
mod summary;

use std::{sync::Arc, time::Duration};

use alert::{Alert, Fingerprint, Priority};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

use self::source::{Going, Source};
pub(super) use self::{source::Storms, summary::Summary};
use super::{
    DecisionKind, Effect, NotifyReason, Pipeline,
    arrival::Joining,
    clock,
    facts::{Facts, Key},
    group::{self, Group, Lane},
    route::Settings,
    timer::Timer,
};

/// Sources whose alerts are counted; beyond it the one that told nothing for longest is forgotten,
/// and its storm is over.
const SOURCES_MAX: usize = 4096;
/// When a source floods, and what is told then. Without it, however much comes is told in the
/// groups it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StormConfig {
    /// Alerts with equal values of these fields are of one source; names as in a route's `group_by`.
    pub by: Vec<String>,
    /// A storm begins with so many alerts of a source, below Critical and not known already, of which
    /// people are told within `within`.
    pub begin: u64,
    pub within: HumanDuration,
    /// It is over when fewer than this many came in a whole `calm`.
    pub end: u64,
    pub calm: HumanDuration,
    /// Least time between two summaries of a storm to one output.
    pub interval: HumanDuration,
}

impl Default for StormConfig {
    fn default() -> Self {
        Self {
            by: vec!["source".to_owned(), "hostname".to_owned()],
            begin: 100,
            within: HumanDuration(Duration::from_secs(60)),
            end: 10,
            calm: HumanDuration(Duration::from_secs(300)),
            interval: HumanDuration(Duration::from_secs(300)),
        }
    }
}

impl StormConfig {
    /// Returns what tells sources apart.
    fn keys(&self) -> Arc<[Key]> {
        self.by.iter().map(|name| Key::parse(name)).collect()
    }

    /// Returns what a route's summaries live by.
    pub(super) fn summaries(&self, route: &Settings) -> Arc<Settings> {
        Arc::new(Settings {
            group_by: self.keys(),
            group_interval: self.interval.0,
            is_storm: true,
            storm: None,
            ..route.clone()
        })
    }
}

impl Lane {
    /// Notes that a storm is over, which is told in its turn. An output that was not told of its
    /// begin is told of both at once.
    fn end_storm(&mut self, now: Timestamp, interval: Duration) {
        let Some(notified_at) = self.notified_at else { return };
        let next = clock::after(notified_at, interval).max(now);
        let at = self.due.map_or(next, |(at, _)| at.min(next));
        self.due = Some((at, NotifyReason::StormEnded));
    }
}

impl Pipeline {
    /// Returns the settings of the summary an alert belongs to, if it belongs to one: its finding is in
    /// it already, or its source is in a storm and people would be told of it.
    pub(super) fn storm_settings(
        &mut self,
        joining: &Joining<'_>,
        settings: &Settings,
    ) -> Option<Arc<Settings>> {
        let Joining { alert, facts, .. } = *joining;
        let storm = settings.storm.as_ref()?;
        if alert.priority >= Priority::Critical {
            return None;
        }
        let live = self.findings.get(joining.slot)?;
        let is_in = live.memberships.iter().any(|at| {
            let group = self.groups.get(at.group);
            group.is_some_and(|group| group.storm.is_some() && group.settings.route == storm.route)
        });
        if is_in {
            return Some(storm.clone());
        }
        if self.storms.going == 0 {
            return None;
        }
        self.write_source(&storm.group_by, alert, facts, live.fingerprint);
        self.storms.going(&self.key)?;
        (!self.is_known(joining, settings)).then(|| storm.clone())
    }

    /// Returns whether the group an alert belongs to outside of a storm was told of its finding.
    fn is_known(&mut self, joining: &Joining<'_>, settings: &Settings) -> bool {
        let Joining { alert, facts, ended, was_hidden, .. } = *joining;
        let Some(live) = self.findings.get(joining.slot) else { return false };
        let fingerprint = live.fingerprint;
        group::write_key(settings, alert, facts, fingerprint, &mut self.key, &mut self.value);
        let Some(&group) = self.by_key.get(self.key.as_str()) else { return false };
        let joined = live.memberships.iter().find(|at| at.group == group);
        let now = self.clock.now();
        let is_told = |routed| clock::after(routed, settings.repeat_interval) > now;
        joined.is_some_and(|at| is_told(at.routed)) && ended.is_none() && !was_hidden
    }

    /// Counts an alert in the summary it joined.
    pub(super) fn count_in_storm(
        &mut self,
        group: u32,
        joining: &Joining<'_>,
        fingerprint: Fingerprint,
        alerts: u64,
    ) {
        let Joining { alert, facts, .. } = *joining;
        let Some(settings) = self.groups.get(group).map(|group| group.settings.clone()) else {
            return;
        };
        self.write_source(&settings.group_by, alert, facts, fingerprint);
        let (wall, going) = (self.wall(), self.storms.going_mut(&self.key));
        let Some(Group { id, storm, .. }) = self.groups.get_mut(group) else { return };
        let began = going.as_ref().map_or(wall, |going| going.began);
        let summary = storm.get_or_insert_with(|| Box::new(Summary::new(began)));
        summary.count(&alert.rule, alert.priority, alerts);
        let Some(going) = going else { return };
        going.alerts += alerts;
        if !going.groups.contains(id) {
            going.groups.push(*id);
            // It sums up another storm of this source by now.
            summary.began = if summary.ended.take().is_some() { began } else { summary.began };
        }
    }

    /// Counts an alert of which people are told; the one too many begins a storm of its source.
    pub(super) fn flood(
        &mut self,
        sequence: u64,
        alert: &Alert,
        facts: &Facts<'_>,
        fingerprint: Fingerprint,
        effects: &mut Vec<Effect>,
    ) {
        let Some(config) = &self.config.storm else { return };
        let (begin, within, calm) = (config.begin, config.within.0, config.calm.0);
        let (now, wall) = (self.clock.now(), self.wall());
        let keys = config.keys();
        self.write_source(&keys, alert, facts, fingerprint);
        let slot = self.source_slot(sequence, effects);
        let Some(source) = self.storms.sources.get_mut(slot) else { return };
        if source.going.is_none() && clock::after(source.since, within) <= now {
            (source.since, source.count) = (now, 0);
        }
        source.count += 1;
        if source.going.is_some() || source.count < begin {
            return;
        }
        let alerts = std::mem::replace(&mut source.count, 0);
        let check_at = clock::whole_second(clock::after(now, calm));
        let labels = group::labels(&keys, alert, facts, fingerprint);
        let words: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name: Box<str> = words.join(", ").into();
        let key = source.key.clone();
        source.going = Some(Going {
            name: name.clone(),
            began: wall,
            check_at,
            groups: Vec::new(),
            alerts: 0,
        });
        self.storms.going += 1;
        self.timers.set(check_at, Timer::Storm(key));
        self.decide(sequence, DecisionKind::StormBegan { storm: name.into(), alerts }, effects);
    }

    /// Returns the slot of the source whose key is in `self.key`, making it if need be.
    fn source_slot(&mut self, sequence: u64, effects: &mut Vec<Effect>) -> u32 {
        if let Some(&slot) = self.storms.by_key.get(self.key.as_str()) {
            self.storms.sources.touch(slot);
            return slot;
        }
        let key: Box<str> = self.key.as_str().into();
        while self.storms.sources.len() >= SOURCES_MAX
            && let Some(oldest) = self.storms.sources.oldest()
        {
            self.end_storm(sequence, oldest, effects);
            if let Some(source) = self.storms.sources.remove(oldest) {
                self.storms.by_key.remove(&source.key);
            }
        }
        self.storms.insert(Source { key, since: self.clock.now(), count: 0, going: None })
    }

    /// Ends a storm whose calm time is over, if that was calm.
    pub(super) fn turn_storm(&mut self, sequence: u64, key: &str, effects: &mut Vec<Effect>) {
        let Some(config) = &self.config.storm else { return };
        let (end, calm, now) = (config.end, config.calm.0, self.clock.now());
        let Some(&slot) = self.storms.by_key.get(key) else { return };
        let Some(source) = self.storms.sources.get_mut(slot) else { return };
        if source.count < end {
            return self.end_storm(sequence, slot, effects);
        }
        source.count = 0;
        if let Some(going) = &mut source.going {
            going.check_at = clock::whole_second(clock::after(now, calm));
            self.timers.set(going.check_at, Timer::Storm(key.into()));
        }
    }

    fn end_storm(&mut self, sequence: u64, slot: u32, effects: &mut Vec<Effect>) {
        let (now, wall) = (self.clock.now(), self.wall());
        let Some(source) = self.storms.sources.get_mut(slot) else { return };
        let Some(going) = source.going.take() else { return };
        (source.since, source.count) = (now, 0);
        self.timers.clear(going.check_at, Timer::Storm(source.key.clone()));
        self.storms.going -= 1;
        let Going { name, began, groups, alerts, .. } = going;
        let ended = DecisionKind::StormEnded { storm: name.into(), began, alerts };
        self.decide(sequence, ended, effects);
        for id in groups {
            let Some(&slot) = self.by_group.get(&id) else { continue };
            let Some(group) = self.groups.get_mut(slot) else { continue };
            if let Some(summary) = &mut group.storm {
                summary.ended = Some(wall);
            }
            for lane in &mut group.lanes {
                lane.end_storm(now, group.settings.group_interval);
            }
            self.schedule(slot);
        }
    }

    /// Takes over another configuration of storms: those that go on are over.
    pub(super) fn take_over_storms(
        &mut self,
        sequence: u64,
        before: Option<&StormConfig>,
        effects: &mut Vec<Effect>,
    ) {
        if before == self.config.storm.as_ref() {
            return;
        }
        let slots: Vec<u32> = self.storms.sources.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.end_storm(sequence, slot, effects);
        }
        self.storms = Storms::default();
    }

    /// Writes what tells an alert's source from others into `self.key`.
    fn write_source(
        &mut self,
        by: &[Key],
        alert: &Alert,
        facts: &Facts<'_>,
        fingerprint: Fingerprint,
    ) {
        self.key.clear();
        group::write_values(by, alert, facts, fingerprint, &mut self.key, &mut self.value);
    }
}
