//! The one that writes: takes what waits, writes it, syncs once, answers.

use std::{io, ops::Range, sync::Arc};

use crate::{
    AppendError, Sync,
    batch::{BATCH_BYTES, Encoder},
    frame::{ALIGN, FRAME_BYTES, Flags, HEADER_BYTES, PAYLOAD_BYTES_MAX},
    locked,
    log::Log,
    queue::{Call, Queue},
    segment::Active,
};

/// Bytes one commit takes at most, unless a single call holds more.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// Bytes of records one call holds at most: its frame must be able to carry them.
pub(crate) const CALL_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - BATCH_BYTES;

/// Commits what is appended to one journal. Nothing is durable unless it runs.
#[derive(Debug)]
pub struct Writer {
    log: Arc<Log>,
    queue: Arc<Queue>,
    /// None after a start, and when there was no space for one.
    active: Option<Active>,
    next: u64,
    encoder: Encoder,
}

impl Writer {
    pub(crate) fn new(log: Arc<Log>, queue: Arc<Queue>) -> Self {
        let next = log.next();
        Self { log, queue, active: None, next, encoder: Encoder::default() }
    }

    /// Returns when the journal is closed and all it held is answered.
    pub async fn run(mut self) {
        while self.wait().await {
            self.turn();
        }
        self.finish();
    }

    /// Waits until something is to be committed; returns false when the journal is closed and
    /// nothing is left.
    pub async fn wait(&self) -> bool {
        self.queue.wait().await
    }

    /// Commits some of what waits, and answers. Blocks as long as the disk takes.
    pub fn turn(&mut self) {
        let bytes_max = GROUP_BYTES_MAX.min(call_bytes_max(self.log.options.segment_bytes));
        let calls = self.queue.take(self.log.options.group_records_max, bytes_max);
        if calls.is_empty() {
            return;
        }
        let result = self.commit(&calls);
        let mut first = self.next;
        if let Ok(range) = &result {
            first = range.start;
        }
        for call in calls {
            let range = first..first + call.records.len() as u64;
            first = range.end;
            // A caller that went away needs no answer.
            drop(call.answer.send(result.clone().map(|_| range)));
        }
    }

    /// Ends the last segment, after the journal was closed.
    pub fn finish(mut self) {
        if self.failed() {
            return;
        }
        if let Some(active) = self.active.take()
            && let Err(error) = active.seal(self.next)
        {
            self.log.fail("failed to seal a segment", &error);
        }
    }

    fn failed(&self) -> bool {
        locked(&self.log.state).failure.is_some()
    }

    fn commit(&mut self, calls: &[Call]) -> Result<Range<u64>, AppendError> {
        if self.failed() {
            return Err(AppendError::Failed);
        }
        let time_ms = self.log.disk.time_ms();
        let records = calls.iter().flat_map(|call| &call.records);
        let bytes = self.encoder.take(time_ms, records);
        self.ensure_room(bytes)?;
        let Some(active) = &mut self.active else { return Err(AppendError::Failed) };

        let first = self.next;
        let next = first + calls.iter().map(|call| call.records.len() as u64).sum::<u64>();
        let flags = if self.log.options.sync == Sync::Data { Flags::SYNCED } else { Flags::NONE };
        let frame = self.encoder.frame(active.segment.salt, first, flags);
        if let Err(error) = active.write(frame) {
            return Err(self.write_failed(&error));
        }
        if self.log.options.sync == Sync::Data
            && let Err(error) = active.sync()
        {
            self.log.fail("failed to sync records", &error);
            return Err(AppendError::Failed);
        }
        let unpacked_bytes = calls.iter().map(|call| call.bytes).sum();
        active.segment.note(first, active.end, Some(time_ms), unpacked_bytes);
        active.end += bytes as u64;
        active.segment.advance(next, active.end);
        self.next = next;
        locked(&self.log.state).commits += 1;
        self.log.durable.send_replace(next);
        Ok(first..next)
    }

    /// A file system that does not keep its promise to have reserved the space may be full all the
    /// same. What was written of the commit must not come back: the segment ends before it.
    fn write_failed(&mut self, error: &io::Error) -> AppendError {
        if is_full(error)
            && let Some(active) = self.active.take()
            && active.seal(self.next).is_ok()
        {
            self.log.set_full(true, "no space left on the disk");
            return AppendError::Full;
        }
        self.log.fail("failed to write records", error);
        AppendError::Failed
    }

    /// Makes the active segment one that has room for `bytes`.
    fn ensure_room(&mut self, bytes: usize) -> Result<(), AppendError> {
        if self.active.as_ref().is_some_and(|active| active.has_room(bytes)) {
            return Ok(());
        }
        if let Some(active) = self.active.take()
            && let Err(error) = active.seal(self.next)
        {
            self.log.fail("failed to seal a segment", &error);
            return Err(AppendError::Failed);
        }
        let segment_bytes = self.log.options.segment_bytes;
        if !self.log.make_room(segment_bytes) {
            self.log.set_full(true, "its size limit is reached and a cursor still needs the rest");
            return Err(AppendError::Full);
        }
        match Active::create(&*self.log.disk, &self.log.dir, self.next, segment_bytes) {
            Ok(active) => {
                self.log.push(&active.segment);
                self.log.set_full(false, "");
                self.active = Some(active);
                Ok(())
            }
            Err(error) if is_full(&error) => {
                self.log.set_full(true, "no space left on the disk");
                Err(AppendError::Full)
            }
            Err(error) => {
                self.log.fail("failed to make a segment", &error);
                Err(AppendError::Failed)
            }
        }
    }
}

/// Returns what a segment of this size can take at once.
pub(crate) fn call_bytes_max(segment_bytes: u64) -> usize {
    // Beside them: the batch's frame and the seal.
    let taken = HEADER_BYTES as usize + FRAME_BYTES + BATCH_BYTES + ALIGN - 1 + FRAME_BYTES;
    let room = usize::try_from(segment_bytes).unwrap_or(usize::MAX).saturating_sub(taken);
    room.min(CALL_BYTES_MAX)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
