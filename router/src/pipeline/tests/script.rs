//! A little language for timelines: what happens, one word each, and what the pipeline answers.
//!
//! | word | happens |
//! | --- | --- |
//! | `a@3` | an alert of rule `a`, priority Warning, 3 s after the start |
//! | `a/shop@3` | … in namespace `shop` |
//! | `a!@3`, `a!!@3`, `a?@3` | … of priority Critical, Emergency, Notice |
//! | `a:x@3` | … whose program is `x`: another finding of the same rule |
//! | `a^60@3` | an alert with the label `alertname="a"` that ends at 60 s unless it comes again; it began at 0 s |
//! | `a^60^9@12` | … that began at 9 s |
//! | `a^3@3` | … that says that it is over |
//! | `a~7@3` | … with id 7 |
//! | `a*5@3` | five of them |
//! | `tick@3` | a tick |
//! | `ok:soc@3`, `dead:soc@3`, `replay:soc@3` | the oldest undelivered (newest dead) of an output |
//! | `purge:soc@3` | the newest dead letter of an output is given up |
//! | `replay:soc:oldest@3` | the oldest dead letter instead |
//! | `again@3` | the last outcome once more |
//! | `silence:a:60@3`, `expire:a@3` | rule `a` is silenced until 60 s, or no longer |
//! | `config:1@3` | the configuration with this number takes effect |
//! | `restart` | the pipeline is restored from its snapshot |
//!
//! Every word that made something happen gives a line. After each, the account must add up.

use std::fmt::Write as _;

use alert::{Alert, AlertId, Fields, GroupState, Notification, NotificationId, Priority};
use expect_test::Expect;
use jiff::Timestamp;
use outputs::Receipt;
use serde_json::{Value, json};

use crate::{
    pipeline::{
        Decision, DecisionKind, Effect, Page, Pipeline, PipelineConfig, Reason, Silence, SilenceId,
        Verdict, Withheld,
    },
    record::Record,
};

const START: i64 = 1_700_000_000;

/// Returns an alert of `test rule` on `host` with these fields.
pub(crate) fn alert_with(fields: Value) -> Alert {
    let fields: Fields = serde_json::from_value(fields).unwrap();
    Alert {
        id: AlertId::from_u128(1),
        time: at(0),
        received: at(0),
        rule: "test rule".to_owned(),
        priority: Priority::Warning,
        source: "syscall".to_owned(),
        hostname: "host".to_owned(),
        output: "something happened".to_owned(),
        tags: Vec::new(),
        fields,
        ends: None,
    }
}

/// Returns the time this many seconds after the start.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

/// Returns a configuration from JSON; one output `soc` if it names none.
pub(super) fn config(mut json: Value) -> PipelineConfig {
    if json.get("outputs").is_none() {
        json["outputs"] = json!(["soc"]);
    }
    serde_json::from_value(json).unwrap()
}

/// Runs a timeline with the default configuration for one output `soc`.
pub(super) fn check(script: &str, expected: Expect) {
    check_with(&[json!({})], script, expected);
}

/// Runs a timeline that starts with the first of these configurations.
pub(super) fn check_with(configs: &[Value], script: &str, expected: Expect) {
    let mut run = Run::new(configs[0].clone());
    for word in script.split_whitespace() {
        run.word(configs, word);
    }
    expected.assert_eq(run.shown.trim_end());
}

/// Runs a timeline with a configuration, and returns all that was decided.
pub(crate) fn decided(config: Value, script: &str) -> Vec<Decision> {
    let (mut run, mut all) = (Run::new(config), Vec::new());
    for word in script.split_whitespace() {
        run.word(&[], word);
        all.extend(run.effects.drain(..).filter_map(|effect| match effect {
            Effect::Decided(decision) => Some(decision),
            Effect::Notify(_) | Effect::Withdraw { .. } => None,
        }));
    }
    all
}

pub(super) struct Run {
    pub(super) pipeline: Pipeline,
    pub(super) effects: Vec<Effect>,
    pub(super) sequence: u64,
    shown: String,
    names: Vec<NotificationId>,
    last: Option<Record>,
}

impl Run {
    pub(super) fn new(json: Value) -> Self {
        let mut run = Self {
            pipeline: Pipeline::new(),
            effects: Vec::new(),
            sequence: 0,
            shown: String::new(),
            names: Vec::new(),
            last: None,
        };
        run.record(&Record::Configured { at: at(0), config: Box::new(config(json)) });
        run
    }

    /// Applies a record; its effects are the only ones in `effects`.
    pub(super) fn record(&mut self, record: &Record) {
        self.sequence += 1;
        self.effects.clear();
        self.pipeline.apply(self.sequence, record, &mut self.effects);
        // As whoever runs the pipeline does.
        while let Some(notice) = self.pipeline.notices(1).pop() {
            self.sequence += 1;
            let record = Record::Alert(Box::new(notice));
            self.pipeline.apply(self.sequence, &record, &mut self.effects);
        }
        self.pipeline.audit();
    }

    fn word(&mut self, configs: &[Value], word: &str) {
        if word == "restart" {
            self.restart();
            return;
        }
        let (what, time) = word.split_once('@').unwrap();
        let time = at(time.parse().unwrap());
        let parts: Vec<&str> = what.split(':').collect();
        let record = match parts[..] {
            ["tick"] => Record::Tick { now: time },
            ["config", number] => {
                let json = configs[number.parse::<usize>().unwrap()].clone();
                Record::Configured { at: time, config: Box::new(config(json)) }
            }
            ["silence", rule, ends] => {
                Record::SilenceAdded { at: time, silence: silence(rule, at(ends.parse().unwrap())) }
            }
            ["expire", rule] => Record::SilenceExpired {
                at: time,
                id: SilenceId(rule.to_owned()),
                by: "ann".to_owned(),
            },
            ["ok", output] => self.outcome(output, |notification| delivered(time, notification)),
            ["dead", output] => self.outcome(output, |notification| dead(time, notification)),
            ["replay", output, ..] => {
                let mut letters = self.pipeline.dead_letters(Page::default()).items;
                if parts.len() == 3 {
                    letters.reverse();
                }
                let letter = letters.iter().find(|letter| *letter.output == *output).unwrap();
                Record::Replayed {
                    at: time,
                    notification: letter.notification,
                    by: "ann".to_owned(),
                    to: None,
                }
            }
            ["purge", output] => {
                let letters = self.pipeline.dead_letters(Page::default()).items;
                let letter = letters.iter().find(|letter| *letter.output == *output).unwrap();
                let (notification, by) = (letter.notification, "ann".to_owned());
                Record::Purged { at: time, notification, by }
            }
            ["again"] => self.last.clone().unwrap(),
            _ => return self.alerts(word, what, time),
        };
        self.last = Some(record.clone());
        self.record(&record);
        self.show(word);
    }

    fn outcome(&self, output: &str, record: impl Fn(&Notification) -> Record) -> Record {
        let pending = self.pipeline.pending.iter();
        let mut read = pending.map(|letter| letter.read().unwrap());
        record(&read.find(|notification| notification.output == output).unwrap())
    }

    fn alerts(&mut self, word: &str, what: &str, time: Timestamp) {
        let (what, times) = what.split_once('*').unwrap_or((what, "1"));
        let (what, id) = what.split_once('~').unwrap_or((what, ""));
        for _ in 0..times.parse().unwrap() {
            let mut alert = alert(what, time);
            alert.id = AlertId::from_u128(id.parse().unwrap_or(1000 + u128::from(self.sequence)));
            self.record(&Record::Alert(Box::new(alert)));
            if times == "1" || self.effects.len() > 1 {
                self.show(word);
            }
        }
        if times != "1" {
            self.show(word);
        }
    }

    /// Restores the pipeline from its snapshot, which must give the same snapshot and timers again.
    pub(super) fn restart(&mut self) {
        let snapshot = snapshot(&self.pipeline);
        let restored = Pipeline::restore(&snapshot).unwrap();
        assert_eq!(String::from_utf8(snapshot), String::from_utf8(self::snapshot(&restored)));
        assert_eq!(self.pipeline.deadline(), restored.deadline());
        assert_eq!(self.pipeline.pending(), restored.pending());
        restored.audit();
        self.pipeline = restored;
    }

    fn show(&mut self, word: &str) {
        let effects = std::mem::take(&mut self.effects);
        let told: Vec<String> = effects.iter().filter_map(|effect| self.tell(effect)).collect();
        if !told.is_empty() {
            writeln!(self.shown, "{word}: {}", told.join("; ")).unwrap();
        }
        self.effects = effects;
    }

    /// Notifications are numbered in the order they were made.
    fn name(&mut self, id: NotificationId) -> String {
        let index = self.names.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.names.push(id);
            self.names.len() - 1
        });
        format!("N{}", index + 1)
    }

    fn tell(&mut self, effect: &Effect) -> Option<String> {
        let decision = match effect {
            Effect::Notify(notification) => {
                let name = self.name(notification.id);
                return Some(format!("{name} is {}", described(notification)));
            }
            Effect::Withdraw { notification, .. } => {
                return Some(format!("{} withdrawn", self.name(*notification)));
            }
            Effect::Decided(decision) => decision,
        };
        let json = serde_json::to_string(decision).unwrap();
        assert_eq!(serde_json::from_str::<crate::pipeline::Decision>(&json).unwrap(), *decision);
        Some(match &decision.kind {
            DecisionKind::Alert(alert) => match &alert.verdict {
                Verdict::Suppressed(reason) => shown(reason),
                Verdict::Routed => {
                    let told = alert.routes.iter().filter(|routing| !routing.outputs.is_empty());
                    let path = |routing: &crate::pipeline::Routing| {
                        format!("{}→{}", routing.route, routing.outputs.join("+"))
                    };
                    told.map(path).collect::<Vec<_>>().join(" ")
                }
            },
            DecisionKind::Notified(notified) => {
                let name = self.name(notified.notification);
                let why = json_name(&notified.why);
                let replaces = notified.replaces.map(|id| self.name(id));
                let replaces = replaces.map(|id| format!(" for {id}")).unwrap_or_default();
                let alerts = notified.alerts;
                format!("{name} {why} {} with {alerts}{replaces}", notified.output)
            }
            DecisionKind::Delivered { notification, alerts, .. } => {
                format!("{} delivered {alerts}", self.name(*notification))
            }
            DecisionKind::DeadLettered { notification, alerts, reason, .. } => {
                format!("{} dead with {alerts}: {reason}", self.name(*notification))
            }
            DecisionKind::DeadLetterDropped { notification, alerts, .. } => {
                format!("{} dropped with {alerts}", self.name(*notification))
            }
            DecisionKind::Replayed { notification, alerts, into, .. } => {
                let into = into.map(|id| format!(" into {}", self.name(id))).unwrap_or_default();
                format!("{} replayed with {alerts}{into}", self.name(*notification))
            }
            DecisionKind::Purged { notification, alerts, by, .. } => {
                format!("{} purged with {alerts} by {by}", self.name(*notification))
            }
            DecisionKind::Superseded { notification, by } => {
                format!("{} superseded by {}", self.name(*notification), self.name(*by))
            }
            DecisionKind::ReplayRefused { reason, .. } => format!("replay refused: {reason}"),
            DecisionKind::Withheld(Withheld { output, alerts, reason, .. }) => {
                format!("{output} not told of {alerts}: {}", shown(reason))
            }
            DecisionKind::Returned { reason, alerts, routes, .. } => {
                let told = routes.iter().map(|at| format!("{}→{}", at.route, at.outputs.join("+")));
                let told = told.collect::<Vec<_>>().join(" ");
                format!("{alerts} hidden by {} back to {told}", shown(reason))
            }
            DecisionKind::WindowAdded { window, by } => format!("window {window} added by {by}"),
            DecisionKind::WindowRefused { window, reason, .. } => {
                format!("window {window} refused: {reason}")
            }
            DecisionKind::WindowRemoved { window, hits, by } => {
                let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                format!("window {window} removed{by} after {hits}")
            }
            DecisionKind::WindowOpened { window, until } => {
                format!("window {window} open until {}", until.unwrap())
            }
            DecisionKind::WindowClosed { window, hits } => {
                format!("window {window} closed after {hits}")
            }
            DecisionKind::SilenceAdded { silence, .. } => format!("silence {silence} added"),
            DecisionKind::SilenceRefused { silence, reason, .. } => {
                format!("silence {silence} refused: {reason}")
            }
            DecisionKind::SilenceExpired { silence, hits, by } => {
                let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                format!("silence {silence} expired{by} after {hits}")
            }
            DecisionKind::StormBegan { storm, alerts } => {
                format!("storm of {storm} after {alerts}")
            }
            DecisionKind::StormEnded { storm, alerts, .. } => {
                format!("storm of {storm} over after {alerts}")
            }
            DecisionKind::FindingEvicted { count, .. } => format!("finding of {count} evicted"),
            DecisionKind::GroupClosed { alerts, findings, why, .. } => {
                format!("group of {findings}/{alerts} closed: {}", json_name(why))
            }
            DecisionKind::Configured { .. } => "configured".to_owned(),
        })
    }
}

/// Fingerprints say nothing to who reads a test.
fn shown(reason: &Reason) -> String {
    match reason {
        Reason::Inhibited(by) => format!("inhibited:{}", by.rule),
        reason => reason.to_string(),
    }
}

fn json_name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

fn described(notification: &Notification) -> String {
    let Notification { sequence, output, findings_count, alerts_count, alerts_new_count, .. } =
        notification;
    let listed: Vec<String> = notification
        .findings
        .iter()
        .take(3)
        .map(|finding| {
            let ended = if finding.ended.is_some() { "✓" } else { "" };
            format!("{}×{}{ended}", finding.sample.rule, finding.count)
        })
        .collect();
    let closed = if notification.state == GroupState::Closed { " closed" } else { "" };
    let storm = notification.storm.as_ref().map(|storm| {
        let rules = storm.rules.iter().map(|rule| format!(" {}×{}", rule.rule, rule.count));
        let over = if storm.ended.is_some() { " over" } else { "" };
        format!(" storm{over}:{}", rules.collect::<String>())
    });
    let hidden = notification.findings_hidden_count;
    let hidden = if hidden > 0 { format!(" {hidden} hidden") } else { String::new() };
    format!(
        "{output}#{sequence}{closed} [{}] {findings_count}/{alerts_count} new {alerts_new_count}{hidden}{}",
        listed.join(" "),
        storm.unwrap_or_default()
    )
}

/// Returns the alert a word such as `a/shop:x!` stands for.
pub(super) fn alert(what: &str, time: Timestamp) -> Alert {
    let priority = match what.trim_start_matches(|c| !matches!(c, '!' | '?')) {
        "" => Priority::Warning,
        "!" => Priority::Critical,
        "?" => Priority::Notice,
        _ => Priority::Emergency,
    };
    let what = what.trim_end_matches(['!', '?']);
    let (what, span) = what.split_once('^').unwrap_or((what, ""));
    let (what, program) = what.split_once(':').unwrap_or((what, "sh"));
    let (rule, namespace) = what.split_once('/').unwrap_or((what, ""));
    let mut alert = alert_with(json!({"proc.name": program}));
    if !namespace.is_empty() {
        alert.fields.insert("k8s.ns.name".to_owned(), namespace.into());
    }
    let (rule, received) = (rule.to_owned(), time);
    if span.is_empty() {
        return Alert { time, received, rule, priority, ..alert };
    }
    let (ends, began) = span.split_once('^').unwrap_or((span, "0"));
    let [ends, time] = [ends, began].map(|seconds| at(seconds.parse().unwrap()));
    alert.fields.insert("label.alertname".to_owned(), rule.as_str().into());
    alert.fields.insert("label.program".to_owned(), program.into());
    Alert { time, received, rule, priority, ends: Some(ends), ..alert }
}

pub(super) fn silence(rule: &str, ends: Timestamp) -> Silence {
    Silence {
        id: SilenceId(rule.to_owned()),
        condition: Some(format!("rule = {rule}").parse().unwrap()),
        matchers: Vec::new(),
        times: Vec::new(),
        starts: None,
        ends,
        author: "ann".to_owned(),
        comment: "known".to_owned(),
    }
}

pub(super) fn delivered(at: Timestamp, notification: &Notification) -> Record {
    Record::Delivered {
        at,
        notification: notification.id,
        group: notification.group,
        output: notification.output.clone(),
        attempts: 1,
        receipt: Receipt::remote(format!("remote-{}", notification.sequence)),
    }
}

pub(super) fn dead(at: Timestamp, notification: &Notification) -> Record {
    Record::DeadLettered {
        at,
        notification: notification.id,
        group: notification.group,
        output: notification.output.clone(),
        attempts: 3,
        reason: "refused".to_owned(),
    }
}

pub(super) fn snapshot(pipeline: &Pipeline) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipeline.snapshot(&mut bytes);
    bytes
}

impl Pipeline {
    /// Counts everything again from the state and compares it with the account.
    pub(super) fn audit(&self) {
        self.ledger().check().unwrap();
        let mut pending = vec![0; self.destinations.iter().count()];
        for (_, group) in self.groups.iter() {
            for lane in &group.lanes {
                pending[usize::from(lane.output)] += lane.waiting;
                assert!(lane.waiting == 0 || lane.due.is_some(), "waiting, but never due");
                let alerts = lane.untold.iter().filter(|untold| untold.is_alert).count() as u64;
                assert_eq!(lane.waiting, alerts);
            }
            assert_eq!(group.flush_at, group.due());
            let members = group.members.iter().map(|slot| self.findings.get(*slot).unwrap());
            assert_eq!(group.open, members.filter(|live| live.ended.is_none()).count());
        }
        let mut one_each = std::collections::HashSet::new();
        for letter in self.pending.iter() {
            pending[usize::from(letter.output)] += letter.alerts;
            assert!(one_each.insert((letter.group, letter.output)), "two undelivered");
        }
        for (number, output) in self.destinations.iter().enumerate() {
            assert_eq!(output.ledger.pending, pending[number], "pending of {}", output.name);
        }
        let mut hidden = 0;
        for (slot, live) in self.findings.iter() {
            hidden += usize::from(live.hidden.as_ref().is_some_and(|it| it.judge_at.is_none()));
            assert!(live.close_at.is_some(), "open for ever");
            for membership in &live.memberships {
                let group = self.groups.get(membership.group).unwrap();
                assert_eq!(group.members[membership.index as usize], slot);
            }
        }
        assert_eq!(self.hidden_by.len(), hidden);
    }
}
