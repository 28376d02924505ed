//! Notices that the wall clock was set.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::machine::Machine;

/// A jump is told of for this long.
const TOLD_FOR: Duration = Duration::from_secs(600);

/// The wall clock beside one that never goes back.
#[derive(Debug)]
pub(super) struct Clock {
    wall: Timestamp,
    instant: Instant,
    jumped: Option<(Instant, SignedDuration)>,
}

impl Clock {
    pub(super) fn new(machine: &dyn Machine) -> Self {
        Self { wall: machine.now(), instant: machine.instant(), jumped: None }
    }

    /// Returns by how much the wall clock was set lately, if that was at least `least` at once.
    pub(super) fn jump(
        &mut self,
        wall: Timestamp,
        instant: Instant,
        least: Duration,
    ) -> Option<SignedDuration> {
        let passed = SignedDuration::try_from(instant - self.instant).unwrap_or_default();
        let step = wall.duration_since(self.wall).saturating_sub(passed);
        (self.wall, self.instant) = (wall, instant);
        if step.unsigned_abs() >= least {
            self.jumped = Some((instant, step));
        }
        self.jumped = self.jumped.filter(|(at, _)| instant - *at < TOLD_FOR);
        self.jumped.map(|(_, step)| step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_is_told_for_a_while_and_drift_is_not() {
        let (wall, instant) = (Timestamp::from_second(1_700_000_000).unwrap(), Instant::now());
        let mut clock = Clock { wall, instant, jumped: None };
        let mut jump = |wall_seconds, seconds| {
            let wall = wall + SignedDuration::from_secs(wall_seconds);
            let found =
                clock.jump(wall, instant + Duration::from_secs(seconds), Duration::from_secs(60));
            found.map(|step| step.as_secs())
        };
        assert_eq!(jump(10, 10), None);
        assert_eq!(jump(50, 20), None, "half a minute is less than asked for");
        assert_eq!(jump(3660, 30), Some(3600));
        assert_eq!(jump(3670, 40), Some(3600));
        assert_eq!(jump(70, 50), Some(-3610), "back again");
        assert_eq!(jump(700, 680), None);
    }
}
