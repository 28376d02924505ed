//! The records of one commit, as one frame holds them: all of them are there or none.
//!
//! ```text
//! batch   time[8] count[4] form+length[4] records, packed or not
//! record  length[4] bytes
//! ```
//! The time is the clock's, in milliseconds since 1970. The length is that of the records unpacked.
//! Version 1 knew no batches: there a frame holds one record and nothing else.

use bytes::Bytes;

use crate::frame::{self, FRAME_BYTES, Flags, u32_at, u64_at};

pub(crate) const BATCH_BYTES: usize = 16;
pub(crate) const RECORD_BYTES: usize = 4;
/// Records of one batch.
pub(crate) const RECORDS_MAX: usize = 1 << 16;
/// What a packed batch can become; larger ones are never packed.
pub(crate) const PACKED_RECORDS_BYTES_MAX: usize = 4 << 20;
/// A commit writes whole pages of the disk: less than one is not worth packing.
const PACKED_RECORDS_BYTES_MIN: usize = 4096;
/// The lowest level: a higher one saves little more of alerts, and takes several times as long.
const PACKED_LEVEL: i32 = 1;

const FORM_PLAIN: u32 = 0;
const FORM_PACKED: u32 = 1;
const FORM_SHIFT: u32 = 28;
const LENGTH_MASK: u32 = (1 << FORM_SHIFT) - 1;

/// A frame's payload whose head was read.
#[derive(Debug)]
pub(crate) struct Batch {
    /// When it was written; version 1 does not tell.
    pub(crate) time_ms: Option<u64>,
    pub(crate) records: u64,
    /// What its records take, unpacked.
    pub(crate) unpacked_bytes: usize,
    form: Form,
    body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One record and nothing else.
    Lone,
    Plain,
    Packed,
}

impl Batch {
    /// Reads what stands before the records. An error says that no journal writes this.
    pub(crate) fn parse(version: u32, payload: Bytes) -> Result<Self, &'static str> {
        if version == 1 {
            let unpacked_bytes = payload.len();
            let form = Form::Lone;
            return Ok(Self { time_ms: None, records: 1, unpacked_bytes, form, body: payload });
        }
        if payload.len() < BATCH_BYTES {
            return Err("a batch is shorter than its head");
        }
        let word = u32_at(&payload, 12);
        let (records, unpacked_bytes) = (u32_at(&payload, 8), (word & LENGTH_MASK) as usize);
        let body = payload.slice(BATCH_BYTES..);
        let form = match word >> FORM_SHIFT {
            FORM_PLAIN if body.len() == unpacked_bytes => Form::Plain,
            FORM_PACKED if unpacked_bytes <= PACKED_RECORDS_BYTES_MAX => Form::Packed,
            _ => return Err("a batch has no form or length that is written"),
        };
        let least = records as usize * RECORD_BYTES;
        if records == 0 || records as usize > RECORDS_MAX || least > unpacked_bytes {
            return Err("a batch cannot hold so many records");
        }
        let (time_ms, records) = (Some(u64_at(&payload, 0)), u64::from(records));
        Ok(Self { time_ms, records, unpacked_bytes, form, body })
    }

    /// Returns the records. Takes no more memory than the head told.
    pub(crate) fn unpack(self) -> Result<Vec<Bytes>, &'static str> {
        let mut rest = match self.form {
            Form::Lone => return Ok(vec![self.body]),
            Form::Plain => self.body,
            Form::Packed => zstd::bulk::decompress(&self.body, self.unpacked_bytes)
                .map_err(|_| "a batch cannot be unpacked")?
                .into(),
        };
        if rest.len() != self.unpacked_bytes {
            return Err("a batch unpacks to another length than its head tells");
        }
        let mut records = Vec::with_capacity(self.records as usize);
        for _ in 0..self.records {
            if rest.len() < RECORD_BYTES {
                return Err("a batch ends before its records");
            }
            let length = u32_at(&rest, 0) as usize;
            if rest.len() - RECORD_BYTES < length {
                return Err("a batch ends within a record");
            }
            let record = rest.split_to(RECORD_BYTES + length);
            records.push(record.slice(RECORD_BYTES..));
        }
        if !rest.is_empty() {
            return Err("a batch goes on after its records");
        }
        Ok(records)
    }
}

/// Makes frames of commits. Keeps its buffers, and what packing needs.
#[derive(Default)]
pub(crate) struct Encoder {
    /// Room for the frame's head, the batch's head, then the records.
    plain: Vec<u8>,
    /// The same, packed.
    packed: Vec<u8>,
    packer: Option<zstd::bulk::Compressor<'static>>,
    is_packed: bool,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("is_packed", &self.is_packed).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Takes the records of a commit and returns what their frame takes in a segment. They are
    /// packed where that saves an eighth of them.
    ///
    /// The caller holds no more than [`RECORDS_MAX`], nor more bytes than a frame can carry.
    pub(crate) fn take<'a>(
        &mut self,
        time_ms: u64,
        records: impl IntoIterator<Item = &'a Bytes>,
    ) -> usize {
        self.plain.clear();
        self.plain.resize(FRAME_BYTES + BATCH_BYTES, 0);
        let mut count: u32 = 0;
        for record in records {
            self.plain.extend_from_slice(&(record.len() as u32).to_le_bytes());
            self.plain.extend_from_slice(record);
            count += 1;
        }
        let length = self.plain.len() - FRAME_BYTES - BATCH_BYTES;
        self.is_packed = self.pack(length);
        let form = if self.is_packed { FORM_PACKED } else { FORM_PLAIN };
        let head = &mut self.bytes()[FRAME_BYTES..FRAME_BYTES + BATCH_BYTES];
        head[..8].copy_from_slice(&time_ms.to_le_bytes());
        head[8..12].copy_from_slice(&count.to_le_bytes());
        head[12..].copy_from_slice(&(form << FORM_SHIFT | length as u32).to_le_bytes());
        self.bytes().len().next_multiple_of(frame::ALIGN)
    }

    /// Returns the frame of what was taken last.
    pub(crate) fn frame(&mut self, salt: u64, sequence: u64, flags: Flags) -> &[u8] {
        let bytes = self.bytes();
        frame::finish(bytes, salt, sequence, flags);
        bytes
    }

    fn bytes(&mut self) -> &mut Vec<u8> {
        if self.is_packed { &mut self.packed } else { &mut self.plain }
    }

    /// Packs the records; returns false where it saves too little.
    fn pack(&mut self, length: usize) -> bool {
        if !(PACKED_RECORDS_BYTES_MIN..=PACKED_RECORDS_BYTES_MAX).contains(&length) {
            return false;
        }
        if self.packer.is_none() {
            self.packer = zstd::bulk::Compressor::new(PACKED_LEVEL).ok();
        }
        let Some(packer) = &mut self.packer else { return false };
        let head = FRAME_BYTES + BATCH_BYTES;
        self.packed.resize(head + length - length / 8, 0);
        // What does not fit is an error: it would have saved too little.
        let Ok(packed) = packer.compress_to_buffer(&self.plain[head..], &mut self.packed[head..])
        else {
            return false;
        };
        self.packed.truncate(head + packed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: &[Bytes]) -> Bytes {
        let mut encoder = Encoder::default();
        encoder.take(7, records);
        Bytes::copy_from_slice(&encoder.bytes()[FRAME_BYTES..])
    }

    fn unpacked(payload: Bytes) -> Result<Vec<Bytes>, &'static str> {
        Batch::parse(2, payload).and_then(Batch::unpack)
    }

    fn with_word(payload: &Bytes, at: usize, word: u32) -> Bytes {
        let mut bytes = payload.to_vec();
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        bytes.into()
    }

    #[test]
    fn a_batch_is_packed_only_where_that_saves() {
        let alike: Vec<Bytes> = (0..100).map(|_| Bytes::from(vec![b'a'; 100])).collect();
        let payload = batch(&alike);
        assert!(payload.len() < 400, "{}", payload.len());
        assert_eq!(unpacked(payload).unwrap(), alike);

        let few = &alike[..9];
        assert_eq!(batch(few).len(), BATCH_BYTES + few.len() * 104);

        let mut state: u64 = 1;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        let noise: Vec<Bytes> =
            (0..100).map(|_| (0..100).map(|_| random()).collect::<Vec<_>>().into()).collect();
        let payload = batch(&noise);
        assert_eq!(payload.len(), BATCH_BYTES + 100 * 104);
        assert_eq!(unpacked(payload).unwrap(), noise);
    }

    #[test]
    fn a_batch_that_would_become_larger_than_it_tells_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
        assert!(bomb.len() < 16 << 10);
        let claim = |length: u32| {
            let mut payload = vec![0; BATCH_BYTES];
            payload[8..12].copy_from_slice(&1_u32.to_le_bytes());
            payload[12..16].copy_from_slice(&(FORM_PACKED << FORM_SHIFT | length).to_le_bytes());
            payload.extend_from_slice(&bomb);
            Bytes::from(payload)
        };
        assert!(Batch::parse(2, claim(64 << 20)).is_err(), "larger than is ever packed");
        assert_eq!(unpacked(claim(1 << 20)), Err("a batch cannot be unpacked"));
    }

    #[test]
    fn a_head_that_does_not_fit_its_records_is_refused() {
        let payload = batch(&[Bytes::from_static(b"one"), Bytes::from_static(b"three")]);
        assert_eq!(unpacked(payload.clone()).unwrap().len(), 2);
        for count in [0, 1, 3, 5, u32::MAX] {
            assert!(unpacked(with_word(&payload, 8, count)).is_err(), "{count} records");
        }
        for length in [0, 15, 17, LENGTH_MASK, 2 << FORM_SHIFT | 16, FORM_PACKED << FORM_SHIFT] {
            assert!(unpacked(with_word(&payload, 12, length)).is_err(), "length {length}");
        }
        for length in [2, 4, u32::MAX] {
            assert!(unpacked(with_word(&payload, 16, length)).is_err(), "a record of {length}");
        }
        assert!(unpacked(payload.slice(..15)).is_err());
    }
}
