//! Goes through the records of one segment, unpacking its batches.

use std::{sync::Arc, vec};

use bytes::Bytes;

use crate::{
    DiskFile, ReadError,
    batch::Batch,
    frame::{Frames, Step},
    segment::Segment,
};

#[derive(Debug)]
pub(crate) struct Walk {
    segment: Arc<Segment>,
    frames: Frames,
    /// Of the next record: the first of those unpacked, or of the next frame.
    sequence: u64,
    /// Records before it are passed over.
    wanted: u64,
    unpacked: vec::IntoIter<Bytes>,
}

impl Walk {
    /// Returns a walk from record `wanted` on, or from the first if that is later.
    pub(crate) fn new(segment: Arc<Segment>, file: Arc<dyn DiskFile>, wanted: u64) -> Self {
        Self { wanted, ..Self::from(segment.seek(wanted), segment, file) }
    }

    /// Returns a walk from a place of the segment's index on.
    fn from(
        (sequence, offset): (u64, u64),
        segment: Arc<Segment>,
        file: Arc<dyn DiskFile>,
    ) -> Self {
        let frames = Frames::new(file, segment.salt, offset);
        let unpacked = Vec::new().into_iter();
        Self { segment, frames, sequence, wanted: sequence, unpacked }
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Returns the next durable record, or `None` when there is none yet.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Bytes)>, ReadError> {
        loop {
            for record in self.unpacked.by_ref() {
                let sequence = self.sequence;
                self.sequence += 1;
                if sequence >= self.wanted {
                    return Ok(Some((sequence, record)));
                }
            }
            let offset = self.frames.offset();
            let Some(batch) = self.batch()? else { return Ok(None) };
            if self.sequence + batch.records <= self.wanted {
                self.sequence += batch.records;
                continue;
            }
            let records = batch.unpack().map_err(|reason| self.damaged(offset, reason))?;
            self.unpacked = records.into_iter();
        }
    }

    /// Returns the sequence of the first record that was written at this time or later; of a segment
    /// that tells no times, its first.
    pub(crate) fn written_since(
        segment: Arc<Segment>,
        file: Arc<dyn DiskFile>,
        time_ms: u64,
    ) -> Result<Option<u64>, ReadError> {
        if segment.times_ms().is_none() {
            return Ok(Some(segment.first));
        }
        let mut walk = Self::from(segment.seek_time(time_ms), segment, file);
        while let Some(batch) = walk.batch()? {
            if batch.time_ms.is_none_or(|written| written >= time_ms) {
                return Ok(Some(walk.sequence));
            }
            walk.sequence += batch.records;
        }
        Ok(None)
    }

    fn batch(&mut self) -> Result<Option<Batch>, ReadError> {
        let offset = self.frames.offset();
        match self.frames.next(self.sequence, self.segment.end()) {
            Ok(Step::Frame { payload, .. }) => Batch::parse(self.segment.version, payload)
                .map(Some)
                .map_err(|reason| self.damaged(offset, reason)),
            Ok(Step::End) => Ok(None),
            Ok(Step::Bad(reason)) => Err(self.damaged(offset, reason)),
            Err(source) => Err(ReadError::Io { path: self.segment.path.clone(), source }),
        }
    }

    fn damaged(&self, offset: u64, reason: &str) -> ReadError {
        ReadError::Damaged { file: self.segment.path.clone(), offset, reason: reason.to_owned() }
    }
}
