//! The bytes of a segment: one header, then frames until a sealing frame.
//!
//! ```text
//! header  magic[8] version[4] crc[4] first[8] salt[8]
//! frame   flags+length[4] crc[4] sequence^salt[8] payload, zeros up to a multiple of 8
//! ```
//! A frame's payload is a [batch](crate::batch).
//! All numbers are little-endian. A checksum covers the salt and everything in its frame but itself.
//! The salt is drawn per segment: neither an old segment's bytes nor a record made to look like a
//! frame can be taken for a frame of this one.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};

use crate::{DiskFile, FORMAT_VERSION, batch::RECORDS_MAX};

pub(crate) const HEADER_BYTES: u64 = 32;
pub(crate) const FRAME_BYTES: usize = 16;
pub(crate) const ALIGN: usize = 8;

/// The length a frame can carry.
pub(crate) const PAYLOAD_BYTES_MAX: usize = (1 << 28) - 1;

const MAGIC: [u8; 8] = *b"SAKERJNL";
const READ_BYTES: usize = 256 << 10;

/// What a frame says beside its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u32);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// Everything before this frame was synced before this frame was written.
    pub(crate) const SYNCED: Self = Self(1 << 31);
    /// The next frame belongs to the same call. Only version 1 needs it.
    pub(crate) const MORE: Self = Self(1 << 30);
    /// No record: the segment is complete.
    pub(crate) const SEAL: Self = Self(1 << 29);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Returns the bytes a payload takes in a segment.
const fn framed_bytes(payload_bytes: usize) -> usize {
    (FRAME_BYTES + payload_bytes).next_multiple_of(ALIGN)
}

/// Makes a frame of bytes that begin with room for a frame's head, and go on with its payload.
pub(crate) fn finish(frame: &mut Vec<u8>, salt: u64, sequence: u64, flags: Flags) {
    let payload = &frame[FRAME_BYTES..];
    let word = (flags.0 | payload.len() as u32).to_le_bytes();
    let masked = (sequence ^ salt).to_le_bytes();
    let sum = checksum(salt, word, masked, payload).to_le_bytes();
    frame[..4].copy_from_slice(&word);
    frame[4..8].copy_from_slice(&sum);
    frame[8..FRAME_BYTES].copy_from_slice(&masked);
    frame.resize(frame.len().next_multiple_of(ALIGN), 0);
}

/// Returns the frame that ends a segment.
pub(crate) fn sealing(salt: u64, sequence: u64) -> Vec<u8> {
    let mut frame = vec![0; FRAME_BYTES];
    finish(&mut frame, salt, sequence, Flags::SEAL.and(Flags::SYNCED));
    frame
}

fn checksum(salt: u64, word: [u8; 4], masked: [u8; 8], payload: &[u8]) -> u32 {
    let mut head = [0; 20];
    head[..8].copy_from_slice(&salt.to_le_bytes());
    head[8..12].copy_from_slice(&word);
    head[12..].copy_from_slice(&masked);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head);
    hasher.update(payload);
    hasher.finalize()
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u32,
    /// Sequence of its first record.
    pub(crate) first: u64,
    pub(crate) salt: u64,
}

#[derive(Debug)]
pub(crate) enum HeaderError {
    Damaged(&'static str),
    Version(u32),
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: [u8; HEADER_BYTES as usize]) -> Result<Self, HeaderError> {
        if bytes[..8] != MAGIC {
            return Err(HeaderError::Damaged("it does not begin as a journal segment does"));
        }
        let mut unsummed = bytes;
        unsummed[12..16].fill(0);
        if crc32fast::hash(&unsummed) != u32_at(&bytes, 12) {
            return Err(HeaderError::Damaged("the header's checksum does not match"));
        }
        match u32_at(&bytes, 8) {
            version @ 1..=FORMAT_VERSION => {
                Ok(Self { version, first: u64_at(&bytes, 16), salt: u64_at(&bytes, 24) })
            }
            version => Err(HeaderError::Version(version)),
        }
    }
}

/// One step through a segment.
#[derive(Debug)]
pub(crate) enum Step {
    Frame {
        flags: Flags,
        payload: Bytes,
    },
    /// The end given was reached.
    End,
    /// What stands here is not the frame expected.
    Bad(&'static str),
}

/// Walks over the frames of one segment, checking each.
#[derive(Debug)]
pub(crate) struct Frames {
    file: Arc<dyn DiskFile>,
    salt: u64,
    offset: u64,
    ahead: BytesMut,
}

impl Frames {
    pub(crate) fn new(file: Arc<dyn DiskFile>, salt: u64, offset: u64) -> Self {
        Self { file, salt, offset, ahead: BytesMut::new() }
    }

    /// Returns where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the frame that begins with record `expected`, which ends at or before `end`.
    pub(crate) fn next(&mut self, expected: u64, end: u64) -> io::Result<Step> {
        if self.offset >= end {
            return Ok(Step::End);
        }
        if !self.fill(FRAME_BYTES, end)? {
            return Ok(Step::Bad("a frame is cut short"));
        }
        let word = u32_at(&self.ahead, 0);
        let (flags, length) =
            (Flags(word & !(PAYLOAD_BYTES_MAX as u32)), word as usize & PAYLOAD_BYTES_MAX);
        if u64_at(&self.ahead, 8) ^ self.salt != expected {
            return Ok(Step::Bad("the record here has another sequence"));
        }
        let framed = framed_bytes(length);
        if !self.fill(framed, end)? {
            return Ok(Step::Bad("a record is cut short"));
        }
        let payload = &self.ahead[FRAME_BYTES..FRAME_BYTES + length];
        let masked = (expected ^ self.salt).to_le_bytes();
        if checksum(self.salt, word.to_le_bytes(), masked, payload) != u32_at(&self.ahead, 4) {
            return Ok(Step::Bad("a record's checksum does not match"));
        }
        self.offset += framed as u64;
        let payload = self.ahead.split_to(framed).freeze().slice(FRAME_BYTES..FRAME_BYTES + length);
        Ok(Step::Frame { flags, payload })
    }

    /// Makes `wanted` bytes available; false when there are fewer before `end`.
    fn fill(&mut self, wanted: usize, end: u64) -> io::Result<bool> {
        if self.ahead.len() >= wanted {
            return Ok(true);
        }
        let left = usize::try_from(end - self.offset).unwrap_or(usize::MAX);
        if left < wanted {
            return Ok(false);
        }
        let held = self.ahead.len();
        self.ahead.resize(left.min(READ_BYTES.max(wanted)), 0);
        self.file.read_exact_at(&mut self.ahead[held..], self.offset + held as u64)?;
        Ok(true)
    }
}

/// What follows a place in a segment where no frame could be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Remainder {
    /// A frame after it shows that everything before was synced once.
    pub(crate) synced: bool,
    /// Bytes up to the last that is not zero.
    pub(crate) written_bytes: u64,
}

/// Looks at the rest of a segment from `offset` on, where record `expected` should have been.
pub(crate) fn remainder(
    file: &dyn DiskFile,
    salt: u64,
    offset: u64,
    expected: u64,
) -> io::Result<Remainder> {
    let mut rest = Vec::new();
    let end = file.length()?;
    rest.resize(usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX), 0);
    file.read_exact_at(&mut rest, offset)?;
    let written = rest.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let frames_max = 1 + (rest.len() / FRAME_BYTES) as u64;
    let sequences = expected..expected.saturating_add(frames_max * RECORDS_MAX as u64);
    // The masked sequence of a frame is never zero, so one cannot begin after these.
    let starts = written.saturating_sub(ALIGN).min(rest.len().saturating_sub(FRAME_BYTES - 1));
    let synced = (ALIGN..starts).step_by(ALIGN).any(|at| {
        let (word, sequence) = (u32_at(&rest, at), u64_at(&rest, at + 8) ^ salt);
        if !sequences.contains(&sequence) || !Flags(word).has(Flags::SYNCED) {
            return false;
        }
        let start = at + FRAME_BYTES;
        let Some(payload) = rest.get(start..start + (word as usize & PAYLOAD_BYTES_MAX)) else {
            return false;
        };
        let masked = (sequence ^ salt).to_le_bytes();
        checksum(salt, word.to_le_bytes(), masked, payload) == u32_at(&rest, at + 4)
    });
    Ok(Remainder { synced, written_bytes: written as u64 })
}

/// The caller holds a slice that is long enough.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
