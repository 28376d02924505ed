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

/// The core's end. Dropping it says that nothing more will be applied.
#[derive(Debug)]
pub(super) struct Following {
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
    pub(super) fn followed(journal: Journal, records_max: usize) -> (Self, Following) {
        let records_max = records_max.clamp(1, u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        let ahead = Arc::new(Ahead {
            common: Arc::new(Semaphore::new(records_max)),
            urgent: Arc::new(Semaphore::new(records_max)),
            records_max,
            between: Mutex::default(),
        });
        (Self { journal, ahead: Some(Arc::clone(&ahead)) }, Following { ahead, current: None })
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

impl Following {
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
    pub(super) fn applied(&self, sequence: u64) {
        let places = {
            let mut between = self.ahead.between();
            let ends = between.places.iter().take_while(|(end, _)| *end <= sequence).count();
            between.places.drain(..ends).collect::<Vec<_>>()
        };
        // Whoever waits for them is woken without the lock.
        drop(places);
    }
}

impl Drop for Following {
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
