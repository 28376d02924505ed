//! The notifications that wait for one output: at most one per group, the newest; bounded in number
//! and size.
//!
//! What finds no room is not lost: it stays pending in the pipeline's state, and comes again when
//! the queue asks for it. A notification stays *held* from the start of its first attempt until the
//! core has applied its end, so that it is never queued twice.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alert::{GroupId, Lane, Notification, NotificationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanBytes;
use tokio::{sync::Notify, time::Instant};

use super::{lane::Turn, size::size};

/// Bounds of one output's queue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueLimits {
    /// Notifications in memory, beside those under way, of which there are `send.concurrency`: they come
    /// back to be tried again whatever is there by then. Further ones wait in the router's state.
    pub notifications_max: usize,
    /// Their size. Further ones wait in the router's state.
    pub bytes_max: HumanBytes,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { notifications_max: 1024, bytes_max: HumanBytes(16 << 20) }
    }
}

/// A notification and what was tried so far.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) notification: Arc<Notification>,
    pub(crate) queued: Instant,
    pub(crate) attempts: u32,
    pub(crate) first_attempt: Option<Instant>,
    bytes: usize,
}

/// The queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct QueueStat {
    pub(crate) notifications: usize,
    pub(crate) bytes: usize,
    pub(crate) held: usize,
    pub(crate) oldest: Option<Instant>,
}

/// What became of a pushed notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Queued,
    /// It is here already.
    Known,
    /// It, or a less severe one in its place, waits in the router's state.
    Refused,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    limits: QueueLimits,
    waiting: HashMap<GroupId, Waiting>,
    lanes: [BTreeMap<Ticket, GroupId>; 3],
    /// Not before an instant; the ticket makes the key unique.
    delayed: BTreeMap<(Instant, Ticket), GroupId>,
    held: HashMap<GroupId, NotificationId>,
    turn: Turn,
    tickets: u64,
    bytes: usize,
    /// Something was refused since the last refill.
    refused: bool,
}

/// The order of arrival.
type Ticket = u64;

#[derive(Debug)]
struct Waiting {
    job: Job,
    ticket: Ticket,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Lane(Lane),
    Delayed(Instant),
    /// Behind the held one of the same group.
    Behind,
}

impl Queue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let state = State {
            limits,
            waiting: HashMap::new(),
            lanes: Default::default(),
            delayed: BTreeMap::new(),
            held: HashMap::new(),
            turn: Turn::new(),
            tickets: 0,
            bytes: 0,
            refused: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    pub(crate) fn limit(&self, limits: QueueLimits) {
        self.state().limits = limits;
        self.changed.notify_one();
    }

    /// Adds a notification, or puts it in the place of an older one of its group.
    pub(crate) fn push(&self, notification: Arc<Notification>, now: Instant) -> Pushed {
        let (group, id) = (notification.group, notification.id);
        let mut state = self.state();
        let pushed = state.push(notification, now);
        let is_here = state.waiting.get(&group).is_some_and(|new| new.job.notification.id == id);
        drop(state);
        // A refusal must not wake who asks for what was refused: it would be refused again, at once.
        if pushed != Pushed::Known && is_here {
            self.changed.notify_one();
        }
        pushed
    }

    /// Forgets a waiting notification. An attempt under way goes on.
    pub(crate) fn withdraw(&self, id: NotificationId) {
        let mut state = self.state();
        let group = state
            .waiting
            .iter()
            .find(|(_, waiting)| waiting.job.notification.id == id)
            .map(|(group, _)| *group);
        if let Some(group) = group {
            state.take(group);
            self.changed.notify_one();
        }
    }

    /// Takes the next notification; its group is held until [`Self::release`] or [`Self::retry`].
    pub(crate) fn pop(&self, now: Instant) -> Option<Job> {
        self.state().pop(now)
    }

    /// Returns when the next delayed notification is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.state().delayed.first_key_value().map(|((at, _), _)| *at)
    }

    /// Ends the hold of a group: its notification came to its end.
    pub(crate) fn release(&self, group: GroupId) {
        let mut state = self.state();
        state.held.remove(&group);
        state.requeue(group);
        drop(state);
        self.changed.notify_one();
    }

    /// Puts a notification back, to be tried again. A newer one of its group has precedence.
    pub(crate) fn retry(&self, job: Job, not_before: Instant) {
        let group = job.notification.group;
        let mut state = self.state();
        state.held.remove(&group);
        if state.waiting.contains_key(&group) {
            state.requeue(group);
        } else {
            state.insert(job, Place::Delayed(not_before));
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Returns whether something was refused and there is room again. The answer is given once.
    pub(crate) fn wants_refill(&self) -> bool {
        let mut state = self.state();
        let room = state.waiting.len() <= state.limits.notifications_max / 2
            && state.bytes <= state.bytes_max() / 2;
        std::mem::take(&mut state.refused) && {
            state.refused = !room;
            room
        }
    }

    /// Makes every delayed notification due now.
    pub(crate) fn hurry(&self) {
        let mut state = self.state();
        let delayed: Vec<_> = state.delayed.values().copied().collect();
        for group in delayed {
            state.requeue(group);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Makes [`Self::changed`] return.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits until something changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn stat(&self) -> QueueStat {
        let state = self.state();
        QueueStat {
            notifications: state.waiting.len(),
            bytes: state.bytes,
            held: state.held.len(),
            oldest: state.waiting.values().map(|waiting| waiting.job.queued).min(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, notification: Arc<Notification>, now: Instant) -> Pushed {
        let group = notification.group;
        if self.held.get(&group) == Some(&notification.id) {
            return Pushed::Known;
        }
        let bytes = size(&notification);
        let lane = notification.lane();
        let mut job = Job { notification, queued: now, attempts: 0, first_attempt: None, bytes };
        if let Some(old) = self.waiting.get(&group) {
            if old.job.notification.id == job.notification.id {
                return Pushed::Known;
            }
            // The newer one keeps the place in the line.
            let (ticket, queued) = (old.ticket, old.job.queued);
            self.take(group);
            job.queued = queued;
            self.insert_at(job, ticket, self.place(group, lane));
            return Pushed::Queued;
        }
        let mut evicted = false;
        while self.waiting.len() >= self.limits.notifications_max.max(1)
            || self.bytes + bytes > self.bytes_max() && !self.waiting.is_empty()
        {
            self.refused = true;
            let Some(victim) = self.least_severe().filter(|(least, _)| *least > lane) else {
                return Pushed::Refused;
            };
            self.take(victim.1);
            evicted = true;
        }
        let place = self.place(group, lane);
        self.insert(job, place);
        if evicted { Pushed::Refused } else { Pushed::Queued }
    }

    fn pop(&mut self, now: Instant) -> Option<Job> {
        while let Some(((at, _), group)) = self.delayed.first_key_value().map(|(k, v)| (*k, *v))
            && at <= now
        {
            self.requeue(group);
        }
        let lanes = &self.lanes;
        let lane = self.turn.next(|lane| !lanes[lane as usize].is_empty())?;
        let (_, group) = self.lanes[lane as usize].first_key_value()?;
        let job = self.take(*group)?;
        self.held.insert(job.notification.group, job.notification.id);
        Some(job)
    }

    /// Puts a waiting group where it belongs now.
    fn requeue(&mut self, group: GroupId) {
        let Some(waiting) = self.waiting.get(&group) else { return };
        let (ticket, lane) = (waiting.ticket, waiting.job.notification.lane());
        if let Some(job) = self.take(group) {
            self.insert_at(job, ticket, self.place(group, lane));
        }
    }

    fn place(&self, group: GroupId, lane: Lane) -> Place {
        if self.held.contains_key(&group) { Place::Behind } else { Place::Lane(lane) }
    }

    fn insert(&mut self, job: Job, place: Place) {
        self.tickets += 1;
        self.insert_at(job, self.tickets, place);
    }

    fn insert_at(&mut self, job: Job, ticket: Ticket, place: Place) {
        let group = job.notification.group;
        match place {
            Place::Lane(lane) => _ = self.lanes[lane as usize].insert(ticket, group),
            Place::Delayed(at) => _ = self.delayed.insert((at, ticket), group),
            Place::Behind => {}
        }
        self.bytes += job.bytes;
        self.waiting.insert(group, Waiting { job, ticket, place });
    }

    fn take(&mut self, group: GroupId) -> Option<Job> {
        let Waiting { job, ticket, place } = self.waiting.remove(&group)?;
        match place {
            Place::Lane(lane) => _ = self.lanes[lane as usize].remove(&ticket),
            Place::Delayed(at) => _ = self.delayed.remove(&(at, ticket)),
            Place::Behind => {}
        }
        self.bytes -= job.bytes;
        Some(job)
    }

    /// Returns the newest notification of the least severe lane that has one; those that wait for
    /// their next attempt are among them.
    fn least_severe(&self) -> Option<(Lane, GroupId)> {
        let ready = Lane::ALL.into_iter().filter_map(|lane| {
            let (ticket, group) = self.lanes[lane as usize].last_key_value()?;
            Some((lane, *ticket, *group))
        });
        let delayed = self.delayed.iter().filter_map(|((_, ticket), group)| {
            let lane = self.waiting.get(group)?.job.notification.lane();
            Some((lane, *ticket, *group))
        });
        let least = ready.chain(delayed).max_by_key(|(lane, ticket, _)| (*lane, *ticket));
        least.map(|(lane, _, group)| (lane, group))
    }

    fn bytes_max(&self) -> usize {
        usize::try_from(self.limits.bytes_max.0).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alert::{GroupState, Priority};
    use futures_util::FutureExt;
    use jiff::Timestamp;

    use super::*;

    fn notification(id: u64, group: u64, priority: Priority) -> Arc<Notification> {
        Arc::new(Notification {
            id: NotificationId(id),
            group: GroupId(group),
            sequence: 1,
            state: GroupState::Open,
            route: "all".into(),
            output: "out".into(),
            labels: BTreeMap::new(),
            priority,
            score: 0,
            lane: None,
            alerts_count: 1,
            alerts_new_count: 1,
            findings_count: 1,
            findings_hidden_count: 0,
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::UNIX_EPOCH,
            created: Timestamp::UNIX_EPOCH,
            findings: Vec::new(),
            storm: None,
        })
    }

    fn queue(notifications_max: usize) -> Queue {
        Queue::new(QueueLimits { notifications_max, ..QueueLimits::default() })
    }

    fn popped(queue: &Queue, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop(now)).map(|job| job.notification.id.0).collect()
    }

    #[test]
    fn critical_overtakes_and_the_newest_of_a_group_stands_for_it() {
        let (queue, now) = (queue(10), Instant::now());
        queue.push(notification(1, 1, Priority::Notice), now);
        queue.push(notification(2, 2, Priority::Warning), now);
        queue.push(notification(3, 3, Priority::Critical), now);
        queue.push(notification(4, 1, Priority::Notice), now);
        assert_eq!(queue.push(notification(4, 1, Priority::Notice), now), Pushed::Known);
        assert_eq!(popped(&queue, now), [3, 2, 4]);
        assert_eq!(queue.stat().bytes, 0);
    }

    #[test]
    fn a_group_waits_for_its_own_attempt_and_for_no_other() {
        let (queue, now) = (queue(10), Instant::now());
        queue.push(notification(1, 1, Priority::Notice), now);
        assert_eq!(popped(&queue, now), [1]);
        assert_eq!(queue.push(notification(1, 1, Priority::Notice), now), Pushed::Known);
        queue.push(notification(2, 1, Priority::Notice), now);
        queue.push(notification(3, 3, Priority::Notice), now);
        assert_eq!(popped(&queue, now), [3], "2 waits for 1");
        queue.release(GroupId(1));
        assert_eq!(popped(&queue, now), [2]);
    }

    #[test]
    fn a_retry_waits_its_time_unless_a_newer_one_came() {
        let (queue, now) = (queue(10), Instant::now());
        queue.push(notification(1, 1, Priority::Notice), now);
        let job = queue.pop(now).unwrap();
        let later = now + Duration::from_secs(1);
        queue.retry(job, later);
        assert_eq!((popped(&queue, now), queue.due()), (vec![], Some(later)));
        let job = queue.pop(later).unwrap();
        queue.push(notification(2, 1, Priority::Notice), now);
        queue.retry(job, later + Duration::from_secs(9));
        assert_eq!(popped(&queue, now), [2]);
    }

    #[test]
    fn a_full_queue_refuses_the_less_severe_and_asks_for_them_later() {
        let (queue, now) = (queue(2), Instant::now());
        for id in [1, 2] {
            assert_eq!(queue.push(notification(id, id, Priority::Notice), now), Pushed::Queued);
        }
        assert_eq!(queue.push(notification(3, 3, Priority::Notice), now), Pushed::Refused);
        assert!(!queue.wants_refill(), "no room yet");
        assert_eq!(queue.push(notification(4, 4, Priority::Critical), now), Pushed::Refused);
        assert_eq!(popped(&queue, now), [4, 1]);
        assert!(queue.wants_refill());
        assert!(!queue.wants_refill(), "once");
    }

    #[test]
    fn a_severe_one_displaces_what_waits_for_its_next_attempt() {
        let (queue, now) = (queue(2), Instant::now());
        let later = now + Duration::from_secs(60);
        for id in [1, 2] {
            queue.push(notification(id, id, Priority::Notice), now);
            let job = queue.pop(now).unwrap();
            queue.retry(job, later);
        }
        assert_eq!(queue.push(notification(3, 3, Priority::Notice), now), Pushed::Refused);
        assert_eq!(queue.push(notification(4, 4, Priority::Critical), now), Pushed::Refused);
        assert_eq!(popped(&queue, now), [4]);
        assert!(queue.wants_refill(), "2 comes again from the state");
        assert_eq!((popped(&queue, later), queue.stat().bytes), (vec![1], 0));
    }

    #[test]
    fn what_was_refused_is_not_asked_for_until_something_else_happens() {
        let (queue, now) = (queue(1), Instant::now());
        let changed = || queue.changed().now_or_never().is_some();
        queue.push(notification(1, 1, Priority::Notice), now);
        assert!(changed());
        assert_eq!(queue.push(notification(2, 2, Priority::Notice), now), Pushed::Refused);
        assert!(!changed(), "there is no more room than before");
        queue.push(notification(3, 3, Priority::Critical), now);
        assert!(changed(), "it has another one's place");
        queue.withdraw(NotificationId(3));
        assert!(changed() && queue.wants_refill());
    }

    #[test]
    fn a_withdrawn_one_is_gone() {
        let (queue, now) = (queue(2), Instant::now());
        queue.push(notification(1, 1, Priority::Notice), now);
        queue.withdraw(NotificationId(1));
        assert_eq!((popped(&queue, now), queue.stat().bytes), (vec![], 0));
    }
}
