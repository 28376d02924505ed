//! Takes records out of both rings in the order in which things happened.
//!
//! Starts and exits of processes travel in a ring of their own, so that a flood of opens cannot push
//! them out. Two rings have no common order; it is restored by time. The bulk ring is emptied first:
//! what a process did before an open was then sent before, and is found in the prio ring after.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use aya::maps::{Map, MapData, MapError};
use probe::{Record, Ring};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    time::{ClockId, clock_gettime},
};

/// Records taken from the bulk ring at once.
const BATCH_RECORDS_MAX: usize = 4096;
/// Their bytes; one record is at most 22 KiB.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Bytes of records of the prio ring that may wait for their turn.
const HELD_BYTES_MAX: usize = 8 << 20;
/// After records came, the next are let gather for this long: one wake-up serves many.
const NAP: Duration = Duration::from_millis(1);

/// What was found in the rings.
pub(super) struct Drained {
    /// Records taken out of them, and those that wait for their turn.
    pub(super) records: usize,
    /// Everything sent until then has been handed out.
    pub(super) until_ns: u64,
}

/// A ring with its map: programs that are yet to be loaded refer to it by its descriptor.
pub(super) struct OpenRing {
    ring: Ring,
    map: MapData,
}

impl TryFrom<Map> for OpenRing {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        let Map::RingBuf(map) = map else { return Err(MapError::ElementNotFound) };
        let bytes = map.info()?.max_entries();
        let ring = Ring::map(map.fd().as_fd(), bytes as usize)?;
        Ok(Self { ring, map })
    }
}

/// Both rings.
pub(super) struct Rings {
    prio: OpenRing,
    bulk: OpenRing,
    batch: Batch,
    held: VecDeque<(u64, Box<[u8]>)>,
}

/// Records that were taken out of the rings.
pub(super) struct Taken {
    records: usize,
    began_ns: u64,
    /// All that was in the bulk ring was taken.
    emptied: bool,
}

impl Rings {
    pub(super) const fn new(prio: OpenRing, bulk: OpenRing) -> Self {
        Self { prio, bulk, batch: Batch::new(), held: VecDeque::new() }
    }

    /// Waits at most `timeout` for a record, or until `other` is readable. Returns at once if one is
    /// there.
    pub(super) fn wait(&self, timeout: Duration, other: Option<BorrowedFd<'_>>) {
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        let [prio, bulk] = [&self.prio, &self.bulk].map(|ring| ring.map.fd().as_fd());
        let mut descriptors = [prio, bulk, other.unwrap_or(bulk)]
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        // An interrupted wait is a short one: the caller looks into the rings either way.
        if poll(&mut descriptors, Some(&timeout)).is_err() {
            self.nap();
        }
    }

    /// Lets records gather.
    pub(super) fn nap(&self) {
        std::thread::sleep(NAP);
    }

    /// Takes what is there, for [`hand_out`](Self::hand_out).
    pub(super) fn take(&mut self) -> Taken {
        let began_ns = boot_ns();
        self.batch.clear();
        let emptied = self.bulk.ring.take(|parts| {
            self.batch.push(parts);
            !self.batch.is_full()
        });
        let mut records = self.batch.index.len();
        let mut held_bytes: usize = self.held.iter().map(|(_, record)| record.len()).sum();
        if held_bytes < HELD_BYTES_MAX {
            self.prio.ring.take(|parts| {
                let record = parts.concat().into_boxed_slice();
                held_bytes += record.len();
                self.held.push_back((Record::time_ns(&record).unwrap_or(0), record));
                records += 1;
                held_bytes < HELD_BYTES_MAX
            });
        }
        Taken { records, began_ns, emptied }
    }

    /// Hands out what was taken, oldest first.
    pub(super) fn hand_out(&mut self, taken: &Taken, on_record: &mut dyn FnMut(&[u8])) -> Drained {
        self.batch.sort();
        self.held.make_contiguous().sort_by_key(|(time_ns, _)| *time_ns);

        for entry in &self.batch.index {
            release(&mut self.held, entry.time_ns, on_record);
            on_record(&self.batch.bytes[entry.start..entry.end]);
        }
        // What is left in the bulk ring may be older than what is held.
        let horizon = match self.batch.index.last() {
            Some(last) if !taken.emptied => last.time_ns,
            _ => taken.began_ns,
        };
        release(&mut self.held, horizon, on_record);
        let records = taken.records + self.held.len();
        Drained { records, until_ns: horizon }
    }
}

/// Hands out what is held from before `horizon_ns`.
fn release(
    held: &mut VecDeque<(u64, Box<[u8]>)>,
    horizon_ns: u64,
    on_record: &mut dyn FnMut(&[u8]),
) {
    while let Some((_, record)) = held.pop_front_if(|(time_ns, _)| *time_ns <= horizon_ns) {
        on_record(&record);
    }
}

/// Copies of records, so that the ring is free again before they are worked on.
struct Batch {
    bytes: Vec<u8>,
    index: Vec<Entry>,
}

struct Entry {
    time_ns: u64,
    start: usize,
    end: usize,
}

impl Batch {
    const fn new() -> Self {
        Self { bytes: Vec::new(), index: Vec::new() }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    fn is_full(&self) -> bool {
        self.index.len() >= BATCH_RECORDS_MAX || self.bytes.len() >= BATCH_BYTES_MAX
    }

    fn push(&mut self, record: [&[u8]; 2]) {
        let start = self.bytes.len();
        record.into_iter().for_each(|part| self.bytes.extend_from_slice(part));
        let time_ns = Record::time_ns(&self.bytes[start..]).unwrap_or(0);
        self.index.push(Entry { time_ns, start, end: self.bytes.len() });
    }

    /// Stable, and cheap on what is nearly in order.
    fn sort(&mut self) {
        self.index.sort_by_key(|entry| entry.time_ns);
    }
}

/// Returns the clock of the records: nanoseconds since boot, sleep included.
pub(crate) fn boot_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Boottime))
}

/// Returns nanoseconds since 1970 at boot: what to add to a record's time.
pub(crate) fn boot_epoch_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Realtime)).saturating_sub(boot_ns())
}

fn to_ns(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000)
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_records_come_out_up_to_the_horizon_and_in_order() {
        let mut held: VecDeque<(u64, Box<[u8]>)> =
            [(1, *b"a"), (2, *b"b"), (5, *b"c")].map(|(at, text)| (at, text.into())).into();
        let mut out = Vec::new();
        release(&mut held, 2, &mut |record| out.extend_from_slice(record));
        assert_eq!(out, b"ab");
        assert_eq!(held.len(), 1);
    }
}
