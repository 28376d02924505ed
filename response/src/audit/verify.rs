//! Reads an audit from its first line to its last and holds every line against the one before.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    LINE_BYTES_MAX,
    chain::{self, Checkpoint, HASH_MARK, Head},
};
use crate::entry::Entry;

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub sequence: u64,
    pub time: Timestamp,
    pub previous: String,
    pub entry: Entry,
    pub hash: String,
}

/// A whole audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub head: Head,
    pub files: usize,
}

/// Where the chain breaks.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("failed to read `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}`, line {line}: {what}", path.display())]
    Line { path: PathBuf, line: usize, what: String },
    #[error(
        "the chain does not go through the checkpoint {0}: lines are missing or were made anew"
    )]
    Checkpoint(Checkpoint),
}

/// Reads the audit in `folder` and hands each line to `seen`; fails at the first that does not fit.
pub fn verify(
    folder: &Path,
    checkpoints: &[Checkpoint],
    mut seen: impl FnMut(Line),
) -> Result<Report, VerifyError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| VerifyError::Io { path, source }
    };
    let files = files(folder).map_err(io(folder))?;
    let mut head = Head::default();
    let mut missed: Vec<&Checkpoint> = checkpoints.iter().collect();
    for path in &files {
        let fail = |line: usize, what: String| VerifyError::Line { path: path.clone(), line, what };
        if *path != folder.join(file_name(head.sequence + 1)) {
            let what = format!("the file before it ends with line {}", head.sequence);
            return Err(fail(1, what));
        }
        let mut reader = BufReader::new(File::open(path).map_err(io(path))?);
        let mut number = 0;
        loop {
            let mut text = Vec::new();
            let read = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
            let read = { read }.read_until(b'\n', &mut text).map_err(io(path))?;
            if read == 0 {
                break;
            }
            number += 1;
            let line = check(&text, &head).map_err(|what| fail(number, what))?;
            head = Head { sequence: line.sequence, hash: line.hash.clone() };
            missed.retain(|point| point.sequence != head.sequence || point.hash != head.hash);
            seen(line);
        }
    }
    match missed.first() {
        Some(checkpoint) => Err(VerifyError::Checkpoint((*checkpoint).clone())),
        None => Ok(Report { head, files: files.len() }),
    }
}

fn check(text: &[u8], head: &Head) -> Result<Line, String> {
    let text = text.strip_suffix(b"\n").ok_or("the line does not end")?;
    let line: Line =
        serde_json::from_slice(text).map_err(|error| format!("it is no entry: {error}"))?;
    let hashed = text.len().saturating_sub(HASH_MARK.len() + 64 + 2);
    if !text[hashed..].starts_with(HASH_MARK.as_bytes()) {
        return Err("the hash is not at its end".into());
    }
    if line.sequence != head.sequence + 1 {
        return Err(format!("it has number {} after {}", line.sequence, head.sequence));
    }
    if line.previous != head.hash {
        return Err("it does not follow the line before it".into());
    }
    if chain::hash(&text[..hashed]) != line.hash {
        return Err("its text is not what was hashed".into());
    }
    Ok(line)
}

/// Returns the audit's files in their order.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("audit-") && name.ends_with(".jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the name of the file that begins with this line.
pub(super) fn file_name(sequence: u64) -> String {
    format!("audit-{sequence:016}.jsonl")
}

/// Cuts a line without an end off the last file: it was never acknowledged.
pub(super) fn cut_torn_line(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LINE_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let kept = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = (tail.len() - kept) as u64;
    // Longer than any line of ours: not a torn one, and for a person to look at.
    if torn > 0 && (kept > 0 || from == 0) {
        file.set_len(length - torn)?;
        file.sync_all()?;
        return Ok(torn);
    }
    Ok(0)
}
