//! What waits for a commit: bounded in records and bytes, taken by one writer.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{AppendError, batch::RECORD_BYTES, locked, reserve::Room};

/// Told the sequences of records that are durable, before anybody can read them.
pub(crate) type Told = Box<dyn FnOnce(Range<u64>) + Send>;

/// The records of one `append`.
pub(crate) struct Call {
    pub(crate) records: Vec<Bytes>,
    /// What they take unpacked.
    pub(crate) bytes: usize,
    pub(crate) room: Room,
    pub(crate) told: Option<Told>,
    pub(crate) answer: oneshot::Sender<Result<Range<u64>, AppendError>>,
    /// Their places in the queue, given back when the call is answered.
    _places: [OwnedSemaphorePermit; 2],
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, bytes, room, .. } = self;
        write!(f, "Call {{ {} records of {bytes} bytes, {room:?} }}", records.len())
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
    records: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    records_max: usize,
    bytes_max: usize,
    record_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: VecDeque<Call>,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(records_max: usize, bytes_max: usize, record_bytes_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            filled: Notify::new(),
            records: Arc::new(Semaphore::new(records_max)),
            bytes: Arc::new(Semaphore::new(bytes_max)),
            records_max,
            bytes_max,
            record_bytes_max,
        }
    }

    /// Waits for room, then for the answer. A call given up while it waits for the answer may be
    /// committed all the same.
    pub(crate) async fn append(
        &self,
        records: Vec<Bytes>,
        room: Room,
        told: Option<Told>,
    ) -> Result<Range<u64>, AppendError> {
        let bytes: usize = records.iter().map(|record| RECORD_BYTES + record.len()).sum();
        if records.len() > self.records_max
            || bytes > self.bytes_max
            || records.iter().any(|record| record.len() > self.record_bytes_max)
        {
            return Err(AppendError::TooLarge);
        }
        let place = async |semaphore: &Arc<Semaphore>, count: usize| {
            let count = u32::try_from(count).map_err(|_| AppendError::TooLarge)?;
            let taken = Arc::clone(semaphore).acquire_many_owned(count).await;
            taken.map_err(|_| AppendError::Closed)
        };
        let places = [place(&self.records, records.len()).await?, place(&self.bytes, bytes).await?];
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = locked(&self.waiting);
            if waiting.closed {
                return Err(AppendError::Closed);
            }
            waiting.calls.push_back(Call { records, bytes, room, told, answer, _places: places });
        }
        self.filled.notify_one();
        // The writer answers every call it takes, unless it died.
        answered.await.unwrap_or(Err(AppendError::Failed))
    }

    /// Waits for at least one call; returns false when the queue is closed and empty. Only one may
    /// wait.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            {
                let waiting = locked(&self.waiting);
                if !waiting.calls.is_empty() || waiting.closed {
                    return !waiting.calls.is_empty();
                }
            }
            self.filled.notified().await;
        }
    }

    /// Takes as many calls as fit one commit.
    pub(crate) fn take(&self, records_max: usize, bytes_max: usize) -> Vec<Call> {
        let mut waiting = locked(&self.waiting);
        let (mut taken, mut records, mut bytes) = (Vec::new(), 0, 0);
        while let Some(call) = waiting.calls.front() {
            records += call.records.len();
            bytes += call.bytes;
            if !taken.is_empty() && (records > records_max || bytes > bytes_max) {
                break;
            }
            taken.extend(waiting.calls.pop_front());
        }
        taken
    }

    /// Refuses further calls; those in the queue are still taken.
    pub(crate) fn close(&self) {
        self.records.close();
        self.bytes.close();
        locked(&self.waiting).closed = true;
        self.filled.notify_one();
    }

    /// Returns the records and bytes waiting or being committed.
    pub(crate) fn held(&self) -> (usize, usize) {
        (
            self.records_max - self.records.available_permits(),
            self.bytes_max - self.bytes.available_permits(),
        )
    }
}
