//! Deletion by age, so slow that a clock which is set ahead does not cost all there is.

use std::time::Duration;

use jiff::{Span, civil::Date};
use tokio::time::Instant;

/// At most one part goes in this time.
const INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Aging {
    days_max: u16,
    /// When one last went.
    went: Option<Instant>,
}

impl Aging {
    pub(super) fn new(days_max: u16) -> Self {
        Self { days_max, went: None }
    }

    /// Returns whether a part that ended on this day goes now, which it then must.
    pub(super) fn takes(&mut self, now: Instant, today: Date, end: Date) -> bool {
        let oldest = today.saturating_sub(Span::new().days(i64::from(self.days_max)));
        let rested = self.went.is_none_or(|went| now - went >= INTERVAL);
        let takes = end < oldest && rested;
        if takes {
            self.went = Some(now);
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_goes_one_an_hour_whatever_the_clock_says() {
        let (mut aging, start) = (Aging::new(30), Instant::now());
        let day = |day| Date::constant(2026, 11, day);
        let in_a_year = Date::constant(2027, 11, 20);
        assert!(!aging.takes(start, day(20), day(1)), "it is not too old");
        assert!(aging.takes(start, in_a_year, day(1)));
        for minutes in [0, 1, 59] {
            let now = start + Duration::from_secs(60 * minutes);
            assert!(!aging.takes(now, in_a_year, day(2)), "{minutes}");
        }
        let later = start + INTERVAL;
        assert!(!aging.takes(later, day(20), day(2)), "the clock was set right");
        assert!(aging.takes(later, in_a_year, day(2)));
    }
}
