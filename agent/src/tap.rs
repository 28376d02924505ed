//! Hands chosen events to one who may have them, while the agent goes on: `saker record`.
//!
//! It is asked for over a local socket that only root and the agent's own user can open, because
//! events hold arguments and environments. One asks at a time. On the path of events it costs what
//! one more rule costs; what the other end is too slow for is counted and left out.

mod protocol;
mod server;
mod socket;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use alert::{Event, EventKind};
use rules::{Diagnostic, Matcher, RuleSet, Source};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

pub use protocol::{Answer, Choice, End, Refusal, Request};
pub use socket::{Socket, SocketError, default_path};

/// Events on their way to who asked for them.
const WAITING_MAX: usize = 256;

/// Who chooses the events.
#[derive(Debug)]
enum Chooser {
    Condition(Box<Matcher>),
    /// Those that raise an alert of this rule.
    Rule(String),
}

/// Looks at every event and hands on those that were asked for. Ends by itself.
#[derive(Debug)]
pub(crate) struct Tap {
    chooser: Chooser,
    events: Sender<Event>,
    left: u32,
    counts: Arc<TapCounts>,
}

/// What a tap saw, readable from any thread.
#[derive(Debug, Default)]
pub(crate) struct TapCounts {
    pub(crate) seen: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Nobody listens any more.
    closed: AtomicBool,
}

/// The other end of a tap.
#[derive(Debug)]
pub(crate) struct Tapped {
    pub(crate) events: Receiver<Event>,
    pub(crate) counts: Arc<TapCounts>,
    /// Kinds of event the choice can be about.
    pub(crate) kinds: Vec<EventKind>,
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.counts.closed.store(true, Ordering::Relaxed);
    }
}

/// Makes both ends of a tap for up to `events_max` events; a wrong condition is the error.
pub(crate) fn tap(
    choice: &Choice,
    events_max: u32,
    rules: &RuleSet,
) -> Result<(Tap, Tapped), String> {
    let (chooser, kinds) = match choice {
        Choice::Condition(text) => {
            let set = compile(text).map_err(|faults| printed(&faults))?;
            let kinds = set.requirements().kinds;
            (Chooser::Condition(Box::new(set.matcher())), kinds)
        }
        Choice::Rule(name) => {
            let Some(rule) = rules.rules().iter().find(|rule| rule.name == *name) else {
                return Err(format!("no rule in force is called `{name}`"));
            };
            (Chooser::Rule(name.clone()), rules.kinds(rule))
        }
    };
    let (events, receiver) = channel(WAITING_MAX);
    let counts = Arc::new(TapCounts::default());
    let tap = Tap { chooser, events, left: events_max, counts: Arc::clone(&counts) };
    Ok((tap, Tapped { events: receiver, counts, kinds }))
}

/// Compiles a condition as that of the only rule of a set.
fn compile(condition: &str) -> Result<Arc<RuleSet>, Vec<Diagnostic>> {
    // A block scalar with a stated indent holds any text as it is.
    let condition = condition.trim().replace(['\n', '\r'], " ");
    let text = format!(
        "- rule: condition\n  condition: |4\n      {condition}\n  desc: what to record\n  \
         output: recorded\n  priority: DEBUG\n  warn_evttypes: false\n"
    );
    RuleSet::load(&[Source { name: "condition".to_owned(), text }]).map(|loaded| loaded.rules)
}

fn printed(faults: &[Diagnostic]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Tap {
    /// Looks at an event before the rules do. Returns whether it goes on looking.
    pub(crate) fn event(&mut self, event: &Event) -> bool {
        if let Chooser::Condition(matcher) = &mut self.chooser {
            let mut chosen = false;
            matcher.matches(event, &mut |_| chosen = true);
            if chosen {
                return self.hand_on(event);
            }
        }
        !self.counts.closed.load(Ordering::Relaxed)
    }

    /// Looks at an alert an event raised. Returns whether it goes on looking.
    pub(crate) fn alert(&mut self, rule: &str, event: &Event) -> bool {
        match &self.chooser {
            Chooser::Rule(name) if name == rule => self.hand_on(event),
            _ => true,
        }
    }

    fn hand_on(&mut self, event: &Event) -> bool {
        self.counts.seen.fetch_add(1, Ordering::Relaxed);
        match self.events.try_reserve() {
            Ok(place) => {
                place.send(event.clone());
                self.left -= 1;
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
