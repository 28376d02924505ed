//! What is remembered of a segment so that reading starts near what is wanted: by record or by time.

use crate::frame::HEADER_BYTES;

/// Distance between two marks.
const MARK_BYTES: u64 = 256 << 10;

/// Where a batch begins.
#[derive(Clone, Copy, Debug)]
struct Mark {
    sequence: u64,
    offset: u64,
    /// The latest time of any batch before it; a clock that was set back does not lower it.
    before_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Index {
    /// In order, the first of the segment's beginning.
    marks: Vec<Mark>,
    times_ms: Option<(u64, u64)>,
    unpacked_bytes: u64,
}

impl Index {
    pub(crate) fn new(first: u64) -> Self {
        let begin = Mark { sequence: first, offset: HEADER_BYTES, before_ms: 0 };
        Self { marks: vec![begin], times_ms: None, unpacked_bytes: 0 }
    }

    /// Takes the next batch; a mark is made of it unless one is near.
    pub(crate) fn note(
        &mut self,
        sequence: u64,
        offset: u64,
        time_ms: Option<u64>,
        unpacked_bytes: usize,
    ) {
        if self.marks.last().is_none_or(|last| offset - last.offset >= MARK_BYTES) {
            let before_ms = self.times_ms.map_or(0, |(_, latest)| latest);
            self.marks.push(Mark { sequence, offset, before_ms });
        }
        if let Some(time_ms) = time_ms {
            let (earliest, latest) = self.times_ms.unwrap_or((time_ms, time_ms));
            self.times_ms = Some((earliest.min(time_ms), latest.max(time_ms)));
        }
        self.unpacked_bytes += unpacked_bytes as u64;
    }

    /// Returns the nearest place at or before record `sequence`: its record and its offset.
    pub(crate) fn seek(&self, sequence: u64) -> (u64, u64) {
        self.last(|mark| mark.sequence <= sequence)
    }

    /// Returns the last place before which nothing was written at this time or later.
    pub(crate) fn seek_time(&self, time_ms: u64) -> (u64, u64) {
        self.last(|mark| mark.before_ms < time_ms)
    }

    /// Returns the earliest and the latest time of a batch.
    pub(crate) fn times_ms(&self) -> Option<(u64, u64)> {
        self.times_ms
    }

    pub(crate) fn unpacked_bytes(&self) -> u64 {
        self.unpacked_bytes
    }

    /// Returns the last mark of those for which this holds, or the first of all.
    fn last(&self, holds: impl Fn(&Mark) -> bool) -> (u64, u64) {
        let after = self.marks.partition_point(holds);
        let mark = self.marks[after.saturating_sub(1)];
        (mark.sequence, mark.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_hides_nothing_that_was_written_later() {
        let mut index = Index::new(10);
        let times = [100, 200, 900, 300, 400, 1000];
        for (number, time_ms) in (0..).zip(times) {
            index.note(10 + number, HEADER_BYTES + number * MARK_BYTES, Some(time_ms), 5);
        }
        let found = |time_ms| index.seek_time(time_ms).0;
        assert_eq!([0, 100, 101, 200, 201].map(found), [10, 10, 11, 11, 12]);
        assert_eq!([300, 900, 901, 5000].map(found), [12, 12, 15, 15]);
        assert_eq!([0, 10, 12, 99].map(|sequence| index.seek(sequence).0), [10, 10, 12, 15]);
        assert_eq!((index.times_ms(), index.unpacked_bytes()), (Some((100, 1000)), 30));
    }

    #[test]
    fn marks_are_few() {
        let mut index = Index::new(0);
        for number in 0..10_000 {
            index.note(number, HEADER_BYTES + number * 1000, None, 0);
        }
        assert!(index.marks.len() < 50, "{}", index.marks.len());
        assert_eq!(index.times_ms(), None);
    }
}
