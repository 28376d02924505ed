//! The one that writes: takes what waits, writes it, syncs once, answers.

use std::{io, ops::Range, sync::Arc};

use crate::{
    AppendError, Sync, age,
    batch::{BATCH_BYTES, Encoder},
    frame::{ALIGN, FRAME_BYTES, Flags, HEADER_BYTES, PAYLOAD_BYTES_MAX},
    locked,
    log::{Log, is_full},
    queue::{Call, Queue},
    reserve::Room,
    segment::Active,
};

/// Bytes one commit takes at most, unless a single call holds more.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// No segment is smaller.
const SEGMENT_BYTES_MIN: u64 = 4096;
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
    /// The reserve may not be whole: nothing else is taken before it is.
    is_reserve_used: bool,
    encoder: Encoder,
}

impl Writer {
    pub(crate) fn new(log: Arc<Log>, queue: Arc<Queue>) -> Self {
        let next = log.next();
        let is_reserve_used = log.options.reserve_bytes > 0;
        Self { log, queue, active: None, next, is_reserve_used, encoder: Encoder::default() }
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
        let mut calls = self.queue.take(self.log.options.group_records_max, bytes_max);
        if calls.is_empty() {
            return;
        }
        let mut result = self.commit(&mut calls, Room::Common);
        let has_reserve = self.log.options.reserve_bytes > 0;
        if result == Err(AppendError::Full) && has_reserve {
            let (urgent, others) = calls.into_iter().partition(|call| call.room == Room::Reserve);
            answer(others, &result);
            calls = urgent;
            if calls.is_empty() {
                return;
            }
            result = self.commit(&mut calls, Room::Reserve);
        }
        locked(&self.log.state).exhausted = result == Err(AppendError::Full);
        answer(calls, &result);
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

    fn commit(&mut self, calls: &mut [Call], room: Room) -> Result<Range<u64>, AppendError> {
        if self.failed() {
            return Err(AppendError::Failed);
        }
        let time_ms = self.log.disk.time_ms();
        let records = calls.iter().flat_map(|call| &call.records);
        let bytes = self.encoder.take(time_ms, records);
        self.ensure_room(bytes, time_ms, room)?;
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
        if room == Room::Common {
            self.log.set_full(false, "");
        }
        tell(calls, first);
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
    fn ensure_room(&mut self, bytes: usize, time_ms: u64, room: Room) -> Result<(), AppendError> {
        if room == Room::Common {
            self.restore_reserve()?;
        }
        let age_max = self.log.options.age_max;
        // What is urgent ends no segment for its age: there may be no room for another.
        let goes_on = |active: &Active| {
            let is_due = room == Room::Common && age::is_due(&active.segment, age_max, time_ms);
            active.has_room(bytes) && !is_due
        };
        if self.active.as_ref().is_some_and(goes_on) {
            return Ok(());
        }
        if let Some(active) = self.active.take()
            && let Err(error) = active.seal(self.next)
        {
            self.log.fail("failed to seal a segment", &error);
            return Err(AppendError::Failed);
        }
        let segment_bytes = self.log.options.segment_bytes;
        let active = match room {
            Room::Common => self.make_segment(segment_bytes, room),
            Room::Reserve => self.make_segment_of_reserve(bytes),
        }?;
        let Some(active) = active else {
            let why = "its size limit is reached, or no space is left on the disk";
            self.log.set_full(true, why);
            return Err(AppendError::Full);
        };
        self.log.push(&active.segment);
        self.active = Some(active);
        self.log.delete_aged(time_ms);
        Ok(())
    }

    /// Before others are taken, the reserve is as it should be.
    fn restore_reserve(&mut self) -> Result<(), AppendError> {
        if !self.is_reserve_used {
            return Ok(());
        }
        match self.log.restore_reserve() {
            Ok(true) => {
                self.is_reserve_used = false;
                Ok(())
            }
            Ok(false) => {
                self.log.set_full(true, "what is left of it is for urgent records");
                Err(AppendError::Full)
            }
            Err(error) => {
                self.log.fail("failed to make the reserve", &error);
                Err(AppendError::Failed)
            }
        }
    }

    /// Returns a segment of any size that has room for `bytes`: what is left may be less than a
    /// whole one takes.
    fn make_segment_of_reserve(&mut self, bytes: usize) -> Result<Option<Active>, AppendError> {
        self.is_reserve_used = true;
        let needed = HEADER_BYTES + bytes as u64 + FRAME_BYTES as u64;
        let segment_bytes = self.log.options.segment_bytes;
        if let Some(active) = self.make_segment(segment_bytes, Room::Reserve)? {
            return Ok(Some(active));
        }
        if needed <= self.log.options.spare_bytes() {
            match self.log.spend_spare(self.next) {
                Ok(Some(active)) => return Ok(Some(active)),
                Err(error) if !is_full(&error) => {
                    self.log.fail("failed to use the reserve", &error);
                    return Err(AppendError::Failed);
                }
                Ok(None) | Err(_) => {}
            }
        }
        for part in [4, 16] {
            let part_bytes = (segment_bytes / part) & !7;
            if part_bytes >= needed.max(SEGMENT_BYTES_MIN)
                && let Some(active) = self.make_segment(part_bytes, Room::Reserve)?
            {
                return Ok(Some(active));
            }
        }
        Ok(None)
    }

    /// Returns nothing if there is no room for a segment of that size.
    fn make_segment(&self, bytes: u64, room: Room) -> Result<Option<Active>, AppendError> {
        if !self.log.make_room(bytes, room) {
            return Ok(None);
        }
        match Active::create(&*self.log.disk, &self.log.dir, self.next, bytes) {
            Ok(active) => Ok(Some(active)),
            Err(error) if is_full(&error) => Ok(None),
            Err(error) => {
                self.log.fail("failed to make a segment", &error);
                Err(AppendError::Failed)
            }
        }
    }
}

/// Tells those who asked which sequences their records have.
fn tell(calls: &mut [Call], mut first: u64) {
    for call in calls {
        let range = first..first + call.records.len() as u64;
        first = range.end;
        if let Some(told) = call.told.take() {
            told(range);
        }
    }
}

fn answer(calls: Vec<Call>, result: &Result<Range<u64>, AppendError>) {
    let mut first = result.as_ref().map_or(0, |range| range.start);
    for call in calls {
        let range = first..first + call.records.len() as u64;
        first = range.end;
        // A caller that went away needs no answer.
        drop(call.answer.send(result.clone().map(|_| range)));
    }
}

/// Returns what a segment of this size can take at once.
pub(crate) fn call_bytes_max(segment_bytes: u64) -> usize {
    // Beside them: the batch's frame and the seal.
    let taken = HEADER_BYTES as usize + FRAME_BYTES + BATCH_BYTES + ALIGN - 1 + FRAME_BYTES;
    let room = usize::try_from(segment_bytes).unwrap_or(usize::MAX).saturating_sub(taken);
    room.min(CALL_BYTES_MAX)
}
