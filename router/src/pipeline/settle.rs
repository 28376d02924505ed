//! Takes over configurations and silences.

use std::mem;

use super::{
    CloseReason, DecisionKind, Effect, Pipeline, PipelineConfig, Reason, Silence,
    fingerprint::Fingerprints, route::Routes, timer::Timer,
};

impl Pipeline {
    /// Takes over a configuration. Open groups keep what they hold and live by the new settings of
    /// their route; those whose route is gone tell what they have and close. What is owed to an
    /// output that is gone becomes dead letters.
    pub(super) fn configure(
        &mut self,
        sequence: u64,
        config: &PipelineConfig,
        effects: &mut Vec<Effect>,
    ) {
        let before = mem::replace(&mut self.config, config.clone());
        self.destinations.configure(config);
        self.compile();
        self.seen.resize(config.limits.seen_alerts_max);
        self.known.resize(config.limits.seen_alerts_max);
        self.take_over_senders();
        self.take_over_storms(sequence, before.storm.as_ref(), effects);
        self.take_over_inhibitions(&before.inhibitions);
        self.take_over_windows(sequence, effects);
        self.schedule_report();
        self.take_over_silences(sequence, &config.silences, effects);
        self.drop_removed_outputs(sequence, effects);
        self.rehome_groups(sequence, effects);
        self.bound_all(sequence, effects);
        let configured = DecisionKind::Configured {
            routes: config.routes.len(),
            silences: config.silences.len(),
            outputs: config.outputs.len(),
        };
        self.decide(sequence, configured, effects);
    }

    /// Makes what is derived from the configuration.
    pub(super) fn compile(&mut self) {
        self.routes = Routes::new(&self.config, &self.destinations);
        self.fingerprints = Fingerprints::new(&self.config.fingerprints);
    }

    fn take_over_silences(
        &mut self,
        sequence: u64,
        silences: &[Silence],
        effects: &mut Vec<Effect>,
    ) {
        for id in self.silences.configured() {
            if silences.iter().all(|silence| silence.id != id) {
                self.end_silence(sequence, &id, Some("configuration".to_owned()), effects);
            }
        }
        for silence in silences {
            let is_known = self.silences.all().any(|entry| entry.silence == *silence);
            if !is_known && silence.ends > self.wall() {
                self.add_silence(sequence, silence, true, effects);
            }
        }
    }

    /// Adds a silence, or says why not.
    pub(super) fn add_silence(
        &mut self,
        sequence: u64,
        silence: &Silence,
        configured: bool,
        effects: &mut Vec<Effect>,
    ) {
        let (id, author) = (silence.id.clone(), silence.author.clone());
        let is_new = self.silences.all().all(|entry| entry.silence.id != id);
        let check = match silence.check_at(self.wall()) {
            Ok(()) if is_new && self.silences.len() >= self.config.limits.silences_max => {
                Err("there are too many silences".to_owned())
            }
            check => check,
        };
        if let Err(reason) = check {
            let refused = DecisionKind::SilenceRefused { silence: id, author, reason };
            self.decide(sequence, refused, effects);
            return;
        }
        self.unschedule_silence(&id);
        self.silences.add(silence.clone(), configured, &self.clock);
        self.note_end(&id);
        self.schedule_silence(&id);
        // It may have taken the place of one that hid more.
        self.reconsider(&Reason::Silence(id.clone()));
        let added = DecisionKind::SilenceAdded { silence: id, author, ends: silence.ends };
        self.decide(sequence, added, effects);
    }

    fn drop_removed_outputs(&mut self, sequence: u64, effects: &mut Vec<Effect>) {
        let gone: Vec<_> = self
            .pending
            .iter()
            .filter(|letter| !self.destinations.is_configured(letter.output))
            .map(|letter| letter.id)
            .collect();
        for id in gone {
            self.withdraw(sequence, id, "output removed", effects);
        }
    }

    fn rehome_groups(&mut self, sequence: u64, effects: &mut Vec<Effect>) {
        let now = self.clock.now();
        let slots: Vec<u32> = self.groups.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(group) = self.groups.get_mut(slot) else { continue };
            let Some(settings) = self.routes.find(&group.settings.route, group.storm.is_some())
            else {
                self.close_group(sequence, slot, CloseReason::RouteRemoved, effects);
                continue;
            };
            group.settings = settings;
            self.timers.clear(group.close_at, Timer::CloseGroup(group.id));
            group.close_at = group.closes_at();
            self.timers.set(group.close_at, Timer::CloseGroup(group.id));
            for lane in &mut group.lanes {
                if !self.destinations.is_configured(lane.output) {
                    lane.due = (lane.waiting > 0).then_some((now, super::NotifyReason::Updated));
                }
            }
            self.flush(sequence, slot, alert::GroupState::Open, effects);
        }
    }

    fn bound_all(&mut self, sequence: u64, effects: &mut Vec<Effect>) {
        while self.groups.len() > self.config.limits.groups_max.max(1)
            && let Some(oldest) = self.groups.oldest()
        {
            self.totals.groups_evicted += 1;
            self.close_group(sequence, oldest, CloseReason::Evicted, effects);
        }
        while self.findings.len() > self.config.limits.findings_max.max(1)
            && let Some(oldest) = self.findings.oldest()
        {
            self.evict_finding(sequence, oldest, effects);
        }
        self.bound_pending(sequence, effects);
        self.bound_dead(sequence, effects);
    }
}
