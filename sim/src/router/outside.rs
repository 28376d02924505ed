//! The destinations: what they took, and what they did instead.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alert::{GroupId, NotificationId, Priority};
use async_trait::async_trait;
use outputs::{Delivery, DeliveryError, Output, Receipt};

use super::machine::SimMachine;
use crate::chance::Chance;

/// How a destination behaves for a while, in cases out of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) hang: u64,
    pub(super) slow: u64,
    pub(super) reset: u64,
    pub(super) unavailable: u64,
    pub(super) too_many: u64,
    pub(super) rejected: u64,
    pub(super) denied: u64,
    /// It takes the notification, and the answer is lost.
    pub(super) taken_then_reset: u64,
    pub(super) taken_then_hang: u64,
}

/// What a destination did with one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Taken,
    TakenThenReset,
    TakenThenHang,
    Hang,
    Reset,
    Unavailable,
    TooMany,
    Rejected,
    Denied,
}

impl Deed {
    pub(super) fn is_taken(self) -> bool {
        matches!(self, Self::Taken | Self::TakenThenReset | Self::TakenThenHang)
    }

    /// Returns its name, for counting.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::TakenThenReset => "taken, then reset",
            Self::TakenThenHang => "taken, then hang",
            Self::Hang => "hang",
            Self::Reset => "reset",
            Self::Unavailable => "500",
            Self::TooMany => "429",
            Self::Rejected => "400",
            Self::Denied => "401",
        }
    }
}

/// One attempt at one destination.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) output: String,
    pub(super) id: NotificationId,
    pub(super) group: GroupId,
    pub(super) sequence: u32,
    pub(super) priority: Priority,
    pub(super) at: Duration,
    pub(super) deed: Deed,
}

/// What happens at the destinations, in its order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The pipeline handed a notification to the dispatcher.
    Handed {
        output: String,
        id: NotificationId,
        group: GroupId,
        number: u32,
        priority: Priority,
    },
    /// The pipeline took it back.
    Withdrawn {
        output: String,
        id: NotificationId,
    },
    Begun(Attempt),
    /// The destination took or refused it, at this moment.
    Done(Attempt),
    /// The router heard the answer.
    Answered(Attempt),
}

#[derive(Debug)]
pub(super) struct Outside {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    weather: BTreeMap<String, Weather>,
    events: Vec<Event>,
}

impl Outside {
    pub(super) fn new(chance: Chance) -> Self {
        let state = State { chance, weather: BTreeMap::new(), events: Vec::new() };
        Self { state: Mutex::new(state) }
    }

    pub(super) fn set(&self, output: &str, weather: Weather) {
        self.state().weather.insert(output.to_owned(), weather);
    }

    pub(super) fn heal(&self) {
        self.state().weather.clear();
    }

    /// Returns what happened since it was last asked.
    pub(super) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.state().events)
    }

    pub(super) fn note(&self, event: Event) {
        self.state().events.push(event);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws what the destination does, after how long, and for how long it asks to be left alone.
    fn draw(&self, output: &str) -> (Deed, Duration, Duration) {
        let mut state = self.state();
        let weather = state.weather.get(output).copied().unwrap_or_default();
        let chance = &mut state.chance;
        let shares = [
            (weather.hang, Deed::Hang),
            (weather.reset, Deed::Reset),
            (weather.unavailable, Deed::Unavailable),
            (weather.too_many, Deed::TooMany),
            (weather.rejected, Deed::Rejected),
            (weather.denied, Deed::Denied),
            (weather.taken_then_reset, Deed::TakenThenReset),
            (weather.taken_then_hang, Deed::TakenThenHang),
        ];
        let mut draw = chance.below(1000);
        let mut deed = Deed::Taken;
        for (share, of) in shares {
            if draw < share {
                deed = of;
                break;
            }
            draw -= share;
        }
        let slow = chance.per_mille(weather.slow);
        let ms = if slow { chance.within(1000..=15_000) } else { chance.within(1..=80) };
        let asked = chance.within(1..=90);
        (deed, Duration::from_millis(ms), Duration::from_secs(asked))
    }
}

/// One destination, as the router's output.
pub(super) struct Destination {
    pub(super) machine: Arc<SimMachine>,
    pub(super) outside: Arc<Outside>,
}

#[async_trait]
impl Output for Destination {
    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let notification = delivery.notification;
        let (deed, took, asked) = self.outside.draw(&notification.output);
        let attempt = Attempt {
            output: notification.output.clone(),
            id: notification.id,
            group: notification.group,
            sequence: notification.sequence,
            priority: notification.priority,
            at: self.machine.time.now(),
            deed,
        };
        self.outside.note(Event::Begun(attempt.clone()));
        self.machine.time.sleep(took).await;
        // Nothing leaves a machine that is off.
        if self.machine.disk.is_off() || deed == Deed::Hang {
            return std::future::pending().await;
        }
        let attempt = Attempt { at: self.machine.time.now(), ..attempt };
        self.outside.note(Event::Done(attempt.clone()));
        let unavailable = |reason: &str, retry_after| {
            Err(DeliveryError::Unavailable { reason: reason.to_owned(), retry_after })
        };
        let answer = match deed {
            Deed::Hang | Deed::TakenThenHang => return std::future::pending().await,
            Deed::Taken => Ok(Receipt::remote(notification.id.to_string())),
            Deed::TakenThenReset | Deed::Reset => unavailable("connection reset", None),
            Deed::Unavailable => unavailable("500", None),
            Deed::TooMany => unavailable("429", Some(asked)),
            Deed::Rejected => Err(DeliveryError::Rejected { reason: "400".to_owned() }),
            Deed::Denied => Err(DeliveryError::Denied { reason: "401".to_owned() }),
        };
        self.outside.note(Event::Answered(attempt));
        answer
    }
}
