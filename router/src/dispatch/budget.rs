//! How many attempts an output may make in a time: a bucket of tokens that fills steadily.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Attempts a destination takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Attempts per second in the long run; may be a fraction.
    pub per_second: f64,
    /// Attempts at once after a rest.
    #[serde(default = "one")]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

/// What is missing of a token may be less than a clock shows: whoever waits that long waits in vain.
const WAIT_MIN: Duration = Duration::from_micros(1);
/// Then it is looked at again; far below what an instant can be.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The tokens left.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Budget {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: f64::from(rate.burst), filled: now }
    }

    /// Returns when there will be a token, if there is none now.
    pub(crate) fn ready(&mut self, now: Instant) -> Result<(), Instant> {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        let most = f64::from(self.rate.burst.max(1));
        self.tokens = (self.tokens + elapsed * self.rate.per_second).min(most);
        self.filled = now;
        if self.tokens >= 1.0 {
            return Ok(());
        }
        let wait = (1.0 - self.tokens) / self.rate.per_second;
        let wait = Duration::try_from_secs_f64(wait).unwrap_or(WAIT_MAX);
        Err(now + wait.clamp(WAIT_MIN, WAIT_MAX))
    }

    /// Takes the token that was ready.
    pub(crate) fn take(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_the_steady_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate { per_second: 2.0, burst: 3 }, start);
        let mut take = |now| budget.ready(now).map(|()| budget.take());
        for _ in 0..3 {
            assert_eq!(take(start), Ok(()));
        }
        let next = take(start).unwrap_err();
        assert_eq!(next - start, Duration::from_millis(500));
        assert_eq!(take(next), Ok(()));
        assert!(take(next).is_err());
        assert_eq!(take(start + Duration::from_secs(3600)), Ok(()));
    }

    #[test]
    fn whoever_waits_as_told_gets_a_token_in_the_end() {
        let mut now = Instant::now();
        for per_second in [0.1, 0.3, 0.7, 3.0, 7.0, 1e-9] {
            let mut budget = Budget::new(Rate { per_second, burst: 1 }, now);
            for _ in 0..50 {
                budget.ready(now).map(|()| budget.take()).ok();
                if let Err(next) = budget.ready(now) {
                    assert!(next > now, "{per_second} a second: told to wait for nothing");
                    now = next;
                }
            }
        }
    }
}
