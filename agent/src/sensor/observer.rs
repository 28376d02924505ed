//! Who takes a sensor's events.

use alert::Event;

/// Takes events, one at a time, oldest first.
pub trait Observer {
    /// Takes an event.
    fn event(&mut self, event: Event) -> Outcome;

    /// Returns by what it judges events, or `None` if it must have every one of them. Asked once for
    /// many events, after all of them have happened.
    fn standard(&mut self) -> Option<Standard>;

    /// Takes note of events it did not get, for each was like one that came to nothing.
    fn passed_over(&mut self, events: u64);
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing; and nothing will come of any event like it by the same standard: one of the same
    /// process as it is, that differs in [momentary](alert::Field::is_momentary) fields alone.
    Settled,
    /// Something, or something may come of the next one like it.
    Open,
}

/// Names that by which an observer judges: another standard, another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Of the rules.
    pub rules: u64,
    /// Of what the observer itself remembers of events.
    pub memory: u64,
}

/// Takes every event.
pub(super) struct Each<'a>(pub(super) &'a mut dyn FnMut(Event));

impl Observer for Each<'_> {
    fn event(&mut self, event: Event) -> Outcome {
        (self.0)(event);
        Outcome::Open
    }

    fn standard(&mut self) -> Option<Standard> {
        None
    }

    fn passed_over(&mut self, _: u64) {}
}
