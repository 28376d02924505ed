//! The audit: one JSON line an entry, each with the hash of the one before, on disk before anything
//! it announces happens.
//!
//! A changed, removed or moved line breaks the chain at that line. Lines cut from the end leave a
//! whole chain: to see that, keep a checkpoint (a sequence and its hash) elsewhere.

mod chain;
mod verify;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use service::ErrorChain;

pub use self::{
    chain::{Checkpoint, Head},
    verify::{Line, Report, VerifyError, verify},
};
use crate::entry::Entry;

/// Longest line; what is in it is bounded where it is made.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;
const LOCK: &str = "lock";

/// Bounds of the files.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub file_bytes_max: u64,
    pub bytes_max: u64,
}

/// The audit cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("another responder has `{}` open", .0.display())]
    Locked(PathBuf),
    #[error("the audit is not whole: nothing is done until a person has looked at it")]
    Broken(#[from] VerifyError),
}

/// An entry could not be made durable, so what it announces must not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("the audit is full ({bytes_max} bytes): raise `response.audit.bytes_max`")]
    Full { bytes_max: u64 },
    /// It could not be read back.
    #[error("an entry of more than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("failed to write the audit: {0}")]
    Failed(String),
}

/// The open audit.
#[derive(Debug)]
pub struct Audit {
    folder: PathBuf,
    limits: Limits,
    head: Head,
    file: File,
    file_bytes: u64,
    bytes: u64,
    /// After a failed write nobody knows what is on disk: no more is written.
    failure: Option<String>,
    _lock: File,
}

impl Audit {
    /// Opens the audit in `folder`, making it if needed, reads it whole and hands each line to `seen`.
    /// An unfinished last line is cut off, and its length returned: nobody was told of it. Any other
    /// damage is an error.
    pub fn open(
        folder: &Path,
        limits: Limits,
        seen: impl FnMut(Line),
    ) -> Result<(Self, u64), OpenError> {
        let fail = |action, path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { action, path, source }
        };
        fs::create_dir_all(folder).map_err(fail("make the folder", folder))?;
        let lock_path = folder.join(LOCK);
        let lock = OpenOptions::new().create(true).append(true).open(&lock_path);
        let lock = lock.map_err(fail("open", &lock_path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| OpenError::Locked(folder.to_owned()))?;

        let mut torn_bytes = 0;
        let mut files = verify::files(folder).map_err(fail("list", folder))?;
        if let Some(last) = files.last() {
            torn_bytes = verify::cut_torn_line(last).map_err(fail("mend", last))?;
        }
        let report = verify::verify(folder, &[], seen)?;
        if files.is_empty() {
            files.push(folder.join(verify::file_name(1)));
        }
        let bytes = files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len())).sum();
        let path = files.pop().unwrap_or_default();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(fail("open", &path))?;
        let file_bytes = file.metadata().map_err(fail("read", &path))?.len();
        sync_folder(folder).map_err(fail("sync", folder))?;
        let (head, folder, failure) = (report.head, folder.to_owned(), None);
        let audit = Self { folder, limits, head, file, file_bytes, bytes, failure, _lock: lock };
        Ok((audit, torn_bytes))
    }

    /// Appends entries in one write and returns when they are on disk, all or none of them.
    pub fn append(&mut self, time: Timestamp, entries: &[Entry]) -> Result<(), AppendError> {
        if let Some(failure) = &self.failure {
            return Err(AppendError::Failed(failure.clone()));
        }
        let (mut head, mut text) = (self.head.clone(), Vec::new());
        for entry in entries {
            let start = text.len();
            head = head.extend(time, entry, &mut text);
            if text.len() - start > LINE_BYTES_MAX {
                return Err(AppendError::TooLong);
            }
        }
        let length = text.len() as u64;
        if self.bytes + length > self.limits.bytes_max {
            return Err(AppendError::Full { bytes_max: self.limits.bytes_max });
        }
        let written = self.rotate_before(length).and_then(|()| {
            self.file.write_all(&text)?;
            self.file.sync_data()
        });
        if let Err(error) = written {
            let failure = ErrorChain(&error).to_string();
            self.failure = Some(failure.clone());
            return Err(AppendError::Failed(failure));
        }
        self.head = head;
        self.file_bytes += length;
        self.bytes += length;
        Ok(())
    }

    fn rotate_before(&mut self, length: u64) -> io::Result<()> {
        if self.file_bytes == 0 || self.file_bytes + length <= self.limits.file_bytes_max {
            return Ok(());
        }
        let path = self.folder.join(verify::file_name(self.head.sequence + 1));
        self.file = OpenOptions::new().create_new(true).append(true).open(path)?;
        self.file_bytes = 0;
        sync_folder(&self.folder)
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns why nothing can be written, if that is so.
    pub fn failure(&self) -> Option<String> {
        let full = self.bytes + LINE_BYTES_MAX as u64 > self.limits.bytes_max;
        self.failure.clone().or_else(|| full.then(|| "the audit is almost full".to_owned()))
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { file_bytes_max: 600, bytes_max: 1 << 20 };

    fn open(folder: &Path, limits: Limits) -> Result<(Audit, u64), OpenError> {
        Audit::open(folder, limits, |_| {})
    }

    fn entry(number: u64) -> Entry {
        Entry::Flooded { alerts: number }
    }

    fn written(entries: u64) -> (tempfile::TempDir, Head) {
        let folder = tempfile::tempdir().unwrap();
        let (mut audit, _) = open(folder.path(), LIMITS).unwrap();
        for number in 0..entries {
            audit.append(Timestamp::UNIX_EPOCH, &[entry(number)]).unwrap();
        }
        let head = audit.head().clone();
        (folder, head)
    }

    fn lines(folder: &Path) -> Vec<(PathBuf, usize, String)> {
        let mut lines = Vec::new();
        for file in verify::files(folder).unwrap() {
            for (index, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
                lines.push((file.clone(), index, line.to_owned()));
            }
        }
        lines
    }

    fn rewrite(file: &Path, change: impl Fn(Vec<String>) -> Vec<String>) {
        let text = fs::read_to_string(file).unwrap();
        let lines = change(text.lines().map(str::to_owned).collect());
        fs::write(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }

    #[test]
    fn what_was_written_is_read_back_over_many_files() {
        let (folder, head) = written(20);
        assert!(verify::files(folder.path()).unwrap().len() > 2);
        let mut entries = Vec::new();
        let seen = |line: Line| entries.push(line.entry);
        let (audit, torn_bytes) = Audit::open(folder.path(), LIMITS, seen).unwrap();
        assert_eq!((audit.head(), torn_bytes), (&head, 0));
        assert_eq!(entries, (0..20).map(entry).collect::<Vec<_>>());
    }

    #[test]
    fn a_changed_removed_moved_or_repeated_line_is_found_where_it_is() {
        let all = |folder: &Path| verify(folder, &[], |_| {});
        for (what, change) in [
            (
                "flip",
                (|mut lines| {
                    lines[1] = lines[1].replace("alerts\":", "alerts\": ");
                    lines
                }) as fn(Vec<String>) -> Vec<String>,
            ),
            ("delete", |mut lines| {
                lines.remove(1);
                lines
            }),
            ("swap", |mut lines| {
                lines.swap(0, 1);
                lines
            }),
            ("repeat", |mut lines| {
                lines.insert(1, lines[1].clone());
                lines
            }),
        ] {
            let (folder, _) = written(20);
            let file = &verify::files(folder.path()).unwrap()[1];
            rewrite(file, change);
            let error = all(folder.path()).expect_err(what).to_string();
            // A line that is gone from the end of a file shows at the start of the next.
            assert!(error.contains("audit-") && error.contains(", line "), "{what}: {error}");
            assert!(open(folder.path(), LIMITS).is_err(), "{what}: it must not go on");
        }
        let (folder, _) = written(20);
        fs::remove_file(&verify::files(folder.path()).unwrap()[1]).unwrap();
        assert!(all(folder.path()).is_err(), "a whole file is gone");
    }

    #[test]
    fn lines_cut_from_the_end_are_found_by_a_checkpoint() {
        let (folder, head) = written(20);
        let last = lines(folder.path()).pop().unwrap();
        rewrite(&last.0, |mut lines| {
            lines.pop();
            lines
        });
        assert!(verify(folder.path(), &[], |_| {}).is_ok());
        let checkpoint = Checkpoint { sequence: head.sequence, hash: head.hash };
        assert!(verify(folder.path(), std::slice::from_ref(&checkpoint), |_| {}).is_err());
        let (folder, _) = written(20);
        let forged = Checkpoint { sequence: 5, hash: "0".repeat(64) };
        assert!(verify(folder.path(), &[forged], |_| {}).is_err());
        assert!(verify(folder.path(), &[checkpoint], |_| {}).is_ok());
    }

    #[test]
    fn an_unfinished_last_line_is_cut_and_told() {
        let (folder, head) = written(3);
        let file = verify::files(folder.path()).unwrap().pop().unwrap();
        let mut torn = OpenOptions::new().append(true).open(&file).unwrap();
        torn.write_all(b"{\"sequence\":4,\"time\"").unwrap();
        let (mut audit, torn_bytes) = open(folder.path(), LIMITS).unwrap();
        assert_eq!((audit.head(), torn_bytes), (&head, 20));
        audit.append(Timestamp::UNIX_EPOCH, &[entry(9)]).unwrap();
        drop(audit);
        assert_eq!(open(folder.path(), LIMITS).unwrap().0.head().sequence, 4);
    }

    #[test]
    fn a_full_audit_takes_no_more_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { bytes_max: 700, ..LIMITS };
        let (mut audit, _) = open(folder.path(), limits).unwrap();
        let end = (0..100).find_map(|n| audit.append(Timestamp::UNIX_EPOCH, &[entry(n)]).err());
        assert_eq!(end, Some(AppendError::Full { bytes_max: 700 }));
        assert!(audit.failure().is_some());
        assert!(verify(folder.path(), &[], |_| {}).is_ok());
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let (folder, head) = written(3);
        let (mut audit, _) =
            open(folder.path(), Limits { file_bytes_max: 1 << 30, bytes_max: 1 << 30 }).unwrap();
        let long = Entry::Swept { namespace: "x".repeat(LINE_BYTES_MAX), policy: String::new() };
        assert_eq!(audit.append(Timestamp::UNIX_EPOCH, &[long]), Err(AppendError::TooLong));
        assert_eq!((audit.head(), audit.failure()), (&head, None));
    }

    #[test]
    fn two_responders_do_not_write_one_audit() {
        let folder = tempfile::tempdir().unwrap();
        let held = open(folder.path(), LIMITS).unwrap();
        assert!(matches!(open(folder.path(), LIMITS), Err(OpenError::Locked(_))));
        drop(held);
        assert!(open(folder.path(), LIMITS).is_ok());
    }
}
