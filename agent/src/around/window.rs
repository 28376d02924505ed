//! A ring of what came before, and the recording of what is around a moment while it is written.

use std::io::{self, Write};

use alert::Event;

use crate::recorder::{Header, Ring, Writer};

/// Events come a little later than they happened.
const LAG_NS: u64 = 1_000_000_000;

/// Keeps the last events, and writes a recording at a time to `W`.
pub(crate) struct Window<W> {
    ring: Ring,
    hostname: String,
    span_ns: u64,
    open: Option<Open<W>>,
}

/// A recording that is written.
struct Open<W> {
    writer: Writer<W>,
    until_ns: u64,
}

impl<W: Write> Window<W> {
    /// Keeps what happens in `span_ns`, or less where that needs more than `ring_bytes_max`.
    pub(crate) fn new(hostname: String, span_ns: u64, ring_bytes_max: u64) -> Self {
        let ring = Ring::new(span_ns.saturating_add(LAG_NS), ring_bytes_max);
        Self { ring, hostname, span_ns, open: None }
    }

    /// Takes an event in.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        let ended = self.ring.push(event)?;
        let (Some(chunk), Some(open)) = (ended, &mut self.open) else { return Ok(()) };
        open.writer.chunk(chunk)
    }

    /// Begins a recording of what is around `time_ns` with what the ring has of it. Returns the time of
    /// its first event. One that is open must have been [ended](Self::end) before.
    pub(crate) fn begin(&mut self, time_ns: u64, out: W) -> io::Result<Option<u64>> {
        self.ring.end_chunk()?;
        let from_ns = time_ns.saturating_sub(self.span_ns);
        let mut writer = Writer::new(out, &Header::here(self.hostname.clone()))?;
        let mut first_ns = None;
        for chunk in self.ring.chunks().filter(|chunk| chunk.summary.last_ns >= from_ns) {
            first_ns = first_ns.or(Some(chunk.summary.first_ns));
            writer.chunk(chunk)?;
        }
        self.open = Some(Open { writer, until_ns: time_ns.saturating_add(self.span_ns) });
        Ok(first_ns)
    }

    /// Returns whether a recording is open and everything around its moment has happened.
    pub(crate) fn is_over(&self, now_ns: u64) -> bool {
        self.open.as_ref().is_some_and(|open| now_ns > open.until_ns.saturating_add(LAG_NS))
    }

    /// Returns the bytes of the open recording.
    pub(crate) fn open_bytes(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.writer.bytes())
    }

    /// Returns where the open recording is written to.
    pub(crate) fn out_mut(&mut self) -> Option<&mut W> {
        self.open.as_mut().map(|open| open.writer.out_mut())
    }

    /// Completes the open recording. Returns where it was written to, and how many events it holds.
    pub(crate) fn end(&mut self) -> io::Result<Option<(W, u64)>> {
        let Some(mut open) = self.open.take() else { return Ok(None) };
        if let Some(chunk) = self.ring.end_chunk()? {
            open.writer.chunk(chunk)?;
        }
        let (out, ending) = open.writer.finish()?;
        Ok(Some((out, ending.events)))
    }

    /// Gives the open recording up.
    pub(crate) fn abandon(&mut self) {
        self.open = None;
    }

    /// Returns what the ring takes.
    pub(crate) const fn ring_bytes(&self) -> u64 {
        self.ring.bytes()
    }
}
