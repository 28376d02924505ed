//! Holds what the destinations saw against what the router decided and wrote down.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alert::{GroupId, NotificationId, Priority};

use super::{
    observer::{End, Observer},
    outside::{Attempt, Deed, Event},
};

/// Notifications of lower priority that may go before an urgent one: what is left of a round.
const ROUND_REST: u64 = 5;
/// Urgent notifications of a round.
const ROUND_URGENT: u64 = 16;

/// What is known of a notification at its destination.
#[derive(Debug, Default)]
struct Known {
    taken: u64,
    /// In which life it was last taken, and whether the router heard of it.
    last: Option<(u64, bool)>,
    rejected: bool,
    attempts: u64,
    first: Duration,
}

/// An urgent notification that has not been tried.
#[derive(Debug)]
struct Urgent {
    id: NotificationId,
    group: GroupId,
    overtaken: u64,
    urgent_before: u64,
}

#[derive(Debug, Default)]
pub(super) struct Receipts {
    life: u64,
    known: BTreeMap<NotificationId, Known>,
    /// Taken in this life, with an answer the router heard.
    order: BTreeMap<(String, GroupId), u32>,
    /// By output: urgent notifications handed to the dispatcher, and not yet tried.
    urgent: BTreeMap<String, Vec<Urgent>>,
    /// Delivered, as a record of the journal says, when this life began.
    settled: BTreeSet<NotificationId>,
}

impl Receipts {
    /// A new life begins.
    pub(super) fn begin(&mut self, observer: &Observer) {
        self.life += 1;
        self.urgent.clear();
        let settled = observer.told.iter().filter(|(_, told)| told.end == End::Delivered);
        self.settled = settled.map(|(id, _)| *id).collect();
    }

    /// Checks an event at a destination. `concurrency` attempts may be under way at once, and
    /// `queued` notifications wait.
    pub(super) fn check(&mut self, event: &Event, concurrency: u64, queued: usize) {
        match event {
            Event::Handed { output, id, group, number, priority } => {
                let waiting = self.urgent.entry(output.clone()).or_default();
                // The newer one of a group takes the older one's place.
                waiting.retain(|urgent| urgent.group != *group);
                // A later one may have to wait for the one before.
                if *number == 1 && *priority >= Priority::Critical {
                    let (id, group) = (*id, *group);
                    waiting.push(Urgent { id, group, overtaken: 0, urgent_before: 0 });
                }
            }
            Event::Withdrawn { output, id } => {
                self.urgent.entry(output.clone()).or_default().retain(|urgent| urgent.id != *id);
            }
            Event::Begun(attempt) => self.begun(attempt, concurrency, queued),
            Event::Done(attempt) => self.done(attempt),
            Event::Answered(attempt) => {
                let life = self.life;
                let known = self.known.entry(attempt.id).or_default();
                if attempt.deed == Deed::Taken {
                    known.last = Some((life, true));
                }
                known.rejected |= attempt.deed == Deed::Rejected;
            }
        }
    }

    fn begun(&mut self, attempt: &Attempt, concurrency: u64, queued: usize) {
        let known = self.known.entry(attempt.id).or_default();
        if known.attempts == 0 {
            known.first = attempt.at;
        }
        known.attempts += 1;
        let Some(waiting) = self.urgent.get_mut(&attempt.output) else { return };
        waiting.retain(|urgent| urgent.id != attempt.id);
        // With more of them than a queue holds, those it refused come when there is room.
        let may_be_refused = waiting.len() >= queued;
        for urgent in waiting {
            if attempt.priority >= Priority::Critical {
                urgent.urgent_before += 1;
            } else {
                urgent.overtaken += 1;
            }
            let rounds = 1 + urgent.urgent_before / ROUND_URGENT;
            let most = ROUND_REST * rounds + concurrency;
            assert!(
                urgent.overtaken <= most || may_be_refused,
                "{} is urgent, and {} others went before it",
                urgent.id,
                urgent.overtaken
            );
        }
    }

    fn done(&mut self, attempt: &Attempt) {
        if !attempt.deed.is_taken() {
            return;
        }
        let life = self.life;
        let known = self.known.entry(attempt.id).or_default();
        if let Some((before, heard)) = known.last {
            assert!(before < life || !heard, "{} was taken twice in one life", attempt.id);
        }
        assert!(!self.settled.contains(&attempt.id), "{} was settled before", attempt.id);
        known.taken += 1;
        known.last = Some((life, false));
    }

    /// Checks events against the records of the same time.
    pub(super) fn compare(&mut self, observer: &Observer, events: &[Event]) {
        for event in events {
            let (Event::Begun(attempt) | Event::Done(attempt)) = event else { continue };
            let told = observer.told.get(&attempt.id).expect("only what was decided is sent");
            let output: &str = &told.notified.output;
            assert_eq!((told.notified.group, output), (attempt.group, &*attempt.output));
            if matches!(event, Event::Done(_)) && attempt.deed.is_taken() && !told.replayed {
                let key = (attempt.output.clone(), attempt.group);
                let last = self.order.entry(key).or_default();
                assert!(attempt.sequence >= *last, "{} came after {last}", attempt.sequence);
                *last = attempt.sequence;
            }
        }
    }

    /// Checks how a notification ended: it was taken, or its destination refused it, or it was tried
    /// for long enough, or there was no room for it.
    pub(super) fn check_end(&self, id: NotificationId, death: Option<&str>, bounds: &Bounds) {
        let known = self.known.get(&id);
        let Some(reason) = death else {
            return assert!(known.is_some_and(|known| known.taken > 0), "{id} was never taken");
        };
        if reason == "output removed" || reason == "too much is undelivered" {
            return;
        }
        let known = known.expect("what died was tried");
        let tried = bounds.now.saturating_sub(known.first);
        assert!(
            known.rejected || tried >= bounds.give_up,
            "{id} is dead after {tried:?}: {reason}"
        );
    }
}

/// What the end of a notification is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) now: Duration,
    pub(super) give_up: Duration,
}
