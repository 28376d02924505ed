//! The pipeline's time: it never goes back, and a wrong clock does no lasting harm.
//!
//! Every wait is measured in the pipeline's time. It follows the wall clock forwards, however far:
//! after an absence all that was due is due at once. When the wall clock is set back, the pipeline's
//! time goes on from where it was, ahead of the clock by what it was set back; silences and all
//! times shown follow the wall clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Records of one clock arrive out of order by less than this; a larger step back means that the
/// clock was set. A smaller one delays timers by as much.
const REORDER_MAX: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    now: Timestamp,
    /// How far the pipeline's time is ahead of the wall clock.
    ahead: SignedDuration,
}

impl Clock {
    /// Returns the pipeline's time.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes in a record's time, as the wall clock showed it.
    pub(super) fn advance(&mut self, reading: Timestamp) {
        let time = self.at_wall(reading);
        if time >= self.now {
            self.now = time;
        } else if self.now.duration_since(time) > REORDER_MAX {
            self.ahead = self.now.duration_since(reading);
        }
    }

    /// Returns what the wall clock shows at this moment of the pipeline's time.
    pub(super) fn wall(&self, time: Timestamp) -> Timestamp {
        time.checked_sub(self.ahead).unwrap_or(time)
    }

    /// Returns the pipeline's time when the wall clock shows this.
    pub(super) fn at_wall(&self, reading: Timestamp) -> Timestamp {
        reading.checked_add(self.ahead).unwrap_or(Timestamp::MAX)
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

    /// Applies readings, in seconds after some moment, and prints the pipeline's time and what the
    /// wall clock shows after each.
    fn check(readings: &[i64], expected: Expect) {
        let start = 1_700_000_000;
        let mut clock = Clock::default();
        let mut shown = Vec::new();
        for reading in readings {
            clock.advance(Timestamp::from_second(start + reading).unwrap());
            let [now, wall] =
                [clock.now(), clock.wall(clock.now())].map(|at| at.as_second() - start);
            shown.push(format!("{now}/{wall}"));
        }
        expected.assert_eq(&shown.join(" "));
    }

    #[test]
    fn time_follows_a_good_clock_and_ignores_reordering() {
        check(&[0, 1, 3, 2, 4], expect!["0/0 1/1 3/3 3/3 4/4"]);
    }

    #[test]
    fn an_absence_is_made_up_for_at_once() {
        check(&[0, 1_000_000, 1_000_001], expect!["0/0 1000000/1000000 1000001/1000001"]);
    }

    #[test]
    fn time_goes_on_when_the_clock_is_set_back() {
        check(&[0, 100, 0, 20, 200], expect!["0/0 100/100 100/0 120/20 300/200"]);
    }

    #[test]
    fn a_wrong_reading_ahead_is_got_over() {
        check(&[0, 1_000_000, 2, 3], expect!["0/0 1000000/1000000 1000000/2 1000001/3"]);
    }

    #[test]
    fn the_end_of_time_is_no_end() {
        let mut clock = Clock::default();
        for reading in [Timestamp::MAX, Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            clock.advance(reading);
            clock.wall(Timestamp::MIN);
            clock.at_wall(Timestamp::MAX);
            after(whole_second(clock.now()), Duration::MAX);
        }
    }
}
