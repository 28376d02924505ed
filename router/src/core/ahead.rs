//! What is in the journal and not yet applied: it is bounded, and handed to the core as it is, so that
//! the core need not read back what was only just written.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use journal::{AppendError, Journal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Stopped, encode};
use crate::record::Record;

/// Bytes of records that wait to be handed over, counted as the journal holds them. The core reads
/// from there what has no room.
const HANDED_BYTES_MAX: usize = 32 << 20;

/// Appends records to the journal, and hands them to the core if there is one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Appender {
    journal: Journal,
    ahead: Option<Arc<Ahead>>,
}

/// Leave to have some records in the journal that are not yet applied.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Where the core takes what was appended. Dropping it says that nothing more will be applied.
#[derive(Debug)]
pub(crate) struct CoreEnd {
    ahead: Arc<Ahead>,
    current: Option<Handed>,
}

/// A record that was handed over, with those it was appended with.
#[derive(Debug)]
pub(super) struct Fresh {
    records: Arc<[Record]>,
    index: usize,
}

#[derive(Debug)]
struct Ahead {
    common: Arc<Semaphore>,
    urgent: Arc<Semaphore>,
    records_max: usize,
    between: Mutex<Between>,
}

#[derive(Debug, Default)]
struct Between {
    /// In the order of their sequences, some of which may be missing.
    handed: VecDeque<Handed>,
    bytes: usize,
    /// Each is given back when everything before its sequence is applied.
    places: VecDeque<(u64, Place)>,
}

#[derive(Debug)]
struct Handed {
    first: u64,
    records: Arc<[Record]>,
    bytes: usize,
}

impl From<Journal> for Appender {
    /// Returns an appender to a journal that no core follows.
    fn from(journal: Journal) -> Self {
        Self { journal, ahead: None }
    }
}

impl Appender {
    /// Returns both ends. So many records that are urgent may be ahead of the core, and so many that
    /// are not.
    pub(crate) fn followed(journal: Journal, records_max: usize) -> (Self, CoreEnd) {
        let records_max = records_max.clamp(1, u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        let ahead = Arc::new(Ahead {
            common: Arc::new(Semaphore::new(records_max)),
            urgent: Arc::new(Semaphore::new(records_max)),
            records_max,
            between: Mutex::default(),
        });
        (Self { journal, ahead: Some(Arc::clone(&ahead)) }, CoreEnd { ahead, current: None })
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns a place for some records, if there is one. For more than there can be, it is all there
    /// is.
    pub(crate) fn try_place(&self, records: usize, urgent: bool) -> Option<Place> {
        let Some(ahead) = &self.ahead else { return Some(Place { _permit: None }) };
        let room = Arc::clone(ahead.room(urgent));
        let permit = room.try_acquire_many_owned(ahead.permits(records)).ok()?;
        Some(Place { _permit: Some(permit) })
    }

    /// As [`Self::try_place`], but waits for it: who asks first is first.
    pub(crate) async fn place(&self, records: usize, urgent: bool) -> Result<Place, Stopped> {
        let Some(ahead) = &self.ahead else { return Ok(Place { _permit: None }) };
        let room = Arc::clone(ahead.room(urgent));
        let permit = room.acquire_many_owned(ahead.permits(records)).await.map_err(|_| Stopped)?;
        Ok(Place { _permit: Some(permit) })
    }

    /// Appends all records or none, and returns their sequences once they are durable. Urgent ones may
    /// use the journal's reserve.
    pub(crate) async fn append(
        &self,
        records: Arc<[Record]>,
        urgent: bool,
        place: Option<Place>,
    ) -> Result<Range<u64>, AppendError> {
        let payloads: Vec<Bytes> = records.iter().map(encode).collect();
        let Some(ahead) = self.ahead.clone() else {
            return self.journal.append_told(payloads, urgent, |_| {}).await;
        };
        debug_assert!(
            payloads.iter().zip(&*records).all(|(bytes, record)| {
                serde_json::from_slice::<Record>(bytes).is_ok_and(|read| read == *record)
            }),
            "what is handed over is what would be read: {records:?}"
        );
        let bytes = payloads.iter().map(Bytes::len).sum();
        let told = move |sequences: Range<u64>| {
            let handed = Handed { first: sequences.start, records, bytes };
            ahead.hand_over(handed, sequences.end, place);
        };
        self.journal.append_told(payloads, urgent, told).await
    }
}

impl CoreEnd {
    /// Returns the record with this sequence, if it was handed over and is `durable`.
    pub(super) fn next(&mut self, sequence: u64, durable: u64) -> Option<Fresh> {
        if sequence >= durable {
            return None;
        }
        if self.current.as_ref().is_none_or(|handed| handed.end() <= sequence) {
            self.current = self.ahead.take(sequence);
        }
        let Handed { first, records, .. } = self.current.as_ref()?;
        let index = usize::try_from(sequence.checked_sub(*first)?).ok()?;
        Some(Fresh { records: Arc::clone(records), index })
    }

    /// Everything before this sequence is applied.
    pub(crate) fn applied(&self, sequence: u64) {
        let places = {
            let mut between = self.ahead.between();
            let ends = between.places.iter().take_while(|(end, _)| *end <= sequence).count();
            between.places.drain(..ends).collect::<Vec<_>>()
        };
        // Whoever waits for them is woken without the lock.
        drop(places);
    }
}

impl Drop for CoreEnd {
    fn drop(&mut self) {
        self.ahead.common.close();
        self.ahead.urgent.close();
    }
}

impl AsRef<Record> for Fresh {
    fn as_ref(&self) -> &Record {
        &self.records[self.index]
    }
}

impl Ahead {
    fn room(&self, urgent: bool) -> &Arc<Semaphore> {
        if urgent { &self.urgent } else { &self.common }
    }

    fn permits(&self, records: usize) -> u32 {
        u32::try_from(records.min(self.records_max)).unwrap_or(u32::MAX)
    }

    fn hand_over(&self, handed: Handed, end: u64, place: Option<Place>) {
        let mut between = self.between();
        between.places.extend(place.map(|place| (end, place)));
        if between.bytes + handed.bytes <= HANDED_BYTES_MAX {
            between.bytes += handed.bytes;
            between.handed.push_back(handed);
        }
    }

    /// Returns the oldest records that were handed over, if they are not all before this sequence.
    fn take(&self, sequence: u64) -> Option<Handed> {
        let mut between = self.between();
        while let Some(oldest) = between.handed.front() {
            if oldest.first > sequence {
                return None;
            }
            let oldest = between.handed.pop_front()?;
            between.bytes -= oldest.bytes;
            if oldest.end() > sequence {
                return Some(oldest);
            }
        }
        None
    }

    fn between(&self) -> MutexGuard<'_, Between> {
        // Nothing here panics half-way.
        self.between.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handed {
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tempfile::TempDir;

    use super::*;

    fn ticks(seconds: Range<i64>) -> Arc<[Record]> {
        seconds
            .map(|second| Record::Tick { now: Timestamp::from_second(second).unwrap() })
            .collect()
    }

    fn ends(records_max: usize) -> (TempDir, Appender, CoreEnd) {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(folder.path(), journal::Options::default()).unwrap();
        let (appender, core_end) = Appender::followed(journal, records_max);
        (folder, appender, core_end)
    }

    async fn append(appender: &Appender, seconds: Range<i64>) -> Range<u64> {
        let records = ticks(seconds);
        let place = appender.place(records.len(), false).await.unwrap();
        appender.append(records, false, Some(place)).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_appended_is_handed_over_in_order_and_only_once_durable() {
        let (_folder, appender, mut core_end) = ends(100);
        append(&appender, 0..3).await;
        append(&appender, 3..4).await;
        let mut second = |sequence, durable| {
            let fresh = core_end.next(sequence, durable)?;
            let Record::Tick { now } = fresh.as_ref() else { panic!() };
            Some(now.as_second())
        };
        assert_eq!(second(0, 0), None);
        assert_eq!([0, 1, 2, 3].map(|at| second(at, 4)), [0, 1, 2, 3].map(Some));
        assert_eq!(second(4, 4), None);
        // What others wrote is not handed over, and those after it are.
        appender.journal().append(vec![encode(&ticks(4..5)[0])]).await.unwrap();
        append(&appender, 5..7).await;
        assert_eq!([4, 5, 6].map(|at| second(at, 7)), [None, Some(5), Some(6)]);
        // What was read from the journal meanwhile is passed over.
        append(&appender, 7..9).await;
        append(&appender, 9..10).await;
        assert_eq!([8, 9].map(|at| second(at, 10)), [Some(8), Some(9)]);
    }

    #[tokio::test]
    async fn what_waits_to_be_handed_over_takes_bounded_memory() {
        let (_folder, appender, mut core_end) = ends(1000);
        let record = ticks(0..1);
        let bytes = HANDED_BYTES_MAX / 2;
        let ahead = appender.ahead.as_ref().unwrap();
        for first in 0..3 {
            ahead.hand_over(Handed { first, records: Arc::clone(&record), bytes }, first + 1, None);
        }
        let handed = [0, 1, 2].map(|sequence| core_end.next(sequence, 3).is_some());
        assert_eq!(handed, [true, true, false]);
        assert_eq!(ahead.between().bytes, 0);
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_all_before_its_end_is_applied() {
        let (_folder, appender, core_end) = ends(4);
        append(&appender, 0..3).await;
        assert!(appender.try_place(2, false).is_none());
        assert!(appender.try_place(2, true).is_some(), "urgent ones have their own");
        assert!(appender.try_place(1, false).is_some(), "a place is free when nobody used it");
        core_end.applied(2);
        assert!(appender.try_place(2, false).is_none());
        core_end.applied(3);
        // More than there can be take all there are.
        let all = appender.try_place(100, false).unwrap();
        assert!(appender.try_place(1, false).is_none());
        drop(all);
        append(&appender, 3..7).await;
        let mut waits = std::pin::pin!(appender.place(1, false));
        assert!(futures_util::poll!(&mut waits).is_pending());
        drop(core_end);
        assert_eq!(waits.await.unwrap_err(), Stopped);
    }

    #[tokio::test]
    async fn records_that_were_not_taken_keep_no_place() {
        let (_folder, appender, _following) = ends(4);
        appender.journal().clone().close();
        let place = appender.place(4, false).await.unwrap();
        let refused = appender.append(ticks(0..4), false, Some(place)).await;
        assert_eq!(refused, Err(AppendError::Closed));
        assert!(appender.try_place(4, false).is_some());
    }
}
