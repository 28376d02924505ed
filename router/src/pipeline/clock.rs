//! The pipeline's time: never goes back, and one wrong clock reading cannot carry it away.
//!
//! - Forward: a record moves time at most `clock_jump_max` ahead. After a longer absence the shell
//!   finds the deadline still in the past and ticks again, until time has caught up.
//! - Back: when the wall clock was set back, time goes on at half the clock's speed until the clock
//!   has caught up, so that timers still fire and no record is older than the one before.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Records of one clock arrive out of order by less than this; a larger step back means that the
/// clock was set.
const REORDER_MAX: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    now: Timestamp,
    wall: Timestamp,
}

impl Clock {
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes in a record's time.
    pub(super) fn advance(&mut self, reading: Timestamp, jump_max: Duration) {
        if self.wall == Timestamp::UNIX_EPOCH {
            *self = Self { now: reading.max(Timestamp::UNIX_EPOCH), wall: reading };
        } else if reading > self.now {
            self.now = reading.min(after(self.now, jump_max));
            self.wall = reading;
        } else if reading > self.wall {
            let step = reading.duration_since(self.wall) / 2;
            self.now = self.now.checked_add(step).unwrap_or(self.now);
            self.wall = reading;
        } else if self.wall.duration_since(reading) > REORDER_MAX {
            self.wall = reading;
        }
    }

    /// Returns what the wall clock will show when the pipeline's time is `time`.
    pub(super) fn wall_at(&self, time: Timestamp) -> Timestamp {
        let ahead = self.now.duration_since(self.wall);
        let wait = time.duration_since(self.now);
        if ahead <= SignedDuration::ZERO || wait >= ahead {
            return time;
        }
        let wait = wait.max(SignedDuration::ZERO);
        self.wall.checked_add(wait).and_then(|half| half.checked_add(wait)).unwrap_or(time)
    }
}

/// Returns the time `duration` after `time`, or the last one there is.
pub(super) fn after(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Returns the first whole second at or after `time`: closing need not be exact, and timers that
/// coincide share a tick.
pub(super) fn whole_second(time: Timestamp) -> Timestamp {
    let late = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second() + late).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Applies readings, in seconds after some moment, and prints time after each.
    fn check(readings: &[i64], expected: Expect) {
        let start = 1_700_000_000;
        let mut clock = Clock::default();
        let mut shown = Vec::new();
        for reading in readings {
            let reading = Timestamp::from_second(start + reading).unwrap();
            clock.advance(reading, Duration::from_secs(3600));
            shown.push((clock.now().as_second() - start).to_string());
        }
        expected.assert_eq(&shown.join(" "));
    }

    #[test]
    fn time_follows_a_good_clock_and_ignores_reordering() {
        check(&[0, 1, 3, 2, 4], expect!["0 1 3 3 4"]);
    }

    #[test]
    fn a_jump_ahead_is_taken_an_hour_at_a_time() {
        check(&[0, 10_000, 10_000, 10_001], expect!["0 3600 7200 10001"]);
    }

    #[test]
    fn a_clock_set_back_makes_time_run_at_half_speed_until_it_has_caught_up() {
        check(&[0, 100, 0, 20, 100, 200, 300], expect!["0 100 100 110 150 200 300"]);
    }

    #[test]
    fn the_wall_clock_time_of_a_deadline_allows_for_the_half_speed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let clock = Clock { now: at(200), wall: at(100) };
        assert_eq!(clock.wall_at(at(210)), at(120));
        assert_eq!(clock.wall_at(at(400)), at(400));
        assert_eq!(Clock { now: at(100), wall: at(200) }.wall_at(at(150)), at(150));
    }
}
