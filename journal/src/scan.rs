//! Reads a whole segment and says what stands in it.

use std::{io, path::Path, sync::Arc};

use crate::{
    Access, Disk, DiskFile, OpenError,
    batch::Batch,
    frame::{Flags, Frames, HEADER_BYTES, Header, HeaderError, Step, remainder},
    segment::Segment,
};

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Every byte, by the frames' checksums.
    Frames,
    /// Also that every batch can be unpacked.
    Records,
}

/// A segment that was read to its end.
pub(crate) struct Scan {
    pub(crate) segment: Segment,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) end: End,
    /// Offset up to which it was synced, as its frames tell.
    pub(crate) proven: u64,
}

/// What stands after the last record of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its seal: nothing was ever to follow.
    Sealed,
    /// Nothing, or a commit nobody was told of.
    Open { offset: u64, torn_bytes: u64, reason: &'static str },
    /// What is not as it was written, for records are missing that were synced once.
    Damaged { offset: u64, reason: &'static str },
}

/// What was read so far.
struct Reading {
    frames: Frames,
    /// Of the next record.
    sequence: u64,
    /// Sequence and offset after the last whole call.
    call: (u64, u64),
    proven: u64,
}

/// Why reading ended.
enum Stop {
    Sealed,
    /// No frame stands at the offset.
    Bad(&'static str),
    /// A frame stands there that no journal writes.
    Wrong(u64, &'static str),
}

/// Reads a whole segment and checks it. Changes nothing.
pub(crate) fn scan(
    disk: &dyn Disk,
    path: &Path,
    first: u64,
    access: Access,
    check: Check,
) -> Result<Scan, OpenError> {
    let failed = |action| move |source| OpenError::Io { action, path: path.to_owned(), source };
    let file = disk.open(path, access).map_err(failed("open"))?;
    let length = file.length().map_err(failed("inspect"))?;
    let header = read_header(&*file, path, first, length)?;
    let segment = Segment::new(path.to_owned(), header, length);
    let mut reading = Reading {
        frames: Frames::new(Arc::clone(&file), header.salt, HEADER_BYTES),
        sequence: first,
        call: (first, HEADER_BYTES),
        proven: HEADER_BYTES,
    };
    let stop = reading.finish(&segment, length, check).map_err(failed("read"))?;
    let Reading { frames, sequence, call, proven } = reading;
    segment.advance(call.0, call.1);
    let end = match stop {
        Stop::Sealed => End::Sealed,
        Stop::Wrong(offset, reason) => End::Damaged { offset, reason },
        Stop::Bad(reason) => {
            let offset = frames.offset();
            let rest = remainder(&*file, header.salt, offset, sequence).map_err(failed("read"))?;
            let torn_bytes = offset - call.1 + rest.written_bytes;
            match rest.synced {
                true => End::Damaged { offset, reason },
                false => End::Open { offset, torn_bytes, reason },
            }
        }
    };
    Ok(Scan { segment, file, end, proven })
}

impl Reading {
    fn finish(&mut self, segment: &Segment, length: u64, check: Check) -> io::Result<Stop> {
        loop {
            let offset = self.frames.offset();
            let (flags, payload) = match self.frames.next(self.sequence, length)? {
                Step::Frame { flags, payload } => (flags, payload),
                Step::End => return Ok(Stop::Bad("it ends before it is sealed")),
                Step::Bad(reason) => return Ok(Stop::Bad(reason)),
            };
            if flags.has(Flags::SYNCED) {
                self.proven = offset;
            }
            if flags.has(Flags::SEAL) {
                return Ok(Stop::Sealed);
            }
            if flags.has(Flags::MORE) && segment.version != 1 {
                return Ok(Stop::Wrong(offset, "a frame has a flag that is not written"));
            }
            let batch = match Batch::parse(segment.version, payload) {
                Ok(batch) => batch,
                Err(reason) => return Ok(Stop::Wrong(offset, reason)),
            };
            segment.note(self.sequence, offset, batch.time_ms, batch.unpacked_bytes);
            let next = self.sequence + batch.records;
            if check == Check::Records
                && let Err(reason) = batch.unpack()
            {
                return Ok(Stop::Wrong(offset, reason));
            }
            self.sequence = next;
            if !flags.has(Flags::MORE) {
                self.call = (next, self.frames.offset());
            }
        }
    }
}

fn read_header(
    file: &dyn DiskFile,
    path: &Path,
    first: u64,
    length: u64,
) -> Result<Header, OpenError> {
    let damaged = |reason: &str| damaged(path, 0, reason);
    let mut header = [0; HEADER_BYTES as usize];
    if length < HEADER_BYTES {
        return Err(damaged("it is shorter than a header"));
    }
    file.read_exact_at(&mut header, 0).map_err(|source| OpenError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    match Header::parse(header) {
        Ok(header) if header.first == first => Ok(header),
        Ok(_) => Err(damaged("the header's sequence is not that of the file name")),
        Err(HeaderError::Damaged(reason)) => Err(damaged(reason)),
        Err(HeaderError::Version(version)) => {
            Err(OpenError::Version { file: path.to_owned(), version })
        }
    }
}

pub(crate) fn damaged(path: &Path, offset: u64, reason: &str) -> OpenError {
    OpenError::Damaged { file: path.to_owned(), offset, reason: reason.to_owned() }
}
