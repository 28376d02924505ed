//! What became of notifications: delivered, dead, replayed. All of it may be told twice.

use std::{collections::BTreeMap, sync::Arc};

use alert::{Notification, NotificationId};
use outputs::Receipt;
use serde_json::value::to_raw_value;

use super::{
    DecisionKind, Effect, Pipeline, facts,
    shelf::{Death, Letter},
};

/// Longest text of a receipt or reason that is kept, and entries of a receipt.
const TEXT_BYTES_MAX: usize = 1024;
const RECEIPT_ENTRIES_MAX: usize = 16;

impl Pipeline {
    /// Notes that an output took a notification. One already dead was delivered after all; one
    /// that was replaced is settled by what replaced it.
    pub(super) fn delivered(
        &mut self,
        sequence: u64,
        id: NotificationId,
        attempts: u32,
        receipt: &Receipt,
        effects: &mut Vec<Effect>,
    ) {
        let (letter, was_dead) = if let Some(letter) = self.pending.remove(id) {
            self.destinations.ledger(letter.output).pending -= letter.alerts;
            (letter, false)
        } else if let Some(letter) = self.dead.remove(id) {
            self.destinations.ledger(letter.output).dead_lettered -= letter.alerts;
            (letter, true)
        } else {
            return;
        };
        self.destinations.ledger(letter.output).delivered += letter.alerts;
        let receipt = bounded(receipt);
        let delivered = DecisionKind::Delivered {
            notification: id,
            group: letter.group,
            output: self.destinations.name(letter.output),
            attempts,
            alerts: letter.alerts,
            was_dead,
            remote_id: receipt.remote_id.clone(),
        };
        if let Some(&slot) = self.by_group.get(&letter.group)
            && let Some(group) = self.groups.get_mut(slot)
        {
            group.lane(letter.output).receipt = Some(Box::new(receipt));
        }
        self.decide(sequence, delivered, effects);
    }

    /// Notes that an output will not take a notification.
    pub(super) fn died(
        &mut self,
        sequence: u64,
        id: NotificationId,
        attempts: u32,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(letter) = self.pending.remove(id) {
            self.bury(sequence, letter, attempts, reason, effects);
        }
    }

    /// Turns an undelivered notification into a dead letter.
    pub(super) fn bury(
        &mut self,
        sequence: u64,
        mut letter: Letter,
        attempts: u32,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        let ledger = self.destinations.ledger(letter.output);
        ledger.pending -= letter.alerts;
        ledger.dead_lettered += letter.alerts;
        let reason = facts::cut(reason, TEXT_BYTES_MAX).into_owned();
        let died = DecisionKind::DeadLettered {
            notification: letter.id,
            group: letter.group,
            output: self.destinations.name(letter.output),
            attempts,
            alerts: letter.alerts,
            reason: reason.clone(),
        };
        letter.death = Some(Box::new(Death { at: self.wall(), attempts, reason }));
        self.dead.insert(sequence, letter);
        self.decide(sequence, died, effects);
        self.bound_dead(sequence, effects);
    }

    /// Has a dead letter delivered again under its id. When its group has a newer notification
    /// undelivered for the same output, that one takes its alerts over; an older one is replaced.
    /// With `to` it goes to that output.
    pub(super) fn replay(
        &mut self,
        sequence: u64,
        id: NotificationId,
        by: &str,
        to: Option<&str>,
        effects: &mut Vec<Effect>,
    ) {
        let by = facts::cut(by, TEXT_BYTES_MAX).into_owned();
        let target = to.and_then(|name| self.destinations.number(name));
        let is_configured = |output| self.destinations.is_configured(output);
        let refusal = match self.dead.get(id) {
            None => Some("no such dead letter"),
            Some(_) if to.is_some() && !target.is_some_and(is_configured) => {
                Some("the output it is to go to is not configured")
            }
            Some(letter) if to.is_none() && !is_configured(letter.output) => {
                Some("its output is not configured")
            }
            Some(_) => None,
        };
        if let Some(reason) = refusal {
            let reason = reason.to_owned();
            let refused = DecisionKind::ReplayRefused { notification: id, by, reason };
            self.decide(sequence, refused, effects);
            return;
        }
        let Some(mut letter) = self.dead.remove(id) else { return };
        letter.death = None;
        let alerts = letter.alerts;
        let output = self.destinations.name(letter.output);
        let to = target.filter(|target| *target != letter.output);
        match to {
            Some(target) => self.redirect(&mut letter, target),
            None => self.destinations.ledger(letter.output).dead_lettered -= alerts,
        }
        self.destinations.ledger(letter.output).pending += alerts;
        let to = to.map(|target| self.destinations.name(target));
        let current = self.pending.current(letter.group, letter.output);
        let newer = current
            .and_then(|id| self.pending.get_mut(id))
            .filter(|current| current.number > letter.number);
        let into = newer.map(|newer| {
            newer.take_over(&letter);
            newer.id
        });
        let replayed = DecisionKind::Replayed { notification: id, output, alerts, by, to, into };
        self.decide(sequence, replayed, effects);
        if into.is_some() {
            return;
        }
        if let Some(older) = current.and_then(|id| self.pending.remove(id)) {
            letter.take_over(&older);
            let superseded = DecisionKind::Superseded { notification: older.id, by: id };
            self.decide(sequence, superseded, effects);
        }
        let notification = letter.read();
        self.pending.insert(sequence, letter);
        effects.extend(notification.map(Effect::Notify));
        self.bound_pending(sequence, effects);
    }

    /// Makes a letter one of another output. Whatever that one has of the group is newer.
    fn redirect(&mut self, letter: &mut Letter, output: u16) {
        (letter.output, letter.number, letter.receipt) = (output, 0, None);
        self.destinations.ledger(output).routed += letter.alerts;
        let Some(notification) = letter.read() else { return };
        let output = self.destinations.name(output).to_string();
        let notification = Notification { output, ..Arc::unwrap_or_clone(notification) };
        // A notification is a struct of texts and JSON values, which always serialise.
        letter.notification = to_raw_value(&notification).unwrap_or_default().into();
    }

    /// Forgets a dead letter because a person says so; its alerts stay counted.
    pub(super) fn purge(
        &mut self,
        sequence: u64,
        id: NotificationId,
        by: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Some(letter) = self.dead.remove(id) else { return };
        let purged = DecisionKind::Purged {
            notification: id,
            output: self.destinations.name(letter.output),
            alerts: letter.alerts,
            by: facts::cut(by, TEXT_BYTES_MAX).into_owned(),
        };
        self.decide(sequence, purged, effects);
    }

    /// Turns the oldest undelivered notifications into dead letters while there are too many.
    pub(super) fn bound_pending(&mut self, sequence: u64, effects: &mut Vec<Effect>) {
        let limits = &self.config.limits;
        let (number_max, bytes_max) = (limits.pending_max.max(1), limits.pending_bytes_max.0);
        while self.pending.len() > number_max
            || self.pending.len() > 1 && self.pending.bytes() > bytes_max
        {
            let Some(id) = self.pending.oldest() else { return };
            self.withdraw(sequence, id, "too much is undelivered", effects);
        }
    }

    /// Turns an undelivered notification into a dead letter and tells the shell to stop trying.
    pub(super) fn withdraw(
        &mut self,
        sequence: u64,
        id: NotificationId,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(letter) = self.pending.remove(id) {
            let output = self.destinations.name(letter.output);
            effects.push(Effect::Withdraw { notification: id, output });
            self.bury(sequence, letter, 0, reason, effects);
        }
    }

    /// Drops the oldest dead letters while there are too many; their alerts stay counted.
    pub(super) fn bound_dead(&mut self, sequence: u64, effects: &mut Vec<Effect>) {
        let limits = &self.config.limits;
        let (number_max, bytes_max) = (limits.dead_letters_max, limits.dead_letters_bytes_max.0);
        while self.dead.len() > number_max || self.dead.bytes() > bytes_max {
            let Some(letter) = self.dead.oldest().and_then(|id| self.dead.remove(id)) else {
                return;
            };
            self.totals.dead_letters_dropped += 1;
            let dropped = DecisionKind::DeadLetterDropped {
                notification: letter.id,
                output: self.destinations.name(letter.output),
                alerts: letter.alerts,
            };
            self.decide(sequence, dropped, effects);
        }
    }
}

impl Letter {
    /// Takes over the alerts of another letter of the same group and output.
    fn take_over(&mut self, other: &Self) {
        if other.alerts == 0 {
            return;
        }
        if self.alerts == 0 {
            (self.first, self.last) = (other.first, other.last);
        }
        self.alerts += other.alerts;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.told = self.told.min(other.told);
    }
}

/// Returns the receipt without what no destination needs.
fn bounded(receipt: &Receipt) -> Receipt {
    let fits = |text: &str| text.len() <= TEXT_BYTES_MAX;
    let state: BTreeMap<String, String> = receipt
        .state
        .iter()
        .filter(|(name, value)| fits(name) && fits(value))
        .take(RECEIPT_ENTRIES_MAX)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Receipt { remote_id: receipt.remote_id.clone().filter(|id| fits(id)), state }
}
