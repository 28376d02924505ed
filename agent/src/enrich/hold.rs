//! Events that wait for the word about their container, in order, for a bounded time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use alert::Event;
use hashbrown::HashMap;

/// The events that wait.
#[derive(Debug)]
pub(crate) struct Hold {
    by_container: HashMap<Box<str>, Waiting>,
    events: usize,
    events_max: usize,
    longest: Duration,
}

#[derive(Debug)]
struct Waiting {
    /// That of the first, which ends the wait of all.
    deadline: Instant,
    events: VecDeque<Event>,
}

impl Hold {
    /// Holds at most `events_max` events over all containers, none longer than `longest`.
    pub(crate) fn new(events_max: usize, longest: Duration) -> Self {
        Self { by_container: HashMap::new(), events: 0, events_max, longest }
    }

    /// Lets an event wait for its container; gives it back when there is no room.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        container: &str,
        event: Event,
    ) -> Result<(), Box<Event>> {
        if self.events >= self.events_max {
            return Err(Box::new(event));
        }
        let deadline = now + self.longest;
        let waiting = self
            .by_container
            .entry(container.into())
            .or_insert_with(|| Waiting { deadline, events: VecDeque::new() });
        waiting.events.push_back(event);
        self.events += 1;
        Ok(())
    }

    /// Returns the events that wait for this container, oldest first.
    pub(crate) fn take(&mut self, container: &str) -> VecDeque<Event> {
        let events = self.by_container.remove(container).map(|waiting| waiting.events);
        let events = events.unwrap_or_default();
        self.events -= events.len();
        events
    }

    /// Returns a container whose events have waited long enough; with no time given, any.
    pub(crate) fn due(&self, now: Option<Instant>) -> Option<Box<str>> {
        let over = |waiting: &Waiting| now.is_none_or(|now| waiting.deadline <= now);
        self.by_container.iter().find(|(_, waiting)| over(waiting)).map(|(id, _)| id.clone())
    }

    /// Returns when the next wait ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.by_container.values().map(|waiting| waiting.deadline).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.events
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alert::{Detail, EventKind, ProcessKey};

    use super::{super::processes::unknown, *};

    fn event(number: u64) -> Event {
        Event {
            number,
            time_ns: 0,
            kind: EventKind::ProcExit,
            result: 0,
            tid: 1,
            vtid: None,
            cpu: None,
            via_io_uring: false,
            process: Arc::new(unknown(ProcessKey { pid: 1, start_boot_ns: 1 }, 0)),
            detail: Detail::Exit { status: 0 },
        }
    }

    #[test]
    fn events_of_one_container_leave_in_order_and_those_of_others_stay() {
        let mut hold = Hold::new(10, Duration::from_millis(500));
        let now = Instant::now();
        for number in 1..=4 {
            hold.push(now, if number == 3 { "b" } else { "a" }, event(number)).unwrap();
        }
        let numbers: Vec<_> = hold.take("a").iter().map(|event| event.number).collect();
        assert_eq!(numbers, [1, 2, 4]);
        assert_eq!(hold.len(), 1);
        assert!(hold.take("a").is_empty());
    }

    #[test]
    fn the_first_event_s_wait_is_the_longest() {
        let mut hold = Hold::new(10, Duration::from_millis(500));
        let now = Instant::now();
        assert_eq!(hold.deadline(), None);
        hold.push(now, "a", event(1)).unwrap();
        hold.push(now + Duration::from_millis(400), "a", event(2)).unwrap();
        assert_eq!(hold.due(Some(now + Duration::from_millis(499))), None);
        assert_eq!(hold.due(Some(now + Duration::from_millis(500))).as_deref(), Some("a"));
        assert_eq!(hold.deadline(), Some(now + Duration::from_millis(500)));
        assert!(hold.due(None).is_some());
    }

    #[test]
    fn a_full_hold_gives_the_event_back() {
        let mut hold = Hold::new(1, Duration::from_millis(500));
        let now = Instant::now();
        hold.push(now, "a", event(1)).unwrap();
        assert_eq!(hold.push(now, "b", event(2)).unwrap_err().number, 2);
        assert_eq!(hold.len(), 1);
    }
}
