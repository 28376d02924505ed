//! The history's files: a numbered part each, oldest deleted first.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

const SUFFIX: &str = ".sqlite";
/// Name of the last file that could not be used.
const ASIDE: &str = "history.damaged";
/// What SQLite keeps beside a file that is open.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// One file, by its name: `000017-2026-11-27.sqlite`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    /// Grows by one: decisions in a part with a higher number were made later.
    pub(super) number: u64,
    /// Of its first decision, in UTC.
    pub(super) day: Date,
    pub(super) path: PathBuf,
}

impl File {
    pub(super) fn new(folder: &Path, number: u64, day: Date) -> Self {
        Self { number, day, path: folder.join(format!("{number:06}-{day}{SUFFIX}")) }
    }

    fn parse(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
        let (number, day) = name.split_once('-')?;
        let (number, day) = (number.parse().ok()?, day.parse().ok()?);
        Some(Self { number, day, path })
    }

    /// Returns its size, with what SQLite keeps beside it.
    pub(super) fn bytes(&self) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        size(&self.path) + BESIDE.iter().map(|suffix| size(&self.beside(suffix))).sum::<u64>()
    }

    pub(super) fn delete(&self) -> io::Result<()> {
        fs::remove_file(&self.path)?;
        self.without_beside()
    }

    /// Puts a file out of the way that cannot be used, in place of the one that was there before;
    /// returns where it is.
    pub(super) fn put_aside(&self) -> io::Result<PathBuf> {
        let aside = self.path.with_file_name(ASIDE);
        fs::rename(&self.path, &aside)?;
        self.without_beside()?;
        Ok(aside)
    }

    fn without_beside(&self) -> io::Result<()> {
        for suffix in BESIDE {
            match fs::remove_file(self.beside(suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }
}

/// Returns the files, the oldest first; none if there is no folder.
pub(super) fn list(folder: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        files.extend(File::parse(entry?.path()));
    }
    files.sort();
    Ok(files)
}

pub(super) fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_in_the_order_of_their_numbers_whatever_their_days() {
        let folder = tempfile::tempdir().unwrap();
        let day = |text: &str| text.parse().unwrap();
        let files = [
            File::new(folder.path(), 9, day("2031-01-01")),
            File::new(folder.path(), 1_000_000, day("2026-11-27")),
            File::new(folder.path(), 1_000_001, day("2026-11-27")),
        ];
        for file in files.iter().rev() {
            fs::write(&file.path, "12345").unwrap();
            fs::write(file.beside("-wal"), "123").unwrap();
        }
        for name in ["000001-today.sqlite", "x-2026-11-27.sqlite", "000002-2026-11-27.damaged"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(list(folder.path()).unwrap(), files);
        assert_eq!(files[0].bytes(), 8);
        files[0].delete().unwrap();
        let aside = files[1].put_aside().unwrap();
        assert!(aside.ends_with(ASIDE));
        assert_eq!(list(folder.path()).unwrap(), files[2..]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }
}
