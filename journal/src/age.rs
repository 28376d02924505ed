//! Retention by age. Age is looked at when a segment is made, and then at most two segments go: a
//! clock that is set a year ahead does not cost all there is at once, and who mends it loses little.

use std::time::Duration;

use crate::{log::Log, segment::Segment};

/// Segments that go when one is made. More than one, so that what is too old gets less.
const DELETED_MAX: usize = 2;
/// A segment is ended at this part of the age, so that its records can go about in time.
const PARTS: u32 = 8;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns whether a segment holds something so old that another one is to be begun.
pub(crate) fn is_due(segment: &Segment, age_max: Option<Duration>, time_ms: u64) -> bool {
    let Some(age_max) = age_max else { return false };
    let part_ms = millis(age_max / PARTS);
    segment.times_ms().is_some_and(|(earliest, _)| time_ms.saturating_sub(earliest) > part_ms)
}

impl Log {
    /// Deletes the oldest segments if nobody needs them and all in them is older than `age_max`, a
    /// few at a time. Those of version 1 tell no times, so they go by size only.
    pub(crate) fn delete_aged(&self, time_ms: u64) {
        let Some(age_max) = self.options.age_max else { return };
        let oldest_ms = time_ms.saturating_sub(millis(age_max));
        let mut deleted = 0;
        self.delete_while(|state| {
            let times_ms = state.segments.front().and_then(|oldest| oldest.times_ms());
            let is_old = times_ms.is_some_and(|(_, latest)| latest < oldest_ms);
            deleted += usize::from(is_old);
            is_old && deleted <= DELETED_MAX
        });
    }
}
