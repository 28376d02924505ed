//! Stops sending to a destination that does not take anything, and finds out when it does again.

use std::time::Duration;

use rand::rngs::SmallRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::retry::Retry;

/// Refusals in a row after which an output is disabled.
const DENIALS_MAX: u32 = 3;

/// What the breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// One notification, to see.
    Trying,
    /// Nothing for a while.
    Open,
    /// Nothing for long: it was refused again and again, and only a person can help.
    Disabled,
}

/// One output's breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures_max: u32,
    /// In a row.
    failures: u32,
    /// Times our credentials were refused without a success between.
    denials: u32,
    /// Times it opened without a success between.
    opened: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// An attempt is under way.
    Trying,
}

/// Whether an attempt may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    Now,
    At(Instant),
    /// After the attempt that is under way.
    Later,
}

impl Breaker {
    pub(crate) fn new(failures_max: u32) -> Self {
        Self {
            failures_max: failures_max.max(1),
            failures: 0,
            denials: 0,
            opened: 0,
            state: State::Closed,
        }
    }

    pub(crate) fn permit(&self, now: Instant) -> Permit {
        match self.state {
            State::Closed => Permit::Now,
            State::Open { until } if until <= now => Permit::Now,
            State::Open { until } => Permit::At(until),
            State::Trying => Permit::Later,
        }
    }

    /// Notes that a permitted attempt starts.
    pub(crate) fn start(&mut self) {
        if matches!(self.state, State::Open { .. }) {
            self.state = State::Trying;
        }
    }

    /// Notes an answer of a destination that works: it took a notification, or had a reason
    /// against that one. Returns whether this closed the breaker.
    pub(crate) fn success(&mut self) -> bool {
        self.failures = 0;
        // A late success of an attempt from before it opened says nothing about now, save for a
        // probe, which is the only one under way.
        if matches!(self.state, State::Trying) {
            (self.opened, self.denials) = (0, 0);
            self.state = State::Closed;
            return true;
        }
        false
    }

    /// Notes a failure. Returns for how long the breaker opened, if it did now.
    pub(crate) fn failure(
        &mut self,
        now: Instant,
        retry: &Retry,
        asked: Option<Duration>,
        chance: &mut SmallRng,
    ) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        match (self.state, asked) {
            (_, Some(asked)) => Some(self.open(now, asked)),
            (State::Trying, None) => {
                self.opened = self.opened.saturating_add(1);
                Some(self.open(now, retry.pause(self.opened, chance)))
            }
            (State::Closed, None) if self.failures >= self.failures_max => {
                self.opened = 1;
                Some(self.open(now, retry.pause(self.opened, chance)))
            }
            _ => None,
        }
    }

    /// Notes that the destination wants no more, which it need not say again to be believed.
    pub(crate) fn gone(&mut self, now: Instant, retry: &Retry) -> Duration {
        self.denials = DENIALS_MAX - 1;
        // Whatever the state was, this refusal counts.
        self.state = State::Trying;
        self.denied(now, retry)
    }

    /// Notes that our credentials were refused: only a person can help, so it asks rarely, and hardly
    /// ever once it was refused again and again.
    pub(crate) fn denied(&mut self, now: Instant, retry: &Retry) -> Duration {
        self.failures = self.failures.saturating_add(1);
        // Those that were under way when it opened are one refusal.
        if !matches!(self.state, State::Open { .. }) {
            self.denials = self.denials.saturating_add(1);
        }
        let pause =
            if self.denials >= DENIALS_MAX { retry.retry_after_max } else { retry.delay_max };
        self.open(now, pause.0)
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } if self.denials >= DENIALS_MAX => BreakerState::Disabled,
            State::Open { .. } => BreakerState::Open,
            State::Trying => BreakerState::Trying,
        }
    }

    /// Returns when an open breaker lets the next attempt through.
    pub(crate) fn next_attempt(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::Trying => None,
        }
    }

    fn open(&mut self, now: Instant, pause: Duration) -> Duration {
        let until = now + pause;
        self.state = match self.state {
            State::Open { until: later } if later > until => self.state,
            _ => State::Open { until },
        };
        pause
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn it_opens_after_failures_and_closes_after_a_probe() {
        let retry = Retry::default();
        let chance = &mut SmallRng::seed_from_u64(1);
        let now = Instant::now();
        let mut breaker = Breaker::new(3);
        assert_eq!(breaker.failure(now, &retry, None, chance), None);
        assert_eq!(breaker.failure(now, &retry, None, chance), None);
        let pause = breaker.failure(now, &retry, None, chance).unwrap();
        assert!(pause >= retry.delay_min.0 / 2);
        assert_eq!(breaker.permit(now), Permit::At(now + pause));

        let later = now + pause;
        assert_eq!(breaker.permit(later), Permit::Now);
        breaker.start();
        assert_eq!(breaker.permit(later), Permit::Later, "one at a time");
        assert!(
            breaker.failure(later, &retry, None, chance).is_some(),
            "a failed probe opens it again"
        );
        assert_eq!(breaker.state(), BreakerState::Open);

        breaker.start();
        assert!(breaker.success());
        assert_eq!(breaker.permit(later), Permit::Now);
        assert_eq!(breaker.failure(later, &retry, None, chance), None, "failures count anew");
    }

    #[test]
    fn a_destination_that_is_gone_disables_its_output_at_once() {
        let retry = Retry::default();
        let now = Instant::now();
        for refused_before in [0, 1, 9] {
            let mut breaker = Breaker::new(5);
            for _ in 0..refused_before {
                breaker.denied(now, &retry);
            }
            assert_eq!(breaker.gone(now, &retry), retry.retry_after_max.0);
            assert_eq!(breaker.state(), BreakerState::Disabled);
            assert_eq!(breaker.permit(now), Permit::At(now + retry.retry_after_max.0));
            breaker.start();
            assert!(breaker.success(), "a person helped");
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }

    #[test]
    fn an_output_that_is_refused_again_and_again_is_disabled_until_it_is_taken() {
        let retry = Retry::default();
        let mut now = Instant::now();
        let mut breaker = Breaker::new(5);
        assert_eq!(breaker.denied(now, &retry), retry.delay_max.0);
        breaker.denied(now, &retry);
        breaker.denied(now, &retry);
        assert_eq!(breaker.state(), BreakerState::Open, "under way at once, they are one");
        now += retry.delay_max.0;
        breaker.start();
        assert_eq!(breaker.denied(now, &retry), retry.delay_max.0);
        now += retry.delay_max.0;
        breaker.start();
        assert_eq!(breaker.denied(now, &retry), retry.retry_after_max.0);
        assert_eq!(breaker.state(), BreakerState::Disabled);
        assert_eq!(breaker.permit(now), Permit::At(now + retry.retry_after_max.0));
        breaker.start();
        assert!(breaker.success());
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.denied(now, &retry), retry.delay_max.0, "refusals count anew");
    }

    #[test]
    fn a_destination_that_asks_for_time_gets_it() {
        let retry = Retry::default();
        let chance = &mut SmallRng::seed_from_u64(1);
        let now = Instant::now();
        let mut breaker = Breaker::new(5);
        let asked = Duration::from_secs(7);
        assert_eq!(breaker.failure(now, &retry, Some(asked), chance), Some(asked));
        assert_eq!(breaker.permit(now), Permit::At(now + asked));
        assert!(!breaker.success(), "an attempt from before changes nothing");
        assert_eq!(breaker.permit(now), Permit::At(now + asked));
    }
}
