//! The bytes of a recording: a header, then frames.
//!
//! ```text
//! header  "SAKEREVT" version[4] length[4] crc[4] JSON
//! frame   tag[4] summary length[4] packed length[4] text length[4] crc[4] summary (JSON) packed (zstd)
//! end     "SAKEREND" offset of the index[8] crc[4]
//! ```
//! All numbers are little-endian. A chunk's tag is `CHNK`; the index is a frame of tag `INDX` without
//! a summary. A checksum covers everything in its part but itself.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
};

use serde::{Deserialize, Serialize};

pub(super) const VERSION: u32 = 2;
pub(super) const MAGIC: [u8; 8] = *b"SAKEREVT";
const END_MAGIC: [u8; 8] = *b"SAKEREND";
/// Bytes at the end of a whole recording.
pub(super) const END_BYTES: usize = 20;
const HEADER_BYTES_MAX: u32 = 64 << 10;
const SUMMARY_BYTES_MAX: u32 = 64 << 10;
/// Text of one chunk or index, and its packed form, which is hardly ever longer.
pub(super) const TEXT_BYTES_MAX: u32 = 16 << 20;
const PACKED_BYTES_MAX: u32 = TEXT_BYTES_MAX + (64 << 10);

/// Where and by whom a recording was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    pub hostname: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Version of the agent.
    pub agent: String,
    /// Nanoseconds since 1970.
    pub started_ns: u64,
}

impl Header {
    /// Returns that of a recording that this agent begins now.
    pub fn here(hostname: String) -> Self {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let started_ns = u64::try_from(service::clock::now().as_nanosecond()).unwrap_or_default();
        Self { hostname, kernel, agent: env!("CARGO_PKG_VERSION").to_owned(), started_ns }
    }
}

/// What is in a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub events: u32,
    /// Of the earliest event, nanoseconds since 1970.
    pub first_ns: u64,
    pub last_ns: u64,
    /// Events by the name of their kind.
    pub kinds: BTreeMap<String, u32>,
    /// The processes they are of; absent when there are too many to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<Vec<i32>>,
}

/// The index: each chunk with its place in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    pub(super) chunks: Vec<Indexed>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Indexed {
    pub(super) offset: u64,
    #[serde(flatten)]
    pub(super) summary: Summary,
}

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("it ends in the middle")]
    Cut,
    #[error("{0}")]
    Damaged(&'static str),
    #[error("it cannot be read")]
    Read(#[source] io::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Chunk,
    Index,
}

impl Tag {
    const fn bytes(self) -> [u8; 4] {
        match self {
            Self::Chunk => *b"CHNK",
            Self::Index => *b"INDX",
        }
    }
}

pub(super) fn write_header(header: &Header, out: &mut impl Write) -> io::Result<usize> {
    let text = serde_json::to_vec(header)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(length(&text, HEADER_BYTES_MAX)?.to_le_bytes());
    let crc = crc(&[&bytes, &text]);
    bytes.extend(crc.to_le_bytes());
    bytes.extend(text);
    out.write_all(&bytes)?;
    Ok(bytes.len())
}

/// Reads what follows the magic bytes; the version comes alone where it is another.
pub(super) fn read_header(input: &mut impl Read) -> Result<Result<Header, u32>, FrameError> {
    let head: [u8; 12] = read_array(input)?;
    let [version, length, sum] = numbers(&head);
    if version != VERSION {
        return Ok(Err(version));
    }
    let text = read_bytes(input, length, HEADER_BYTES_MAX)?;
    if crc(&[&MAGIC, &head[..8], &text]) != sum {
        return Err(FrameError::Damaged("its header does not have its checksum"));
    }
    let header = serde_json::from_slice(&text);
    header.map(Ok).map_err(|_| FrameError::Damaged("its header is not to be understood"))
}

/// Returns a whole frame.
pub(super) fn frame(tag: Tag, summary: &[u8], text: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let packed = zstd::bulk::compress(text, level)?;
    let mut bytes = Vec::with_capacity(20 + summary.len() + packed.len());
    bytes.extend(tag.bytes());
    bytes.extend(length(summary, SUMMARY_BYTES_MAX)?.to_le_bytes());
    bytes.extend(length(&packed, PACKED_BYTES_MAX)?.to_le_bytes());
    bytes.extend(length(text, TEXT_BYTES_MAX)?.to_le_bytes());
    let crc = crc(&[&bytes, summary, &packed]);
    bytes.extend(crc.to_le_bytes());
    bytes.extend(summary);
    bytes.extend(packed);
    Ok(bytes)
}

/// A frame, its text still packed.
pub(super) struct Frame {
    pub(super) tag: Tag,
    pub(super) summary: Vec<u8>,
    packed: Vec<u8>,
    text_length: u32,
}

impl Frame {
    /// Reads one frame; nothing where the input ends before it.
    pub(super) fn read(input: &mut impl Read) -> Result<Option<Self>, FrameError> {
        let mut head = [0; 20];
        // An end right here is that of a recording whose writer was killed.
        match input.read(&mut head[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::Read(error)),
        }
        let rest: [u8; 19] = read_array(input)?;
        head[1..].copy_from_slice(&rest);
        let [tag, summary_length, packed_length, text_length, sum] = numbers(&head);
        let tags = [Tag::Chunk, Tag::Index];
        let Some(tag) = tags.into_iter().find(|known| known.bytes() == tag.to_le_bytes()) else {
            return Err(FrameError::Damaged("something that is no chunk stands where one begins"));
        };
        if text_length > TEXT_BYTES_MAX {
            return Err(FrameError::Damaged("a chunk says it is longer than any is"));
        }
        let summary = read_bytes(input, summary_length, SUMMARY_BYTES_MAX)?;
        let packed = read_bytes(input, packed_length, PACKED_BYTES_MAX)?;
        if crc(&[&head[..16], &summary, &packed]) != sum {
            return Err(FrameError::Damaged("a chunk does not have its checksum"));
        }
        Ok(Some(Self { tag, summary, packed, text_length }))
    }

    pub(super) fn text(&self) -> Result<Vec<u8>, FrameError> {
        let text = zstd::bulk::decompress(&self.packed, self.text_length as usize);
        match text {
            Ok(text) if text.len() == self.text_length as usize => Ok(text),
            _ => Err(FrameError::Damaged("a chunk cannot be unpacked")),
        }
    }
}

pub(super) fn end(index_offset: u64) -> [u8; END_BYTES] {
    let mut bytes = [0; END_BYTES];
    bytes[..8].copy_from_slice(&END_MAGIC);
    bytes[8..16].copy_from_slice(&index_offset.to_le_bytes());
    let crc = crc(&[&bytes[..16]]);
    bytes[16..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Returns where the index is, if these are the last bytes of a whole recording.
pub(super) fn read_end(bytes: &[u8; END_BYTES]) -> Option<u64> {
    let (said, sum) = bytes.split_at(16);
    let whole = said.starts_with(&END_MAGIC) && crc(&[said]).to_le_bytes() == sum;
    whole.then(|| u64::from_le_bytes(std::array::from_fn(|index| said[8 + index])))
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

fn length(bytes: &[u8], max: u32) -> io::Result<u32> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= max);
    length.ok_or_else(|| io::Error::other("a part of the recording is too long"))
}

/// Returns the little-endian numbers in `bytes`.
fn numbers<const N: usize>(bytes: &[u8]) -> [u32; N] {
    std::array::from_fn(|index| {
        u32::from_le_bytes(std::array::from_fn(|byte| bytes[4 * index + byte]))
    })
}

fn read_array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], FrameError> {
    let mut bytes = [0; N];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(FrameError::Cut),
        Err(error) => Err(FrameError::Read(error)),
    }
}

/// Reads `length` bytes, and takes memory only for those that are there.
fn read_bytes(input: &mut impl Read, length: u32, max: u32) -> Result<Vec<u8>, FrameError> {
    if length > max {
        return Err(FrameError::Damaged("a part says it is longer than any is"));
    }
    let mut bytes = Vec::new();
    let read = input.take(length.into()).read_to_end(&mut bytes).map_err(FrameError::Read)?;
    if read < length as usize { Err(FrameError::Cut) } else { Ok(bytes) }
}
