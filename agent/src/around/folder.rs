//! The folder of recordings around alerts: bounded in files and bytes, for its owner only.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What our files end in.
const ENDING: &str = "saker";

/// Makes the folder, unless it is there.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

/// Makes a file that is not there yet.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes the oldest files until the rest is within both bounds; returns how many.
pub(super) fn tidy(folder: &Path, files_max: usize, bytes_max: u64) -> io::Result<u64> {
    let mut files: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        if metadata.is_file() && is_ours(&path) {
            files.push((metadata.modified()?, path, metadata.len()));
        }
    }
    files.sort();
    let (mut count, mut bytes) = (files.len(), files.iter().map(|(.., bytes)| bytes).sum::<u64>());
    let mut removed = 0;
    for (_, path, size) in files {
        if count <= files_max.max(1) && (bytes <= bytes_max || count <= 1) {
            break;
        }
        fs::remove_file(path)?;
        (count, bytes, removed) = (count - 1, bytes - size, removed + 1);
    }
    Ok(removed)
}

/// Returns whether a file is named as ours are: what else is in the folder is left alone.
fn is_ours(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    path.extension().is_some_and(|ending| ending == ENDING)
        && stem.parse::<alert::AlertId>().is_ok()
}
