//! Reads durable records, at its own pace.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    DiskFile, ReadError,
    frame::{Frames, Step},
    log::Log,
    segment::Segment,
};

/// Reads durable records in order. It never blocks the writer.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    position: u64,
    /// The segment being read; `None` before the first record exists.
    place: Option<(Arc<Segment>, Frames)>,
}

impl Reader {
    pub(crate) fn open(log: &Arc<Log>, from: u64) -> Result<Self, ReadError> {
        let next = log.next();
        if from > next {
            return Err(ReadError::Ahead { sequence: from, next });
        }
        let mut reader = Self { log: Arc::clone(log), position: from, place: None };
        if let Some((segment, file)) = log.locate(from)? {
            reader.enter(segment, file)?;
        }
        Ok(reader)
    }

    /// Returns the sequence of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the next record, or `None` when there is none yet: call again later.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Result<Option<(u64, Bytes)>, ReadError> {
        while self.position < self.log.next() {
            let before = self.position;
            if let Some((segment, frames)) = &mut self.place
                && let Some(payload) = read(segment, frames, before, segment.end())?
            {
                self.position += 1;
                return Ok(Some((before, payload)));
            }
            let Some((segment, file)) = self.log.locate(before)? else { return Ok(None) };
            // The same segment: it grew between the two looks at it.
            if self.place.as_ref().is_none_or(|(current, _)| !Arc::ptr_eq(current, &segment)) {
                self.enter(segment, file)?;
            }
        }
        Ok(None)
    }

    /// Goes to the reader's position in `segment`.
    fn enter(&mut self, segment: Arc<Segment>, file: Arc<dyn DiskFile>) -> Result<(), ReadError> {
        let (mut sequence, offset) = segment.seek(self.position);
        let mut frames = Frames::new(file, segment.salt, offset);
        let end = segment.end();
        while sequence < self.position && read(&segment, &mut frames, sequence, end)?.is_some() {
            sequence += 1;
        }
        self.place = Some((segment, frames));
        Ok(())
    }
}

fn read(
    segment: &Segment,
    frames: &mut Frames,
    sequence: u64,
    end: u64,
) -> Result<Option<Bytes>, ReadError> {
    match frames.next(sequence, end) {
        Ok(Step::Frame { payload, .. }) => Ok(Some(payload)),
        Ok(Step::End) => Ok(None),
        Ok(Step::Bad(reason)) => Err(ReadError::Damaged {
            file: segment.path.clone(),
            offset: frames.offset(),
            reason: reason.to_owned(),
        }),
        Err(source) => Err(ReadError::Io { path: segment.path.clone(), source }),
    }
}
