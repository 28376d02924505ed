//! An append-only file that is renamed when it is large or old, and reopened when it was moved.

use std::{
    ffi::OsString,
    fs::{File, Metadata, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;

use service::clock;

/// When the file is renamed, and how many renamed ones are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation {
    pub(super) bytes_max: u64,
    pub(super) age_max: Option<Duration>,
    pub(super) keep_max: u32,
}

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Second of the Unix epoch at which the file was made.
    since: i64,
    rotation: Rotation,
    fsync: bool,
}

impl Log {
    pub(super) fn open(path: &Path, rotation: Rotation, fsync: bool) -> io::Result<Self> {
        let (file, metadata) = open(path)?;
        let mut log = Self {
            path: path.to_owned(),
            file,
            bytes: metadata.len(),
            since: made(&metadata),
            rotation,
            fsync,
        };
        log.end_torn_line()?;
        Ok(log)
    }

    /// Appends whole lines, or nothing.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.reopen_if_moved()?;
        if self.is_full(lines.len() as u64) {
            self.rotate()?;
        }
        let written = self.file.write_all(lines).and_then(|()| match self.fsync {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        match written {
            Ok(()) => {
                self.bytes += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // The same lines come again: take back what of them got through.
                self.file.set_len(self.bytes)?;
                Err(error)
            }
        }
    }

    /// Opens the path anew when something else is there than what we write to.
    pub(super) fn reopen_if_moved(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        let there = match self.path.symlink_metadata() {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there.is_some_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            // Another tool may have emptied it.
            self.bytes = ours.len();
            return Ok(());
        }
        self.reopen()
    }

    fn reopen(&mut self) -> io::Result<()> {
        let (file, metadata) = open(&self.path)?;
        (self.file, self.bytes, self.since) = (file, metadata.len(), made(&metadata));
        Ok(())
    }

    fn is_full(&self, more: u64) -> bool {
        let age = u64::try_from(clock::now().as_second() - self.since).unwrap_or(0);
        let old = self.rotation.age_max.is_some_and(|max| age >= max.as_secs());
        self.bytes > 0 && (old || self.bytes + more > self.rotation.bytes_max)
    }

    /// `path` becomes `path.1`, `path.1` becomes `path.2`, and the last is dropped.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.rotation.keep_max).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        if self.rotation.keep_max == 0 {
            std::fs::remove_file(&self.path)?;
        } else {
            rename(&self.path, &self.numbered(1))?;
        }
        self.reopen()
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path: OsString = self.path.clone().into();
        path.push(format!(".{number}"));
        path.into()
    }

    /// Ends a line that a crash left unfinished, so that the next one is whole.
    fn end_torn_line(&mut self) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        let mut last = [b'\n'];
        if self.bytes > 0 {
            File::open(&self.path)?.read_exact_at(&mut last, self.bytes - 1)?;
        }
        if last != [b'\n'] {
            self.file.write_all(b"\n")?;
            self.bytes += 1;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let no_follow = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, metadata))
}

/// Returns when a file was made, or last written where that is not known.
fn made(metadata: &Metadata) -> i64 {
    let made =
        metadata.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    made.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_else(|| metadata.mtime())
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Rotation = Rotation { bytes_max: u64::MAX, age_max: None, keep_max: 2 };

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        (folder, path)
    }

    fn check(path: &Path, expect: &str) {
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), expect, "{path:?}");
    }

    #[test]
    fn lines_are_appended_to_a_file_only_its_owner_reads() {
        let (_folder, path) = folder();
        let mut log = Log::open(&path, NEVER, true).unwrap();
        log.append(b"one\n").unwrap();
        log.append(b"two\n").unwrap();
        check(&path, "one\ntwo\n");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_that_a_crash_tore_is_ended() {
        let (_folder, path) = folder();
        std::fs::write(&path, "before\nto").unwrap();
        let mut log = Log::open(&path, NEVER, false).unwrap();
        log.append(b"one\n").unwrap();
        check(&path, "before\nto\none\n");
    }

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_dropped() {
        let (_folder, path) = folder();
        let mut log = Log::open(&path, Rotation { bytes_max: 8, ..NEVER }, false).unwrap();
        for line in ["1111\n", "22\n", "3333\n", "4444\n", "a line longer than all\n", "6\n"] {
            log.append(line.as_bytes()).unwrap();
        }
        check(&path, "6\n");
        check(&path.with_extension("1"), "a line longer than all\n");
        check(&path.with_extension("2"), "4444\n");
        assert!(!path.with_extension("3").exists());
    }

    #[test]
    fn an_old_file_is_renamed() {
        let (_folder, path) = folder();
        let rotation = Rotation { age_max: Some(Duration::from_secs(60)), ..NEVER };
        let mut log = Log::open(&path, rotation, false).unwrap();
        log.append(b"old\n").unwrap();
        log.since -= 61;
        log.append(b"new\n").unwrap();
        check(&path, "new\n");
        check(&path.with_extension("1"), "old\n");
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_opened_anew() {
        let (folder, path) = folder();
        let mut log = Log::open(&path, NEVER, false).unwrap();
        log.append(b"one\n").unwrap();
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        log.append(b"two\n").unwrap();
        check(&folder.path().join("moved"), "one\n");
        check(&path, "two\n");
        std::fs::remove_file(&path).unwrap();
        log.append(b"three\n").unwrap();
        check(&path, "three\n");
    }

    #[test]
    fn a_symbolic_link_or_a_pipe_is_refused() {
        let (folder, path) = folder();
        std::os::unix::fs::symlink(folder.path().join("target"), &path).unwrap();
        assert!(Log::open(&path, NEVER, false).is_err());
        assert!(!folder.path().join("target").exists());
        assert!(Log::open(Path::new("/dev/null"), NEVER, false).is_err());
    }

    #[test]
    fn a_write_that_fails_leaves_no_part_of_a_line() {
        // A handle that cannot write stands for a full disk.
        let (_folder, path) = folder();
        let mut log = Log::open(&path, NEVER, false).unwrap();
        log.append(b"one\n").unwrap();
        log.file = File::open(&path).unwrap();
        assert!(log.append(b"two\n").is_err());
        check(&path, "one\n");
    }
}
