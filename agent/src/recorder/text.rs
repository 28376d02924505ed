//! Reads recordings of version 1: a header line `{"saker_events":1}`, then a line of JSON for each
//! event, compressed or not.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use alert::Event;
use serde::{Deserialize, Serialize};

use super::{EVENT_BYTES_MAX, reader::ReplayError};

pub(super) const VERSION: u32 = 1;
pub(super) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What the decoder may hold: 2 to the power of this. zstd's own levels stay below.
const WINDOW_LOG_MAX: u32 = 27;

#[derive(Serialize, Deserialize)]
struct Header {
    saker_events: u32,
}

/// Returns the first line of a recording in text.
pub(super) fn header() -> String {
    format!("{{\"saker_events\":{VERSION}}}")
}

/// The lines of a recording in text.
pub(super) struct Lines {
    path: PathBuf,
    text: Box<dyn BufRead + Send>,
    /// Lines read.
    line: u64,
}

impl Lines {
    /// Checks the header; `path` is what errors call it.
    pub(super) fn read(
        path: &Path,
        mut file: Box<dyn BufRead + Send>,
    ) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Open { path: path.to_owned(), source };
        let compressed = file.fill_buf().map_err(failed)?.starts_with(&ZSTD_MAGIC);
        let text = if compressed { decoded(file).map_err(failed)? } else { file };
        let mut lines = Self { path: path.to_owned(), text, line: 0 };
        let header = lines.line()?.unwrap_or_default();
        match serde_json::from_slice(&header) {
            Ok(Header { saker_events: VERSION }) => Ok(lines),
            Ok(Header { saker_events: version }) => {
                Err(ReplayError::Version { path: path.to_owned(), version })
            }
            Err(_) => Err(ReplayError::NoRecording { path: path.to_owned() }),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Event>, ReplayError> {
        let Some(line) = self.line()? else { return Ok(None) };
        serde_json::from_slice(&line).map(Some).map_err(|source| ReplayError::NoEvent {
            path: self.path.clone(),
            line: self.line,
            source,
        })
    }

    /// Returns the next line that is not empty.
    fn line(&mut self) -> Result<Option<Vec<u8>>, ReplayError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut self.text).take(EVENT_BYTES_MAX as u64);
            let bytes = bounded.read_until(b'\n', &mut line).map_err(|source| {
                ReplayError::Cut { path: self.path.clone(), line: self.line, source }
            })?;
            if bytes == 0 {
                return Ok(None);
            }
            self.line += 1;
            if bytes == EVENT_BYTES_MAX {
                return Err(ReplayError::LongLine { path: self.path.clone(), line: self.line });
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

fn decoded(file: Box<dyn BufRead + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    let mut decoder = zstd::Decoder::with_buffer(file)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(Box::new(BufReader::new(decoder)))
}
