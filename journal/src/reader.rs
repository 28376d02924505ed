//! Reads durable records, at its own pace.

use std::sync::Arc;

use bytes::Bytes;

use crate::{ReadError, log::Log, walk::Walk};

/// Reads durable records in order. It never blocks the writer.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    position: u64,
    /// Through the segment being read; `None` before the first record exists.
    walk: Option<Walk>,
}

impl Reader {
    pub(crate) fn open(log: &Arc<Log>, from: u64) -> Result<Self, ReadError> {
        let next = log.next();
        if from > next {
            return Err(ReadError::Ahead { sequence: from, next });
        }
        let found = log.locate(from)?;
        let walk = found.map(|(segment, file)| Walk::new(segment, file, from));
        Ok(Self { log: Arc::clone(log), position: from, walk })
    }

    /// Returns the sequence of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the next record, or `None` when there is none yet: call again later.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Result<Option<(u64, Bytes)>, ReadError> {
        while self.position < self.log.next() {
            if let Some(walk) = &mut self.walk
                && let Some((sequence, record)) = walk.next()?
            {
                self.position = sequence + 1;
                return Ok(Some((sequence, record)));
            }
            let Some((segment, file)) = self.log.locate(self.position)? else { return Ok(None) };
            // The same segment: it grew between the two looks at it.
            if self.walk.as_ref().is_none_or(|walk| !Arc::ptr_eq(walk.segment(), &segment)) {
                self.walk = Some(Walk::new(segment, file, self.position));
            }
        }
        Ok(None)
    }
}
