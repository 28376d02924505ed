//! When to try again, and when to give up.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

/// How often and for how long a notification is tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Upper bound of the wait after the first failure; it doubles with every further one.
    pub delay_min: HumanDuration,
    /// Upper bound of any wait.
    pub delay_max: HumanDuration,
    /// A notification that still fails this long after its first attempt becomes a dead letter.
    pub give_up_after: HumanDuration,
    /// Failures in a row after which nothing is sent for a while, and then one notification to see.
    pub failures_max: u32,
    /// Longest wait a destination may ask for.
    pub retry_after_max: HumanDuration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            delay_min: HumanDuration(Duration::from_secs(1)),
            delay_max: HumanDuration(Duration::from_secs(5 * 60)),
            give_up_after: HumanDuration(Duration::from_secs(24 * 3600)),
            failures_max: 5,
            retry_after_max: HumanDuration(Duration::from_secs(3600)),
        }
    }
}

impl Retry {
    /// Returns a wait after this many failures, at random below a bound that grows with them, so
    /// that many who failed together do not come back together.
    pub(crate) fn delay(&self, failures: u32, chance: &mut SmallRng) -> Duration {
        let bound = self.delay_bound(failures);
        chance.random_range(Duration::ZERO..=bound)
    }

    /// Returns a wait of at least half its bound: for a breaker, of which there is only one.
    pub(crate) fn pause(&self, failures: u32, chance: &mut SmallRng) -> Duration {
        let bound = self.delay_bound(failures);
        chance.random_range(bound / 2..=bound)
    }

    /// Returns the wait a destination asked for, within bounds.
    pub(crate) fn after(&self, asked: Duration) -> Duration {
        asked.min(self.retry_after_max.0)
    }

    fn delay_bound(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.delay_min.0.saturating_mul(factor).min(self.delay_max.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn waits_grow_to_their_bound() {
        let retry = Retry::default();
        let bounds: Vec<_> = [1, 2, 3, 9, 10, 40].map(|n| retry.delay_bound(n).as_secs()).into();
        assert_eq!(bounds, [1, 2, 4, 256, 300, 300]);
        let mut chance = SmallRng::seed_from_u64(1);
        for failures in 0..100 {
            assert!(retry.delay(failures, &mut chance) <= retry.delay_max.0);
            assert!(retry.pause(failures, &mut chance) >= retry.delay_bound(failures) / 2);
        }
        assert_eq!(retry.after(Duration::from_secs(90_000)), retry.retry_after_max.0);
    }
}
