//! The part of a record that says what was done and by whom, without when, where and by which thread.

use std::mem::offset_of;

use crate::layout::Header;

const BEFORE_TIME: usize = offset_of!(Header, time_ns);
const AFTER_THREAD: usize = offset_of!(Header, pid);
const OWN_NUMBER: usize = offset_of!(Header, vtid);
const HEADER: usize = size_of::<Header>();

/// Returns the pieces of a record that are equal in two records only if both tell the same of the same
/// process, or `None` if `bytes` are too few for a record.
pub fn lasting(bytes: &[u8]) -> Option<[&[u8]; 3]> {
    let rest = bytes.get(HEADER..)?;
    Some([&bytes[..BEFORE_TIME], &bytes[AFTER_THREAD..OWN_NUMBER], rest])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: [u8; 200] = [0; 200];

    #[test]
    fn all_lasts_but_time_sequence_processor_and_thread() {
        let momentary = [
            (offset_of!(Header, time_ns), 8),
            (offset_of!(Header, sequence), 8),
            (offset_of!(Header, cpu), 4),
            (offset_of!(Header, tid), 4),
            (offset_of!(Header, vtid), 4),
        ];
        for place in 0..RECORD.len() {
            let mut other = RECORD;
            other[place] = 1;
            let lasts = !momentary.iter().any(|(at, size)| (*at..at + size).contains(&place));
            assert_eq!(lasting(&other) != lasting(&RECORD), lasts, "{place}");
        }
        assert_eq!(lasting(&RECORD[..HEADER - 1]), None);
    }
}
