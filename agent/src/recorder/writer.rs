//! Writes a recording to anything, or to a file of bounded size.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use alert::Event;

use super::{
    frame::{self, Header, Index, Indexed, TEXT_BYTES_MAX, Tag},
    pack::{Chunk, Packer},
};

/// Text of a chunk. Larger ones pack hardly better, and a killed recorder loses the open one.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_BYTES_MIN: usize = 64 << 10;
/// A chunk ends with the first event that is so much later than its first.
const CHUNK_NS: u64 = 2_000_000_000;
/// Level at which an index is packed.
const INDEX_LEVEL: i32 = 3;

#[derive(Debug, thiserror::Error)]
#[error("failed to record events to `{}`", path.display())]
pub struct RecordError {
    path: PathBuf,
    source: io::Error,
}

/// Whether an event was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Yes,
    /// The recording has its full size; it is complete and readable.
    Full,
}

/// Writes a recording. What was not [finished](Self::finish) can be read up to its last chunk.
pub(crate) struct Writer<W> {
    out: W,
    bytes: u64,
    packer: Packer,
    chunk_bytes: usize,
    index: Index,
    events: u64,
    left_out: u64,
}

/// What a recording that is complete holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) events: u64,
    /// Events that were longer than any should be.
    pub(crate) left_out: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(mut out: W, header: &Header) -> io::Result<Self> {
        let bytes = frame::write_header(header, &mut out)? as u64;
        Ok(Self {
            out,
            bytes,
            packer: Packer::default(),
            chunk_bytes: CHUNK_BYTES,
            index: Index::default(),
            events: 0,
            left_out: 0,
        })
    }

    pub(crate) fn push(&mut self, event: &Event) -> io::Result<()> {
        let summary = self.packer.summary();
        let late = event.time_ns.saturating_sub(summary.first_ns) > CHUNK_NS;
        if self.packer.len() >= self.chunk_bytes || (summary.events > 0 && late) {
            self.end_chunk()?;
        }
        if !self.packer.push(event)? {
            self.left_out += 1;
        }
        Ok(())
    }

    /// Writes out what was gathered.
    pub(crate) fn end_chunk(&mut self) -> io::Result<()> {
        match self.packer.pack()? {
            Some(chunk) => self.chunk(&chunk),
            None => Ok(()),
        }
    }

    /// Writes a chunk that another packer made.
    pub(crate) fn chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.index.chunks.push(Indexed { offset: self.bytes, summary: chunk.summary.clone() });
        self.events += u64::from(chunk.summary.events);
        self.out.write_all(&chunk.bytes)?;
        self.bytes += chunk.bytes.len() as u64;
        Ok(())
    }

    /// Returns how much was written.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) const fn out_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Completes the recording.
    pub(crate) fn finish(mut self) -> io::Result<(W, Ending)> {
        self.end_chunk()?;
        let index = frame::frame(Tag::Index, &[], &self.index_text()?, INDEX_LEVEL)?;
        self.out.write_all(&index)?;
        self.out.write_all(&frame::end(self.bytes))?;
        self.out.flush()?;
        Ok((self.out, Ending { events: self.events, left_out: self.left_out }))
    }

    /// Returns the index, the shorter where the whole would be too long.
    fn index_text(&mut self) -> io::Result<Vec<u8>> {
        let fits = |text: &Vec<u8>| text.len() <= TEXT_BYTES_MAX as usize;
        let text = serde_json::to_vec(&self.index)?;
        if fits(&text) {
            return Ok(text);
        }
        for chunk in &mut self.index.chunks {
            chunk.summary.pids = None;
        }
        let text = serde_json::to_vec(&self.index)?;
        if fits(&text) {
            return Ok(text);
        }
        // An empty one: a reader then goes from chunk to chunk.
        Ok(serde_json::to_vec(&Index::default())?)
    }
}

/// Writes events to a file of bounded size, which only its owner can read.
pub struct Recorder {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
    bytes_max: u64,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Makes or replaces the file. It grows to about `bytes_max`.
    pub fn create(path: &Path, bytes_max: u64, header: &Header) -> Result<Self, RecordError> {
        let create = || {
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
            Writer::new(BufWriter::new(file), header)
        };
        match create() {
            Ok(mut writer) => {
                let chunk = usize::try_from(bytes_max / 4).unwrap_or(CHUNK_BYTES);
                writer.chunk_bytes = chunk.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES);
                Ok(Self { path: path.to_owned(), writer, bytes_max })
            }
            Err(source) => Err(RecordError { path: path.to_owned(), source }),
        }
    }

    /// Writes one event, unless the recording is full.
    pub fn record(&mut self, event: &Event) -> Result<Recorded, RecordError> {
        if self.writer.bytes() >= self.bytes_max {
            return Ok(Recorded::Full);
        }
        self.writer
            .push(event)
            .map_err(|source| RecordError { path: self.path.clone(), source })
            .map(|()| Recorded::Yes)
    }

    /// Completes the file and returns how many events it holds.
    pub fn finish(self) -> Result<u64, RecordError> {
        let finish = || {
            let (out, ending) = self.writer.finish()?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            Ok(ending.events)
        };
        finish().map_err(|source| RecordError { path: self.path, source })
    }
}
