//! The last seconds of events, packed, in bounded memory.

use std::{collections::VecDeque, io};

use alert::Event;

use super::pack::{Chunk, Packer};

/// Text of a chunk: a short one, since whole chunks are kept and let go.
const CHUNK_BYTES: usize = 256 << 10;
const CHUNK_NS: u64 = 1_000_000_000;

/// Chunks of the last events; the oldest go first.
pub(crate) struct Ring {
    packer: Packer,
    chunks: VecDeque<Chunk>,
    /// Of the chunks.
    bytes: u64,
    bytes_max: u64,
    span_ns: u64,
}

impl Ring {
    /// Keeps events of the last `span_ns`, or fewer where they need more than `bytes_max`.
    pub(crate) fn new(span_ns: u64, bytes_max: u64) -> Self {
        Self { packer: Packer::default(), chunks: VecDeque::new(), bytes: 0, bytes_max, span_ns }
    }

    /// Takes an event in. Returns the chunk that ended before it, if one did.
    pub(crate) fn push(&mut self, event: &Event) -> io::Result<Option<&Chunk>> {
        let summary = self.packer.summary();
        let late = event.time_ns.saturating_sub(summary.first_ns) > CHUNK_NS;
        let ends = self.packer.len() >= CHUNK_BYTES || (summary.events > 0 && late);
        let ended = ends && self.end_chunk()?.is_some();
        self.packer.push(event)?;
        Ok(self.chunks.back().filter(|_| ended))
    }

    /// Ends the open chunk and returns it; nothing if there is no event in it.
    pub(crate) fn end_chunk(&mut self) -> io::Result<Option<&Chunk>> {
        let Some(chunk) = self.packer.pack()? else { return Ok(None) };
        let from = chunk.summary.last_ns.saturating_sub(self.span_ns);
        self.bytes += chunk.bytes.len() as u64;
        self.chunks.push_back(chunk);
        while let Some(oldest) = self.chunks.front()
            && self.chunks.len() > 1
            && (self.bytes > self.bytes_max || oldest.summary.last_ns < from)
        {
            self.bytes -= oldest.bytes.len() as u64;
            self.chunks.pop_front();
        }
        Ok(self.chunks.back())
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    /// Returns what its chunks take.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}
