//! Reads the journal as it grows, works out for itself what must follow, and holds the router's
//! account against it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alert::{Fingerprint, GroupId, NotificationId};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use journal::{Journal, ReadError};
use router::{
    pipeline::{
        Decision, DecisionKind, Effect, Notified, NotifyReason, Pipeline, ReasonKind, Verdict,
        Withheld,
    },
    record::Record,
};

use super::hiding::{Hiding, Moment};

/// Records that arrive out of order by less do not count as a clock that was set back.
const REORDER_MAX: SignedDuration = SignedDuration::from_secs(30);

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Pending,
    Delivered,
    Dead,
    /// Another one tells what it would have told.
    In(NotificationId),
}

#[derive(Debug)]
pub(super) struct Told {
    pub(super) notified: Notified,
    pub(super) end: End,
    /// A person had it delivered again.
    pub(super) replayed: bool,
}

/// One alert that one output is to be told of.
#[derive(Debug)]
struct Routed {
    sequence: u64,
    fingerprint: Fingerprint,
    group: GroupId,
    output: Arc<str>,
}

/// The account of one output, counted from decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    routed: u64,
    delivered: u64,
    dead: u64,
    suppressed: u64,
}

#[derive(Debug)]
pub(super) struct Observer {
    history: Vec<Bytes>,
    /// A pipeline that has seen every record once, in order, and was never restored.
    pub(super) shadow: Pipeline,
    ids: BTreeMap<u128, u64>,
    alerts: u64,
    decided: u64,
    pub(super) told: BTreeMap<NotificationId, Told>,
    counts: BTreeMap<Arc<str>, Count>,
    routed: Vec<Routed>,
    withheld: Vec<Withheld>,
    suppressed: BTreeMap<ReasonKind, u64>,
    /// Everything that was decided.
    pub(super) decisions: Vec<Decision>,
    hiding: Hiding,
    /// What is worth counting, until somebody takes it.
    pub(super) happened: Vec<&'static str>,
    windows: BTreeMap<(GroupId, Arc<str>), Timestamp>,
    interval_min: SignedDuration,
    /// Notifications that ended, and why those died that did; until somebody takes them.
    pub(super) ended: Vec<(NotificationId, Option<String>)>,
    now: Timestamp,
    ahead: SignedDuration,
}

impl Observer {
    pub(super) fn new(interval_min: SignedDuration) -> Self {
        Self {
            history: Vec::new(),
            shadow: Pipeline::new(),
            ids: BTreeMap::new(),
            alerts: 0,
            decided: 0,
            told: BTreeMap::new(),
            counts: BTreeMap::new(),
            routed: Vec::new(),
            withheld: Vec::new(),
            suppressed: BTreeMap::new(),
            decisions: Vec::new(),
            hiding: Hiding::default(),
            happened: Vec::new(),
            windows: BTreeMap::new(),
            interval_min,
            ended: Vec::new(),
            now: Timestamp::default(),
            ahead: SignedDuration::ZERO,
        }
    }

    /// Checks after a start that every record seen before is as it was, and learns of others.
    pub(super) fn opened(&mut self, journal: &Journal) -> Vec<String> {
        let (first, end) = (journal.first(), journal.durable());
        let known = self.history.len() as u64;
        assert!(end >= known, "{known} records were durable, {end} are there");
        let mut reader = journal.read(first).expect("a reader");
        while reader.position() < known {
            let Ok(Some((sequence, bytes))) = reader.next() else { return Vec::new() };
            assert_eq!(bytes, self.history[sequence as usize], "record {sequence} changed");
        }
        self.follow(journal)
    }

    /// Learns of new records. Returns what was decided because of them, in words.
    pub(super) fn follow(&mut self, journal: &Journal) -> Vec<String> {
        let mut said = Vec::new();
        let mut reader = match journal.read(self.history.len() as u64) {
            Err(ReadError::Io { .. }) => return said,
            reader => reader.expect("records that were not read yet"),
        };
        while let Ok(Some((sequence, bytes))) = reader.next() {
            assert_eq!(sequence, self.history.len() as u64, "the observer missed records");
            self.learn(sequence, &bytes, &mut said);
            self.history.push(bytes);
        }
        said
    }

    fn learn(&mut self, sequence: u64, bytes: &Bytes, said: &mut Vec<String>) {
        let record: Record = serde_json::from_slice(bytes).expect("a record");
        if let Some(at) = record.at() {
            self.pass(at);
        }
        if let Record::Alert(alert) = &record {
            *self.ids.entry(alert.id.as_u128()).or_default() += 1;
            self.alerts += 1;
        }
        self.hiding.begin(&record);
        let mut effects = Vec::new();
        self.shadow.apply(sequence, &record, &mut effects);
        for effect in effects {
            if let Effect::Decided(decision) = effect {
                self.decide(&record, decision, said);
            }
        }
        self.hiding.check(self.moment());
        self.check_account();
    }

    /// Returns the time of the last record.
    fn moment(&self) -> Moment {
        Moment { now: self.now, wall: self.now.checked_sub(self.ahead).expect("a time") }
    }

    /// The pipeline's time: it never goes back, and goes on when the clock is set back.
    fn pass(&mut self, reading: Timestamp) {
        let time = reading.checked_add(self.ahead).expect("a time");
        if time >= self.now {
            self.now = time;
        } else if self.now.duration_since(time) > REORDER_MAX {
            self.ahead = self.now.duration_since(reading);
        }
    }

    fn decide(&mut self, record: &Record, decision: Decision, said: &mut Vec<String>) {
        self.hiding.decided(record, &decision.kind, self.moment());
        self.happened.extend(worth_counting(&decision.kind));
        self.decisions.push(decision.clone());
        match decision.kind {
            DecisionKind::Alert(alert) => {
                self.decided += 1;
                if let Verdict::Suppressed(reason) = &alert.verdict {
                    *self.suppressed.entry(reason.kind()).or_default() += 1;
                } else {
                    for routing in &alert.routes {
                        for output in routing.outputs.iter() {
                            let group = routing.group.expect("a group");
                            self.routed.push(Routed {
                                sequence: decision.sequence,
                                fingerprint: alert.fingerprint,
                                group,
                                output: output.clone(),
                            });
                            self.count(output).routed += 1;
                        }
                    }
                }
            }
            DecisionKind::Notified(notified) => {
                said.push(format!(
                    "{} {:?} {} for {}..={} of {}",
                    notified.notification,
                    notified.why,
                    notified.output,
                    notified.first,
                    notified.last,
                    notified.group,
                ));
                self.notified(record, notified);
            }
            DecisionKind::Delivered { notification, output, alerts, .. } => {
                let before = self.end(notification, End::Delivered);
                self.ended.push((notification, None));
                let count = self.count(&output);
                count.delivered += alerts;
                if before == End::Dead {
                    count.dead -= alerts;
                }
            }
            DecisionKind::DeadLettered { notification, output, alerts, reason, .. } => {
                said.push(format!("{notification} is dead: {reason}"));
                self.end(notification, End::Dead);
                self.ended.push((notification, Some(reason)));
                self.count(&output).dead += alerts;
            }
            DecisionKind::Replayed { notification, output, alerts, into, .. } => {
                self.end(notification, into.map_or(End::Pending, End::In));
                self.told.get_mut(&notification).expect("it was told").replayed = true;
                self.count(&output).dead -= alerts;
            }
            DecisionKind::Superseded { notification, by } => {
                self.end(notification, End::In(by));
            }
            DecisionKind::Withheld(withheld) => {
                self.count(&withheld.output).suppressed += withheld.alerts;
                self.withheld.push(withheld);
            }
            _ => {}
        }
    }

    fn notified(&mut self, record: &Record, notified: Notified) {
        if let Some(replaced) = notified.replaces {
            self.end(replaced, End::In(notified.notification));
        }
        let window = (notified.group, notified.output.clone());
        // An escalation is told at once; so is the end of a group that a new configuration or a bound
        // forces.
        let excepted = matches!(notified.why, NotifyReason::Escalated | NotifyReason::Closed)
            || matches!(record, Record::Configured { .. });
        if let Some(before) = self.windows.insert(window, self.now)
            && !excepted
        {
            let gap = self.now.duration_since(before);
            assert!(gap >= self.interval_min, "{notified:?} only {gap:?} after the one before");
        }
        let id = notified.notification;
        let told = Told { notified, end: End::Pending, replayed: false };
        assert!(self.told.insert(id, told).is_none(), "two notifications are {id}");
    }

    fn end(&mut self, id: NotificationId, end: End) -> End {
        let told = self.told.get_mut(&id).expect("what ends was told");
        std::mem::replace(&mut told.end, end)
    }

    fn count(&mut self, output: &Arc<str>) -> &mut Count {
        self.counts.entry(output.clone()).or_default()
    }

    /// The account adds up, and is the one that follows from the decisions.
    fn check_account(&self) {
        let ledger = self.shadow.ledger();
        ledger.check().expect("the account adds up");
        assert_eq!((ledger.accepted, self.decided), (self.alerts, self.alerts));
        for (reason, suppressed) in &ledger.suppressed {
            let counted = self.suppressed.get(reason).copied().unwrap_or_default();
            assert_eq!(*suppressed, counted, "suppressed: {reason:?}");
        }
        for (output, account) in &ledger.outputs {
            let count = self.counts.get(output.as_str()).copied().unwrap_or_default();
            let found = Count {
                routed: account.routed,
                delivered: account.delivered,
                dead: account.dead_lettered,
                suppressed: account.suppressed,
            };
            assert_eq!(found, count, "the account of {output}");
        }
    }

    /// Every alert that was acknowledged is in the journal.
    pub(super) fn check_acknowledged(&self, ids: &[u128]) {
        for id in ids {
            assert!(self.ids.contains_key(id), "alert {id:x} was acknowledged, and is not there");
        }
    }

    /// What somebody asked for and was answered is in the journal, in its place.
    pub(super) fn check_answered(&self, sequence: u64, record: &Record) {
        let found = self.history.get(sequence as usize).map(|bytes| serde_json::from_slice(bytes));
        let found: Record = found.expect("what was answered is there").expect("a record");
        assert_eq!(found, *record, "another record at {sequence}");
    }

    /// Every routed alert came to an end in exactly one notification, whose end is known.
    pub(super) fn check_ends(&self) {
        for (output, account) in &self.shadow.ledger().outputs {
            assert_eq!(account.pending, 0, "{output} still owes");
        }
        let mut covering: BTreeMap<_, Vec<&Told>> = BTreeMap::new();
        for told in self.told.values().filter(|told| told.notified.alerts > 0) {
            let at = (told.notified.group, told.notified.output.clone());
            covering.entry(at).or_default().push(told);
        }
        for routed in &self.routed {
            let Routed { sequence, group, output, .. } = routed;
            let covers = |told: &&&Told| {
                (told.notified.first..=told.notified.last).contains(sequence)
                    && !matches!(told.end, End::In(_))
            };
            let told = covering.get(&(*group, output.clone())).map_or(&[][..], |told| &told[..]);
            let ends: BTreeSet<_> =
                told.iter().filter(covers).map(|told| told.notified.notification).collect();
            let chained = ends.is_empty() && self.chain(told, *sequence);
            let ended = ends.len() == 1 || chained || ends.is_empty() && self.is_withheld(routed);
            assert!(ended, "alert {sequence} to {output} is in {ends:?}");
        }
    }

    /// Returns whether the alert was hidden by the time it would have been told.
    fn is_withheld(&self, routed: &Routed) -> bool {
        self.withheld.iter().any(|withheld| {
            (withheld.group, withheld.fingerprint) == (routed.group, routed.fingerprint)
                && withheld.output == routed.output
                && (withheld.first..=withheld.last).contains(&routed.sequence)
        })
    }

    /// Returns whether a notification that covered the alert was taken over by one with an end.
    fn chain(&self, told: &[&Told], sequence: u64) -> bool {
        let covers = |told: &&&Told| (told.notified.first..=told.notified.last).contains(&sequence);
        let Some(mut told) = told.iter().find(covers).copied() else { return false };
        while let End::In(next) = told.end {
            told = &self.told[&next];
        }
        told.end != End::Pending
    }

    /// Returns a snapshot of the state that follows from the journal alone.
    pub(super) fn state(&self) -> Vec<u8> {
        let mut state = Vec::new();
        self.shadow.snapshot(&mut state);
        state
    }

    /// Returns the sequence of the next record.
    pub(super) fn position(&self) -> u64 {
        self.history.len() as u64
    }
}

/// Returns the name of what must happen in some seeds, so that nothing holds only for want of it.
fn worth_counting(kind: &DecisionKind) -> Option<&'static str> {
    Some(match kind {
        DecisionKind::Alert(alert) => match &alert.verdict {
            Verdict::Suppressed(reason) => match reason.kind() {
                ReasonKind::Silence => "silenced",
                ReasonKind::Window => "under maintenance",
                ReasonKind::Inhibited => "inhibited",
                _ => return None,
            },
            Verdict::Routed => return None,
        },
        DecisionKind::Withheld(_) => "withheld",
        DecisionKind::Returned { .. } => "returned",
        DecisionKind::SilenceExpired { by: None, .. } => "silences that ran out",
        DecisionKind::SilenceExpired { .. } => "silences ended",
        DecisionKind::WindowClosed { .. } => "windows that closed",
        DecisionKind::Purged { .. } => "dead letters given up",
        DecisionKind::StormBegan { .. } => "storms",
        DecisionKind::StormEnded { .. } => "storms that ended",
        _ => return None,
    })
}
