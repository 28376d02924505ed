//! Reads recordings of every version, whatever their bytes are.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use alert::Event;

use super::{
    Selection,
    frame::{self, END_BYTES, Frame, FrameError, Header, Index, MAGIC, Summary, Tag, VERSION},
    text::{self, Lines, ZSTD_MAGIC},
    unpack::Unpacker,
};

/// Why a recording could not be read to its end. What came before was read.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("failed to open recording `{}`", path.display())]
    Open { path: PathBuf, source: io::Error },
    /// In version 1.
    #[error("recording `{}` cannot be read after line {line}: it is cut short or damaged", path.display())]
    Cut { path: PathBuf, line: u64, source: io::Error },
    #[error(
        "recording `{}` ends in the middle, after {events} events: whoever wrote it was stopped",
        path.display()
    )]
    CutShort { path: PathBuf, events: u64 },
    #[error("recording `{}` is damaged after {events} events: {why}", path.display())]
    Damaged { path: PathBuf, events: u64, why: String },
    #[error("failed to read recording `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "`{}` is not a recording of events: it begins neither with `SAKEREVT` nor with `{}`",
        path.display(),
        text::header()
    )]
    NoRecording { path: PathBuf },
    #[error(
        "recording `{}` has version {version}; this program reads versions {} and {VERSION}",
        path.display(),
        text::VERSION
    )]
    Version { path: PathBuf, version: u32 },
    #[error("recording `{}`, line {line}: not an event", path.display())]
    NoEvent { path: PathBuf, line: u64, source: serde_json::Error },
    #[error("recording `{}`, line {line}: longer than any event", path.display())]
    LongLine { path: PathBuf, line: u64 },
}

/// The events of a recording, in order. Ends after the first error.
pub struct Recording {
    path: PathBuf,
    source: Source,
    selection: Selection,
    ended: bool,
}

enum Source {
    Lines(Lines),
    Chunks(Box<Chunks>),
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Recording {
    /// How much of a file [`Self::is_one`] wants to see.
    pub const START_BYTES: u64 = 64;

    /// Returns the first line of a recording in text; its events follow, a line of JSON each.
    pub fn text_header() -> String {
        text::header()
    }

    /// Opens a recording and checks its header.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let is_file = file.metadata().map_err(failed)?.is_file();
        let mut file = BufReader::new(file);
        if is_file && file.fill_buf().map_err(failed)?.starts_with(&MAGIC) {
            return Self::chunks(path, Input::File(file));
        }
        Self::read(path, Box::new(file))
    }

    /// Returns whether a file that starts so is a recording.
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(&MAGIC)
            || start.starts_with(&ZSTD_MAGIC)
            || start.trim_ascii_start().starts_with(b"{\"saker_events\"")
    }

    /// Reads a recording from anywhere and checks its header; `path` is what errors call it.
    pub fn read(path: &Path, mut file: Box<dyn BufRead + Send>) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Open { path: path.to_owned(), source };
        if file.fill_buf().map_err(failed)?.starts_with(&MAGIC) {
            return Self::chunks(path, Input::Stream(file));
        }
        let source = Source::Lines(Lines::read(path, file)?);
        Ok(Self { path: path.to_owned(), source, selection: Selection::default(), ended: false })
    }

    fn chunks(path: &Path, mut input: Input) -> Result<Self, ReplayError> {
        let header = io::Read::read_exact(&mut input, &mut [0; MAGIC.len()])
            .map_err(FrameError::Read)
            .and_then(|()| frame::read_header(&mut input))
            .map_err(|error| told(path, 0, error))?;
        let header =
            header.map_err(|version| ReplayError::Version { path: path.to_owned(), version })?;
        let chunks = Chunks {
            input,
            header,
            planned: None,
            open: Unpacker::default(),
            events: 0,
            end: false,
        };
        let source = Source::Chunks(Box::new(chunks));
        Ok(Self { path: path.to_owned(), source, selection: Selection::default(), ended: false })
    }

    /// Leaves out what is not of this selection. Chunks without any of it are not unpacked, and with
    /// an index not even read.
    #[must_use]
    pub fn only(mut self, selection: Selection) -> Self {
        if let Source::Chunks(chunks) = &mut self.source
            && !selection.is_all()
        {
            chunks.plan(&selection);
        }
        Self { selection, ..self }
    }

    /// Returns where and by whom it was made; version 1 does not tell.
    pub fn header(&self) -> Option<&Header> {
        match &self.source {
            Source::Lines(_) => None,
            Source::Chunks(chunks) => Some(&chunks.header),
        }
    }

    fn event(&mut self) -> Result<Option<Event>, ReplayError> {
        loop {
            let event = match &mut self.source {
                Source::Lines(lines) => lines.next()?,
                Source::Chunks(chunks) => chunks.next(&self.path, &self.selection)?,
            };
            if event.as_ref().is_none_or(|event| self.selection.has(event)) {
                return Ok(event);
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
        let event = self.event();
        self.ended = !matches!(event, Ok(Some(_)));
        event.transpose()
    }
}

fn told(path: &Path, events: u64, error: FrameError) -> ReplayError {
    let path = path.to_owned();
    match error {
        FrameError::Cut => ReplayError::CutShort { path, events },
        FrameError::Damaged(why) => ReplayError::Damaged { path, events, why: why.to_owned() },
        FrameError::Read(source) => ReplayError::Read { path, source },
    }
}

enum Input {
    File(BufReader<File>),
    Stream(Box<dyn BufRead + Send>),
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(bytes),
            Self::Stream(stream) => stream.read(bytes),
        }
    }
}

/// The chunks of a recording, in turn.
struct Chunks {
    input: Input,
    header: Header,
    /// Where the wanted chunks are, if the index told.
    planned: Option<VecDeque<u64>>,
    open: Unpacker,
    /// Events read so far.
    events: u64,
    end: bool,
}

impl Chunks {
    fn next(&mut self, path: &Path, selection: &Selection) -> Result<Option<Event>, ReplayError> {
        loop {
            let event = self.open.next().map_err(|error| ReplayError::Damaged {
                path: path.to_owned(),
                events: self.events,
                why: error.to_string(),
            })?;
            if event.is_some() {
                self.events += 1;
                return Ok(event);
            }
            match self.chunk(selection) {
                Ok(Some(text)) => self.open = Unpacker::new(text),
                Ok(None) => return Ok(None),
                Err(error) => return Err(told(path, self.events, error)),
            }
        }
    }

    /// Returns the text of the next chunk that may have what is wanted.
    fn chunk(&mut self, selection: &Selection) -> Result<Option<Vec<u8>>, FrameError> {
        while !self.end {
            if let (Some(planned), Input::File(file)) = (&mut self.planned, &mut self.input) {
                let Some(offset) = planned.pop_front() else { break };
                file.seek(SeekFrom::Start(offset)).map_err(FrameError::Read)?;
            }
            let frame = Frame::read(&mut self.input)?.ok_or(FrameError::Cut)?;
            if frame.tag == Tag::Index {
                self.end = true;
                break;
            }
            let wanted = match serde_json::from_slice::<Summary>(&frame.summary) {
                Ok(summary) => selection.may_have(&summary),
                Err(_) => return Err(FrameError::Damaged("a summary is not to be understood")),
            };
            if wanted {
                return frame.text().map(Some);
            }
        }
        Ok(None)
    }

    /// Looks into the index, if it can be had, for the chunks that may have what is wanted.
    fn plan(&mut self, selection: &Selection) {
        let Input::File(file) = &mut self.input else { return };
        let Ok(here) = file.stream_position() else { return };
        self.planned = index(file).map(|index| {
            let wanted = index.chunks.into_iter();
            wanted.filter(|at| selection.may_have(&at.summary)).map(|at| at.offset).collect()
        });
        if self.planned.is_none() && file.seek(SeekFrom::Start(here)).is_err() {
            // Then the next read says what is wrong.
            self.planned = None;
        }
    }
}

/// Returns the index of a whole recording whose chunks it lists.
fn index(file: &mut BufReader<File>) -> Option<Index> {
    let mut end = [0; END_BYTES];
    file.seek(SeekFrom::End(-(END_BYTES as i64))).ok()?;
    file.read_exact(&mut end).ok()?;
    file.seek(SeekFrom::Start(frame::read_end(&end)?)).ok()?;
    let frame = Frame::read(file).ok()??;
    let index: Index = serde_json::from_slice(&frame.text().ok()?).ok()?;
    // Each chunk once, or a small file would keep a reader busy for ever.
    let rises = index.chunks.is_sorted_by(|one, next| one.offset < next.offset);
    (frame.tag == Tag::Index && rises && !index.chunks.is_empty()).then_some(index)
}
