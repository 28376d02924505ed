//! A durable log of records in segment files: appended in groups, read by many, deleted behind the
//! slowest cursor. The format and its guarantees are in `docs/journal.md`.

mod age;
mod batch;
mod cursor;
mod disk;
mod error;
mod frame;
mod index;
pub mod inspect;
mod log;
mod queue;
mod reader;
mod reserve;
mod scan;
mod segment;
mod walk;
mod writer;

use std::{
    ops::Range,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::watch;

pub use crate::{
    cursor::Cursor,
    disk::{Access, Disk, DiskFile, FileSystem, Lock},
    error::{AppendError, CursorError, OpenError, ReadError},
    reader::Reader,
    writer::Writer,
};
use crate::{log::Log, queue::Queue, reserve::Room};

/// Version in the header of every segment that is made. Those of version 1 are read as well.
pub const FORMAT_VERSION: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// One `fdatasync` per commit: an acknowledged record survives a power cut.
    Data,
    /// None until a segment is full: an acknowledged record survives the process, not the machine.
    None,
}

/// Bounds of a journal.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size a segment file is preallocated with.
    pub segment_bytes: u64,
    /// Records one commit takes at most, unless a single call holds more.
    pub group_records_max: usize,
    /// Records waiting for a commit; further calls wait.
    pub queue_records_max: usize,
    pub queue_bytes_max: usize,
    pub record_bytes_max: usize,
    /// Size of all segment files.
    pub bytes_max: u64,
    /// The part of `bytes_max` that only [`Journal::append_urgent`] uses; 0: none. As much of it as
    /// one segment takes is on the disk before it is needed.
    pub reserve_bytes: u64,
    /// Age from which records go that no cursor needs, as new segments are made.
    pub age_max: Option<Duration>,
    pub sync: Sync,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            group_records_max: 512,
            queue_records_max: 16_384,
            queue_bytes_max: 64 << 20,
            record_bytes_max: 4 << 20,
            bytes_max: 4 << 30,
            reserve_bytes: 0,
            age_max: None,
            sync: Sync::Data,
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Sequences of the records in the journal.
    pub records: Range<u64>,
    /// Bytes cut from the last segment: a commit nobody was told of.
    pub torn_bytes: u64,
}

/// A journal at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub records: Range<u64>,
    pub segments: usize,
    /// Where the newest segment begins, which is always kept: room is only in what comes before.
    pub newest: u64,
    pub bytes: u64,
    pub bytes_max: u64,
    /// The part of `bytes_max` that is for urgent records.
    pub reserve_bytes: u64,
    pub queue_records: usize,
    pub queue_bytes: usize,
    pub cursors: Vec<(String, u64)>,
    /// Commits since it was opened; each is one `fdatasync` under [`Sync::Data`].
    pub commits: u64,
    /// The last append found no space, or only in the reserve.
    pub full: bool,
    /// The last append found no space in the reserve either.
    pub exhausted: bool,
    /// Why the journal takes no more records, if it does not.
    pub failure: Option<String>,
}

impl Stat {
    /// Returns whether what can be let go should be: three quarters of the common room are taken.
    pub fn is_short(&self) -> bool {
        self.full || self.bytes >= self.bytes_max.saturating_sub(self.reserve_bytes) / 4 * 3
    }
}

impl Options {
    fn check(&self) -> Result<(), &'static str> {
        if self.segment_bytes < 4096 || !self.segment_bytes.is_multiple_of(8) {
            return Err("`segment_bytes` must be at least 4096 and a multiple of 8");
        }
        if self.bytes_max < 2 * self.segment_bytes {
            return Err("`bytes_max` must have room for two segments");
        }
        if self.group_records_max == 0 || self.queue_records_max == 0 || self.queue_bytes_max == 0 {
            return Err("a group and the queue must have room for a record");
        }
        if self.group_records_max.max(self.queue_records_max) > batch::RECORDS_MAX {
            return Err("a group and the queue must have at most 65536 records");
        }
        if self.record_bytes_max.max(self.queue_bytes_max) > writer::CALL_BYTES_MAX {
            return Err("`record_bytes_max` and `queue_bytes_max` must be below 256 MiB");
        }
        self.check_reserve()
    }
}

/// A handle to an open journal. The last one dropped closes it.
#[derive(Clone, Debug)]
pub struct Journal {
    open: Arc<Open>,
}

/// Ends the writer when the last handle goes.
#[derive(Debug)]
struct Open {
    log: Arc<Log>,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Open {
    fn close(&self) {
        self.queue.close();
        let thread = locked(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(dir = %self.log.dir.display(), "the journal's writer panicked");
        }
        locked(&self.log.lock).take();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

impl Journal {
    /// Opens the journal in `dir`, making it if needed, and cuts an unfinished commit from its end.
    ///
    /// Every record is read and checked. One process has it open at a time.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        let (journal, recovery, writer) = Self::open_on(Arc::new(FileSystem), dir, options)?;
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(|| block_on(writer.run()))
            .map_err(|source| OpenError::Io {
                action: "start the writer of",
                path: dir.to_owned(),
                source,
            })?;
        *locked(&journal.open.thread) = Some(thread);
        Ok((journal, recovery))
    }

    /// As [`Self::open`], on any disk, and without a thread: who opens it so runs the writer, and
    /// waits for its end before the journal is opened again.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<(Self, Recovery, Writer), OpenError> {
        let (log, recovery) = Log::open(disk, dir, options)?;
        let queue_bytes_max =
            log.options.queue_bytes_max.min(writer::call_bytes_max(log.options.segment_bytes));
        let queue = Arc::new(Queue::new(
            log.options.queue_records_max,
            queue_bytes_max,
            log.options.record_bytes_max,
        ));
        let log = Arc::new(log);
        let writer = Writer::new(Arc::clone(&log), Arc::clone(&queue));
        log.delete_passed();
        let open = Open { log, queue, thread: Mutex::new(None) };
        Ok((Self { open: Arc::new(open) }, recovery, writer))
    }

    /// Appends all records or none, and returns their sequences once they are durable.
    ///
    /// Waits while the queue is full. Dropping the future does not take back what is queued.
    pub async fn append(&self, records: Vec<Bytes>) -> Result<Range<u64>, AppendError> {
        if records.is_empty() {
            return Ok(self.durable()..self.durable());
        }
        self.open.queue.append(records, Room::Common, None).await
    }

    /// As [`Self::append`], for records that may also use the reserve.
    pub async fn append_urgent(&self, records: Vec<Bytes>) -> Result<Range<u64>, AppendError> {
        if records.is_empty() {
            return Ok(self.durable()..self.durable());
        }
        self.open.queue.append(records, Room::Reserve, None).await
    }

    /// As [`Self::append`], or [`Self::append_urgent`]. `told` is called with the sequences when the
    /// records are durable and before anybody can read them, in the order of the sequences; not at all
    /// if they are not taken. The writer waits for it, so it must be short.
    pub async fn append_told(
        &self,
        records: Vec<Bytes>,
        urgent: bool,
        told: impl FnOnce(Range<u64>) + Send + 'static,
    ) -> Result<Range<u64>, AppendError> {
        if records.is_empty() {
            return Ok(self.durable()..self.durable());
        }
        let room = if urgent { Room::Reserve } else { Room::Common };
        self.open.queue.append(records, room, Some(Box::new(told))).await
    }

    /// As [`Self::append`], for a thread without a runtime.
    pub fn append_blocking(&self, records: Vec<Bytes>) -> Result<Range<u64>, AppendError> {
        block_on(self.append(records))
    }

    /// Returns the sequence after the last durable record.
    pub fn durable(&self) -> u64 {
        self.open.log.next()
    }

    /// Returns the sequence of the oldest record, or of the next one if there is none.
    pub fn first(&self) -> u64 {
        self.open.log.first()
    }

    /// Returns a receiver that follows [`Self::durable`].
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.open.log.durable.subscribe()
    }

    /// Returns a reader of the records from `from` on.
    pub fn read(&self, from: u64) -> Result<Reader, ReadError> {
        Reader::open(&self.open.log, from)
    }

    /// Returns the sequence of the first record written at this time or later, in milliseconds since
    /// 1970, or that of the next record if there is none.
    ///
    /// Of records in the files of version 1 only those surely written before are left out.
    pub fn written_since(&self, time_ms: u64) -> Result<u64, ReadError> {
        self.open.log.written_since(time_ms)
    }

    /// Returns the cursor with this name, making it at [`Self::first`] if it is new.
    pub fn cursor(&self, name: &str) -> Result<Cursor, CursorError> {
        Cursor::open(&self.open.log, name)
    }

    /// Forgets a cursor, so that it holds back no deletion.
    pub fn remove_cursor(&self, name: &str) -> Result<(), CursorError> {
        Cursor::remove(&self.open.log, name)
    }

    pub fn stat(&self) -> Stat {
        let (queue_records, queue_bytes) = self.open.queue.held();
        let log = &self.open.log;
        let state = locked(&log.state);
        Stat {
            records: state.segments.front().map_or(0, |segment| segment.first)..log.next(),
            segments: state.segments.len(),
            newest: state.segments.back().map_or(0, |segment| segment.first),
            bytes: state.segments.iter().map(|segment| segment.bytes()).sum(),
            bytes_max: log.options.bytes_max,
            reserve_bytes: log.options.reserve_bytes,
            queue_records,
            queue_bytes,
            cursors: state.cursors.iter().map(|(name, at)| (name.clone(), *at)).collect(),
            commits: state.commits,
            full: state.full,
            exhausted: state.exhausted,
            failure: state.failure.clone(),
        }
    }

    /// Commits what is queued and closes the journal for all its handles.
    pub fn close(self) {
        self.open.close();
    }
}

/// A thread that panicked while it held the lock has left the state whole: no change here spans two
/// statements that could panic between them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
