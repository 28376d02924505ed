//! What must hold whatever happens in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use alert::{Alert, AlertId, Notification, Priority};
use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::script::{Run, alert, at, config, dead, delivered, silence, snapshot};
use crate::{
    pipeline::{
        ABOUT_OUTPUT, Decision, DecisionKind, Effect, NotifyReason, Page, Pipeline, Reason,
        SilenceId, Verdict,
    },
    record::Record,
};

/// One thing that happens; what it refers to is chosen when it does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Alert {
        what: usize,
        again: bool,
    },
    /// An alert with a start and an end, in seconds from now.
    State {
        what: usize,
        starts: i64,
        ends: i64,
    },
    Pass {
        seconds: i64,
    },
    Deadline,
    Delivered {
        which: usize,
        stale: bool,
    },
    Dead {
        which: usize,
        stale: bool,
    },
    Replay {
        which: usize,
    },
    Silence {
        what: usize,
        seconds: i64,
    },
    Expire {
        what: usize,
    },
    Configure {
        which: usize,
    },
}

const ALERTS: [&str; 10] =
    ["a", "a:x", "a!", "b/shop", "b/bank:x", "b!!", "c", "c/shop:y!", "d?", "e"];

fn configs() -> Vec<Value> {
    vec![
        json!({"outputs": ["soc", "stream"], "learn_senders": true, "senders": ["a"]}),
        json!({"outputs": ["soc", "stream"], "outputs_updated_in_place": ["soc"], "routes": [
            {"name": "loud", "match": "priority >= critical", "outputs": ["soc"], "continue": true,
             "notify_close": true, "quiet": "2m", "group_interval": "30s"},
            {"name": "rest", "group_by": ["source"], "quiet": "20s", "repeat_interval": "40s"},
        ]}),
        json!({"outputs": ["soc", "stream"], "windows": [
            {"name": "minutes", "match": "rule in (b, c)", "starts": "2023-11-14T22:14:00",
             "duration": "2m", "repeat": "FREQ=DAILY"},
        ], "inhibitions": [
            {"name": "b", "source": "rule = b", "target": "rule = a"},
            {"source": "rule = c and priority >= critical", "target": "rule in (a, b, c)",
             "equal": ["k8s.ns.name"]},
        ], "silence_notices": {"before_end": "20s", "weekly_hits_min": 1},
        "score": {"half_life": "1m", "lanes": {"urgent": 44, "elevated": 42}}}),
        json!({"outputs": ["soc", "stream"], "outputs_updated_in_place": ["stream"], "storm": {
            "by": ["source"], "begin": 2, "within": "30s", "end": 1, "calm": "40s", "interval": "30s",
        }, "routes": [
            {"name": "each", "group_by": ["rule"], "group_wait": "1s", "continue": true},
            {"name": "one by one", "group_by": ["fingerprint"], "storm": false, "quiet": "50s"},
        ]}),
        json!({"outputs": ["soc"], "inhibitions": [
            {"name": "b", "source": "rule = b", "target": "rule = a"},
        ], "storm": {"begin": 2, "end": 1, "calm": "10s", "interval": "30s"}, "routes": [
            {"name": "loud", "match": "rule = a", "group_wait": "0s"},
            {"name": "nowhere", "match": "rule = b", "outputs": []},
        ], "limits": {"findings_max": 3, "groups_max": 2, "pending_max": 2, "dead_letters_max": 1,
            "seen_alerts_max": 4}}),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..ALERTS.len(), prop::bool::weighted(0.1))
            .prop_map(|(what, again)| Step::Alert { what, again }),
        6 => state(),
        4 => (-40_i64..200).prop_map(|seconds| Step::Pass { seconds }),
        2 => Just(Step::Deadline),
        3 => (0..4_usize, prop::bool::weighted(0.2))
            .prop_map(|(which, stale)| Step::Delivered { which, stale }),
        2 => (0..4_usize, prop::bool::weighted(0.2))
            .prop_map(|(which, stale)| Step::Dead { which, stale }),
        1 => (0..4_usize).prop_map(|which| Step::Replay { which }),
        1 => (0..ALERTS.len(), 1_i64..120)
            .prop_map(|(what, seconds)| Step::Silence { what, seconds }),
        1 => (0..ALERTS.len()).prop_map(|what| Step::Expire { what }),
        1 => (0..configs().len()).prop_map(|which| Step::Configure { which }),
    ]
}

fn state() -> impl Strategy<Value = Step> {
    (0..ALERTS.len(), -90_i64..1, prop_oneof![-60_i64..1, 1_i64..120])
        .prop_map(|(what, starts, ends)| Step::State { what, starts, ends: ends.max(starts) })
}

/// Runs steps and keeps what happened.
pub(crate) struct World {
    pub(crate) pipeline: Pipeline,
    now: Timestamp,
    records: Vec<Record>,
    pub(crate) effects: Vec<Vec<Effect>>,
    notifications: Vec<Notification>,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            pipeline: Pipeline::new(),
            now: at(0),
            records: Vec::new(),
            effects: Vec::new(),
            notifications: Vec::new(),
        };
        world.step(&Step::Configure { which: 0 });
        world
    }

    pub(crate) fn step(&mut self, step: &Step) {
        let at = self.now;
        let rule = |what: usize| ALERTS[what][..1].to_owned();
        let record = match step {
            Step::Alert { what, again } => {
                let mut alert = alert(ALERTS[*what], at);
                if alert.rule == "e" {
                    alert.fields.insert(ABOUT_OUTPUT.to_owned(), "soc".into());
                }
                alert.fields.insert("saker.sender".to_owned(), alert.rule.as_str().into());
                let id = if *again { 0 } else { self.records.len() as u128 };
                alert.id = AlertId::from_u128(id);
                Record::Alert(Box::new(alert))
            }
            Step::State { what, starts, ends } => {
                let [starts, ends] = [starts, ends]
                    .map(|from_now| at.checked_add(SignedDuration::from_secs(*from_now)));
                let mut alert = alert(ALERTS[*what], at);
                alert.id = AlertId::from_u128(self.records.len() as u128);
                alert.fields.insert("label.what".to_owned(), ALERTS[*what].into());
                (alert.time, alert.ends) = (starts.unwrap(), ends.ok());
                Record::Alert(Box::new(alert))
            }
            Step::Pass { seconds } => {
                self.now = at.checked_add(SignedDuration::from_secs(*seconds)).unwrap();
                Record::Tick { now: self.now }
            }
            Step::Deadline => {
                let Some(deadline) = self.pipeline.deadline() else { return };
                self.now = self.now.max(deadline);
                Record::Tick { now: self.now }
            }
            Step::Delivered { which, stale } => match self.choose(*which, *stale) {
                Some(notification) => delivered(at, &notification),
                None => return,
            },
            Step::Dead { which, stale } => match self.choose(*which, *stale) {
                Some(notification) => dead(at, &notification),
                None => return,
            },
            Step::Replay { which } => {
                match self.pipeline.dead_letters(Page::default()).items.get(*which) {
                    Some(letter) => {
                        let (notification, by) = (letter.notification, "ann".to_owned());
                        if which % 4 == 3 {
                            Record::Purged { at, notification, by }
                        } else {
                            let to = (which % 4 == 2).then(|| "stream".to_owned());
                            Record::Replayed { at, notification, by, to }
                        }
                    }
                    None => return,
                }
            }
            Step::Silence { what, seconds } => {
                let ends = at.checked_add(SignedDuration::from_secs(*seconds)).unwrap();
                Record::SilenceAdded { at, silence: silence(&rule(*what), ends) }
            }
            Step::Expire { what } => {
                Record::SilenceExpired { at, id: SilenceId(rule(*what)), by: "ann".to_owned() }
            }
            Step::Configure { which } => {
                Record::Configured { at, config: Box::new(config(configs()[*which].clone())) }
            }
        };
        let mut effects = Vec::new();
        self.pipeline.apply(self.records.len() as u64, &record, &mut effects);
        self.pipeline.audit();
        assert_in_order(&effects);
        for effect in &effects {
            if let Effect::Notify(notification) = effect {
                self.notifications.push((**notification).clone());
            }
        }
        self.records.push(record);
        self.effects.push(effects);
    }

    /// Returns an undelivered notification, or any that ever was.
    fn choose(&self, which: usize, stale: bool) -> Option<Notification> {
        if stale {
            let count = self.notifications.len();
            return self.notifications.get((which * 7) % count.max(1)).cloned();
        }
        self.pipeline.pending.iter().nth(which)?.read().map(|notification| (*notification).clone())
    }
}

/// Asserts that no notification is shown after one that takes its place: who delivers keeps the last.
fn assert_in_order(effects: &[Effect]) {
    let mut replaced = BTreeSet::new();
    for effect in effects {
        match effect {
            Effect::Notify(notification) => assert!(!replaced.contains(&notification.id)),
            Effect::Decided(Decision { kind: DecisionKind::Notified(notified), .. }) => {
                replaced.extend(notified.replaces);
            }
            _ => {}
        }
    }
}

pub(crate) fn decisions(effects: &[Vec<Effect>]) -> impl Iterator<Item = &Decision> {
    effects.iter().flatten().filter_map(|effect| match effect {
        Effect::Decided(decision) => Some(decision),
        _ => None,
    })
}

fn replay(records: &[Record], pipeline: &mut Pipeline, first: usize) -> Vec<Vec<Effect>> {
    let mut all = Vec::new();
    for (sequence, record) in records.iter().enumerate().skip(first) {
        let mut effects = Vec::new();
        pipeline.apply(sequence as u64, record, &mut effects);
        all.push(effects);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_account_adds_up_and_every_alert_is_decided_once(steps in vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        let mut decided = BTreeMap::new();
        for decision in decisions(&world.effects) {
            if let DecisionKind::Alert(_) = decision.kind {
                *decided.entry(decision.sequence).or_insert(0) += 1;
            }
        }
        for (sequence, record) in world.records.iter().enumerate() {
            let expected = matches!(record, Record::Alert(_)).then_some(&1);
            prop_assert_eq!(decided.get(&(sequence as u64)), expected);
        }
        prop_assert_eq!(world.pipeline.ledger().accepted, decided.len() as u64);
    }

    /// Follows each routed alert as `explain` would: its group's first notification that covers it,
    /// and what took that one's place, until something became of it.
    #[test]
    fn no_routed_alert_is_lost(steps in vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        let (mut routed, mut covered, mut ended) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut withheld = Vec::new();
        for decision in decisions(&world.effects) {
            match &decision.kind {
                DecisionKind::Alert(alert) if alert.verdict == Verdict::Routed => {
                    for routing in &alert.routes {
                        for output in routing.outputs.iter() {
                            let key = (routing.group.unwrap(), output.clone(), alert.fingerprint);
                            routed.push((decision.sequence, key));
                        }
                    }
                }
                DecisionKind::Notified(notified) => {
                    covered.push(notified.clone());
                    if let Some(replaced) = notified.replaces {
                        ended.insert(replaced, Some(notified.notification));
                    }
                }
                DecisionKind::Delivered { notification, .. }
                | DecisionKind::DeadLettered { notification, .. } => {
                    ended.insert(*notification, None);
                }
                DecisionKind::Replayed { notification, into, .. } => match into {
                    Some(into) => { ended.insert(*notification, Some(*into)); }
                    None => { ended.remove(notification); }
                },
                DecisionKind::Withheld(some) => withheld.push(some.clone()),
                DecisionKind::Superseded { notification, by } => {
                    ended.insert(*notification, Some(*by));
                }
                _ => {}
            }
        }
        let waiting: BTreeSet<_> = world.pipeline.groups.iter().flat_map(|(_, group)| {
            let name = |output| world.pipeline.destinations.name(output);
            let lanes = group.lanes.iter().filter(|lane| lane.waiting > 0);
            lanes.map(move |lane| (group.id, name(lane.output)))
        }).collect();
        for (sequence, (group, output, fingerprint)) in routed {
            let is_withheld = withheld.iter().any(|some| {
                (some.group, &some.output, some.fingerprint) == (group, &output, fingerprint)
                    && (some.first..=some.last).contains(&sequence)
            });
            if is_withheld {
                continue;
            }
            let first = covered.iter().find(|notified| {
                notified.group == group && notified.output == output
                    && (notified.first..=notified.last).contains(&sequence)
                    && notified.alerts > 0
            });
            let Some(first) = first else {
                prop_assert!(waiting.contains(&(group, output)), "{} is lost", sequence);
                continue;
            };
            let mut id = first.notification;
            while let Some(Some(next)) = ended.get(&id) {
                id = *next;
            }
            prop_assert!(
                ended.contains_key(&id) || world.pipeline.notification(id).is_some(),
                "{} is lost in {}", sequence, id,
            );
        }
    }

    /// Asks about every alert anew which of those before it are sources, as Alertmanager would.
    #[test]
    fn inhibition_agrees_with_a_naive_evaluator(
        alerts in vec(0..ALERTS.len(), 1..40),
        restart in 0..40_usize,
    ) {
        let is_source = |it: &Alert| it.rule == "b" || it.rule == "c" && it.priority >= Priority::Critical;
        let is_target = |it: &Alert| it.rule == "a" || it.rule == "c";
        let namespace = |it: &Alert| it.text("k8s.ns.name").unwrap_or_default().to_owned();
        let mut run = Run::new(json!({"inhibitions": [{
            "source": "rule = b or (rule = c and priority >= critical)",
            "target": "rule in (a, c)", "equal": ["k8s.ns.name"],
        }]}));
        let mut before: Vec<Alert> = Vec::new();
        for (index, what) in alerts.iter().enumerate() {
            let mut alert = alert(ALERTS[*what], at(1));
            alert.id = AlertId::from_u128(index as u128);
            let hides = |other: &Alert| is_source(other)
                && namespace(other) == namespace(&alert)
                && !(is_source(&alert) && is_target(other));
            let expected = is_target(&alert) && before.iter().any(hides);
            run.record(&Record::Alert(Box::new(alert.clone())));
            let decided = run.effects.iter().find_map(|effect| match effect {
                Effect::Decided(it) => match &it.kind {
                    DecisionKind::Alert(it) => Some(it.verdict.clone()),
                    _ => None,
                },
                _ => None,
            });
            let hidden = matches!(decided, Some(Verdict::Suppressed(Reason::Inhibited(_))));
            prop_assert_eq!(hidden, expected, "{:?} after {:?}", alert, before);
            before.push(alert);
            if index == restart {
                run.restart();
            }
        }
    }

    #[test]
    fn an_output_hears_of_a_group_at_most_once_per_interval(steps in vec(step(), 1..120)) {
        let mut world = World::new();
        let mut last = BTreeMap::new();
        for step in &steps {
            let before = world.effects.len();
            world.step(step);
            let notified = decisions(&world.effects[before..]).filter_map(|decision| {
                let DecisionKind::Notified(notified) = &decision.kind else { return None };
                Some(((notified.group, notified.output.clone()), notified.clone()))
            });
            let notified: Vec<_> = notified.collect();
            // What is urgent is told first of what is told in one step, also if it was made last.
            let escalated: BTreeSet<_> = notified.iter()
                .filter(|(_, notified)| notified.why == NotifyReason::Escalated)
                .map(|(key, _)| key.clone()).collect();
            for (key, notified) in notified {
                let now = world.pipeline.clock.now();
                // The end of a group forced by a reload or a bound, and an escalation, are excepted.
                let is_excepted = escalated.contains(&key)
                    || notified.why == NotifyReason::Closed
                    || matches!(step, Step::Configure { .. });
                if let Some(previous) = last.insert(key, now) && !is_excepted {
                    let gap = now.duration_since(previous);
                    prop_assert!(gap >= SignedDuration::from_secs(30), "{notified:?} after {gap:?}");
                }
            }
        }
    }

    /// Whatever comes, goes, comes again, late or twice: who was told that something goes on is told
    /// that it is over, and then nothing is left of it.
    #[test]
    fn whoever_is_told_that_something_goes_on_is_told_that_it_is_over(
        steps in vec(prop_oneof![
            3 => state(),
            2 => (0_i64..200).prop_map(|seconds| Step::Pass { seconds }),
            1 => Just(Step::Deadline),
            1 => (0..ALERTS.len(), 1_i64..120)
                .prop_map(|(what, seconds)| Step::Silence { what, seconds }),
        ], 1..40),
        which in prop::sample::select(vec![0_usize, 1, 3]),
    ) {
        let mut world = World::new();
        world.step(&Step::Configure { which });
        for step in &steps {
            world.step(step);
        }
        while world.pipeline.findings.len() + world.pipeline.groups.len() > 0 {
            prop_assert!(world.pipeline.deadline().is_some(), "open for ever");
            world.step(&Step::Deadline);
        }
        let mut believed = BTreeMap::new();
        for notification in &world.notifications {
            for finding in &notification.findings {
                let key = (notification.output.clone(), notification.group, finding.fingerprint);
                believed.insert(key, finding.ended.is_some());
            }
        }
        prop_assert!(believed.values().all(|is_over| *is_over), "{believed:?}");
    }

    #[test]
    fn replaying_the_records_gives_the_same_state_and_effects(steps in vec(step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        let mut again = Pipeline::new();
        prop_assert_eq!(&replay(&world.records, &mut again, 0), &world.effects);
        prop_assert_eq!(snapshot(&again), snapshot(&world.pipeline));
    }

    #[test]
    fn a_restored_pipeline_goes_on_as_the_one_it_was_made_of(
        steps in vec(step(), 2..80),
        cut in 0.0..1.0_f64,
    ) {
        let mut world = World::new();
        let cut = (steps.len() as f64 * cut) as usize;
        for step in &steps[..cut] {
            world.step(step);
        }
        let bytes = snapshot(&world.pipeline);
        let mut restored = Pipeline::restore(&bytes).unwrap();
        prop_assert_eq!(snapshot(&restored), bytes);
        prop_assert_eq!(restored.deadline(), world.pipeline.deadline());
        let done = world.records.len();
        for step in &steps[cut..] {
            world.step(step);
        }
        let effects = replay(&world.records, &mut restored, done);
        prop_assert_eq!(&effects[..], &world.effects[done..]);
        prop_assert_eq!(snapshot(&restored), snapshot(&world.pipeline));
    }

    #[test]
    fn hostile_texts_break_nothing(
        fields in prop::collection::btree_map("[a-z.]{0,12}|proc.cmdline|k8s.pod.name|fd.name|fd.sip", ".{0,40}", 0..8),
        rule in ".{0,20}",
        tag in ".{0,20}",
    ) {
        let mut world = World::new();
        let mut alert = alert("a!", at(0));
        alert.fields = fields.into_iter().map(|(name, value)| (name, value.into())).collect();
        alert.rule = rule;
        alert.tags = vec![tag];
        let mut effects = Vec::new();
        world.pipeline.apply(1, &Record::Alert(Box::new(alert)), &mut effects);
        world.pipeline.audit();
        let is_told = effects.iter().any(|effect| matches!(effect, Effect::Notify(_)));
        prop_assert!(is_told);
        let restored = Pipeline::restore(&snapshot(&world.pipeline)).unwrap();
        prop_assert_eq!(snapshot(&restored), snapshot(&world.pipeline));
    }

    #[test]
    fn no_bytes_make_restore_panic(bytes in vec(any::<u8>(), 0..64), at in 0..4000_usize) {
        prop_assert!(Pipeline::restore(&bytes).is_err());
        let mut world = World::new();
        world.step(&Step::Alert { what: 2, again: false });
        let mut damaged = snapshot(&world.pipeline);
        let at = at % damaged.len();
        damaged.truncate(at);
        prop_assert!(Pipeline::restore(&damaged).is_err());
    }
}

#[test]
fn what_takes_the_place_of_another_in_one_step_comes_after_it_however_urgent_it_is() {
    let mut world = World::new();
    for step in [
        Step::State { what: 0, starts: -1, ends: 2 },
        Step::Silence { what: 0, seconds: 1 },
        Step::State { what: 2, starts: -1, ends: 99 },
        Step::Pass { seconds: 3 },
    ] {
        world.step(&step);
    }
    let told = world.notifications.iter().filter(|notification| notification.output == "soc");
    let findings: Vec<usize> = told.map(|notification| notification.findings.len()).collect();
    assert_eq!(findings, [1, 2]);
}

#[test]
fn an_alert_suppressed_as_a_duplicate_names_the_group_that_told_of_its_finding() {
    let mut world = World::new();
    for _ in 0..2 {
        world.step(&Step::Alert { what: 2, again: false });
    }
    let alerts: Vec<_> = decisions(&world.effects)
        .filter_map(|decision| match &decision.kind {
            DecisionKind::Alert(alert) => Some(alert),
            _ => None,
        })
        .collect();
    assert_eq!(alerts[1].verdict, Verdict::Suppressed(Reason::Duplicate));
    assert_eq!(alerts[0].routes[0].group, alerts[1].routes[0].group);
    assert_eq!((alerts[0].finding_count, alerts[1].finding_count), (1, 2));
}
