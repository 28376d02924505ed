//! Events in a file, so that rules can be tried again without a kernel.
//!
//! A recording is zstd-compressed text: a header line `{"saker_events":1}`, then one event per line.
//! Uncompressed text is read as well, so that a person can write one.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use alert::Event;
use rules::RuleSet;
use serde::{Deserialize, Serialize};

use crate::{
    detect::{Detector, Limits},
    sink::AlertSink,
};

const VERSION: u32 = 1;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// An event with 64 ancestors of 4 KiB of arguments and environment each stays well below.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// Events between two flushes: what a killed recorder loses at most.
const FLUSH_EVENTS: u64 = 256;

#[derive(Serialize, Deserialize)]
struct Header {
    saker_events: u32,
}

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

/// Writes events to a file of bounded size.
pub struct Recorder {
    path: PathBuf,
    encoder: zstd::Encoder<'static, Counted>,
    bytes_max: u64,
    events: u64,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Makes or replaces the file. It grows to about `bytes_max`.
    pub fn create(path: &Path, bytes_max: u64) -> Result<Self, RecordError> {
        let create = || {
            let file = Counted { file: BufWriter::new(File::create(path)?), bytes: 0 };
            let mut encoder = zstd::Encoder::new(file, 1)?;
            serde_json::to_writer(&mut encoder, &Header { saker_events: VERSION })?;
            encoder.write_all(b"\n")?;
            Ok(encoder)
        };
        match create() {
            Ok(encoder) => Ok(Self { path: path.to_owned(), encoder, bytes_max, events: 0 }),
            Err(source) => Err(RecordError { path: path.to_owned(), source }),
        }
    }

    /// Writes one event, unless the recording is full.
    pub fn record(&mut self, event: &Event) -> Result<Recorded, RecordError> {
        if self.encoder.get_ref().bytes >= self.bytes_max {
            return Ok(Recorded::Full);
        }
        self.write(event)
            .map_err(|source| RecordError { path: self.path.clone(), source })
            .map(|()| Recorded::Yes)
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(&mut self.encoder, event)?;
        self.encoder.write_all(b"\n")?;
        self.events += 1;
        if self.events.is_multiple_of(FLUSH_EVENTS) {
            self.encoder.flush()?;
        }
        Ok(())
    }

    /// Completes the file and returns how many events it holds.
    pub fn finish(self) -> Result<u64, RecordError> {
        let finish = || self.encoder.finish()?.file.into_inner()?.sync_all();
        match finish() {
            Ok(()) => Ok(self.events),
            Err(source) => Err(RecordError { path: self.path, source }),
        }
    }
}

struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Why a recording could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("failed to open recording `{}`", path.display())]
    Open { path: PathBuf, source: io::Error },
    /// The file ends in the middle, or is damaged. Lines before it were replayed.
    #[error("recording `{}` cannot be read after line {line}: it is cut short or damaged", path.display())]
    Cut { path: PathBuf, line: u64, source: io::Error },
    #[error("recording `{}`, line {line}: not a recording of events (expected `{{\"saker_events\":{VERSION}}}`)", path.display())]
    NoRecording { path: PathBuf, line: u64 },
    #[error("recording `{}` has version {version}; this program reads version {VERSION}", path.display())]
    Version { path: PathBuf, version: u32 },
    #[error("recording `{}`, line {line}: not an event", path.display())]
    NoEvent { path: PathBuf, line: u64, source: serde_json::Error },
    #[error("recording `{}`, line {line}: longer than {LINE_BYTES_MAX} bytes", path.display())]
    LongLine { path: PathBuf, line: u64 },
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub events: u64,
    pub alerts: u64,
}

/// Runs a recording through rules. No limit on a rule's rate applies.
pub fn replay(
    file: &Path,
    rules: &Arc<RuleSet>,
    sink: &mut dyn AlertSink,
) -> Result<Replayed, ReplayError> {
    let mut detector = Detector::new(Arc::clone(rules), crate::hostname(), Limits::none());
    let mut replayed = Replayed::default();
    for event in Recording::open(file)? {
        let event = event?;
        replayed.events += 1;
        detector.observe(&event, &mut |alert: &alert::Alert| {
            replayed.alerts += 1;
            sink.alert(alert);
        });
    }
    Ok(replayed)
}

/// The events of a recording, in order. Ends after the first error.
pub struct Recording {
    path: PathBuf,
    text: Box<dyn BufRead + Send>,
    /// Lines read.
    line: u64,
    ended: bool,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Recording {
    /// How much of a file [`Self::is_one`] wants to see.
    pub const START_BYTES: u64 = 64;

    /// Returns the first line of a recording; its events follow, a line of JSON each.
    pub fn header() -> String {
        format!("{{\"saker_events\":{VERSION}}}")
    }

    /// Opens a recording and checks its header.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        match File::open(path) {
            Ok(file) => Self::read(path, Box::new(BufReader::new(file))),
            Err(source) => Err(ReplayError::Open { path: path.to_owned(), source }),
        }
    }

    /// Returns whether a file that starts so is a recording.
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(&ZSTD_MAGIC) || start.trim_ascii_start().starts_with(b"{\"saker_events\"")
    }

    /// Reads a recording from anywhere and checks its header; `path` is what errors call it.
    pub fn read(path: &Path, mut file: Box<dyn BufRead + Send>) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Open { path: path.to_owned(), source };
        let text: Box<dyn BufRead + Send> =
            if file.fill_buf().map_err(failed)?.starts_with(&ZSTD_MAGIC) {
                Box::new(BufReader::new(zstd::Decoder::with_buffer(file).map_err(failed)?))
            } else {
                file
            };
        let mut recording = Self { path: path.to_owned(), text, line: 0, ended: false };
        let header = recording.line()?.unwrap_or_default();
        match serde_json::from_slice(&header) {
            Ok(Header { saker_events: VERSION }) => Ok(recording),
            Ok(Header { saker_events: version }) => {
                Err(ReplayError::Version { path: path.to_owned(), version })
            }
            Err(_) => Err(ReplayError::NoRecording { path: path.to_owned(), line: 1 }),
        }
    }

    /// Returns the next line that is not empty.
    fn line(&mut self) -> Result<Option<Vec<u8>>, ReplayError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut self.text).take(LINE_BYTES_MAX);
            let bytes = bounded.read_until(b'\n', &mut line).map_err(|source| {
                ReplayError::Cut { path: self.path.clone(), line: self.line, source }
            })?;
            if bytes == 0 {
                return Ok(None);
            }
            self.line += 1;
            if bytes as u64 == LINE_BYTES_MAX {
                return Err(ReplayError::LongLine { path: self.path.clone(), line: self.line });
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

impl Iterator for Recording {
    type Item = Result<Event, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = self.line().and_then(|line| {
            let event = line.map(|line| serde_json::from_slice(&line)).transpose();
            event.map_err(|source| ReplayError::NoEvent {
                path: self.path.clone(),
                line: self.line,
                source,
            })
        });
        self.ended = !matches!(event, Ok(Some(_)));
        event.transpose()
    }
}
