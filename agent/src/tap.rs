//! Hands chosen events to one who may have them, while the agent goes on: `saker events` and
//! `saker record`.
//!
//! They are asked for over a local socket that only root and the agent's own user can open, or over
//! mutual TLS by those the configuration names, because events hold arguments and environments. A few
//! may ask at a time. Events by condition come from a sensor of their own, which is there as long as
//! somebody asks: rules neither wait for it nor lose anything to it, and no filter made for rules
//! stands before it. What the other end is too slow for is counted and left out.

mod limit;
mod moments;
mod protocol;
mod serve;
mod server;
mod socket;
mod stream;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alert::{Alert, Event, EventKind};
use rules::{Matcher, RuleSet};
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        mpsc::{Receiver, Sender, channel, error::TrySendError},
    },
    time::{Instant, timeout_at},
};

pub use protocol::{Answer, Choice, End, Form, Moment, Refusal, Request, Surroundings};
pub(crate) use server::routes;
pub use socket::{Socket, SocketError, default_path};

use self::{limit::RateLimit, moments::Moments};
use crate::sensor::SensorStatus;

/// Who may ask at a time: each has a sensor of its own.
pub(crate) const TAPS_MAX: usize = 4;
/// Events on their way to who asked for them.
const WAITING_MAX: usize = 4096;
/// Time for a tap's own sensor to report what happened before the end.
const REST_MAX: Duration = Duration::from_secs(2);

/// Who chooses the events.
#[derive(Debug)]
enum Chooser {
    Condition(Box<Matcher>),
    /// Those that raise an alert of a rule of this name, in which `*` stands for any text.
    Rule(String),
}

/// What is handed on of an event, and where to.
#[derive(Debug)]
enum Way {
    Whole(Sender<Event>),
    Moment(Moments),
}

/// Looks at every event and hands on those that were asked for. Ends by itself.
#[derive(Debug)]
pub(crate) struct Tap {
    chooser: Chooser,
    way: Way,
    left: u64,
    rate: Option<RateLimit>,
    counts: Arc<TapCounts>,
}

/// What a tap saw, readable from any thread.
#[derive(Debug, Default)]
pub(crate) struct TapCounts {
    /// Events that were asked for.
    pub(crate) seen: AtomicU64,
    /// Of them, those the other end was too slow for.
    pub(crate) dropped: AtomicU64,
    /// Of them, those above the rate that was asked for.
    pub(crate) limited: AtomicU64,
    /// Nobody listens any more.
    closed: Arc<AtomicBool>,
}

/// What a choice of events needs.
struct Chosen {
    chooser: Chooser,
    kinds: Vec<EventKind>,
    environment: bool,
}

/// The other end of a tap.
#[derive(Debug)]
pub(crate) struct Tapped {
    pub(crate) events: Receiver<Event>,
    /// What recordings are made around of, if they are.
    pub(crate) moments: Option<Receiver<Moment>>,
    pub(crate) counts: Arc<TapCounts>,
    /// Kinds of event the choice can be about.
    pub(crate) kinds: Vec<EventKind>,
    /// Whether the choice, or what is done with the events, wants the environment of programs.
    pub(crate) environment: bool,
    /// One place of [`TAPS_MAX`].
    pub(crate) place: Option<OwnedSemaphorePermit>,
    /// Of the tap's own sensor.
    pub(crate) sensor: Option<Arc<SensorStatus>>,
    /// Until when the rest is waited for, once the end was asked for.
    rest_until: Option<Instant>,
}

impl Tapped {
    /// Returns what is set once nobody listens any more.
    pub(crate) fn closed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.counts.closed)
    }

    /// Ends the tap, and takes what happened before the end and is still on its way, a batch at a call.
    /// Returns how many these were; none are the last.
    pub(crate) async fn rest(&mut self, batch: &mut Vec<Event>, events_max: usize) -> usize {
        let until = *self.rest_until.get_or_insert_with(|| {
            self.counts.closed.store(true, Ordering::Relaxed);
            if self.sensor.is_none() {
                // Others go on needing the sensor, so that it reports no end.
                self.events.close();
            }
            Instant::now() + REST_MAX
        });
        timeout_at(until, self.events.recv_many(batch, events_max)).await.unwrap_or(0)
    }

    /// Returns how many events were asked for, came too fast, and were above the rate so far.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let TapCounts { seen, dropped, limited, .. } = &*self.counts;
        let [seen, dropped, limited] =
            [seen, dropped, limited].map(|count| count.load(Ordering::Relaxed));
        let (mut lost, mut too_many) = (0, 0);
        for (kind, counters) in self.sensor.iter().flat_map(|sensor| sensor.counters()) {
            if self.kinds.contains(&kind) {
                (lost, too_many) = (lost + counters.lost, too_many + counters.limited);
            }
        }
        (seen, dropped + lost, limited + too_many)
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.counts.closed.store(true, Ordering::Relaxed);
    }
}

/// Makes both ends of a tap; a wrong condition is the error.
pub(crate) fn tap(request: &Request, rules: &RuleSet) -> Result<(Tap, Tapped), String> {
    let Chosen { chooser, kinds, environment } = chosen(&request.choice, rules)?;
    let (events, receiver) = channel(WAITING_MAX);
    let counts = Arc::new(TapCounts::default());
    let rate = request.rate_max.map(RateLimit::new);
    let (way, left) = (Way::Whole(events), request.events_max);
    let tap = Tap { chooser, way, left, rate, counts: Arc::clone(&counts) };
    let environment = environment || request.form == Form::Recording;
    let tapped = Tapped {
        events: receiver,
        moments: None,
        counts,
        kinds,
        environment,
        place: None,
        sensor: None,
        rest_until: None,
    };
    Ok((tap, tapped))
}

/// Makes what tells `tapped` of moments, for recordings of what is around them.
pub(crate) fn notice(
    around: &Surroundings,
    rules: &RuleSet,
    tapped: &mut Tapped,
) -> Result<Tap, String> {
    let Chosen { chooser, kinds, environment } = chosen(&around.of, rules)?;
    if matches!(chooser, Chooser::Condition(_)) {
        // One sensor sees both what is kept and what it is kept for.
        let missing: Vec<_> =
            kinds.into_iter().filter(|kind| !tapped.kinds.contains(kind)).collect();
        tapped.kinds.extend(missing);
        tapped.environment |= environment;
    }
    let (moments, receiver) = Moments::new(around.seconds);
    tapped.moments = Some(receiver);
    let counts = TapCounts { closed: tapped.closed(), ..TapCounts::default() };
    Ok(Tap {
        chooser,
        way: Way::Moment(moments),
        left: u64::MAX,
        rate: None,
        counts: Arc::new(counts),
    })
}

fn chosen(choice: &Choice, rules: &RuleSet) -> Result<Chosen, String> {
    match choice {
        Choice::Condition(text) => {
            let set = RuleSet::of_condition(text).map_err(|fault| fault.to_string())?;
            let needed = set.requirements();
            let chooser = Chooser::Condition(Box::new(set.matcher()));
            let kinds = needed.kinds.into_iter().collect();
            Ok(Chosen { chooser, kinds, environment: needed.environment })
        }
        Choice::Rule(pattern) => {
            let named = |rule: &&rules::Rule| rules::wildcard(pattern, &rule.name);
            let kinds: Vec<BTreeSet<EventKind>> = rules
                .rules()
                .iter()
                .filter(named)
                .map(|rule| rules.kinds(rule).into_iter().collect())
                .collect();
            if kinds.is_empty() {
                return Err(format!("no rule in force is called `{pattern}`"));
            }
            let kinds = kinds.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect();
            Ok(Chosen { chooser: Chooser::Rule(pattern.clone()), kinds, environment: false })
        }
    }
}

impl Tap {
    /// Returns whether it can only choose what rules see.
    pub(crate) const fn is_of_rules(&self) -> bool {
        matches!(self.chooser, Chooser::Rule(_))
    }

    /// Looks at an event before the rules do. Returns whether it goes on looking.
    pub(crate) fn event(&mut self, event: &Event) -> bool {
        self.last(event) && !self.counts.closed.load(Ordering::Relaxed)
    }

    /// Looks at an event as [`event`](Self::event) does, also after the end: it happened before.
    pub(crate) fn last(&mut self, event: &Event) -> bool {
        let Chooser::Condition(matcher) = &mut self.chooser else { return true };
        let mut chosen = false;
        matcher.matches(event, &mut |_| chosen = true);
        !chosen || self.hand_on(event, None)
    }

    /// Looks at an alert an event raised. Returns whether it goes on looking.
    pub(crate) fn alert(&mut self, alert: &Alert, event: &Event) -> bool {
        match &self.chooser {
            Chooser::Rule(pattern) if rules::wildcard(pattern, &alert.rule) => {
                self.hand_on(event, Some(alert))
            }
            _ => true,
        }
    }

    fn hand_on(&mut self, event: &Event, alert: Option<&Alert>) -> bool {
        self.counts.seen.fetch_add(1, Ordering::Relaxed);
        if self.rate.as_mut().is_some_and(|rate| !rate.takes()) {
            self.counts.limited.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let handed = match &mut self.way {
            Way::Whole(events) => events.try_reserve().map(|place| place.send(event.clone())),
            Way::Moment(moments) => moments.tell(event, alert),
        };
        match handed {
            Ok(()) => {
                self.left = self.left.saturating_sub(1);
                self.left > 0
            }
            Err(TrySendError::Full(())) => {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Closed(())) => false,
        }
    }
}

#[cfg(test)]
mod tests;
